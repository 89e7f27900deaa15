"""One thin adapter for each broker, and the simulated exchange behind the paper one."""
