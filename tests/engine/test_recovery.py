"""What a start finds: orders whose fate is open, fills made while it was down, differences at the broker."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.control.commands import Adopt, Submit
from engine.model import NS, OrderType, Side, TimeInForce
from tests.engine.rig import START, Rig

KEEP: dict[str, Any] = {"orders": {"on_stop": "keep"}}


def dateless(rig: Rig) -> None:
    """The venue keeps no dates: GTD is the engine's matter."""
    can = rig.adapter.capabilities
    rig.adapter.capabilities = msgspec.structs.replace(can, tifs=can.tifs - {TimeInForce.GTD})


def test_what_was_recorded_and_never_sent_is_asked_about_and_never_sent_again(tmp_path: Path) -> None:
    async def before(rig: Rig) -> str:
        rig.adapter.submit = lambda _: None  # type: ignore[method-assign]  # it dies between disk and wire
        order, _ = rig.send(Side.BUY, 2, 23_995)
        await rig.sleep(0.5)
        return order.id

    order_id = Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        record = rig.engine.core.books.orders.get(order_id)
        assert record is not None and rig.engine.view.exposure("ES") == (2, 0), "what is not known counts"
        await rig.sleep(30)
        assert record.life.status == "CANCELED" and record.life.presumed
        assert rig.exchange.audit(rig.config.account).orders == ()
        assert "lost_order" in rig.alerts() and rig.engine.view.exposure("ES") == (0, 0)

    Rig.play(after, directory=tmp_path, config=KEEP)


def test_what_filled_while_it_was_down_is_booked_before_trading_goes_on(tmp_path: Path) -> None:
    async def before(rig: Rig) -> str:
        order, _ = rig.send(Side.BUY, 2, 23_995)
        await rig.sleep(0.5)
        return order.id

    order_id = Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        await rig.sleep(10)
        record = rig.engine.core.books.orders.get(order_id)
        assert record is not None and record.life.status == "FILLED"
        assert rig.position() == rig.venue_position() == 2
        assert rig.engine.reconciler.agreed and rig.engine.view.enabled

    low = {"ES": (23_980, 23_981), "CL": (7_000, 7_001)}
    Rig.play(after, directory=tmp_path, config=KEEP, touch=low)


async def traded_by_hand(rig: Rig) -> None:
    """A trade that is reported to nobody."""
    rig.exchange.faults.arm("drop_report", 3)
    rig.exchange.manual_trade(rig.config.account, "ES", Side.SELL, 1)
    await rig.sleep(0.05)


