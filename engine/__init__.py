"""The execution engine: orders, positions, risk, recovery. Imports neither a screen nor a broker by name."""
