"""`python -m tests.sim`: plays seeds in simulated worlds, one or thousands, and says which fail and how."""

from __future__ import annotations

import sys

from tests.sim.cli import main

if __name__ == "__main__":
    sys.exit(main())
