"""Palettes and style sheets of the workstation."""
