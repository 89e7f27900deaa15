"""An operator's orders that the venue cannot keep, refuses or fills in part, and those that never leave."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.control.commands import (
    CancelEverything,
    Submit,
)
from engine.model import NS, OrderType, Purpose, Side, TimeInForce
from engine.ports import NotSent
from tests.engine.operator_kit import submit
from tests.engine.rig import Rig


def without(rig: Rig, **fields: Any) -> None:
    """The venue can do less from now on."""
    rig.adapter.capabilities = msgspec.structs.replace(rig.adapter.capabilities, **fields)


def test_good_till_date_is_kept_by_us_where_the_venue_keeps_none() -> None:
    async def script(rig: Rig) -> None:
        without(rig, tifs=rig.adapter.capabilities.tifs - {TimeInForce.GTD})
        order, refusal = rig.send(Side.BUY, 1, 23_990, tif=TimeInForce.GTD, expire=rig.clock.now() + 3 * NS)
        assert refusal is None
        await rig.sleep(2)
        assert rig.status(order) == "WORKING"
        await rig.sleep(2)
        assert rig.status(order) == "CANCELED"

    Rig.play(script)


@pytest.mark.parametrize(
    ("lacks", "order", "word"),
    [
        ({"bracket": False}, {"parent": "x", "purpose": "protect"}, "brackets"),
        ({"oco": False}, {"oco": "x"}, "OCO groups"),
        ({"post_only": False}, {"post_only": True}, "post-only"),
        (
            {"order_types": frozenset({OrderType.LIMIT})},
            {"type": OrderType.MARKET, "limit": None},
            "type MKT",
        ),
        ({"tifs": frozenset({TimeInForce.DAY})}, {"tif": TimeInForce.IOC}, "IOC"),
    ],
)
def test_what_the_venue_cannot_do_is_refused(lacks: dict[str, Any], order: dict[str, Any], word: str) -> None:
    async def script(rig: Rig) -> None:
        without(rig, **lacks)
        _, refusal = rig.send(Side.BUY, 1, **order)
        assert refusal is not None and refusal.control == "capability" and word in refusal.text

    Rig.play(script)


def test_a_stop_leaves_protective_orders_and_asks_the_broker_for_them() -> None:
    async def script(rig: Rig) -> None:
        await rig.command(submit(Side.BUY, "2", "6000.25", take_profit="6010.00", stop_loss="5990.00"))
        entry, _ = rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(0.5)
        await rig.engine.stop("drill")
        assert rig.status(entry) == "CANCELED"
        assert rig.engine.summary()["protective_verified"] == 2
        live = [o for o in rig.exchange.audit(rig.config.account).orders if not o.status.is_closed]
        assert len(live) == 2

    Rig.play(script)


def test_an_entry_whose_stop_is_refused_never_leaves() -> None:
    async def script(rig: Rig) -> None:
        answer = await rig.command(
            Submit(
                symbol="ES",
                side=Side.BUY,
                size=Decimal(2),
                type=OrderType.LIMIT,
                limit=Decimal("6000.25"),
                take_profit=Decimal(6010),
                stop_loss=Decimal(1000),
            )
        )
        assert not answer.ok and "price_sanity" in answer.text, answer
        await rig.sleep(2)
        assert rig.position() == 0
        assert rig.engine.core.books.orders.working() == []
        assert rig.exchange.audit(rig.config.account).orders == ()

    Rig.play(script)


def test_a_stop_that_the_venue_refuses_is_alarmed() -> None:
    async def script(rig: Rig) -> None:
        submit = rig.adapter.submit

        def refused(order: Any) -> None:
            rig.exchange.faults.arm("reject_new")
            submit(order)

        def refuse_protection(order: Any) -> None:
            if order.request.purpose is Purpose.PROTECT:
                rig.clock.call_later(NS // 10, refused, order)
            else:
                submit(order)

        rig.adapter.submit = refuse_protection  # type: ignore[method-assign]
        await rig.command(
            Submit(
                symbol="ES",
                side=Side.BUY,
                size=Decimal(2),
                type=OrderType.LIMIT,
                limit=Decimal("6000.25"),
                stop_loss=Decimal(5990),
            )
        )
        await rig.sleep(1)
        assert rig.position() == 2
        assert {"rejected", "unprotected"} <= set(rig.alerts())

    Rig.play(script)


def test_a_rejection_that_only_a_question_brings_out_is_alarmed_too() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("reject_new")
        rig.exchange.faults.arm("drop_report")
        order, _ = rig.send(Side.BUY, 5, 23_990)
        await rig.sleep(8)
        assert rig.status(order) == "REJECTED"
        assert "rejected" in rig.alerts()

    Rig.play(script)


def test_a_cancel_that_could_not_leave_forgets_none_that_did() -> None:
    async def script(rig: Rig) -> None:
        order, _ = rig.send(Side.BUY, 5, 23_990)
        await rig.sleep(0.3)
        rig.adapter.cancel = lambda *_: None  # type: ignore[method-assign]
        assert rig.engine.intake.cancel(order.id) == ""

        def down(*_: object) -> None:
            raise NotSent("the link is down")

        rig.adapter.cancel = down  # type: ignore[method-assign]
        assert rig.engine.intake.cancel(order.id) == "the link is down"
        record = rig.engine.core.books.orders.get(order.id)
        assert record is not None and record.life.pending_cancel, "the first one is still to be answered"

    Rig.play(script)


def test_an_order_cancelled_while_it_waits_for_the_disk_never_leaves() -> None:
    async def script(rig: Rig) -> None:
        order, refusal = rig.send(Side.BUY, 1, 23_990)
        assert refusal is None
        assert rig.engine.intake.cancel(order.id) == ""
        await rig.sleep(1)
        assert rig.exchange.audit(rig.config.account).orders == ()
        assert rig.status(order) == "REJECTED" and rig.engine.view.exposure("ES") == (0, 0)
        assert "cancel_rejected" not in rig.alerts()

    Rig.play(script)


def test_the_brokers_own_cancel_of_everything_takes_the_accounts_name_and_a_broker_that_has_it() -> None:
    async def script(rig: Rig) -> None:
        refused = await rig.command(CancelEverything(account="another"))
        assert not refused.ok and rig.config.account in refused.text
        lacking = await rig.command(CancelEverything(account=rig.config.account))
        assert not lacking.ok and "cancel-all" in lacking.text
        asked: list[str] = []
        rig.adapter.cancel_everything = lambda: asked.append("all")  # type: ignore[method-assign]
        done = await rig.command(CancelEverything(account=rig.config.account))
        assert done.ok and asked == ["all"] and "cancel_everything" in rig.alerts()

    Rig.play(script)
