"""Executions of orders that were over, and of orders that the books do not know: booked, told of, and their
instrument opens nothing until the broker agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.books import Applied
from engine.control.commands import Reset
from engine.facts import BrokerPosition, Executed, OrderReport
from engine.kill_scope import Aim
from engine.model import NS, ExecutionKey, Fill, Order, OrderStatus, Side
from engine.risk import words
from engine.sim.invariants import Broken, Counts, Watch
from tests.engine.rig import START, Rig

KEEP: dict[str, Any] = {"orders": {"on_stop": "keep"}}
HALTS: dict[str, Any] = {"reconcile": {"on_late_fill": "halt"}}
UNKNOWN = "trend-zzzz1abc-1"
TAKES: dict[str, Any] = {"reconcile": {"on_manual_trade": "adopt"}}


async def late(rig: Rig) -> Order:
    """A lot is executed of an order whose cancel the venue has confirmed. Returns once it is booked."""
    order, refusal = rig.send(Side.BUY, 2, 23_990)
    assert refusal is None
    await rig.sleep(1)
    await cancelled_late(rig, order)
    return order


async def cancelled_late(rig: Rig, order: Order) -> None:
    rig.exchange.faults.arm("fill_after_cancel")
    rig.engine.intake.cancel(order.id)
    for _ in range(5_000):
        if rig.position():
            return
        await rig.sleep(0.001)
    raise AssertionError("nothing was executed")


def stray(rig: Rig, **changes: Any) -> Executed:
    """One lot bought, of no order."""
    key = ExecutionKey(venue="CME", account=rig.config.account, trading_day="2026-01-05", exec_id="e-1")
    fill = Fill(key=key, symbol="ES", side=Side.BUY, qty=1, price=24_000, ts=rig.clock.now())
    return Executed(ts=fill.ts, fill=replace(fill, **changes))


def test_a_late_fill_holds_its_instrument_until_the_broker_agrees() -> None:
    async def script(rig: Rig) -> None:
        order = await late(rig)
        books = rig.engine.core.books
        hold = books.holds.get("ES")
        assert hold is not None and hold.code == "fill_after_cancel"
        assert rig.status(order) == "CANCELED" and rig.position() == 1
        refusal = rig.send(Side.BUY, 1, 23_990)[1]
        assert refusal is not None and "ES is held" in str(refusal), "nothing opens"
        assert rig.send(Side.BUY, 1, 6_990, symbol="CL")[1] is None, "another instrument goes on"
        assert rig.send(Side.SELL, 1, 24_500)[1] is None, "what reduces goes"
        (shown,) = rig.engine.status.paused()
        assert shown.text == "ES is held: an order filled after its cancel was confirmed"
        assert shown.then == "nothing opens in ES until the broker agrees"
        alert = next(a for a in books.alerts.rows() if a.code == "fill_after_cancel")
        assert alert.severity == "warning" and "nothing opens in ES until the broker agrees" in alert.text
        await rig.sleep(5)
        assert books.holds.get("ES") is None and rig.engine.reconciler.agreed
        assert rig.engine.status.paused() == () and rig.send(Side.BUY, 1, 23_990)[1] is None

    Rig.play(script)


def test_an_order_that_waits_for_the_disk_does_not_leave_behind_it() -> None:
    """The gate has passed it; the execution is booked before it is stored."""

    async def script(rig: Rig) -> None:
        order, refusal = rig.send(Side.BUY, 1, 23_990)
        assert refusal is None
        rig.engine.facts.take(stray(rig, broker_id="stranger"))
        await rig.sleep(0.1)
        record = rig.engine.core.books.orders.get(order.id)
        assert record is not None and not record.sent and "ES is held" in record.life.reason

    Rig.play(script, config=TAKES)


def test_a_comparison_that_began_before_it_ends_no_hold() -> None:
    """The broker was read already when the execution came: that its picture agreed says nothing of it."""

    async def script(rig: Rig) -> None:
        core = rig.engine.core
        values, taken = core.adapter.account_values, []

        async def comes_meanwhile() -> Any:
            if not taken:
                taken.append(rig.engine.facts.take(stray(rig, broker_id="stranger")))
            return await values()

        core.adapter.account_values = comes_meanwhile  # type: ignore[method-assign]
        await rig.engine.reconciler.round("test")
        assert taken and core.books.holds.get("ES") is not None

    Rig.play(script, config=TAKES)


def test_while_the_broker_disagrees_the_hold_stays() -> None:
    async def script(rig: Rig) -> None:
        rig.engine.facts.take(stray(rig, broker_id="stranger"))  # the venue has no such execution
        await rig.sleep(60)
        books = rig.engine.core.books
        assert books.drift() == {"ES": -1} and books.holds.get("ES") is not None
        assert "ES" in str(rig.send(Side.BUY, 1, 23_990)[1])
        assert (await rig.command(Reset(scope="instrument", target="ES"))).ok, "a person may end it"
        assert books.holds.get("ES") is None

    Rig.play(script, config={"reconcile": {"on_manual_trade": "warn", "on_drift": "warn"}})


def test_a_hold_is_in_the_row_of_its_execution_and_outlives_the_process(tmp_path: Path) -> None:
    async def before(rig: Rig) -> None:
        core = rig.engine.core

        def dies(_record: Any, applied: Applied, *_: Any) -> None:
            if applied.fill is not None:
                core.journal.append_nowait = lambda *_, **__: None  # type: ignore[method-assign, assign]

        core.tell = dies
        await late(rig)

    Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        released = [fields["symbol"] for _, _, fields in rig.logged if fields.get("status") == "RELEASED"]
        assert released == ["ES"], "it was held when it started, and agrees by now"
        assert rig.engine.core.books.holds.get("ES") is None and rig.send(Side.BUY, 1, 23_990)[1] is None

    Rig.play(after, directory=tmp_path, config=KEEP, start=START + 60 * NS)


@pytest.mark.parametrize("known", [True, False])
def test_what_halts_does_so_over_the_end_of_the_process(tmp_path: Path, known: bool) -> None:
    """It dies behind the row of the execution; nothing that follows is on disk."""
    config = {**KEEP, "reconcile": {"on_late_fill": "halt", "on_manual_trade": "adopt", "on_drift": "adopt"}}

    async def before(rig: Rig) -> None:
        core = rig.engine.core

        def dies(_record: Any, applied: Applied, *_: Any) -> None:
            if applied.fill is not None:
                core.journal.append_nowait = lambda *_, **__: None  # type: ignore[method-assign, assign]

        core.tell = dies
        if known:
            await late(rig)
        else:
            rig.engine.facts.take(stray(rig, order_id=UNKNOWN, broker_id="stranger"))

    Rig.play(before, directory=tmp_path, config=config)

    async def after(rig: Rig) -> None:
        await rig.sleep(10)
        halt = rig.engine.core.books.halts.instrument("ES")
        assert halt is not None and halt.code == ("fill_after_cancel" if known else "unknown_fill")

    Rig.play(after, directory=tmp_path, config=config, start=START + 60 * NS)


def test_while_the_venue_lists_the_order_the_hold_stays() -> None:
    """Over in our books and open at the venue: its last report is fresh, so that this is no finding yet."""

    async def script(rig: Rig) -> None:
        core = rig.engine.core
        order, _ = rig.send(Side.BUY, 2, 23_990)
        await rig.sleep(1)
        record, real = core.books.orders.get(order.id), core.adapter.open_orders
        assert record is not None

        async def lists_it() -> Any:
            report = OrderReport(
                ts=core.clock.now(),
                order_id=order.id,
                status=OrderStatus.PARTIAL_FILL,
                broker_id=record.life.broker_id,
                qty=2,
                cum=1,
                limit=23_990,
            )
            return replace(await real(), ours=(report,))

        core.adapter.open_orders = lists_it  # type: ignore[method-assign]
        before = rig.engine.reconciler.rounds
        await cancelled_late(rig, order)
        await rig.sleep(1)
        assert rig.engine.reconciler.rounds > before and core.books.holds.get("ES") is not None
        core.adapter.open_orders = real  # type: ignore[method-assign]
        await rig.sleep(10)
        assert core.books.holds.get("ES") is None

    Rig.play(script)


@pytest.mark.parametrize("policy", ["warn", "adopt", "halt"])
def test_a_fill_under_an_unknown_id_of_ours_halts_when_a_comparison_brings_it(policy: str) -> None:
    """As after a start on an older copy of the journal: the stream has long told it to somebody else."""

    async def script(rig: Rig) -> None:
        adapter = rig.engine.core.adapter
        fill = stray(rig, order_id=UNKNOWN, broker_id="stranger").fill
        executions, positions = adapter.executions, adapter.positions

        async def with_it(since: int) -> Any:
            return replace(await executions(since), fills=(fill,))

        async def held() -> Any:
            return replace(await positions(), positions=(BrokerPosition(symbol="ES", qty=1),))

        adapter.executions, adapter.positions = with_it, held  # type: ignore[method-assign]
        await rig.sleep(15)
        halt = rig.engine.core.books.halts.instrument("ES")
        assert rig.position() == 1 and halt is not None and halt.code == "unknown_fill"
        assert rig.send(Side.BUY, 1, 23_990)[1] is not None

    Rig.play(script, config={"reconcile": {"on_manual_trade": policy}})


def test_where_it_is_configured_a_late_fill_halts_until_a_reset() -> None:
    async def script(rig: Rig) -> None:
        await late(rig)
        await rig.sleep(10)
        books = rig.engine.core.books
        halt = books.halts.instrument("ES")
        assert rig.engine.reconciler.agreed and halt is not None and halt.code == "fill_after_cancel"
        why, _ = words.halt(halt.scope, halt.target, halt.code, halt.reason)
        assert why == "ES is halted: an order filled after its cancel was confirmed"
        assert rig.send(Side.BUY, 1, 23_990)[1] is not None
        assert (await rig.command(Reset(scope="instrument", target="ES"))).ok
        assert rig.send(Side.BUY, 1, 23_990)[1] is None
        assert not books.alerts.standing("fill_after_cancel", "ES")

    Rig.play(script, config=HALTS)


@pytest.mark.parametrize(("order_id", "halts"), [(UNKNOWN, True), (None, False)])
def test_a_fill_of_an_order_that_is_not_known(order_id: str | None, halts: bool) -> None:
    """With an id of ours it halts, for our books have lost an order; somebody else's trade holds."""

    async def script(rig: Rig) -> None:
        rig.engine.facts.take(stray(rig, order_id=order_id, broker_id="stranger"))
        books = rig.engine.core.books
        assert rig.position() == 1 and books.holds.get("ES") is not None
        halt = books.halts.instrument("ES")
        assert (halt is not None) is halts
        if halt is not None:
            assert halt.code == "unknown_fill" and books.alerts.standing("unknown_fill", "ES")
        assert rig.send(Side.BUY, 1, 23_990)[1] is not None and rig.send(Side.SELL, 1, 24_500)[1] is None

    Rig.play(script, config=TAKES)