def test_a_position_changed_by_hand_while_it_was_down_waits_for_a_person(tmp_path: Path) -> None:
    async def before(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        await traded_by_hand(rig)

    Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        _, refusal = rig.send(Side.BUY, 1)
        assert refusal is not None
        await rig.sleep(12)
        assert rig.engine.core.books.halts.instrument("ES") is not None
        assert rig.position() == 2, "nothing was booked without a decision"

    Rig.play(after, directory=tmp_path, config=KEEP)


def test_a_round_trip_before_the_newest_execution_in_the_journal_is_found(tmp_path: Path) -> None:
    """The run that died had the newest fill and not the older ones, which leave no difference."""

    async def before(rig: Rig) -> None:
        await rig.sleep(5)
        rig.exchange.faults.arm("drop_report", 6)
        rig.exchange.manual_trade(rig.config.account, "ES", Side.SELL, 1)
        rig.exchange.manual_trade(rig.config.account, "ES", Side.BUY, 1)
        await rig.sleep(0.05)
        rig.exchange.faults.clear()
        await rig.sleep(100)
        await rig.fill(Side.BUY, 2)

    never = {"reconcile": {"every": 1000.0}}
    Rig.play(before, directory=tmp_path, config={**KEEP, **never})

    async def after(rig: Rig) -> None:
        assert rig.position() == rig.venue_position() == 2
        await rig.sleep(12)
        halt = rig.engine.core.books.halts.instrument("ES")
        assert halt is not None and halt.code == "manual_trade"

    Rig.play(after, directory=tmp_path, config=KEEP)


def test_a_trade_by_hand_long_before_the_start_waits_for_a_person(tmp_path: Path) -> None:
    """It must be listed twice to be believed, however long ago it was."""

    async def before(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        await rig.engine.stop("the script ended")
        await rig.sleep(5)
        rig.exchange.manual_trade(rig.config.account, "ES", Side.SELL, 1)

    Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        await rig.sleep(12)
        halt = rig.engine.core.books.halts.instrument("ES")
        assert halt is not None and halt.code == "manual_trade"
        assert rig.position() == 2, "nothing was booked without a decision"
        await rig.sleep(120)
        assert rig.engine.reconciler.words["ES"] == "manual trade", "it goes on being what it is"
        await rig.command(Adopt(symbol="ES"))
        await rig.sleep(12)
        assert rig.position() == rig.venue_position() == 1 and rig.engine.reconciler.agreed

    Rig.play(after, directory=tmp_path, config=KEEP, start=START + 200 * NS)


def test_a_fill_that_comes_before_the_first_answer_hides_no_older_ones(tmp_path: Path) -> None:
    """An empty journal, and the broker's books are full: all that it lists is asked for."""

    async def before(rig: Rig) -> None:
        await rig.fill(Side.BUY, 1)
        await rig.fill(Side.SELL, 1)
        await rig.sleep(100)

    Rig.play(before, directory=tmp_path, config=KEEP)
    for file in tmp_path.glob("journal.db*"):
        file.unlink()

    async def after(rig: Rig) -> None:
        assert not rig.engine.reconciler.agreed, "no question was answered yet"
        rig.exchange.manual_trade(rig.config.account, "CL", Side.SELL, 1)
        await rig.sleep(1)
        assert rig.engine.core.books.fills == 1
        rig.exchange.faults.clear()
        await rig.sleep(30)
        assert rig.engine.core.books.fills == 3

    lost = {"faults": {"query_lost": 1.0}}
    Rig.play(after, directory=tmp_path, config=KEEP, venue=lost, start=START + 200 * NS)


def test_where_the_policy_is_to_warn_a_difference_does_not_keep_trading_shut(tmp_path: Path) -> None:
    warn = dict.fromkeys(("on_manual_trade", "on_drift", "on_unknown_order"), "warn")

    async def before(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        await traded_by_hand(rig)
        rig.exchange.foreign_order(rig.config.account, "CL", Side.BUY, 1, limit=6_950)

    Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        await rig.sleep(12)
        assert rig.engine.view.enabled, rig.engine.disabled_text
        assert {"manual_trade", "unknown_order"} <= set(rig.alerts())
        assert not rig.engine.reconciler.agreed and rig.engine.core.books.halts.all() == ()
        assert rig.engine.view.exposure("CL") == (0, 0), "only adopt counts it"

    Rig.play(after, directory=tmp_path, config={**KEEP, "reconcile": warn})


def test_a_date_that_the_engine_keeps_holds_over_a_restart(tmp_path: Path) -> None:
    async def before(rig: Rig) -> str:
        dateless(rig)
        order, _ = rig.send(Side.BUY, 1, 23_950, tif=TimeInForce.GTD, expire=rig.clock.now() + 60 * NS)
        await rig.sleep(1)
        return order.id

    order_id = Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        dateless(rig)
        record = rig.engine.core.books.orders.get(order_id)
        assert record is not None and record.order.tif is TimeInForce.GTC
        await rig.sleep(30)
        assert record.life.status == "WORKING"
        await rig.sleep(40)
        assert record.life.status == "CANCELED"

    Rig.play(after, directory=tmp_path, config=KEEP)


@pytest.mark.parametrize("exit_at", [24_050, 23_950])
def test_a_bracket_goes_on_over_a_restart(tmp_path: Path, exit_at: int) -> None:
    async def before(rig: Rig) -> None:
        await rig.command(
            Submit(
                symbol="ES",
                side=Side.BUY,
                size=Decimal(2),
                type=OrderType.LIMIT,
                limit=Decimal("6000.25"),
                stop_loss=Decimal(5990),
                take_profit=Decimal(6010),
            )
        )
        await rig.sleep(1)
        assert rig.position() == 2

    Rig.play(before, directory=tmp_path)

    async def after(rig: Rig) -> None:
        await rig.sleep(6)
        assert rig.engine.view.exposure("ES") == (0, 2), "one of both can fill"
        rig.move("ES", exit_at)
        await rig.sleep(2)
        assert rig.position() == rig.venue_position() == 0
        assert rig.engine.core.books.orders.working() == []

    Rig.play(after, directory=tmp_path)


@pytest.mark.parametrize("fresh", [True, False], ids=["empty journal", "older journal"])
def test_orders_of_ours_that_an_empty_journal_does_not_know_name_the_state_directory(
    fresh: bool, tmp_path: Path
) -> None:
    """Started with another state directory on an account that had traded: nothing named the likely cause."""

    async def earlier(rig: Rig) -> None:
        await rig.sleep(1)

    async def trades(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(2)

    async def elsewhere(rig: Rig) -> None:
        await rig.sleep(10)
        alerts = {row.code: row.text for row in rig.engine.core.books.alerts.rows()}
        halt = rig.engine.core.books.halts.account()
        assert halt is not None and halt.code == "unknown_order"
        for text in (alerts["unknown_fill"], alerts["unknown_order"], halt.reason):
            assert ("--state-dir" in text) is fresh, text

    if not fresh:
        Rig.play(earlier, directory=tmp_path, config=KEEP)
        for file in tmp_path.glob("journal.db*"):
            shutil.copy(file, tmp_path / f"old-{file.name}")
    Rig.play(trades, directory=tmp_path, config=KEEP)
    for file in tmp_path.glob("journal.db*"):
        file.unlink()
    for copy in tmp_path.glob("old-*"):
        copy.rename(tmp_path / copy.name.removeprefix("old-"))
    Rig.play(elsewhere, directory=tmp_path, config=KEEP)
