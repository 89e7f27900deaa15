"""Whole runs through the command line, as an operator starts them."""
