"""Takes the library's callbacks, on its thread, before anybody has interpreted them.

The decoder calls these methods by TWS's names. Facts go out one by one and in order; ticks only leave their
latest, at most every `QUOTES_EVERY` seconds. An exception here would be swallowed by the library, so
everything that may raise is caught and told as an undecodable message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final

from brokers.ib.raw import (
    Accounts,
    Closed,
    Commission,
    Contract,
    DataType,
    Details,
    End,
    Error,
    Execution,
    NextId,
    OpenOrder,
    Pnl,
    Position,
    Raw,
    Rule,
    Status,
    Summary,
    Ticks,
    Time,
    Undecodable,
    number,
)
from engine.model import NS

QUOTES_EVERY: Final = 0.02
_BID: Final = frozenset({1, 66})
_ASK: Final = frozenset({2, 67})
_LAST: Final = frozenset({4, 68})
_BID_SIZE: Final = frozenset({0, 69})
_ASK_SIZE: Final = frozenset({3, 70})
_LAST_SIZE: Final = frozenset({5, 71})
_HALTED: Final = 49
_UNREADABLE_COMMISSION: Final = Decimal(-1)


class _Reporter:
    """Stands in for the decoder's logger: its only trace of a dropped message is a line there."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told

    def exception(self, text: str, *_: Any, **__: Any) -> None:
        self._told(str(text))

    error = exception

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class _Book:
    """The latest ticks of one subscription."""

    __slots__ = ("ask", "ask_size", "bid", "bid_size", "halted", "last", "last_size", "prints")

    def __init__(self) -> None:
        self.bid: float | None = None
        self.ask: float | None = None
        self.last: float | None = None
        self.bid_size = self.ask_size = self.last_size = 0.0
        self.prints = 0
        self.halted = False


