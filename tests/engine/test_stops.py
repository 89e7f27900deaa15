"""What stops the account, whoever begins it, is counted: that is how every armed desk learns of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.control.commands import Flatten, Kill, Pause, Reset, Resume
from engine.model import Side
from tests.engine.rig import Rig

WIDE = {"daily_loss_pct": 90, "max_drawdown_pct": 90, "max_gross": 10**9, "max_net": 10**9}


def stops(rig: Rig) -> int:
    return rig.engine.picture.take().stops


def test_a_persons_kill_counts_also_where_it_finds_a_halt_and_a_reset_does_not() -> None:
    async def script(rig: Rig) -> None:
        assert stops(rig) == 0
        await rig.command(Kill(flatten=False, reason="ctl"))
        after = stops(rig)
        assert after > 0
        await rig.sleep(3)
        await rig.command(Kill(flatten=False, reason="again"))
        again = stops(rig)
        assert again > after
        await rig.sleep(3)
        assert (await rig.command(Reset(scope="halt"))).ok
        await rig.command(Pause())
        await rig.command(Resume())
        assert stops(rig) == again and not rig.engine.picture.take().halted
        await rig.command(Flatten(symbol="ES"))
        assert stops(rig) == again, "one instrument is not the account"
        await rig.sleep(5)
        await rig.command(Flatten())
        assert stops(rig) > again

    Rig.play(script)


@pytest.mark.parametrize("policy", ["halt", "cancel", "flatten"])
def test_the_policy_for_a_lost_screen_counts(policy: str) -> None:
    async def script(rig: Rig) -> None:
        seats = rig.engine.seats
        seats.leave(seats.join("ann"), goodbye=False, how="SSH cut")
        await rig.sleep(0.1)
        assert stops(rig) > 0

    Rig.play(script, config={"screen": {"on_last_ui_lost": policy, "ui_lost_after": 0}})


def test_a_controls_kill_counts() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 10)
        rig.move("ES", 24_000 - 45)  # 10 lots × 45 ticks × 12.50 = 5,625 of a limit of 5,000
        await rig.sleep(1)
        assert rig.reading("daily_loss").state == "TRIPPED" and stops(rig) > 0

    Rig.play(script, config={"risk": {**WIDE, "daily_loss_amount": 5_000}})


def test_the_count_outlives_the_engine(tmp_path: Path) -> None:
    """A desk that is attached again to an engine that was restarted compares counts."""
    counted = []

    async def first(rig: Rig) -> None:
        await rig.command(Kill(flatten=False, reason="ctl"))
        await rig.sleep(3)
        counted.append(stops(rig))

    async def second(rig: Rig) -> None:
        assert stops(rig) >= counted[0] > 0

    Rig.play(first, directory=tmp_path)
    Rig.play(second, directory=tmp_path)
