"""No step of reconnecting may hold a kill or a flatten up: begun at any of them, it ends flat by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.control.commands import Flatten, Kill
from engine.model import Side
from engine.records import KillBegan, KillStep
from tests.engine.rig import Rig
from tests.recovery.kit import TWO, Away, note_attempts, records, silence, until

LINK: dict[str, Any] = {"retry_jitter": 0.0}


async def exposed(rig: Rig) -> None:
    """Long 3, with orders resting on both sides."""
    await rig.fill(Side.BUY, 3)
    rig.send(Side.BUY, 2, 23_950)
    rig.send(Side.SELL, 1, 24_050)
    await rig.sleep(0.3)


def kill(rig: Rig) -> None:
    rig.engine.command(Kill(reason="drill"), "test")


async def flat(rig: Rig, within: float) -> float:
    took = await until(rig, lambda: rig.engine.kill.progress.verdict.startswith("flat"), within)
    assert rig.venue_position() == rig.position() == 0
    assert not rig.exchange.books.open_orders(rig.config.account)
    assert rig.engine.core.books.halts.account() is not None
    return took


def test_begun_while_down_it_goes_on_when_the_link_is_back() -> None:
    async def script(rig: Rig) -> None:
        await exposed(rig)
        rig.exchange.shut_gateway("primary")
        await rig.sleep(200)  # the next attempt is up to a minute away
        steps = len(await records(rig, KillStep))
        kill(rig)
        await rig.sleep(30)
        assert rig.engine.kill.running and "NOT FLAT" in " ".join(rig.engine.kill.progress.steps)
        assert len(await records(rig, KillStep)) - steps < 10, "it does not fill the journal meanwhile"
        rig.exchange.open_gateway("primary")
        assert await flat(rig, 10) < 6

    Rig.play(script, config={"link": LINK})


def test_begun_while_down_it_hastens_the_next_attempt() -> None:
    async def script(rig: Rig) -> None:
        await exposed(rig)
        rig.exchange.shut_gateway("primary")
        await rig.sleep(64)  # attempts at 1, 3, 7, 15, 31 and 63 s; the next would come at 123 s
        rig.exchange.open_gateway("primary")
        noted = note_attempts(rig)
        kill(rig)
        assert await flat(rig, 10) < 4
        assert noted[0][0] <= 2

    Rig.play(script, config={"link": LINK})


def test_begun_while_an_attempt_hangs() -> None:
    async def script(rig: Rig) -> None:
        await exposed(rig)
        hanging = asyncio.Event()
        connect = rig.adapter.connect

        async def hang() -> None:
            hanging.set()
            await asyncio.get_running_loop().create_future()

        rig.adapter.connect = hang  # type: ignore[method-assign]
        rig.exchange.drop_link(rig.config.account)
        await hanging.wait()
        kill(rig)
        await rig.sleep(1)
        rig.adapter.connect = connect  # type: ignore[method-assign]
        # The attempt that hangs is given up after its time, and the next one succeeds.
        assert await flat(rig, 20) < 12

    Rig.play(script, config={"link": {**LINK, "connect_within": 5}})


@pytest.mark.parametrize("what", ["open_orders", "positions"])
def test_begun_while_a_question_hangs(what: str) -> None:
    """Also that of the kill itself: it is given up after its time, and asked again."""

    async def script(rig: Rig) -> None:
        await exposed(rig)
        ask = getattr(rig.adapter, what)

        async def hang() -> None:
            await asyncio.get_running_loop().create_future()

        setattr(rig.adapter, what, hang)
        await rig.sleep(5)  # the comparison hangs by now
        kill(rig)
        await rig.sleep(7)
        assert not rig.exchange.books.open_orders(rig.config.account), "the cancels went at once"
        setattr(rig.adapter, what, ask)
        assert await flat(rig, 20) < 12

    Rig.play(script, config={"link": {**LINK, "answer_within": 4}})


def test_a_half_open_line_is_left_for_the_backup_and_the_kill_goes_on_there() -> None:
    async def script(rig: Rig) -> None:
        await exposed(rig)
        silence(rig, 10_000)
        rig.exchange.gateways.close("primary", "the way is dead")
        kill(rig)  # its cancels go into a dead line
        took = await flat(rig, 60)
        assert took < 6 + 9, took
        assert rig.engine.link.row().connection == "backup"

    link = {**LINK, "heartbeat": 2, "patience": 6, "failover_attempts": 2}
    Rig.play(script, config={"link": link, "connections": TWO})


def test_lost_in_the_middle_of_a_kill_again_and_again() -> None:
    async def script(rig: Rig) -> None:
        await exposed(rig)
        kill(rig)
        for _ in range(12):
            await rig.sleep(0.35)
            rig.exchange.drop_link(rig.config.account)
        await flat(rig, 60)

    Rig.play(script, config={"link": LINK})


def test_flatten_of_one_symbol_while_down() -> None:
    async def script(rig: Rig) -> None:
        await exposed(rig)
        await rig.fill(Side.BUY, 1, symbol="CL")
        rig.exchange.shut_gateway("primary")
        await rig.sleep(3)
        rig.engine.command(Flatten(symbol="ES"), "test")
        await rig.sleep(3)
        rig.exchange.open_gateway("primary")
        await until(rig, lambda: rig.engine.kill.progress.verdict.startswith("flat"), 20)
        assert rig.venue_position() == 0 and rig.venue_position("CL") == 1

    Rig.play(script, config={"link": LINK})


def test_no_failback_while_a_kill_runs() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.shut_gateway("primary")
        await until(rig, lambda: rig.engine.view.enabled and rig.engine.link.row().connection == "backup")
        rig.exchange.open_gateway("primary")
        await exposed(rig)
        rig.exchange.faults.set_ratios({"query_lost": 0.6})
        rig.engine.kill.begin(KillBegan(reason="drill", symbol=None, flatten=True))
        while rig.engine.kill.running:
            assert rig.engine.link.row().connection == "backup" or not rig.engine.core.link_up
            await rig.sleep(0.05)
        assert rig.venue_position() == 0

    link = {**LINK, "failback": "quiet", "failback_after": 1, "unanswered": 3600}
    Rig.play(script, config={"link": link, "connections": TWO})


def test_a_kill_of_an_earlier_run_goes_on_although_the_broker_is_away_at_the_start(tmp_path: Path) -> None:
    async def before(rig: Rig) -> None:
        await exposed(rig)
        rig.exchange.shut_gateway("primary")
        await rig.sleep(1)
        kill(rig)
        await rig.sleep(1)

    async def after(rig: Rig) -> None:
        assert rig.engine.kill.running and not rig.engine.core.link_up
        await rig.sleep(40)
        rig.exchange.open_gateway("primary")
        assert await flat(rig, 10) < 6

    Rig.play(before, directory=tmp_path, config={"link": LINK})
    Away.play(after, directory=tmp_path, config={"link": LINK})
