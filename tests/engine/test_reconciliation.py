"""Three views of a position: what happens when they part, and how they come together again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.control.commands import Adopt, Claim, Flatten, Reset
from engine.control.snapshot import Comparison, OrderRow, PositionRow
from engine.control.wire import status_of
from engine.facts import BrokerPosition, OpenOrders, OrderReport, Positions
from engine.model import ExecutionKey, OrderStatus, Side
from tests.engine.rig import Rig
from tests.engine.said import bodies
from tests.recovery.kit import Away


def test_a_manual_trade_halts_the_instrument_until_it_is_adopted() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        rig.exchange.faults.arm("drop_report", 3)
        rig.exchange.manual_trade(rig.config.account, "ES", Side.BUY, 1)
        await rig.sleep(15)
        halt = rig.engine.core.books.halts.instrument("ES")
        assert halt is not None, rig.alerts()
        assert rig.engine.view.enabled, "the other instruments go on"
        _, refusal = rig.send(Side.BUY, 1)
        assert refusal is not None
        _, other = rig.send(Side.BUY, 1, symbol="CL")
        assert other is None
        answer = await rig.command(Adopt(symbol="ES"))
        assert answer.ok, answer
        await rig.sleep(6)
        assert rig.position() == rig.venue_position() == 3
        assert rig.engine.reconciler.agreed
        await rig.fill(Side.BUY, 1)

    Rig.play(script)


@pytest.mark.parametrize(("policy", "halts"), [("halt", True), ("adopt", False), ("warn", False)])
def test_a_manual_trade_is_treated_alike_when_the_broker_reports_it_at_once(policy: str, halts: bool) -> None:
    """Found by the drill 2.22: the policy held only for trades that a comparison brought to light."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        rig.exchange.manual_trade(rig.config.account, "ES", Side.BUY, 1)
        await rig.sleep(1)
        assert rig.position() == rig.venue_position() == 3, "it is booked in any case"
        assert len(rig.alerts()) == 1 and rig.alerts()[0] in ("foreign_fill", "manual_trade")
        assert (rig.engine.core.books.halts.instrument("ES") is not None) is halts
        _, refusal = rig.send(Side.BUY, 1)
        assert (refusal is not None) is halts
        if halts:
            await rig.sleep(6)
            answer = await rig.command(Adopt(symbol="ES"))
            assert answer.ok, answer
            await rig.sleep(6)
            await rig.fill(Side.BUY, 1)

    Rig.play(script, config={"reconcile": {"on_manual_trade": policy}})


def test_a_figure_that_is_older_than_our_last_execution_is_never_adopted() -> None:
    """Found by the drill 2.22: the broker had been read before the fills, and `adopt` took them back."""

    async def script(rig: Rig) -> None:
        await rig.sleep(5)
        await rig.fill(Side.BUY, 2)
        answer = await rig.command(Adopt(symbol="ES"))
        assert rig.position() == rig.venue_position() == 2, answer
        assert not answer.ok
        assert "again" in answer.text
        await rig.sleep(1)
        assert (await rig.command(Adopt(symbol="ES"))).ok, "asking made it be read again"
        assert rig.position() == 2

    Rig.play(script)


def test_a_fill_of_a_foreign_order_that_is_shown_halts_nothing() -> None:
    """That order was taken in under its own policy (reconcile.on_unknown_order)."""

    async def script(rig: Rig) -> None:
        rig.exchange.foreign_order(rig.config.account, "ES", Side.BUY, 2, limit=24_001)
        await rig.sleep(1)
        assert rig.position() == rig.venue_position() == 2
        assert rig.engine.core.books.halts.instrument("ES") is None

    Rig.play(script)


def test_drift_can_be_flattened_instead() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("drop_report", 3)
        rig.exchange.manual_trade(rig.config.account, "ES", Side.SELL, 4)
        await rig.sleep(15)
        assert rig.engine.core.books.halts.instrument("ES") is not None
        answer = await rig.command(Flatten(symbol="ES"), wait=120)
        assert rig.venue_position() == 0
        assert answer.ok, answer

    Rig.play(script)


def test_orders_that_end_while_the_broker_is_read_are_still_known() -> None:
    """More of them than closed orders take part in a comparison; the reading is older, all are ours."""

    async def script(rig: Rig) -> None:
        sent = []
        for number in range(130):
            order, refusal = rig.send(Side.BUY, 1, limit=23_900 - number % 50)
            assert refusal is None, refusal
            sent.append(order)
        await rig.sleep(1)
        read = rig.adapter.open_orders

        async def overtaken() -> OpenOrders:
            found = await read()
            assert len(found.ours) == len(sent)
            for order in sent:
                rig.engine.intake.cancel(order.id)
            await rig.sleep(2)
            assert {rig.status(order) for order in sent} == {"CANCELED"}
            return found

        rig.adapter.open_orders = overtaken  # type: ignore[method-assign]
        rig.engine.reconcile_soon()
        await rig.sleep(4)
        rig.adapter.open_orders = read  # type: ignore[method-assign]
        assert rig.engine.core.books.halts.account() is None, rig.alerts()
        assert not rig.alerts()
        await rig.sleep(10)
        assert rig.engine.reconciler.agreed

    wide = {"order_rate": 10_000, "order_burst": 10_000, "cancel_rate": 10_000, "duplicate_window": 0}
    limits = {**wide, "max_working": 500, "max_position": 500, "max_gross": 10**9, "max_net": 10**9}
    Rig.play(script, config={"risk": limits}, cash=100_000_000)


