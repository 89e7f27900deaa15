"""Orders of which the broker cannot say what became of them: a person is told, and may declare them gone."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from engine.control.commands import Gone
from engine.facts import Executed
from engine.model import ExecutionKey, Fill, Order, Side
from engine.ports import QueryFailed
from tests.engine.rig import Rig


async def doubtful(rig: Rig) -> Order:
    """An order that never arrived, at a broker that answers no question about it."""

    async def fails(*_: Any) -> Any:
        raise QueryFailed("it is in none of the lists")

    rig.engine.core.adapter.query_order = fails  # type: ignore[method-assign]
    rig.exchange.faults.arm("lose_request")
    order, refusal = rig.send(Side.BUY, 2, 23_990)
    assert refusal is None
    await rig.sleep(10)
    assert rig.status(order) == "UNKNOWN"
    return order


def test_a_person_is_told_when_the_questions_bring_nothing() -> None:
    async def script(rig: Rig) -> None:
        order = await doubtful(rig)
        alerts = rig.engine.core.books.alerts
        assert not alerts.standing("in_doubt", "ES"), "it may still be on its way"
        await rig.sleep(120)
        assert alerts.standing("in_doubt", "ES") and rig.status(order) == "UNKNOWN"
        row = next(a for a in alerts.rows() if a.code == "in_doubt")
        assert order.id in row.text and "none of the lists" in row.text and row.severity == "warning"
        answer = await rig.command(Gone(order_id=order.id))
        assert answer.ok, answer
        assert rig.status(order) == "CANCELED" and not alerts.standing("in_doubt", "ES")
        assert alerts.standing("lost_order", "ES")

    Rig.play(script)


def test_what_is_declared_gone_and_fills_holds_its_instrument() -> None:
    async def script(rig: Rig) -> None:
        order = await doubtful(rig)
        assert (await rig.command(Gone(order_id=order.id))).ok
        key = ExecutionKey(venue="CME", account=rig.config.account, trading_day="2026-01-05", exec_id="e-1")
        fill = Fill(key=key, symbol="ES", side=Side.BUY, qty=2, price=23_990, ts=rig.clock.now())
        rig.engine.facts.take(Executed(ts=fill.ts, fill=replace(fill, order_id=order.id)))
        hold = rig.engine.core.books.holds.get("ES")
        assert rig.position() == 2 and hold is not None and hold.code == "fill_after_lost"

    Rig.play(script)


def test_only_what_is_in_doubt_can_be_declared_gone() -> None:
    async def script(rig: Rig) -> None:
        works, _ = rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(1)
        answer = await rig.command(Gone(order_id=works.id))
        assert not answer.ok and "is WORKING: only an order in doubt" in answer.text
        answer = await rig.command(Gone(order_id="man-none-1"))
        assert not answer.ok and "no order man-none-1 of ours" in answer.text

    Rig.play(script)


def test_while_positions_differ_nothing_is_declared_gone() -> None:
    """The difference may be what the order has filled."""

    async def script(rig: Rig) -> None:
        order = await doubtful(rig)
        rig.exchange.faults.arm("drop_report")
        rig.exchange.manual_trade(rig.config.account, "ES", Side.BUY, 2, 24_000)
        rig.engine.reconcile_soon()
        await rig.sleep(3)
        answer = await rig.command(Gone(order_id=order.id))
        assert not answer.ok and "stays in doubt" in answer.text and rig.status(order) == "UNKNOWN"

    Rig.play(script, config={"reconcile": {"on_manual_trade": "warn"}})
