"""Real processes, killed: the exchange lives on, the engine starts again on what it had written."""
