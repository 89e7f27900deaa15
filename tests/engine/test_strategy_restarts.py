"""Which strategies are started again after a failure, when, and which no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.control.commands import Kill, Resume, StopStrategy
from engine.model import NS, Side
from tests.engine.rig import START, Rig


def breaks(**changes: Any) -> dict[str, Any]:
    one = {"module": "tests.engine.quiet:Breaks", "name": "own", "symbols": ("CL",)}
    return {"strategies": ({**one, "restart": "on_failure", **changes},)}


def row(rig: Rig) -> Any:
    return rig.engine.strategies.rows()[0]


def latched(rig: Rig) -> str:
    halt = rig.engine.core.books.halts.strategy("own")
    return "" if halt is None else halt.reason


def test_it_is_started_again_later_and_later_and_then_no_more() -> None:
    async def script(rig: Rig) -> None:
        failed: dict[int, int] = {}
        started: dict[int, int] = {}
        for _ in range(1_000):
            await rig.sleep(0.01)
            seen = started if row(rig).state == "running" else failed
            seen.setdefault(row(rig).restarts, rig.engine.core.clock.mono())
            if row(rig).state == "failed" and row(rig).restarts < 2:
                assert row(rig).reason.endswith("it will be started again")
                assert not latched(rig)
        waits = [(started[n] - failed[n - 1]) / NS for n in (1, 2)]
        # The world was under way for a while before it was looked at.
        assert 0.4 < waits[0] <= 1.01 and waits[1] == pytest.approx(2.0, abs=0.05)
        assert (row(rig).state, row(rig).restarts) == ("failed", 2)
        assert latched(rig).endswith("not started again: 2 restarts within 600 s")
        assert (await rig.command(Resume(strategy="own"))).ok
        assert row(rig).state == "running" and not latched(rig)

    Rig.play(script, config=breaks(restart_max=2))


def test_never_by_itself_unless_it_is_said() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(10)
        assert (row(rig).state, row(rig).restarts) == ("failed", 0)
        assert "ValueError: broken" in latched(rig)

    Rig.play(script, config=breaks(restart="never"))


@pytest.mark.parametrize("when", ["before it fails", "while it waits"])
def test_never_while_the_account_is_halted(when: str) -> None:
    async def script(rig: Rig) -> None:
        if when == "while it waits":
            await rig.sleep(0.5)
        await rig.command(Kill(flatten=False, reason="test"))
        await rig.sleep(10)
        assert (row(rig).state, row(rig).restarts) == ("failed", 0)
        assert "not started again" in latched(rig)

    Rig.play(script, config=breaks())


def test_never_after_a_person_stopped_it() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(0.5)
        assert (await rig.command(StopStrategy(strategy="own"))).ok
        assert not (await rig.command(StopStrategy(strategy="own"))).ok, "once"
        await rig.sleep(10)
        assert (row(rig).state, row(rig).restarts) == ("failed", 0)
        assert latched(rig).startswith("not started again, by ")

    Rig.play(script, config=breaks())


@pytest.mark.parametrize("waits", [False, True])
def test_never_after_its_own_largest_loss(waits: bool) -> None:
    async def script(rig: Rig) -> None:
        if waits:
            await rig.sleep(0.5)
        rig.engine.strategies.give_up("own", "lost 500 of 400")
        await rig.sleep(10)
        assert (row(rig).state, row(rig).restarts) == ("failed", 0)
        assert "lost 500 of 400" in latched(rig)

    Rig.play(script, config=breaks())


def test_what_it_left_is_flat_before_it_is_started_again() -> None:
    async def script(rig: Rig) -> None:
        _, refusal = rig.send(Side.BUY, 2, symbol="CL", strategy="own")
        assert refusal is None
        await rig.sleep(5)
        assert row(rig).restarts >= 1
        assert rig.position("CL") == rig.venue_position("CL") == 0

    Rig.play(script, config=breaks(on_stop="flatten", restart_delay=0.001))


def test_an_engine_that_starts_anew_gives_no_fresh_allowance(tmp_path: Path) -> None:
    policy = breaks(restart_max=3, restart_window=3_600)

    async def before(rig: Rig) -> None:
        while row(rig).restarts < 2 or row(rig).state != "failed":
            await rig.sleep(0.05)
        assert not latched(rig), "the third is on its way when this run ends"

    async def after(rig: Rig) -> None:
        assert row(rig).restarts == 3, "the start with the engine was the third"
        await rig.sleep(30)
        assert (row(rig).state, row(rig).restarts) == ("failed", 3)
        assert latched(rig).endswith("not started again: 3 restarts within 3600 s")

    async def later(rig: Rig) -> None:
        assert row(rig).restarts == 3
        assert (await rig.command(Resume(strategy="own"))).ok
        await rig.sleep(5)
        assert not latched(rig), "the hour is over: it counts from the beginning"
        assert row(rig).restarts > 3

    Rig.play(before, directory=tmp_path, config=policy)
    Rig.play(after, directory=tmp_path, config=policy, start=START + 60 * NS)
    Rig.play(later, directory=tmp_path, config=policy, start=START + 2 * 3_600 * NS)


def test_a_start_with_the_engine_is_no_restart_where_nothing_had_failed(tmp_path: Path) -> None:
    async def runs(rig: Rig) -> None:
        await rig.sleep(1)
        assert (row(rig).state, row(rig).restarts) == ("running", 0)

    quiet = breaks(module="tests.engine.quiet:Quiet")
    for minute in range(2):
        Rig.play(runs, directory=tmp_path, config=quiet, start=START + minute * 60 * NS)
