"""The panes of the desk, one widget per file; each takes a snapshot and shows its part of it."""
