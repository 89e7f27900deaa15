"""Snapshot in, rows of cells out: what stands on the screen and what it means, without a screen library."""
