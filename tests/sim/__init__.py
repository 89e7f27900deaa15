"""The whole system in one seeded, simulated run after the other; see `python -m tests.sim --help`."""
