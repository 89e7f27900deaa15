"""An order takes part in a comparison as it stands now; it is made ready anew only where it has changed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.comparing import own_order
from engine.lifecycle import born
from engine.lifecycle_types import Request
from engine.model import ExecutionKey, Order, OrderStatus, OrderType, Side
from engine.orders import FOREIGN
from engine.orders_record import OrderRecord

ORDER = Order(
    id="demo-1",
    strategy=FOREIGN,
    symbol="ES",
    side=Side.BUY,
    qty=5,
    type=OrderType.LIMIT,
    limit=100,
    created=1,
    account="PAPER",
    correlation="c-1",
)
AT_BIRTH = {"recorded", "foreign", "seq"}
"""What never changes of a record."""


def record(*, foreign: bool) -> OrderRecord:
    return OrderRecord(ORDER, born(ORDER), 1, 10, foreign=foreign, held=False)


def changed(name: str, value: object) -> list[object]:
    """Other values for a field of a record."""
    match value:
        case Order():
            return [replace(value, strategy="demo")]
        case bool():
            return [not value]
        case int():
            return [value + 20]
        case list() if name == "keys":
            return [[ExecutionKey("SIM", "PAPER", "2026-11-20", "x1")]]
        case list():
            return [["B1"]]
        case Decimal():
            return [Decimal(1)]
    if name == "life":
        life = born(ORDER)
        return [
            replace(life, status=OrderStatus.WORKING, broker_id="B1"),
            replace(life, qty=4),
            replace(life, cum=1),
            replace(life, limit=99, stop=98),
            replace(life, pending_cancel=True),
        ]
    return [Request.CANCEL] if name == "flight" else [7] if name == "own_price" else []


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("name", sorted({*OrderRecord.__slots__} - AT_BIRTH - {"compared", "drawn"}))
def test_whatever_changes_of_an_order_it_is_compared_as_it_is_now(name: str, foreign: bool) -> None:
    values = changed(name, getattr(record(foreign=foreign), name))
    assert values, f"a new field of a record, {name}: can it change how an order is compared?"
    for value in values:
        one, fresh = record(foreign=foreign), record(foreign=foreign)
        before = own_order(one)
        assert own_order(one) is before, "nothing has changed"
        setattr(one, name, value)
        setattr(fresh, name, value)
        assert own_order(one) == own_order(fresh)
