"""What a scripted venue says of an order, an operator twice, and the journal of all of it."""

from __future__ import annotations

from decimal import Decimal

from engine.control.commands import Answer, Reload
from engine.journal.rows import Row
from engine.model import ExecutionKey, Fill, Order
from tests.engine.rig import Rig


def execution(
    rig: Rig,
    order: Order,
    qty: int,
    *,
    exec_id: str = "x1",
    day: str = "2026-01-07",
    price: int | None = None,
    fee: str = "0",
) -> Fill:
    """An execution of an order as the venue reports it; at its limit unless told otherwise."""
    at = order.limit if price is None else price
    assert at is not None
    return Fill(
        key=ExecutionKey("SIM", rig.config.account, day, exec_id),
        symbol=order.symbol,
        side=order.side,
        qty=qty,
        price=at,
        ts=rig.clock.now(),
        order_id=order.id,
        fee=Decimal(fee),
    )


async def journal(rig: Rig) -> list[Row]:
    """All rows that are stored."""
    await rig.journal.flush()
    return [row async for row in rig.journal.rows()]


async def bodies(rig: Rig, kind: str) -> list[str]:
    """The bodies of all rows of one kind."""
    return [row.body for row in await journal(rig) if row.kind == kind]


async def reload(rig: Rig) -> Answer:
    """As a person does it: what it would let through is read, then taken over."""
    answer = await rig.command(Reload())
    return await rig.command(Reload(shown=answer.data["digest"])) if "digest" in answer.data else answer
