"""Brackets whose position others make smaller, by hand, by a strategy or at the broker: stops follow it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.control.commands import CancelAll, Flatten, Kill, Modify, Submit
from engine.model import NS, OrderType, Side
from tests.engine.rig import START, Rig
from tests.engine.test_brackets import at_venue, enter, legs, records, same_from_the_journal

D = Decimal
WORKED = pytest.mark.parametrize("worked_by", ["venue", "engine"])

ADOPT: dict[str, Any] = {"reconcile": {"on_manual_trade": "adopt"}}


def settings(worked_by: str, **more: Any) -> dict[str, Any]:
    return {"orders": {"brackets": worked_by, "on_stop": "keep"}, **more}


async def close(rig: Rig, size: int) -> None:
    """Sells at the market, by hand."""
    order = Submit(symbol="ES", side=Side.SELL, size=D(size), type=OrderType.MARKET)
    answer = await rig.command(order)
    assert answer.ok, answer.text
    await rig.sleep(1)


def lacking(rig: Rig) -> list[int]:
    """Watches: by how many lots stops fell short of the position, whenever an order changed at the venue."""
    seen: list[int] = []
    touch = rig.exchange.books.touch

    def look(order: Any) -> None:
        touch(order)
        orders = rig.exchange.books.open_orders(rig.config.account)
        stops = sum(o.leaves for o in orders if o.type is OrderType.STOP)
        seen.append(rig.venue_position() - stops)

    rig.exchange.books.touch = look  # type: ignore[method-assign]
    return seen


@WORKED
def test_what_protects_shrinks_with_what_is_closed_by_hand_and_not_before(worked_by: str) -> None:
    """A stop of the venue's stood on at its size over a smaller position, and would have turned it round."""

    async def script(rig: Rig) -> None:
        await enter(rig, 3)
        short = lacking(rig)
        await close(rig, 1)
        assert (rig.position(), at_venue(rig)) == (2, [("LMT", 2), ("STP", 2)])
        await close(rig, 1)
        assert (rig.position(), at_venue(rig)) == (1, [("LMT", 1), ("STP", 1)])
        assert max(short) == 0, "protection never went before the lots"
        await same_from_the_journal(rig)
        rig.move("ES", 23_980)
        await rig.sleep(3)
        assert rig.position() == rig.venue_position() == 0 and at_venue(rig) == []
        assert not {"unprotected", "overclosed", "wrong_size"} & set(rig.alerts())

    Rig.play(script, config=settings(worked_by))


@WORKED
def test_what_protects_is_cancelled_when_nothing_is_left(worked_by: str) -> None:
    async def script(rig: Rig) -> None:
        await enter(rig, 3)
        await close(rig, 3)
        assert rig.position() == rig.venue_position() == 0
        assert at_venue(rig) == [] and records(rig) == [] and rig.engine.groups.watched == ()
        assert not {"unprotected", "overclosed"} & set(rig.alerts())

    Rig.play(script, config=settings(worked_by))


@WORKED
def test_the_target_of_the_rest_takes_the_stop_of_the_rest_away(worked_by: str) -> None:
    async def script(rig: Rig) -> None:
        await enter(rig, 3)
        await close(rig, 1)
        rig.move("ES", 24_012)
        await rig.sleep(2)
        assert (rig.position(), rig.venue_position(), at_venue(rig)) == (0, 0, [])
        assert not {"unprotected", "overclosed"} & set(rig.alerts())

    Rig.play(script, config=settings(worked_by))


@WORKED
def test_lots_that_come_back_are_protected_again(worked_by: str) -> None:
    """The venue takes back the execution that had closed them."""

    async def script(rig: Rig) -> None:
        await enter(rig, 3)
        await close(rig, 1)
        (fill,) = [f for f in rig.exchange.audit(rig.config.account).executions if f.side is Side.SELL]
        rig.exchange.bust(fill.key)
        await rig.sleep(3)
        assert (rig.position(), at_venue(rig)) == (3, [("LMT", 3), ("STP", 3)])

    Rig.play(script, config=settings(worked_by))


