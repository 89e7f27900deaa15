"""The write-ahead store: what the engine knows, on disk before it acts on it."""
