"""How much of what repeats itself is tried: a sample in `make test`, plenty in `make test-long`."""

from __future__ import annotations

import os

FULL = bool(os.environ.get("BREAKWATER_FULL"))
"""Whether recordings are played to their end and examples are drawn in plenty."""


def effort(usual: int, long: int) -> int:
    """How many examples, seeds, kills or rows: `usual` in `make test`, `long` with BREAKWATER_FULL=1."""
    return long if FULL else usual
