"""Keymaps that come with the desk; a file of the operator's own has the same form."""
