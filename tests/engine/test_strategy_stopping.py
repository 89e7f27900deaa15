"""A strategy that an operator stops: what it leaves goes the way that was said, and it stays stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.control.commands import Resume, StopStrategy
from engine.model import Side
from tests.engine.rig import Rig

OWN: dict[str, Any] = {
    "strategies": (
        {"module": "tests.engine.quiet:Quiet", "name": "own", "symbols": ("CL",)},
        {"module": "tests.engine.quiet:Quiet", "name": "other", "symbols": ("CL",)},
    )
}


def states(rig: Rig) -> dict[str, str]:
    return {row.name: row.state for row in rig.engine.strategies.rows()}


@pytest.mark.parametrize(
    ("leave", "held", "working"), [("", 2, 0), ("cancel", 2, 0), ("keep", 2, 1), ("flatten", 0, 0)]
)
def test_what_it_leaves_goes_the_way_that_was_said(leave: Any, held: int, working: int) -> None:
    async def script(rig: Rig) -> None:
        _, refusal = rig.send(Side.BUY, 2, symbol="CL", strategy="own")
        assert refusal is None
        await rig.sleep(0.5)
        _, refusal = rig.send(Side.BUY, 1, 6_980, symbol="CL", strategy="own")
        assert refusal is None
        await rig.sleep(0.5)
        answer = await rig.command(StopStrategy(strategy="own", leave=leave))
        assert answer.ok, answer
        await rig.sleep(5)
        assert states(rig) == {"own": "stopped", "other": "running"}
        assert rig.position("CL") == rig.venue_position("CL") == held
        assert len(rig.engine.core.books.orders.working("CL", "own")) == working
        again = await rig.command(StopStrategy(strategy="own"))
        assert not again.ok and "stopped already" in again.text
        assert (await rig.command(Resume(strategy="own"))).ok
        await rig.sleep(1)
        assert states(rig)["own"] == "running"

    Rig.play(script, config=OWN)


def test_it_stays_stopped_over_a_restart_until_it_is_started(tmp_path: Path) -> None:
    async def stops(rig: Rig) -> None:
        assert (await rig.command(StopStrategy(strategy="own"))).ok
        await rig.sleep(1)

    async def later(rig: Rig) -> None:
        assert states(rig)["own"] != "running" and states(rig)["other"] == "running"
        assert (await rig.command(Resume(strategy="own"))).ok
        await rig.sleep(1)
        assert states(rig)["own"] == "running"
        assert rig.engine.core.books.halts.strategy("own") is None

    for script in (stops, later):
        Rig.play(script, directory=tmp_path, config=OWN)


def test_its_own_variables_and_intention_are_handed_back_over_a_restart(tmp_path: Path) -> None:
    config = {"strategies": ({"module": "tests.engine.quiet:Keeper", "name": "own", "symbols": ("CL",)},)}

    async def script(rig: Rig) -> None:
        await rig.sleep(2)
        found.append(json.loads(rig.engine.core.books.saved["own"]))

    found: list[dict[str, Any]] = []
    Rig.play(script, directory=tmp_path, config=config)
    Rig.play(script, directory=tmp_path, config=config)
    assert found == [{"starts": 1, "before": None}, {"starts": 2, "before": 2}]


def test_an_unknown_strategy_is_named() -> None:
    async def script(rig: Rig) -> None:
        answer = await rig.command(StopStrategy(strategy="nope"))
        assert not answer.ok and "known are other, own" in answer.text

    Rig.play(script, config=OWN)
