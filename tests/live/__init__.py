"""The real program in a real process: the workstation on a pseudo-terminal, seen by its user and by `ctl`."""
