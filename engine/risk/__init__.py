"""The pre-trade gate's controls and the independent risk loop."""
