"""Screens that come, take control, go and get lost: who may do what, and what a lost one sets off."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.control.commands import Answer, AnyCommand, CancelAll, Kill, Pause, Submit, TakeControl
from engine.control.snapshot import ScreenRole
from engine.model import Side
from engine.records import CommandAnswered, CommandTaken, Halted, KillBegan, decode
from tests.engine.rig import Rig


def roles(rig: Rig) -> dict[str, ScreenRole]:
    snapshot = rig.engine.picture.take()
    return {row.who: row.role for row in snapshot.screens}


def ask(rig: Rig, seat: int, command: AnyCommand) -> Answer:
    """The first answer to a command from a screen."""
    got: list[Answer] = []
    rig.engine.command(command, "somebody", got.append, seat)
    return got[0]


def alarms(rig: Rig, code: str) -> list[str]:
    return [row.text for row in reversed(rig.engine.core.books.alerts.rows()) if row.code == code]


async def journalled(rig: Rig, *kinds: type) -> list[Any]:
    await rig.journal.flush()
    found = [decode(row.kind, row.body) async for row in rig.journal.rows()]
    return [record for record in found if isinstance(record, kinds)]


def test_one_is_in_control_and_only_it_commands() -> None:
    async def script(rig: Rig) -> None:
        seats = rig.engine.seats
        first, second = seats.join("ann"), seats.join("bob")
        reader = seats.join("eve", read_only=True)
        assert roles(rig) == {"ann": "control", "bob": "view", "eve": "read-only"}
        assert ask(rig, first, CancelAll()).ok
        refused = ask(rig, second, CancelAll())
        assert not refused.ok and "ann is in control" in refused.text and "take control" in refused.text
        preview = Submit(symbol="ES", side=Side.BUY, size=Decimal(1), limit=Decimal(6000), preview=True)
        assert ask(rig, second, preview).ok, "it changes nothing"
        assert not ask(rig, reader, TakeControl()).ok
        for command in (CancelAll(), Kill(), TakeControl()):
            assert "read-only" in ask(rig, reader, command).text
        assert rig.engine.core.books.halts.account() is None
        assert not ask(rig, 0, TakeControl()).ok, "ctl has no screen"
        assert ask(rig, 0, CancelAll()).ok, "and needs no control"
        assert not ask(rig, 99, CancelAll()).ok
        assert ask(rig, 99, Kill(flatten=False)).ok, "a kill is never lost to bookkeeping"

    Rig.play(script)


def test_control_is_taken_over_only_when_asked_for_and_that_is_journalled() -> None:
    async def script(rig: Rig) -> None:
        seats = rig.engine.seats
        first, second = seats.join("ann"), seats.join("bob")
        assert ask(rig, second, TakeControl()).ok
        assert roles(rig) == {"ann": "view", "bob": "control"}
        assert not ask(rig, first, Pause()).ok
        seats.join("cid", take=True)
        assert roles(rig)["cid"] == "control"
        taken = await journalled(rig, CommandTaken)
        assert [r.who for r in taken if isinstance(r.command, TakeControl)] == ["somebody", "cid"]
        assert [r.ok for r in await journalled(rig, CommandAnswered)] == [True, False, True]

    Rig.play(script)


def test_who_looks_on_may_kill() -> None:
    async def script(rig: Rig) -> None:
        rig.engine.seats.join("ann")
        second = rig.engine.seats.join("bob")
        assert ask(rig, second, Kill(flatten=False)).ok
        assert rig.engine.core.books.halts.account() is not None

    Rig.play(script)


def test_a_lost_screen_is_alarmed_and_the_engine_goes_on() -> None:
    async def script(rig: Rig) -> None:
        seats = rig.engine.seats
        seats.leave(seats.join("ann"), goodbye=False, how="SSH cut")
        await rig.sleep(60)
        (told,) = alarms(rig, "screen_lost")
        assert "ann" in told and "SSH cut" in told and "goes on" in told and "attach" in told
        assert rig.engine.core.books.halts.account() is None

    Rig.play(script)


@pytest.mark.parametrize(
    ("policy", "halted", "works", "flat"),
    [("halt", True, True, False), ("cancel", True, False, False), ("flatten", True, False, True)],
)
def test_what_the_policy_says_is_done_when_its_time_is_up(
    policy: str, halted: bool, works: bool, flat: bool
) -> None:
    async def script(rig: Rig) -> None:
        books = rig.engine.core.books
        bought = Submit(symbol="ES", side=Side.BUY, size=Decimal(1), limit=Decimal("6001.00"))
        assert (await rig.command(bought)).ok
        resting = Submit(symbol="ES", side=Side.BUY, size=Decimal(1), limit=Decimal("5990.00"))
        assert (await rig.command(resting)).ok
        await rig.sleep(1)
        assert books.positions.get("ES").held.qty == 1 and books.orders.open_count() == 1
        seat = rig.engine.seats.join("ann")
        rig.engine.seats.leave(seat, goodbye=False, how="kill -9")
        await rig.sleep(4.5)
        assert books.halts.account() is None, "5 s are given"
        await rig.sleep(15)
        assert (books.halts.account() is not None) == halted
        assert (books.orders.open_count() == 1) == works
        assert (books.positions.get("ES").held.qty == 0) == flat
        found = await journalled(rig, Halted, KillBegan)
        assert found and "kill -9" in found[0].reason and "ann" in found[0].reason

    Rig.play(script, config={"screen": {"on_last_ui_lost": policy, "ui_lost_after": 5}})


def test_who_comes_back_in_time_keeps_it_from_happening() -> None:
    async def script(rig: Rig) -> None:
        seats = rig.engine.seats
        seats.leave(seats.join("ann"), goodbye=False, how="SSH cut")
        await rig.sleep(2)
        watcher = seats.join("eve", read_only=True)
        seats.leave(watcher, goodbye=True, how="closed")
        await rig.sleep(2)
        seats.join("ann")
        assert alarms(rig, "screen_back")
        await rig.sleep(60)
        assert rig.engine.core.books.halts.account() is None

    Rig.play(script, config={"screen": {"on_last_ui_lost": "flatten", "ui_lost_after": 5}})


def test_a_read_only_screen_does_not_keep_it_from_happening() -> None:
    async def script(rig: Rig) -> None:
        seats = rig.engine.seats
        first = seats.join("ann")
        watcher = seats.join("eve", read_only=True)
        seats.leave(first, goodbye=False, how="SSH cut")
        await rig.sleep(2)
        seats.leave(watcher, goodbye=True, how="closed")
        await rig.sleep(2.5)
        assert rig.engine.core.books.halts.account() is None, "the time runs from the loss"
        await rig.sleep(1)
        assert rig.engine.core.books.halts.account() is not None

    Rig.play(script, config={"screen": {"on_last_ui_lost": "halt", "ui_lost_after": 5}})


def test_a_goodbye_is_no_loss_and_another_screen_stands_in() -> None:
    async def script(rig: Rig) -> None:
        seats = rig.engine.seats
        seats.leave(seats.join("ann"), goodbye=True, how="closed by the operator")
        first, second = seats.join("ann"), seats.join("bob")
        seats.leave(first, goodbye=False, how="SSH cut")
        await rig.sleep(10)
        assert rig.engine.core.books.halts.account() is None, "bob could take control"
        assert "can take control" in alarms(rig, "screen_lost")[0]
        seats.leave(second, goodbye=False, how="SSH cut too")
        await rig.sleep(0.1)
        assert rig.engine.core.books.halts.account() is not None, "now nobody could"

    Rig.play(script, config={"screen": {"on_last_ui_lost": "halt", "ui_lost_after": 0}})


def test_who_saw_the_loss_and_said_goodbye_has_decided() -> None:
    async def script(rig: Rig) -> None:
        seats = rig.engine.seats
        first, second = seats.join("ann"), seats.join("bob")
        seats.leave(first, goodbye=False, how="SSH cut")
        seats.leave(second, goodbye=True, how="closed by the operator")
        await rig.sleep(10)
        assert rig.engine.core.books.halts.account() is None

    Rig.play(script, config={"screen": {"on_last_ui_lost": "halt", "ui_lost_after": 0}})


def test_a_lost_view_is_no_loss_of_control() -> None:
    async def script(rig: Rig) -> None:
        seats = rig.engine.seats
        seats.join("ann")
        seats.leave(seats.join("bob"), goodbye=False, how="SSH cut")
        await rig.sleep(1)
        assert not alarms(rig, "screen_lost")

    Rig.play(script, config={"screen": {"on_last_ui_lost": "halt", "ui_lost_after": 0}})


def test_the_alarm_of_a_lost_screen_is_over_once_a_screen_is_in_control_also_of_the_next_run(
    tmp_path: Path,
) -> None:
    def cleared(rig: Rig) -> list[bool]:
        return [row.cleared for row in rig.engine.core.books.alerts.rows() if row.code == "screen_lost"]

    async def lost(rig: Rig) -> None:
        seat = rig.engine.seats.join("ann")
        rig.engine.seats.leave(seat, goodbye=False, how="the terminal hung up")
        assert cleared(rig) == [False]
        await rig.sleep(1)

    async def back(rig: Rig) -> None:
        assert cleared(rig) == [False], "a restart brings no screen"
        rig.engine.seats.join("eve", read_only=True)
        assert cleared(rig) == [False], "who only looks on does not replace it"
        rig.engine.seats.join("bob")
        assert cleared(rig) == [True]

    Rig.play(lost, directory=tmp_path)
    Rig.play(back, directory=tmp_path)
