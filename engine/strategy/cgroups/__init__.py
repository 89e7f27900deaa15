"""Control groups of Linux, of either version, for the processes of strategies."""
