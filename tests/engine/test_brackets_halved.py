"""Brackets of the venue's of which only half arrived: a run was killed, or the line lost, in between."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.control.commands import Cancel
from engine.journal import StoreFailed
from engine.model import NS, OrderStatus, OrderType, Purpose
from engine.ports import NotSent
from tests.engine.rig import START, Rig
from tests.engine.test_brackets import at_venue, enter, legs, records, same_from_the_journal

KEEP: dict[str, Any] = {"orders": {"on_stop": "keep"}}
LATER = START + 30 * NS


def loses(rig: Rig, *types: OrderType) -> None:
    """Protective orders of these types do not come further than the adapter: as good as a kill -9 there."""
    submit = rig.adapter.submit

    def half(order: Any) -> None:
        if order.request.purpose is not Purpose.PROTECT or order.request.type not in types:
            submit(order)

    rig.adapter.submit = half  # type: ignore[method-assign]


BOTH = (OrderType.STOP, OrderType.LIMIT)
LOST = pytest.mark.parametrize("lost", [BOTH, (OrderType.STOP,)], ids=["stop and target", "stop"])


@LOST
def test_an_entry_that_filled_gets_its_protection_from_the_engine(
    lost: tuple[OrderType, ...], tmp_path: Path
) -> None:
    async def before(rig: Rig) -> None:
        loses(rig, *lost)
        await enter(rig)
        assert rig.venue_position() == 2

    Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        await rig.sleep(40)
        assert rig.position() == 2 and legs(rig) == {"stop": 2, "target": 2}
        assert at_venue(rig) == [("LMT", 2), ("STP", 2)]
        (stop,) = [r for r in records(rig) if r.order.type is OrderType.STOP]
        assert stop.order.emulated and stop.order.stop == 23_990
        assert not rig.engine.core.books.alerts.standing("unprotected", "ES")
        await same_from_the_journal(rig)
        rig.move("ES", 23_980)
        await rig.sleep(3)
        assert rig.position() == rig.venue_position() == 0 and at_venue(rig) == []

    Rig.play(after, directory=tmp_path, config=KEEP, start=LATER)


@LOST
def test_an_entry_that_works_without_its_stop_is_taken_back(
    lost: tuple[OrderType, ...], tmp_path: Path
) -> None:
    async def before(rig: Rig) -> None:
        loses(rig, *lost)
        await enter(rig, limit="5999.00")

    Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        await rig.sleep(40)
        assert at_venue(rig) == [] and records(rig) == [] and rig.position() == 0
        rows = [r for r in rig.engine.core.books.alerts.rows() if r.code == "half_bracket"]
        assert any("never came to the broker; the entry is taken back" in r.text for r in rows)

    Rig.play(after, directory=tmp_path, config=KEEP, start=LATER)


def test_what_a_part_filled_entry_filled_is_protected_and_its_rest_taken_back(tmp_path: Path) -> None:
    async def before(rig: Rig) -> None:
        loses(rig, *BOTH)
        rig.sizes["ES"] = 1
        rig.quote("ES", 24_000, 24_001, 1)
        await enter(rig, size=5)
        rig.move("ES", 24_004)
        await rig.sleep(0.3)
        assert 0 < rig.venue_position() < 5

    Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        await rig.sleep(40)
        held = rig.position()
        assert 0 < held == rig.venue_position() < 5
        assert legs(rig) == {"stop": held, "target": held} and len(records(rig)) == 2

    touch = {"ES": (24_004, 24_005), "CL": (7_000, 7_001)}
    Rig.play(after, directory=tmp_path, config=KEEP, start=LATER, touch=touch)


def test_a_lost_target_alone_leaves_entry_and_stop_to_the_venue(tmp_path: Path) -> None:
    async def before(rig: Rig) -> None:
        loses(rig, OrderType.LIMIT)
        await enter(rig, limit="5999.00")

    Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        await rig.sleep(40)
        assert at_venue(rig) == [("LMT", 2), ("STP", 2)]
        rig.move("ES", 23_995)
        await rig.sleep(5)
        assert rig.position() == 2 and legs(rig) == {"stop": 2, "target": 2}

    Rig.play(after, directory=tmp_path, config=KEEP, start=LATER)


def test_in_the_same_run_a_stop_that_could_not_leave_is_followed_by_one_that_can() -> None:
    async def script(rig: Rig) -> None:
        submit, down = rig.adapter.submit, [True]

        def trouble(order: Any) -> None:
            if down[0] and order.request.purpose is Purpose.PROTECT:
                raise NotSent("the line is busy")
            submit(order)

        rig.adapter.submit = trouble  # type: ignore[method-assign]
        await enter(rig)
        down[0] = False
        await rig.sleep(5)
        assert legs(rig) == {"stop": 2, "target": 2}
        await enter(rig, limit="5999.00")
        assert rig.position() == 2

    Rig.play(script)


def test_a_stop_that_a_person_took_away_does_not_come_back() -> None:
    async def script(rig: Rig) -> None:
        await enter(rig)
        (stop,) = [r for r in records(rig) if r.order.type is OrderType.STOP]
        assert (await rig.command(Cancel(order_id=stop.order.id))).ok
        await rig.sleep(20)
        assert "stop" not in legs(rig)
        assert rig.engine.core.books.alerts.standing("unprotected", "ES")

    Rig.play(script)


def test_a_child_that_turns_out_to_be_there_is_not_doubled(tmp_path: Path) -> None:
    """The venue denies the stop as often as it takes to give it up, and lists it all the same."""

    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("no_ack", 3)
        await enter(rig, limit="5999.00")
        rig.exchange.faults.arm("unknown_order", 6)
        await rig.sleep(60)
        stops = [o for o in rig.exchange.books.open_orders(rig.config.account) if o.type is OrderType.STOP]
        assert len(stops) <= 1
        known = [r for r in records(rig) if r.order.type is OrderType.STOP]
        assert len(known) == len(stops), [(r.order.id, r.life.status) for r in known]

    Rig.play(script, directory=tmp_path)


def test_an_entry_leaves_only_with_its_protection_on_disk() -> None:
    """Where the entry's commit returns before those of its children, a crash in between would leave an entry
    at the venue whose bracket nobody knows."""

    async def script(rig: Rig) -> None:
        sent: list[Any] = []
        submit, record = rig.adapter.submit, rig.engine.core.journal.record
        waiting: list[Any] = []

        def watched(order: Any) -> None:
            sent.append(order.request.purpose)
            submit(order)

        def slow(approved: Any, kind: str, told: Any, **more: Any) -> None:
            def late(stored: Any) -> None:  # a second after the commit
                waiting.append(stored)
                rig.engine.core.clock.call_later(NS, told, stored)

            record(approved, kind, late if approved.request.purpose is Purpose.PROTECT else told, **more)

        rig.adapter.submit = watched  # type: ignore[method-assign]
        rig.engine.core.journal.record = slow  # type: ignore[method-assign]
        answer = asyncio.ensure_future(enter(rig))
        await rig.sleep(0.5)
        assert waiting and sent == [], "the entry waits for its children"
        await answer
        assert sent == [Purpose.TRADE, Purpose.PROTECT, Purpose.PROTECT]
        assert legs(rig) == {"stop": 2, "target": 2}
        assert all(r.life.status is not OrderStatus.UNKNOWN for r in records(rig))

    Rig.play(script)


def test_an_entry_whose_stop_is_not_stored_does_not_leave() -> None:
    async def script(rig: Rig) -> None:
        record = rig.engine.core.journal.record

        def broken(approved: Any, kind: str, told: Any, **more: Any) -> None:
            def lost(_: object) -> None:
                told(StoreFailed("disk full"))

            record(approved, kind, lost if approved.request.purpose is Purpose.PROTECT else told, **more)

        rig.engine.core.journal.record = broken  # type: ignore[method-assign]
        await enter(rig)
        await rig.sleep(1)
        assert at_venue(rig) == [] and rig.venue_position() == 0

    Rig.play(script)
