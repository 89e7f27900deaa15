"""The flight recorder as a person reads it: states, stories and rows of a journal in words."""
