"""Disks that fill, fail, go read-only or hang under a running engine, and files that somebody damaged."""
