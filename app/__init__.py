"""What a person runs: the command line, settings, logging, the workstation and its clients."""
