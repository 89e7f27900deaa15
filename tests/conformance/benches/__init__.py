"""What a case meets: one bench for each adapter, with the fault script of its venue behind it."""

from __future__ import annotations

from brokers.ib import library
from tests.conformance.running import Runner


def adapters() -> list[Runner]:
    """All adapters that this environment can run."""
    from tests.conformance.benches import loopback, paper, shadow

    found = [Runner("paper", paper.run), Runner("loopback", loopback.run), Runner("shadow", shadow.run)]
    if not library.problem():
        from tests.conformance.benches import ib

        found.append(Runner(ib.name(), ib.run, ib.WITHOUT))
    return found
