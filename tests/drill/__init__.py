"""The drill's own tests."""
