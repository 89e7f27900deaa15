"""The sentinel as processes: the engine's way to it, and the process itself."""
