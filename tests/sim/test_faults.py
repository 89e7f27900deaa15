"""Every kind of fault strikes when it is on, and a world with it alone holds what must hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.sim.faults import EXCHANGE, KINDS, Kind
from engine.sim.options import Options
from tests.sim.run import play

CALM = replace(
    Options.draw(8, 15.0), rates={}, latency_ms=5.0, commit_ms=1.0, order_ms=120.0, command_ms=700.0
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_fault_strikes_and_is_survived(kind: Kind) -> None:
    rates = {kind.name: 0.3 if kind.unit == "ratio" else 30.0}
    if kind.name == "reuse_ids":
        rates["disconnect"] = 20.0
    if kind.name in ("session_roll", "daylight", "protect"):  # rare: of a handful of events
        rates[kind.name] = 1.0
    result = play(replace(CALM, rates=rates))
    theirs = EXCHANGE.get(kind.name)
    assert result.counts.get(f"exchange {theirs}" if theirs else kind.name, 0) > 0, result.counts
    assert not result.failure, result.failure


def test_a_world_without_faults_trades_and_ends_flat() -> None:
    result = play(CALM)
    assert not result.failure, result.failure
    assert result.counts["executions"] >= 10 and result.counts["verdicts checked"] == 1, result.counts