@WORKED
def test_children_of_an_entry_whose_execution_is_taken_back_go(worked_by: str) -> None:
    """A target of four lots worked on over nothing and would have opened a position: simulated seed 4355."""

    async def script(rig: Rig) -> None:
        await enter(rig, 4)
        assert at_venue(rig) == [("LMT", 4), ("STP", 4)]
        (fill,) = rig.exchange.audit(rig.config.account).executions
        rig.exchange.bust(fill.key)
        await rig.sleep(4)
        assert rig.position() == rig.venue_position() == 0
        assert at_venue(rig) == [] and records(rig) == []

    Rig.play(script, config=settings(worked_by))


@WORKED
def test_it_follows_while_its_entry_still_works(worked_by: str) -> None:
    async def script(rig: Rig) -> None:
        rig.quoting = False
        rig.quote("ES", 24_000, 24_001, 3)
        await enter(rig, 5)
        assert (rig.position(), legs(rig)["stop"]) == (3, 3 if worked_by == "engine" else 5)
        rig.exchange.manual_trade(rig.config.account, "ES", Side.SELL, 2)
        await rig.sleep(15)
        assert (rig.position(), legs(rig)) == (1, {"stop": 1, "target": 1})
        rig.quote("ES", 24_000, 24_002, 9)
        rig.quote("ES", 24_000, 24_001, 9)
        await rig.sleep(1)
        assert (rig.position(), at_venue(rig)) == (3, [("LMT", 3), ("STP", 3)])
        rig.exchange.manual_trade(rig.config.account, "ES", Side.SELL, 3)
        await rig.sleep(15)
        assert (rig.position(), at_venue(rig)) == (0, [])
        assert not {"unprotected", "overclosed"} & set(rig.alerts())

    Rig.play(script, config=settings(worked_by, **ADOPT))


@WORKED
def test_of_two_brackets_the_older_keeps_its_protection(worked_by: str) -> None:
    async def script(rig: Rig) -> None:
        await enter(rig, 2)
        await enter(rig, 3)
        await close(rig, 2)
        assert rig.position() == 3
        assert at_venue(rig) == [("LMT", 1), ("LMT", 2), ("STP", 1), ("STP", 2)]
        await close(rig, 1)
        assert at_venue(rig) == [("LMT", 2), ("STP", 2)]

    Rig.play(script, config=settings(worked_by))


@WORKED
def test_a_bracket_that_comes_after_one_that_was_fitted_counts_beside_it(worked_by: str) -> None:
    """Simulated seed 500: each fitted the position alone, and both together did not."""

    async def script(rig: Rig) -> None:
        await enter(rig, 2)
        await close(rig, 1)
        await enter(rig, 3)
        assert rig.position() == 4
        await close(rig, 1)
        stops = sum(lots for kind, lots in at_venue(rig) if kind == "STP")
        assert (rig.position(), stops) == (3, 3), at_venue(rig)

    Rig.play(script, config=settings(worked_by))


@WORKED
def test_what_somebody_closes_at_the_broker_counts_too(worked_by: str) -> None:
    """The lots are booked to whoever traded there; the account would be turned round all the same."""

    async def script(rig: Rig) -> None:
        await enter(rig, 3)
        rig.exchange.manual_trade(rig.config.account, "ES", Side.SELL, 2)
        await rig.sleep(15)
        assert rig.position() == rig.venue_position() == 1
        assert at_venue(rig) == [("LMT", 1), ("STP", 1)]
        rig.move("ES", 23_980)
        await rig.sleep(3)
        assert rig.venue_position() == 0 and at_venue(rig) == []
        assert not {"unprotected", "overclosed"} & set(rig.alerts())

    Rig.play(script, config=settings(worked_by, **ADOPT))