def test_a_difference_seen_once_does_not_halt() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        await rig.sleep(6)
        rig.exchange.faults.arm("empty_snapshot", 1)
        await rig.sleep(12)
        assert rig.engine.core.books.halts.instrument("ES") is None
        assert rig.position() == 2

    Rig.play(script)


def test_an_order_placed_elsewhere_counts_and_can_be_claimed() -> None:
    async def script(rig: Rig) -> None:
        broker_id = rig.exchange.foreign_order(rig.config.account, "ES", Side.BUY, 7, limit=23_950)
        await rig.sleep(7)
        assert rig.engine.view.exposure("ES")[0] == 7
        row = next(r for r in rig.engine.picture.take().orders if r.foreign)
        assert (row.status, row.qty, row.limit) == ("WORKING", Decimal(7), Decimal("5987.50"))
        assert (await rig.command(Claim(broker_id=row.broker_id, strategy="manual"))).ok
        assert broker_id is None or row.broker_id == broker_id
        _, refusal = rig.send(Side.BUY, 4)
        assert refusal is not None and refusal.control == "max_position"

    Rig.play(script, config={"risk": {"max_position": 10}})


def test_a_bust_and_a_missed_fill_that_only_the_list_of_executions_tells() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        execution = rig.exchange.audit(rig.config.account).executions[0]
        key: ExecutionKey = execution.key
        rig.exchange.faults.arm("drop_report", 5)
        rig.exchange.bust(key)
        await rig.sleep(18)
        assert rig.position() == rig.venue_position() == 0
        assert rig.engine.reconciler.agreed

    Rig.play(script)


def test_a_position_that_was_there_before_us_waits_for_a_decision(tmp_path: Path) -> None:
    async def before(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)

    Rig.play(before, directory=tmp_path)
    for name in ("journal.db", "journal.db-wal", "journal.db-shm", "journal.db.tail"):
        (tmp_path / name).unlink(missing_ok=True)

    async def find_out(rig: Rig) -> None:
        await rig.sleep(12)
        halt = rig.engine.core.books.halts.instrument("ES")
        assert rig.position() == 3 or halt is not None

    Rig.play(find_out, directory=tmp_path)


def tell(rig: Rig, change: Callable[[Positions], Positions]) -> Callable[[], None]:
    """The broker's positions are told otherwise from now on; call the result to have the truth again."""
    honest = rig.adapter.positions

    async def positions() -> Positions:
        return change(await honest())

    rig.adapter.positions = positions  # type: ignore[method-assign]

    def again() -> None:
        rig.adapter.positions = honest  # type: ignore[method-assign]

    return again


def one_more(told: Positions) -> Positions:
    return replace(told, positions=tuple(replace(p, qty=p.qty + 1) for p in told.positions))


def test_drift_by_policy_adopt_is_taken_over_once_for_nobody_of_ours() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        tell(rig, one_more)
        await rig.sleep(25)
        assert rig.position() == 3 and "adopted" in rig.alerts()
        positions = rig.engine.core.books.positions
        assert (positions.strategy_qty("manual", "ES"), positions.strategy_qty("foreign", "ES")) == (2, 1)
        assert rig.engine.core.books.halts.all() == () and rig.engine.reconciler.agreed

    Rig.play(script, config={"reconcile": {"on_drift": "adopt"}})


def test_a_halt_for_drift_outlives_the_drift_until_a_person_lifts_it() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        honest = tell(rig, one_more)
        await rig.sleep(15)
        halt = rig.engine.core.books.halts.instrument("ES")
        assert halt is not None and halt.code == "drift" and rig.position() == 2
        honest()
        await rig.sleep(12)
        assert rig.engine.core.books.halts.instrument("ES") is not None
        assert (await rig.command(Reset(scope="instrument", target="ES"))).ok
        await rig.fill(Side.BUY, 1)

    Rig.play(script)


def test_a_symbol_that_only_the_broker_holds_is_found_and_halts_itself_alone() -> None:
    async def script(rig: Rig) -> None:
        tell(
            rig, lambda told: replace(told, positions=(*told.positions, BrokerPosition(symbol="ZZZ", qty=4)))
        )
        await rig.sleep(15)
        assert rig.engine.core.books.halts.instrument("ZZZ") is not None
        await rig.fill(Side.BUY, 1)

    Rig.play(script)


