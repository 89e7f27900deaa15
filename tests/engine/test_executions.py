"""Executions that come late, by nobody's order, under a used identity, or only when they are asked for."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from engine.control.commands import Claim
from engine.facts import (
    Acknowledged,
    AnyFact,
    Busted,
    Canceled,
    CancelRejected,
    Corrected,
    DoneForDay,
    Executed,
    Expired,
    OrderNotFound,
    PendingCancel,
    Released,
    Restated,
    Suspended,
)
from engine.model import NS, ExecutionKey, Fill, Order, Side
from engine.positions import MICRO, PositionBook
from engine.records import Intended
from tests.engine.rig import Rig
from tests.engine.said import execution, journal


def deaf(rig: Rig) -> None:
    """The broker answers no question: what it says is scripted."""
    rig.exchange.faults.set_ratios({"query_lost": 1.0})


async def ended_long_ago(rig: Rig, strategy: str) -> Order:
    """An order that was cancelled, with as many after it as push it out of memory."""
    first, refusal = rig.send(Side.BUY, 5, 23_990, strategy=strategy)
    assert refusal is None
    await rig.sleep(0.3)
    rig.engine.on_fact(Canceled(ts=rig.clock.now(), order_id=first.id, cum=0))
    for n in range(15):
        order, _ = rig.send(Side.BUY, 1, 23_980 - n)
        await rig.sleep(0.3)
        rig.engine.on_fact(Canceled(ts=rig.clock.now(), order_id=order.id, cum=0))
    assert rig.engine.core.books.orders.get(first.id) is None
    return first


def test_a_fill_of_an_order_that_left_memory_is_booked_once_for_its_strategy() -> None:
    async def script(rig: Rig) -> None:
        deaf(rig)
        order = await ended_long_ago(rig, "scalper")
        positions = rig.engine.core.books.positions
        late = execution(rig, order, 2)
        for _ in range(2):
            rig.engine.on_fact(Executed(ts=rig.clock.now(), fill=late))
        assert rig.position() == positions.strategy_qty("scalper", "ES") == 2
        assert "evicted_order" in rig.alerts()
        assert rig.engine.core.books.halts.instrument("ES") is None, "it is nobody else's"
        for _ in range(2):
            rig.engine.on_fact(Busted(ts=rig.clock.now(), key=late.key))
        assert rig.position() == positions.strategy_qty("scalper", "ES") == 0
        assert "bust" in rig.alerts()

    Rig.play(script, config={"orders": {"closed_in_memory": 10}})


def test_an_execution_id_of_another_order_is_not_swallowed() -> None:
    async def script(rig: Rig) -> None:
        deaf(rig)
        one, _ = rig.send(Side.BUY, 5, 23_990)
        two, _ = rig.send(Side.BUY, 4, 23_980)
        await rig.sleep(0.3)
        rounds = rig.engine.reconciler.rounds
        rig.engine.on_fact(Executed(ts=rig.clock.now(), fill=execution(rig, one, 1)))
        rig.engine.on_fact(Executed(ts=rig.clock.now(), fill=execution(rig, two, 2)))
        assert rig.position() == 1
        assert "execution_differs" in rig.alerts()
        await rig.sleep(0.5)
        assert rig.engine.reconciler.rounds > rounds, "the broker is asked what is true"
        tomorrow = execution(rig, two, 2, day="2026-01-08")
        rig.engine.on_fact(Executed(ts=rig.clock.now(), fill=tomorrow))
        assert rig.position() == 3, "the same id on another trading day is another execution"

    Rig.play(script)


def test_a_trade_by_hand_that_the_stream_reports_is_booked_and_halts_by_policy() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        rig.exchange.manual_trade(rig.config.account, "ES", Side.BUY, 1)
        await rig.sleep(0.5)
        assert rig.position() == 3 and {"foreign_fill", "manual_trade"} & set(rig.alerts())
        halt = rig.engine.core.books.halts.instrument("ES")
        policy = rig.config.reconcile.on_manual_trade
        assert (halt is not None and halt.code == "manual_trade") is (policy == "halt")

    for policy in ("halt", "warn", "adopt"):
        Rig.play(script, config={"reconcile": {"on_manual_trade": policy}})


def test_what_filled_in_an_outage_is_found_although_newer_fills_came_first() -> None:
    async def script(rig: Rig) -> None:
        rig.send(Side.BUY, 2, 23_990)
        rig.send(Side.BUY, 1, 23_950)
        await rig.sleep(0.3)
        rig.exchange.drop_link(rig.config.account, down_for=3600 * NS)
        await rig.sleep(0.1)
        rig.quote("ES", 23_980, 23_985)
        await rig.sleep(1)
        rig.move("ES", 24_000)
        await rig.sleep(150)
        assert rig.venue_position() == 2
        deaf(rig)
        rig.exchange.restore_link(rig.config.account)
        await rig.sleep(0.1)
        rig.quote("ES", 23_930, 23_931)
        await rig.sleep(0.5)
        assert rig.position() == 1, "the newest fill came by the stream"
        rig.exchange.faults.clear()
        await rig.sleep(20)
        assert rig.position() == rig.venue_position() == 3
        assert rig.engine.core.books.halts.all() == () and rig.engine.reconciler.agreed

    Rig.play(script)


def test_a_claim_needs_an_order_placed_elsewhere_and_somebody_to_own_it() -> None:
    async def script(rig: Rig) -> None:
        assert not (await rig.command(Claim(broker_id="nope", strategy="manual"))).ok
        rig.exchange.foreign_order(rig.config.account, "ES", Side.BUY, 1, limit=23_950)
        await rig.sleep(7)
        row = next(r for r in rig.engine.picture.take().orders if r.foreign)
        answer = await rig.command(Claim(broker_id=row.broker_id, strategy="nobody"))
        assert not answer.ok and "manual" in answer.text
        assert (await rig.command(Claim(broker_id=row.broker_id, strategy="manual"))).ok
        rig.exchange.faults.arm("drop_report", 3)
        rig.quote("ES", 23_940, 23_941)
        await rig.sleep(12)
        positions = rig.engine.core.books.positions
        assert rig.venue_position() == rig.position() == positions.strategy_qty("manual", "ES") == 1
        assert rig.engine.core.books.halts.all() == (), "a fill of a claimed order is no manual trade"

    Rig.play(script)


def test_every_row_about_an_order_leads_back_to_what_caused_it() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("no_ack")
        rig.send(Side.BUY, 5, 23_990)
        await rig.sleep(12)
        await rig.fill(Side.BUY, 2)
        rig.exchange.bust(rig.exchange.audit(rig.config.account).executions[-1].key)
        rig.exchange.faults.arm("lose_request")
        rig.send(Side.BUY, 3, 23_970)
        await rig.sleep(40)
        kinds = {"order", "sent", "not_sent", "unanswered", "lost", "refused"}
        rows = [r for r in await journal(rig) if r.kind in kinds or (r.kind == "fact" and r.order_id)]
        assert {"order", "sent", "unanswered", "lost", "fact"} <= {r.kind for r in rows}
        assert [r for r in rows if not r.correlation] == []
        (bust,) = [r for r in await journal(rig) if '"fact":"busted"' in r.body]
        assert bust.order_id and bust.correlation

    Rig.play(script)


def test_a_bust_leaves_everything_else_as_if_it_had_never_been() -> None:
    def fill(n: int, side: Side, qty: int, price: int) -> Fill:
        key = ExecutionKey("SIM", "A", "2026-01-07", str(n))
        return Fill(key=key, symbol="ES", side=side, qty=qty, price=price, ts=0)

    def book(*, with_busted: bool) -> PositionBook:
        out = PositionBook()
        out.book(fill(1, Side.BUY, 1, 100), (("a", 1),))
        out.book(fill(2, Side.BUY, 1, 110), (("a", 1),))
        if with_busted:
            out.book(fill(3, Side.SELL, 5, 120), (("c", 5),))
        out.transfer("ES", "a", "b", 1, 105)
        out.adjust("ES", -1, 130, "elsewhere")
        out.book(fill(4, Side.SELL, 3, 90), (("b", 3),))
        return out

    busted = book(with_busted=True)
    assert busted.bust("ES", fill(3, Side.SELL, 5, 120).key)
    assert busted.state()[0][1] == book(with_busted=False).state()[0][1]
    parts = busted.get("ES").parts
    assert parts["a"].average == 105 and parts["a"].realised_micro == 0
    assert {name: p.qty for name, p in parts.items() if p.qty} == {"a": 1, "b": -2, "elsewhere": -1}


def test_corrections_and_busts_move_quantity_price_profit_and_fees_together() -> None:
    async def script(rig: Rig) -> None:
        deaf(rig)
        bought, _ = rig.send(Side.BUY, 4, 23_990)
        sold, _ = rig.send(Side.SELL, 4, 24_010)
        await rig.sleep(0.3)
        now, held = rig.clock.now(), rig.engine.core.books.positions.get("ES")
        first = execution(rig, bought, 4, exec_id="1", fee="9.00")
        rig.engine.on_fact(Executed(ts=now, fill=first))
        rig.engine.on_fact(Executed(ts=now, fill=execution(rig, sold, 4, exec_id="2", fee="9.00")))
        assert (held.held.qty, held.held.realised_micro, held.held.fees) == (0, 80 * MICRO, 18)

        less = replace(first, key=replace(first.key, exec_id="1c"), qty=3, price=23_980, fee=Decimal("6.75"))
        rig.engine.on_fact(Corrected(ts=now, key=first.key, fill=less))
        assert (held.held.qty, held.held.average, held.held.fees) == (-1, 24_010, Decimal("15.75"))
        assert held.held.realised_micro == 90 * MICRO
        assert rig.status(bought) == "PARTIAL_FILL"

        more = replace(less, key=replace(first.key, exec_id="1d"), qty=5)
        rig.engine.on_fact(Corrected(ts=now, key=less.key, fill=more))
        assert (held.held.qty, held.held.average) == (1, 23_980)
        assert held.held.realised_micro == 120 * MICRO
        assert "overfill" in rig.alerts()

        rig.engine.on_fact(Executed(ts=now, fill=first))
        assert held.held.qty == 1, "the original again changes nothing"
        rig.engine.on_fact(Busted(ts=now, key=first.key))
        assert (held.held.qty, held.held.realised_micro, held.held.fees) == (-4, 0, 9)
        record = rig.engine.core.books.orders.get(bought.id)
        assert record is not None and record.life.cum == 0

    Rig.play(script)


def test_a_commission_that_is_told_apart_is_no_alarm() -> None:
    """Found on the desk at the loopback gateway of Interactive Brokers, which tells each commission after its
    execution: every fill raised a critical alarm."""

    async def script(rig: Rig) -> None:
        deaf(rig)
        bought, _ = rig.send(Side.BUY, 4, 23_990)
        await rig.sleep(0.3)
        now, held = rig.clock.now(), rig.engine.core.books.positions.get("ES")
        fill = execution(rig, bought, 4, exec_id="1", fee="0")
        rig.engine.on_fact(Executed(ts=now, fill=fill))
        alerts = rig.alerts()
        rig.engine.on_fact(Corrected(ts=now, key=fill.key, fill=replace(fill, fee=Decimal("9.00"))))
        assert (held.held.qty, held.held.fees) == (4, 9)
        assert rig.alerts() == alerts and "bust" not in alerts
        rig.engine.on_fact(Corrected(ts=now, key=fill.key, fill=replace(fill, price=23_980)))
        assert "bust" in rig.alerts()

    Rig.play(script)


def test_a_netted_fill_is_taken_back_from_those_who_got_it() -> None:
    async def script(rig: Rig) -> None:
        deaf(rig)
        core = rig.engine.core
        for name, lots in (("ada", 3), ("bo", 1)):
            core.commit(Intended(strategy=name, symbol="ES", lots=lots))
        order, _ = rig.send(Side.BUY, 4, 23_990, strategy="net")
        await rig.sleep(0.3)
        fill = execution(rig, order, 4, fee="1.00")
        rig.engine.on_fact(Executed(ts=rig.clock.now(), fill=fill))
        parts = core.books.positions.get("ES").parts
        assert {n: (p.qty, p.fees) for n, p in parts.items()} == {
            "ada": (3, Decimal("0.75")),
            "bo": (1, Decimal("0.25")),
        }
        less = replace(fill, key=replace(fill.key, exec_id="1c"), qty=2)
        rig.engine.on_fact(Corrected(ts=rig.clock.now(), key=fill.key, fill=less))
        assert (
            core.books.positions.strategy_qty("ada", "ES") + core.books.positions.strategy_qty("bo", "ES")
            == 2
        )
        rig.engine.on_fact(Busted(ts=rig.clock.now(), key=less.key))
        assert [core.books.positions.strategy_qty(n, "ES") for n in ("ada", "bo")] == [0, 0]

    Rig.play(script)


def test_every_report_may_come_twice() -> None:
    async def script(rig: Rig) -> None:
        deaf(rig)
        order, _ = rig.send(Side.BUY, 5, 23_990)
        await rig.sleep(0.3)
        t, oid, books = rig.clock.now(), order.id, rig.engine.core.books
        one, two = execution(rig, order, 1, exec_id="1"), execution(rig, order, 1, exec_id="2")
        reports: list[AnyFact] = [
            Acknowledged(ts=t, order_id=oid, broker_id="X000001"),
            Executed(ts=t, fill=one),
            Suspended(ts=t + 1, order_id=oid),
            Released(ts=t + 2, order_id=oid),
            Restated(ts=t + 3, order_id=oid, qty=4, limit=23_990),
            PendingCancel(ts=t + 4, order_id=oid),
            CancelRejected(ts=t + 5, order_id=oid, reason="no"),
            Corrected(ts=t + 6, key=one.key, fill=replace(one, key=replace(one.key, exec_id="1c"), qty=2)),
            Executed(ts=t + 7, fill=two),
            Busted(ts=t + 8, key=two.key),
            DoneForDay(ts=t + 9, order_id=oid, cum=2),
            Canceled(ts=t + 10, order_id=oid, cum=2),
            Expired(ts=t + 11, order_id=oid),
            OrderNotFound(ts=t + 12, order_id=oid),
        ]
        for report in reports:
            states = []
            for _ in range(2):
                rig.engine.on_fact(report)
                record = books.orders.get(oid)
                assert record is not None
                life = record.life
                states.append((life.status, life.cum, life.qty, life.worst_leaves, books.positions.state()))
            assert states[0] == states[1], report
        assert rig.position() == 2

    Rig.play(script)
