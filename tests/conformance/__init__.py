"""One numbered conformance suite for every broker adapter.

To add a broker: write a bench (`tests/conformance/benches`) that connects its adapter to its venue and can
script that venue's faults, and a test file of a dozen lines that runs `CASES` with it.
"""

from tests.conformance import (  # noqa: F401 - each registers its cases
    brackets,
    changes,
    corrections,
    disconnects,
    emergency,
    fills,
    instruments,
    market,
    orders,
    pacing,
    session,
    snapshots,
)