@WORKED
def test_what_another_strategy_holds_the_other_way_round_leaves_protection_alone(worked_by: str) -> None:
    async def script(rig: Rig) -> None:
        await enter(rig, 3)
        _, refusal = rig.send(Side.SELL, 2, strategy="other")
        assert refusal is None
        await rig.sleep(10)
        assert rig.position() == 1 and at_venue(rig) == [("LMT", 3), ("STP", 3)]

    Rig.play(script, config=settings(worked_by))


@WORKED
def test_an_order_that_may_close_it_changes_nothing_before_it_fills(worked_by: str) -> None:
    async def script(rig: Rig) -> None:
        await enter(rig, 3)
        _, refusal = rig.send(Side.SELL, 1, 24_006)
        assert refusal is None
        await rig.sleep(10)
        assert at_venue(rig) == [("LMT", 1), ("LMT", 3), ("STP", 3)]
        rig.move("ES", 24_007)
        await rig.sleep(2)
        assert (rig.position(), at_venue(rig)) == (2, [("LMT", 2), ("STP", 2)])

    Rig.play(script, config=settings(worked_by))


@WORKED
def test_after_a_restart_it_is_found_out_again(worked_by: str, tmp_path: Path) -> None:
    async def before(rig: Rig) -> None:
        await enter(rig, 3)
        rig.exchange.faults.arm("drop_report", 100)  # what is closed here is read after the start
        await rig.command(Submit(symbol="ES", side=Side.SELL, size=D(2), type=OrderType.MARKET))
        await rig.sleep(0.1)

    Rig.play(before, directory=tmp_path, config=settings(worked_by))

    async def after(rig: Rig) -> None:
        await rig.sleep(30)
        assert (rig.position(), rig.venue_position()) == (1, 1)
        assert at_venue(rig) == [("LMT", 1), ("STP", 1)] and legs(rig) == {"stop": 1, "target": 1}

    Rig.play(after, directory=tmp_path, config=settings(worked_by), start=START + 60 * NS)


@WORKED
@pytest.mark.parametrize("command", [Flatten(symbol="ES"), CancelAll()])
def test_flatten_and_cancel_all_meet_what_was_fitted(worked_by: str, command: Any) -> None:
    async def script(rig: Rig) -> None:
        await enter(rig, 3)
        await close(rig, 1)
        await rig.command(command)
        await rig.sleep(10)
        assert at_venue(rig) == []
        assert rig.position() == (0 if isinstance(command, Flatten) else 2)
        assert ("unprotected" in rig.alerts()) is isinstance(command, CancelAll)

    Rig.play(script, config=settings(worked_by))


@WORKED
def test_a_kill_that_takes_the_stops_and_closes_all_alarms_nobody_for_the_stops(worked_by: str) -> None:
    async def script(rig: Rig) -> None:
        await enter(rig, 3)
        await rig.command(Kill(reason="enough"))
        await rig.sleep(10)
        assert rig.position() == rig.venue_position() == 0 and at_venue(rig) == []
        said = {alert.code for alert in rig.engine.core.books.alerts.rows(500)}
        assert "operator_halt" in said and "unprotected" not in said, said

    Rig.play(script, config=settings(worked_by))


def test_a_target_that_was_made_larger_by_hand_goes_when_the_stop_has_closed_all() -> None:
    """Simulated seed 29: the venue took from it what the stop filled, and let the rest work over nothing."""

    async def script(rig: Rig) -> None:
        await enter(rig, 3)
        (target,) = [r.order.id for r in records(rig) if r.order.type is OrderType.LIMIT]
        answer = await rig.command(Modify(order_id=target, size=D(5), limit=D("6002.50")))
        assert answer.ok, answer.text
        await rig.sleep(3)
        assert at_venue(rig) == [("LMT", 5), ("STP", 3)], "a person's will while something is open"
        rig.move("ES", 23_980)
        await rig.sleep(1)
        assert (rig.position(), at_venue(rig)) == (0, [("LMT", 2)])
        await rig.sleep(3)
        assert at_venue(rig) == [] and rig.engine.groups.watched == ()

    Rig.play(script, config=settings("venue"))