class Tap:
    """`put` gets everything but ticks, `put_ticks` the latest of a subscription; both on the library's
    thread."""

    defaultTimezone = UTC
    ib = SimpleNamespace(TimezoneTWS="")

    def __init__(self, put: Callable[[Raw], None], put_ticks: Callable[[Ticks], None]) -> None:
        self._put = put
        self._put_ticks = put_ticks
        self._books: dict[int, _Book] = {}
        self._dirty: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.ticks = 0
        """Ticks heard."""
        self.reporter = _Reporter(lambda text: put(Undecodable(text)))

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Callbacks that nobody here needs."""
        if name.startswith("_") or name in ("tcpDataArrived", "tcpDataProcessed"):
            raise AttributeError(name)
        return _nothing

    # -- orders

    def openOrder(self, orderId: int, contract: Any, order: Any, state: Any) -> None:
        self._put(open_order(contract, order, state, orderId))

    def completedOrder(self, contract: Any, order: Any, state: Any) -> None:
        self._put(open_order(contract, order, state, 0)._replace(client_id=-1))

    def orderStatus(
        self,
        orderId: int,
        status: str,
        filled: float,
        remaining: float,
        avgFillPrice: float,  # noqa: ARG002
        permId: int,
        parentId: int,
        lastFillPrice: float,  # noqa: ARG002
        clientId: int,
        whyHeld: str,
        mktCapPrice: float = 0.0,  # noqa: ARG002
    ) -> None:
        filled_, remaining_ = number(filled) or Decimal(0), number(remaining) or Decimal(0)
        self._put(Status(orderId, clientId, permId, parentId, status, filled_, remaining_, whyHeld))

    def openOrderEnd(self) -> None:
        self._put(End("orders", -1))

    def completedOrdersEnd(self) -> None:
        self._put(End("completed", -1))

    def execDetails(self, reqId: int, contract: Any, execution: Any) -> None:
        e = execution
        qty, price = number(e.shares), number(e.price)
        if qty is None or price is None:
            raise ValueError(f"execution {e.execId} has no size or no price")
        self._put(
            Execution(
                req_id=reqId,
                order_id=e.orderId,
                client_id=e.clientId,
                perm_id=e.permId,
                ref=e.orderRef,
                exec_id=e.execId,
                ts=_ns(e.time),
                account=e.acctNumber,
                contract=contract_of(contract),
                side=e.side,
                qty=qty,
                price=price,
                revised=bool(getattr(e, "pendingPriceRevision", False)),
            )
        )

    def execDetailsEnd(self, reqId: int) -> None:
        self._put(End("executions", reqId))

    def commissionReport(self, report: Any) -> None:
        amount = number(report.commission)
        if amount == _UNREADABLE_COMMISSION:
            amount = None  # TWS's way of saying that it does not know yet
        self._put(Commission(report.execId, amount, report.currency))

    # -- account and contracts

    def position(self, account: str, contract: Any, posSize: float, avgCost: float) -> None:
        qty = number(posSize)
        if qty is None:
            raise ValueError(f"a position of {account} without a size")
        self._put(Position(account, contract_of(contract), qty, number(avgCost)))

    def positionEnd(self) -> None:
        self._put(End("positions", -1))

    def accountSummary(self, reqId: int, account: str, tag: str, value: str, currency: str) -> None:
        self._put(Summary(reqId, account, tag, value, currency))

    def accountSummaryEnd(self, reqId: int) -> None:
        self._put(End("summary", reqId))

    def pnl_fields(self, fields: Sequence[str]) -> None:
        """Message 94 as it came: both libraries would read an empty figure, which is unknown, as zero."""
        self._put(Pnl(int(fields[1]), number(fields[2])))

    def contractDetails(self, reqId: int, details: Any) -> None:
        d = details
        self._put(
            Details(
                req_id=reqId,
                contract=contract_of(d.contract),
                min_tick=number(d.minTick),
                exchanges=d.validExchanges,
                rules=d.marketRuleIds,
                magnifier=int(d.priceMagnifier or 1),
                name=d.longName,
                real_expiry=d.realExpirationDate,
                zone=d.timeZoneId,
            )
        )

    def contractDetailsEnd(self, reqId: int) -> None:
        self._put(End("details", reqId))

    def marketRule(self, marketRuleId: int, priceIncrements: Any) -> None:
        steps = tuple((number(s.lowEdge) or Decimal(0), number(s.increment)) for s in priceIncrements)
        self._put(Rule(marketRuleId, tuple((edge, step) for edge, step in steps if step)))

    # -- the line

    def error(self, reqId: int, errorCode: int, errorString: str, advanced: str = "") -> None:
        self._put(Error(reqId, errorCode, f"{errorString} {advanced}".strip()))

    def currentTime(self, time: int) -> None:
        self._put(Time(time))

    def managedAccounts(self, accountsList: str) -> None:
        self._put(Accounts(tuple(name for name in accountsList.split(",") if name)))

    def nextValidId(self, reqId: int) -> None:
        self._put(NextId(reqId))

    def setEventsDone(self) -> None:
        """The socket is gone, whether or not the session had begun."""
        self._put(Closed("the connection to TWS was closed"))

    # -- ticks

    def marketDataType(self, reqId: int, marketDataType: int) -> None:
        self._put(DataType(reqId, marketDataType))

    def priceSizeTick(self, reqId: int, tickType: int, price: float, size: float) -> None:
        book = self._book(reqId)
        absent = price == -1 and size == 0
        if tickType in _BID:
            book.bid, book.bid_size = (None, 0.0) if absent else (price, size)
        elif tickType in _ASK:
            book.ask, book.ask_size = (None, 0.0) if absent else (price, size)
        elif tickType in _LAST and not absent:
            book.last, book.last_size = price, size
            book.prints += 1
        else:
            return
        self._changed(reqId)

    def missed(self, req_id: int, prints: int) -> None:
        """Prints that were overtaken before anybody looked at them."""
        self._book(req_id).prints += prints

    def tickSize(self, reqId: int, tickType: int, size: float) -> None:
        book = self._book(reqId)
        if tickType in _BID_SIZE:
            book.bid_size = size
        elif tickType in _ASK_SIZE:
            book.ask_size = size
        elif tickType in _LAST_SIZE:
            book.last_size = size
        else:
            return
        self._changed(reqId)

    def tickGeneric(self, reqId: int, tickType: int, value: float) -> None:
        if tickType == _HALTED:
            self._book(reqId).halted = value > 0
            self._changed(reqId)

    def _book(self, req_id: int) -> _Book:
        book = self._books.get(req_id)
        if book is None:
            book = self._books[req_id] = _Book()
        return book

    def _changed(self, req_id: int) -> None:
        self.ticks += 1
        self._dirty.add(req_id)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(QUOTES_EVERY, self._flush)

    def _flush(self) -> None:
        self._timer = None
        dirty, self._dirty = self._dirty, set()
        for req_id in sorted(dirty):
            b = self._books[req_id]
            self._put_ticks(
                Ticks(req_id, b.bid, b.bid_size, b.ask, b.ask_size, b.last, b.last_size, b.prints, b.halted)
            )
            b.prints = 0


def _nothing(*_: Any, **__: Any) -> None:
    """A callback that nobody needs."""


def _ns(moment: datetime) -> int:
    """UTC ns of a stamp, which TWS gives in whole seconds. Raises `ValueError` for one without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"the stamp {moment} has no time zone")
    return int(moment.timestamp()) * NS


def contract_of(c: Any) -> Contract:
    return Contract(
        con_id=int(c.conId),
        symbol=c.symbol,
        sec_type=c.secType,
        expiry=c.lastTradeDateOrContractMonth,
        multiplier=c.multiplier,
        exchange=c.exchange,
        currency=c.currency,
        local_symbol=c.localSymbol,
        trading_class=c.tradingClass,
    )


def open_order(contract: Any, order: Any, state: Any, order_id: int) -> OpenOrder:
    """openOrder as a value; a '?' in a text field means that TWS does not say."""
    o = order
    note = "; ".join(
        text for text in (state.warningText, getattr(state, "completedStatus", "")) if text and text != "?"
    )
    return OpenOrder(
        order_id=order_id,
        client_id=int(o.clientId),
        perm_id=int(o.permId),
        parent_id=int(o.parentId),
        ref="" if o.orderRef == "?" else o.orderRef,
        account=o.account,
        contract=contract_of(contract),
        action=o.action,
        qty=number(o.totalQuantity),
        type=o.orderType,
        limit=number(o.lmtPrice),
        aux=number(o.auxPrice),
        tif=o.tif,
        good_till=o.goodTillDate,
        oca_group=o.ocaGroup,
        what_if=bool(o.whatIf),
        status=state.status,
        margins=(number(state.initMarginChange), number(state.maintMarginChange)),
        note=note,
        filled=number(getattr(o, "filledQuantity", None)),
    )
