"""Fail-over to a second connection of the same broker, and back: whole engines in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.facts import Executed, LinkDown, LinkUp
from engine.model import Side
from engine.records import LinkLost, LinkRestored
from tests.engine.rig import Rig
from tests.recovery.kit import TWO, adapters, note_attempts, records, session, silence, until, up_sessions

LINK: dict[str, Any] = {
    "retry_jitter": 0.0,
    "failover_attempts": 3,
    "failover_after": 60,
    "failback": "never",
}


def play(script: Callable[[Rig], Awaitable[None]], **link: Any) -> None:
    """Runs a script with two connections, and sees to it that never two sessions are up."""

    async def watched(rig: Rig) -> None:
        seen: list[int] = []

        async def look() -> None:
            while True:
                seen.append(up_sessions(rig))
                await rig.sleep(0.005)

        looking = asyncio.ensure_future(look())
        try:
            await script(rig)
        finally:
            looking.cancel()
        assert max(seen) <= 1, "two sessions at once"

    Rig.play(watched, config={"link": {**LINK, **link}, "connections": TWO})


def test_after_so_many_failures_the_backup_is_used_with_the_same_reconciliation() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        resting, _ = rig.send(Side.BUY, 1, 23_999)
        await rig.sleep(0.3)
        noted = note_attempts(rig)
        rig.exchange.shut_gateway("primary", "cable")
        await rig.sleep(0.1)
        rig.move("ES", 23_990)  # it fills, and nobody hears of it
        await rig.sleep(1)
        assert rig.position() == 2 and rig.venue_position() == 3
        took = await until(rig, lambda: rig.engine.view.enabled, 30)
        assert 5 < took < 8, took
        assert [(round(at), gate) for at, gate in noted] == [
            (1, "primary"),
            (3, "primary"),
            (7, "primary"),
            (7, "backup"),
        ]
        assert rig.position() == 3 and rig.status(resting) == "FILLED"
        assert rig.engine.reconciler.agreed
        row = rig.engine.link.row()
        assert (row.connection, row.connections, row.up) == ("backup", ("primary", "backup"), True)
        assert rig.engine.core.link_text == "paper (backup) connected"
        assert "failover" in rig.alerts()
        assert [r.connection for r in await records(rig, LinkRestored)] == ["primary", "backup"]
        assert [r.connection for r in await records(rig, LinkLost)] == ["primary"]
        await rig.fill(Side.SELL, 3)
        assert rig.venue_position() == rig.position() == 0

    play(script)


def test_a_primary_that_hangs_is_left_after_so_long() -> None:
    async def script(rig: Rig) -> None:
        async def hang() -> None:
            await asyncio.get_running_loop().create_future()

        rig.adapter.connect = hang  # type: ignore[method-assign]
        silence(rig, 10_000)
        await until(rig, lambda: not rig.engine.core.link_up, 20)
        took = await until(rig, lambda: rig.engine.view.enabled, 60)
        assert rig.engine.link.row().connection == "backup"
        assert took < 20, took

    play(script, failover_after=12, connect_within=5)


def test_both_lost_and_the_one_that_comes_first_is_used() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.shut_gateway("primary")
        rig.exchange.shut_gateway("backup")
        await rig.sleep(100)
        noted = note_attempts(rig)
        rig.exchange.open_gateway("backup")
        await until(rig, lambda: rig.engine.view.enabled, 200)
        assert rig.engine.link.row().connection == "backup"
        assert noted[-1][1] == "backup"

    play(script)


def test_a_backup_that_is_lost_in_turn_leads_back_to_the_primary() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.shut_gateway("primary")
        await until(rig, lambda: rig.engine.link.row().connection == "backup" and rig.engine.view.enabled)
        await rig.sleep(40)
        rig.exchange.open_gateway("primary")
        rig.exchange.shut_gateway("backup")
        await until(rig, lambda: not rig.engine.core.link_up, 1)
        await until(rig, lambda: rig.engine.view.enabled, 15)
        assert rig.engine.link.row().connection == "primary"

    play(script)


def test_it_goes_back_to_the_primary_once_flat() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 1)
        rig.exchange.shut_gateway("primary")
        await until(rig, lambda: rig.engine.view.enabled and rig.engine.link.row().connection == "backup")
        rig.exchange.open_gateway("primary")
        await rig.sleep(200)
        assert rig.engine.link.row().connection == "backup", "a position is held"
        await rig.fill(Side.SELL, 1)
        alarms = rig.alerts().count("link_down")
        await until(rig, lambda: rig.engine.link.row().connection == "primary", 10)
        await until(rig, lambda: rig.engine.view.enabled, 10)
        assert "going back to primary" in rig.engine.link.last_loss
        assert rig.alerts().count("link_down") == alarms, "it was our own doing"

    play(script, failback="flat", failback_after=60)


def test_a_primary_that_refuses_the_return_is_left_alone_for_twice_as_long() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.shut_gateway("primary")
        await until(rig, lambda: rig.engine.view.enabled and rig.engine.link.row().connection == "backup")
        noted = note_attempts(rig)
        await rig.sleep(330)
        back = [at for at, gate in noted if gate == "primary"]
        assert len(back) == 2 and 50 < back[0] < 70 and 170 < back[1] < 200, back
        assert rig.engine.view.enabled and rig.engine.link.row().connection == "backup"

    play(script, failback="quiet", failback_after=60)


def test_a_connection_that_comes_back_by_itself_while_the_other_is_used_is_closed() -> None:
    async def script(rig: Rig) -> None:
        primary, backup = adapters(rig)
        rig.exchange.shut_gateway("primary")
        await until(rig, lambda: backup.up and rig.engine.view.enabled)
        rig.exchange.open_gateway("primary")
        primary._outlet.now(LinkUp(ts=rig.clock.now()))
        primary._outlet.now(LinkDown(ts=rig.clock.now(), reason="it thinks that this matters"))
        await rig.sleep(1)
        assert rig.engine.core.link_up and rig.engine.view.enabled and backup.up
        assert rig.engine.metrics.counters["stray_connections"] >= 2

    play(script)


def test_a_fill_that_the_left_connection_still_tells_counts_once() -> None:
    async def script(rig: Rig) -> None:
        primary, backup = adapters(rig)
        order, _ = rig.send(Side.BUY, 2, 23_999)
        await rig.sleep(0.2)
        rig.exchange.shut_gateway("primary")
        await rig.sleep(0.1)
        rig.move("ES", 23_990)
        await until(rig, lambda: backup.up and rig.engine.view.enabled)
        (fill,) = rig.exchange.audit(rig.config.account).executions
        primary._outlet.now(Executed(ts=fill.ts, fill=fill))
        await rig.sleep(1)
        assert rig.position() == 2 and rig.status(order) == "FILLED"

    play(script)


def test_a_session_that_does_not_close_does_not_hold_the_next_one_up() -> None:
    async def script(rig: Rig) -> None:
        async def hang() -> None:
            await asyncio.get_running_loop().create_future()

        close = rig.adapter.close
        rig.adapter.close = hang  # type: ignore[method-assign]
        silence(rig, 10_000)
        rig.exchange.gateways.close("primary", "gone")
        await until(rig, lambda: not rig.engine.core.link_up, 20)
        await until(rig, lambda: rig.engine.view.enabled, 60)
        assert rig.engine.link.row().connection == "backup"
        assert session(rig).gateway == "backup"
        rig.adapter.close = close  # type: ignore[method-assign]

    # The exchange displaces the session that hung, so that one account never has two.
    Rig.play(script, config={"link": LINK, "connections": TWO})


@pytest.mark.parametrize("names", [(), ("primary",), ("primary", "backup", "third")])
def test_any_number_of_connections(names: tuple[str, ...]) -> None:
    async def script(rig: Rig) -> None:
        for name in names[:-1]:
            rig.exchange.shut_gateway(name)
        await rig.sleep(60)
        await until(rig, lambda: rig.engine.view.enabled, 5)
        assert rig.engine.link.row().connection == (names[-1] if names else "primary")

    connections = [{"name": name} for name in names]
    Rig.play(script, config={"link": LINK, "connections": connections})
