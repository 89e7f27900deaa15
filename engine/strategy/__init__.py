"""The strategy author's interface and the host that runs each strategy in a process of its own."""
