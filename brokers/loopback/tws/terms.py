"""From the fields of an order request to what the exchange understands, or to TWS's error code."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from brokers.loopback.tws import times
from brokers.loopback.tws.config import TwsConfig
from brokers.loopback.tws.contracts import Listed
from brokers.loopback.tws.layout import Values
from brokers.loopback.tws.order import TYPES
from engine.model import OffGrid, OrderType, Side, TimeInForce

_TIFS: Final = {
    "DAY": TimeInForce.DAY,
    "GTC": TimeInForce.GTC,
    "GTD": TimeInForce.GTD,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
}
_LIMITED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_NOT_HERE: Final = (
    "goodAfterTime",
    "algoStrategy",
    "conditions",
    "hedgeType",
    "scaleInitLevelSize",
    "scalePriceIncrement",
    "volatility",
    "deltaNeutralOrderType",
    "deltaNeutralContract",
    "trailStopPrice",
    "trailingPercent",
    "discretionaryAmt",
    "allOrNone",
    "minQty",
    "cashQty",
    "percentOffset",
    "adjustedOrderType",
    "hidden",
    "displaySize",
    "faGroup",
    "faMethod",
    "faProfile",
    "blockOrder",
    "sweepToFill",
    "notHeld",
    "duration",
    "minTradeQty",
    "minCompeteSize",
)
"""What the simulated exchange cannot do: refused by name instead of being ignored."""


class Refused(Exception):
    """An error for the client: code and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class Terms(NamedTuple):
    side: Side
    qty: int
    type: OrderType
    limit: int | None
    stop: int | None
    tif: TimeInForce
    expire: int | None
    notices: tuple[tuple[int, str], ...]
    """Messages that change nothing: code and text."""


def terms(values: Values, listed: Listed, config: TwsConfig) -> Terms:
    """What is asked, in ticks and lots. Raises `Refused`."""
    for name in _NOT_HERE:
        if values.get(name):
            raise Refused(387, f"Unsupported order type for this exchange and security type: {name} is set.")
    kind = TYPES.get("STP LMT" if values["orderType"] == "STPLMT" else values["orderType"])
    if kind is None:
        raise Refused(
            387, f"Unsupported order type for this exchange and security type: {values['orderType']}."
        )
    if values["action"] not in ("BUY", "SELL"):
        raise Refused(321, f"Error validating request.-'bO' : cause - Invalid side {values['action']!r}")
    notices: list[tuple[int, str]] = []
    tif, expire = _time_in_force(values, config, notices)
    return Terms(
        side=Side.BUY if values["action"] == "BUY" else Side.SELL,
        qty=_size(values["totalQuantity"], listed),
        type=kind,
        limit=_price(values["lmtPrice"], listed) if kind in _LIMITED else None,
        stop=_price(values["auxPrice"], listed) if kind in _STOPS else None,
        tif=tif,
        expire=expire,
        notices=tuple(notices),
    )


def _time_in_force(
    values: Values, config: TwsConfig, notices: list[tuple[int, str]]
) -> tuple[TimeInForce, int | None]:
    name = values["tif"]
    if not name:
        name = config.preset_tif
        notices.append((10349, f"Order TIF was set to {name} based on order preset."))
    tif = _TIFS.get(name)
    if tif is None:
        raise Refused(201, f"Order rejected - reason:Invalid time in force:{name}")
    if tif is not TimeInForce.GTD:
        return tif, None
    try:
        expire, bare = times.read(values["goodTillDate"], config.zone)
    except ValueError as error:
        raise Refused(
            391,
            "The time or time-zone entered is invalid. The correct format is yyyymmdd hh:mm:ss xx/xxxx or "
            f"yyyymmdd-hh:mm:ss in UTC: {error}",
        ) from error
    if bare:
        notices.append(
            (
                2174,
                "Warning: You submitted request with date-time attributes without explicit time zone. "
                "Please switch to use yyyymmdd-hh:mm:ss in UTC or use instrument time zone, like US/Eastern. "
                "Implied time zone functionality will be removed in the next API release",
            )
        )
    return tif, expire


def _size(quantity: Decimal | None, listed: Listed) -> int:
    if quantity is None or quantity <= 0:
        raise Refused(434, "The order size cannot be zero.")
    try:
        return listed.instrument.to_lots(quantity)
    except OffGrid as error:
        raise Refused(
            10243, f"Order size does not conform to the size increment of the contract: {error}"
        ) from error


def _price(price: Decimal | None, listed: Listed) -> int:
    if price is None:
        raise Refused(321, "Error validating request.-'bO' : cause - a price is missing")
    try:
        return listed.instrument.to_ticks(price)
    except OffGrid as error:
        raise Refused(
            110, "The price does not conform to the minimum price variation for this contract."
        ) from error
