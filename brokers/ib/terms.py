"""What we ask of TWS: contracts as they are looked for, orders as they are sent. Values; no library here."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from engine.model import NS, Instrument, Order, OrderType, Side, TimeInForce

TYPES: Final = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.STOP: "STP",
    OrderType.STOP_LIMIT: "STP LMT",
}
PROTECTED: Final = "MKT PRT"
"""A market order with a limit that IB or the exchange set to protect it."""
TYPES_BACK: Final = {
    **{name: kind for kind, name in TYPES.items()},
    "STPLMT": OrderType.STOP_LIMIT,
    PROTECTED: OrderType.LIMIT,
    "STP PRT": OrderType.STOP,
}
ACTIONS: Final = {Side.BUY: "BUY", Side.SELL: "SELL"}
SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL, "SSHORT": Side.SELL, "BOT": Side.BUY, "SLD": Side.SELL}
OCA_REDUCE: Final = 2
"""OCA type: the others are reduced by what filled, with block, so that what is left stays protected and two
of a group cannot both fill."""


class Wanted(NamedTuple):
    """A contract as it is looked for or named; `con_id` alone suffices where it is known."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    expiry: str = ""
    exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    multiplier: str = ""

    def __str__(self) -> str:
        return " ".join(f"{k}={v}" for k, v in self._asdict().items() if v)


class OrderTerms(NamedTuple):
    """An order as it goes on the wire. `qty` is the total, also in a change."""

    order_id: int
    contract: Wanted
    ref: str
    account: str
    action: str
    qty: Decimal
    type: str
    tif: str
    limit: Decimal | None = None
    stop: Decimal | None = None
    good_till: str = ""
    parent_id: int = 0
    oca_group: str = ""
    oca_type: int = 0
    outside_rth: bool = True
    transmit: bool = True
    what_if: bool = False


def utc_stamp(ts: int) -> str:
    """`yyyymmdd-hh:mm:ss`, which TWS reads as UTC; rounded down to the second."""
    return datetime.fromtimestamp(ts // NS, UTC).strftime("%Y%m%d-%H:%M:%S")


def terms_of(
    order: Order, instrument: Instrument, contract: Wanted, order_id: int, parent_id: int, magnifier: int
) -> OrderTerms:
    """Our order in TWS's words. Time in force always explicit: an empty one is filled from a user's
    preset. Of a bracket that the engine works TWS is told neither parent nor group."""
    group = "" if order.emulated else order.oco or ""
    dated = order.tif is TimeInForce.GTD and order.expire is not None
    return OrderTerms(
        order_id=order_id,
        contract=contract,
        ref=order.id,
        account=order.account,
        action=ACTIONS[order.side],
        qty=instrument.size(order.qty),
        type=TYPES[order.type],
        tif=str(order.tif),
        limit=None if order.limit is None else instrument.price(order.limit) * magnifier,
        stop=None if order.stop is None else instrument.price(order.stop) * magnifier,
        good_till=utc_stamp(order.expire) if dated and order.expire is not None else "",
        parent_id=parent_id,
        oca_group=group,
        oca_type=OCA_REDUCE if group else 0,
    )
