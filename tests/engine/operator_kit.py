"""What tests of an operator's commands share: an order as he gives it, and the records that it leaves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.control.commands import (
    Submit,
)
from engine.model import Side
from engine.records import decode
from tests.engine.rig import Rig


async def journalled(rig: Rig) -> list[Any]:
    await rig.journal.flush()
    return [decode(row.kind, row.body) async for row in rig.journal.rows()]


def submit(side: Side, size: str, limit: str | None = None, **fields: Any) -> Submit:
    prices = {k: Decimal(v) for k, v in fields.items() if k in ("stop", "take_profit", "stop_loss")}
    rest = {k: v for k, v in fields.items() if k not in prices}
    return Submit(
        symbol="ES",
        side=side,
        size=Decimal(size),
        limit=None if limit is None else Decimal(limit),
        **prices,
        **rest,
    )