def test_an_empty_list_of_open_orders_ends_no_order() -> None:
    async def script(rig: Rig) -> None:
        order, _ = rig.send(Side.BUY, 2, 23_990)
        await rig.sleep(5)
        honest = rig.adapter.open_orders

        async def nothing() -> OpenOrders:
            return replace(await honest(), ours=(), foreign=())

        rig.adapter.open_orders = nothing  # type: ignore[method-assign]
        await rig.sleep(60)
        assert rig.status(order) == "WORKING"
        assert any('"code":"lost_order"' in body for body in await bodies(rig, "finding"))

    Rig.play(script)


def test_an_order_that_left_memory_and_works_again_at_the_broker_halts_the_account() -> None:
    async def script(rig: Rig) -> None:
        first = await rig.fill(Side.BUY, 1)
        for n in range(14):
            rig.send(Side.BUY if n % 2 else Side.SELL, 1)
            await rig.sleep(0.6)
        assert rig.engine.core.books.orders.get(first.id) is None
        honest = rig.adapter.open_orders

        async def risen() -> OpenOrders:
            told = await honest()
            report = OrderReport(
                ts=told.as_of,
                order_id=first.id,
                status=OrderStatus.WORKING,
                qty=1,
                cum=0,
                leaves=1,
                limit=24_001,
            )
            return replace(told, ours=(*told.ours, report))

        rig.adapter.open_orders = risen  # type: ignore[method-assign]
        await rig.sleep(12)
        halt = rig.engine.core.books.halts.account()
        assert halt is not None and halt.code == "unknown_order" and first.id in halt.reason

    Rig.play(script, config={"orders": {"closed_in_memory": 10}})


def test_after_a_loss_nothing_agrees_and_no_order_plainly_works_until_the_broker_was_compared() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        resting, _ = rig.send(Side.BUY, 1, 23_900)
        await rig.sleep(10)

        def row() -> PositionRow:
            return next(row for row in rig.engine.picture.take().positions if row.symbol == "ES")

        def order() -> OrderRow:
            return next(row for row in rig.engine.picture.take().orders if row.id == resting.id)

        def holds() -> Comparison:
            return rig.engine.picture.take().comparison

        assert row().state == "agree" and row().diff == 0 and not order().last_known
        before = holds()
        assert before.holds and before.orders and before.at is not None
        rig.exchange.shut_gateway("primary", "cable")
        await rig.sleep(2)
        assert not rig.engine.core.link_up
        assert row().state == "not compared" and row().diff is None, "a difference to what nobody knows"
        assert row().broker == 2, "what it said last is still told"
        assert order().status == "WORKING" and order().last_known
        assert not holds().holds and holds().at is not None and "is down" in holds().why
        filled = [o for o in rig.engine.picture.take().orders if o.status == "FILLED"]
        assert filled and not any(o.last_known for o in filled)
        assert status_of(rig.engine.picture.take()).comparison == holds()

        # The link comes back and the broker answers nothing: what agreed before the loss proves nothing yet.
        rig.exchange.faults.set_ratios({"query_lost": 1.0})
        rig.exchange.open_gateway("primary")
        while not rig.engine.core.link_up:
            await rig.sleep(0.05)
        assert row().state == "not compared" and order().last_known
        assert "since the link is back" in holds().why
        await rig.sleep(4)
        assert row().state == "not compared" and order().last_known
        rig.exchange.faults.clear()
        while not holds().holds:
            await rig.sleep(0.05)
        assert row().state == "agree" and row().diff == 0 and not order().last_known

    Rig.play(script)


def test_an_agreement_is_not_believed_for_ever_when_the_broker_cannot_be_read() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        await rig.sleep(10)
        rig.exchange.faults.set_ratios({"query_lost": 1.0})
        await rig.sleep(9)
        picture = rig.engine.picture.take()
        assert rig.engine.core.link_up and picture.comparison.holds, "one reading that fails is no news"
        await rig.sleep(12)
        picture = rig.engine.picture.take()
        assert rig.engine.core.link_up
        assert not picture.comparison.holds and "cannot be read" in picture.comparison.why
        assert {p.state for p in picture.positions} == {"not compared"}
        assert picture.comparison.orders, "its stream still tells of orders"

    Rig.play(script, config={"link": {"unanswered": 60}})


def test_what_a_journal_remembers_is_not_compared_before_the_broker_was_read(tmp_path: Path) -> None:
    async def first(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        await rig.sleep(3)

    async def second(rig: Rig) -> None:
        picture = rig.engine.picture.take()
        assert not picture.comparison.holds and picture.comparison.at is None
        (es,) = [p for p in picture.positions if p.symbol == "ES"]
        assert es.executed == 2 and es.state == "not compared" and es.diff is None

    Rig.play(first, directory=tmp_path)
    Away.play(second, directory=tmp_path)
