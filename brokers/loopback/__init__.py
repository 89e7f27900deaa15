"""The simulated exchange in a process of its own, behind a socket on this machine."""