def test_a_late_fill_of_an_order_that_left_memory_holds_as_well() -> None:
    async def script(rig: Rig) -> None:
        orders = []
        for _ in range(12):
            order, _ = rig.send(Side.BUY, 1, 23_990)
            orders.append(order)
            await rig.sleep(0.5)
            rig.engine.intake.cancel(order.id)
            await rig.sleep(0.5)
        order = orders[0]
        books = rig.engine.core.books
        assert books.orders.get(order.id) is None
        rig.engine.facts.take(stray(rig, order_id=order.id))
        hold = books.holds.get("ES")
        assert hold is not None and hold.code == "evicted_order"

    Rig.play(script, config={"orders": {"closed_in_memory": 10}})


class Happened:
    """A venue at which the executions happened of which it tells."""

    def execution(self, key: ExecutionKey) -> Fill | None:
        return bought(key)

    def has_seen(self, _order_id: str) -> bool:
        return True

    def denies(self, _aim: Aim) -> str:
        return ""


def bought(key: ExecutionKey) -> Fill:
    return Fill(key=key, symbol="ES", side=Side.BUY, qty=1, price=23_990, ts=START)


@pytest.mark.parametrize("counted", [1, 0])
def test_an_execution_of_which_the_report_of_the_end_told_holds_nothing(counted: int) -> None:
    """Seed 874: the broker, asked after a lost cancel, had the order canceled with one lot filled, and the
    comparison brought the execution. It was exposed all the while. What goes beyond the count holds."""

    async def script(rig: Rig) -> None:
        books = rig.engine.core.books
        broken: list[Broken] = []
        Watch(rig.engine, Happened(), Counts(), broken.append, lambda _: None)
        order, _ = rig.send(Side.BUY, 2, 23_990)
        await rig.sleep(0.5)
        end = OrderReport(
            ts=rig.clock.now(), order_id=order.id, status=OrderStatus.CANCELED, qty=2, cum=counted, leaves=0
        )
        rig.engine.facts.on_answer(end)
        assert rig.status(order) == "CANCELED" and books.orders.exposure("ES").buy == counted
        key = ExecutionKey(venue="CME", account=rig.config.account, trading_day="2026-01-05", exec_id="e-1")
        fill = replace(bought(key), order_id=order.id)
        rig.engine.facts.handle(Executed(ts=rig.clock.now(), fill=fill), "reconcile")
        assert rig.position() == 1 and books.orders.exposure("ES").buy == 0
        assert (books.holds.get("ES") is None) is (counted == 1)
        assert not broken

    Rig.play(script)
