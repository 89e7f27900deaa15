"""Random histories of records, and everything that books hold, to compare two of them to the last field."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
from hypothesis import strategies as st

from engine.alerts import Alert
from engine.books import NET, Books
from engine.config import EngineConfig, OrderConfig
from engine.facts import (
    Acknowledged,
    Busted,
    Canceled,
    CancelRejected,
    Corrected,
    Executed,
    Expired,
    ForeignOrder,
    Listed,
    OrderNotFound,
    OrderReport,
    Rejected,
    Replaced,
)
from engine.ids import base36
from engine.model import (
    FLATTENER,
    ExecutionKey,
    Fill,
    Order,
    OrderStatus,
    OrderType,
    PartialFillPolicy,
    Purpose,
    Replace,
    Side,
)
from engine.positions_booked import Booked
from engine.records import (
    Adopted,
    AlertAcknowledged,
    AlertCleared,
    AlertRaised,
    AlertShelved,
    AnyRecord,
    ChildrenHeld,
    Claimed,
    ControlReset,
    ControlTripped,
    DayOpened,
    FactTaken,
    FindingSeen,
    Halted,
    HaltReset,
    Intended,
    KillBegan,
    KillEnded,
    LimitsChanged,
    LinkLost,
    LinkRestored,
    LostOrder,
    LostReplace,
    NotSentNote,
    OrderStored,
    PeakSeen,
    ReplaceStored,
    RollEnded,
    RollStarted,
    RunEnded,
    RunStarted,
    Sent,
    SentAgain,
    StrategyChanged,
    StrategyRestarted,
    StrategySaved,
    Transferred,
    Unanswered,
)
from engine.records_sentinel import SentinelImported
from engine.risk.override import Override
from tests.engine.rig import CL, ES

START = 1_700_000_000_000_000_000
ORDERS = 24
"""Different orders of a history: more than twice as many as closed ones stay in memory."""
SYMBOLS = ("ES", "CL")
STRATEGIES = ("manual", NET, "alpha", "beta", FLATTENER)
CONFIG = EngineConfig(orders=OrderConfig(closed_in_memory=10))

Ints = tuple[int, int, int]
Maker = Callable[[int, int, int], AnyRecord]


def empty_books() -> Books:
    return Books(CONFIG, [ES, CL])


def order_id(n: int) -> str:
    """Most are of the form of our ids; each fifth is not."""
    n %= ORDERS
    return f"{STRATEGIES[n % len(STRATEGIES)]}-ab12-{base36(n)}" if n % 5 != 2 or n > 12 else f"o-{n}"


def order(n: int, b: int = 0, c: int = 0) -> Order:
    """The n-th order; its terms follow from its number, so that a repeat is the same one again."""
    n %= ORDERS
    return Order(
        id=order_id(n),
        strategy=STRATEGIES[n % len(STRATEGIES)],
        account=CONFIG.account,
        symbol=SYMBOLS[n // 5 % 2],
        side=Side.BUY if n % 2 else Side.SELL,
        qty=1 + n % 4,
        type=OrderType.LIMIT,
        limit=100 + n % 7 + c % 2,
        expire=START + 10**9 * b if n % 6 == 0 else None,
        purpose=Purpose.FLATTEN if STRATEGIES[n % len(STRATEGIES)] == FLATTENER else Purpose.TRADE,
        parent=order_id(n - 3) if n % 4 == 3 else None,
        oco=f"g-{n // 8}" if n % 4 >= 2 else None,
        partial_fill=PartialFillPolicy.CANCEL_REMAINDER if n % 5 == 1 else PartialFillPolicy.LET_RIDE,
        remainder_after=7,
        created=n,
        correlation=f"roll-{n % 3}",
    )


def key(n: int) -> ExecutionKey:
    return ExecutionKey("SIM", CONFIG.account, f"2026-11-{20 + n % 2}", f"x{n % 40}")


def fill(a: int, b: int, c: int) -> Fill:
    made = order(a)
    of_ours = b % 4
    return Fill(
        key=key(b + 4 * c),
        symbol=made.symbol,
        side=made.side,
        qty=1 + c % 2,
        price=100 + c % 5,
        ts=START + c,
        order_id=made.id if of_ours else None,
        broker_id=f"B{a % 12}" if of_ours != 2 else None,
        fee=Decimal(c % 3) / 4,
    )


def _fact(make: Callable[[str, int, int], Any]) -> Maker:
    return lambda a, b, c: FactTaken(fact=make(order_id(a), b, c))


STATUSES = tuple(OrderStatus)
SCOPES: tuple[tuple[Any, str], ...] = (("account", ""), ("instrument", "ES"), ("strategy", "alpha"))
CODES = ("link_down", "feed", "fact", "drift", "store")

ORDINARY: tuple[Maker, ...] = (
    lambda a, b, c: OrderStored(order=order(a, b, c)),
    lambda a, b, c: Sent(order_id=order(a).id, what="submit"),
    _fact(lambda o, b, _: Acknowledged(ts=0, order_id=o, broker_id=f"B{b % 12}")),
    lambda a, b, c: FactTaken(fact=Executed(ts=0, fill=fill(a, b, c))),
    _fact(lambda o, b, _: Canceled(ts=0, order_id=o, cum=b % 3 or None)),
    lambda a, b, c: Intended(strategy="alpha", symbol=SYMBOLS[a % 2], lots=b % 5 - 2 if c % 4 else None),
)
"""What most of a day is made of."""
RARE: tuple[Maker, ...] = (
    lambda a, b, c: ChildrenHeld(orders=(order(a | 3, b), order(a | 7, c))),
    lambda a, b, c: SentAgain(lost=order(a | 3).id, order_id=f"{order(a | 3).id}-{b}"),
    lambda a, b, c: Sent(order_id=order(a).id, what="cancel"),
    lambda a, b, c: ReplaceStored(
        replace=Replace(id=f"r{b}", order_id=order(a).id, qty=1 + c % 4, limit=99 + c % 3, created=c)
    ),
    _fact(lambda o, b, c: Replaced(ts=0, order_id=o, replace_id=f"r{b}", qty=1 + c % 4, limit=99 + c % 3)),
    lambda a, b, c: NotSentNote(
        order_id=order(a).id, what="submit", reason="no", stored=bool(b % 2), replace_id=""
    ),
    lambda a, b, c: Unanswered(order_id=order(a).id, what=("submit", "cancel", "replace", "query")[b % 4]),
    lambda a, b, c: LostOrder(order_id=order(a).id, reason="lost"),
    lambda a, b, c: LostReplace(order_id=order(a).id, replace_ids=(f"r{b}",)),
    lambda a, b, c: LinkLost(reason="gone"),
    lambda a, b, c: LinkRestored(connection="primary", attempts=b, down_for=c),
    lambda a, b, c: FactTaken(fact=Busted(ts=0, key=key(a + 4 * b))),
    lambda a, b, c: FactTaken(fact=Corrected(ts=0, key=key(a + 4 * b), fill=fill(a, b + c % 2, c))),
    _fact(lambda o, b, c: Rejected(ts=0, order_id=o, reason="r", duplicate=bool(b % 2))),
    _fact(lambda o, b, c: Expired(ts=0, order_id=o)),
    _fact(lambda o, b, c: OrderNotFound(ts=0, order_id=o)),
    _fact(lambda o, b, c: Listed(ts=0, order_id=o, names=(("x", 1), (f"b{b}", 2))[: c % 3])),
    _fact(lambda o, b, c: CancelRejected(ts=0, order_id=o, reason="late", status=STATUSES[b % 8])),
    _fact(
        lambda o, b, c: OrderReport(
            ts=c, order_id=o, status=STATUSES[b % 8], qty=1 + b % 4, cum=c % 3, leaves=1, limit=100 + c % 3
        )
    ),
    lambda a, b, c: FactTaken(
        fact=ForeignOrder(
            ts=c,
            broker_id=f"B{a % 12}",
            symbol=SYMBOLS[b % 2],
            side=Side.BUY if c % 2 else Side.SELL,
            qty=3,
            cum=c % 3,
            type=OrderType.LIMIT,
            status=STATUSES[c % 8],
            limit=101,
        )
    ),
    lambda a, b, c: Claimed(broker_id=f"B{a % 12}", strategy="beta", who="me"),
    lambda a, b, c: RollStarted(
        roll=f"roll-{a % 3}",
        source=SYMBOLS[b % 2],
        target=SYMBOLS[1 - b % 2],
        side=Side.BUY if c % 2 else Side.SELL,
        lots=1 + b % 3,
        within=2,
        who="me",
    ),
    lambda a, b, c: RollEnded(roll=f"roll-{a % 3}", outcome="part", closed=b % 3, opened=c % 3, text="t"),
    lambda a, b, c: Transferred(symbol="ES", seller="alpha", buyer="beta", lots=1 + b % 3, price=100 + c),
    lambda a, b, c: Adopted(symbol=SYMBOLS[a % 2], signed=b % 5 - 2 or 1, price=100 + c, who="me"),
    lambda a, b, c: Halted(scope=SCOPES[a % 3][0], target=SCOPES[a % 3][1], code="kill", reason=f"{b}"),
    lambda a, b, c: HaltReset(scope=SCOPES[a % 3][0], target=SCOPES[a % 3][1], who="me"),
    lambda a, b, c: ControlTripped(
        control=f"c{a % 2}", scope=("", "ES")[b % 2], action=("kill", "halt")[c % 2], detail="d"
    ),
    lambda a, b, c: ControlReset(control=f"c{a % 2}", scope=("", "ES")[b % 2], who="me"),
    lambda a, b, c: AlertRaised(
        alert=Alert(
            id=a + 1,
            ts=c,
            severity=("info", "warning", "critical")[b % 3],  # type: ignore[arg-type]
            code=CODES[b % 5],
            text=f"t{c}",
            symbol=("", "ES")[c % 2],
            part_of=c % 3,
        )
    ),
    lambda a, b, c: AlertAcknowledged(id=a or None, who="me"),
    lambda a, b, c: AlertCleared(code=CODES[b % 5], symbol=("", "ES")[c % 2]),
    lambda a, b, c: AlertShelved(id=a, until=b, reason="r", who="me"),
    lambda a, b, c: DayOpened(
        trading_day=f"2026-11-{20 + a % 9}",
        opening_equity=Decimal(b),
        baseline=Decimal(c),
        strategies={"alpha": Decimal(a)},
    ),
    lambda a, b, c: PeakSeen(equity=Decimal(b)),
    lambda a, b, c: LimitsChanged(
        version=a, who="me", changes=(), overrides={"k": Override(value="2", file="1")}
    ),
    lambda a, b, c: KillBegan(reason="r", symbol=("ES", None)[b % 2], flatten=True, targets={"ES": c}),
    lambda a, b, c: KillEnded(flat=bool(b % 2), verdict="v"),
    lambda a, b, c: StrategyChanged(
        name=("alpha", "beta")[a % 2], state=("running", "failed")[b % 2], reason="r"
    ),
    lambda a, b, c: StrategyRestarted(name=("alpha", "beta")[a % 2]),
    lambda a, b, c: StrategySaved(name=("alpha", "beta")[a % 2], saved=f'{{"n":{b}}}'),
    lambda a, b, c: RunStarted(install="i", run=a, mode="PAPER", account="A", broker="b", instruments=(ES,)),
    lambda a, b, c: RunEnded(reason="r", flat=bool(b % 2)),
    lambda a, b, c: SentinelImported(journal="j", seq=b, text="t"),
    lambda a, b, c: Sent(order_id="", what=("arm", "disarm")[b % 2]),  # type: ignore[arg-type]
    lambda a, b, c: FindingSeen(code="f", severity="s", symbol="ES", order_id="o", text="t", action="a"),
)
"""What happens now and then."""


def _record(drawn: tuple[int, int, int, int]) -> AnyRecord:
    which, a, b, c = drawn
    makers = (*ORDINARY, *ORDINARY, *RARE)
    return makers[which % len(makers)](a, b, c)


def records() -> st.SearchStrategy[AnyRecord]:
    """One record of any kind that changes books."""
    small = st.integers(0, 30)
    return st.builds(
        lambda *drawn: _record(drawn), st.integers(0, 2 * len(ORDINARY) + len(RARE) - 1), small, small, small
    )


def fold(books: Books, history: list[AnyRecord], first: int = 0) -> Books:
    for n, record in enumerate(history, first):
        books.apply(record, START + n * 1_000_000)
    return books


UNSAVED = {
    "Position": {"broker", "broker_as_of"},
    "PositionBook": {"_alike", "version"},
    "AlertBook": {"_last", "suppressed"},
    "OrderRecord": {"attempts", "compared", "drawn"},
    "OwnPrices": {"_heaps"},
    "ClosedOrders": {"_newest"},
    "_Row": {"_newest", "_dirty"},
}
"""By class: what is no part of a fold, or follows from the rest."""
SPARSE = {"OwnPrices", "ExposureBook", "OpenIndex", "PositionBook", "DayStart", "_Row"}
"""Classes whose tables may have entries for what is not there any more, in no order that matters."""


def everything(books: Books) -> Any:
    """All that books hold, down to plain values: a field that somebody adds and does not save is found."""
    return _plain(books, set())


def _plain(value: Any, orders: set[int]) -> Any:
    name = type(value).__name__
    if isinstance(value, Booked):
        return [*value.packs, *value.entries()]
    if isinstance(value, dict):
        return [(key, _plain(inner, orders)) for key, inner in value.items()]
    if isinstance(value, list | tuple):
        return [_plain(inner, orders) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if not type(value).__module__.startswith("engine.") or isinstance(value, msgspec.Struct | Enum):
        return value
    if name == "Timers":  # which deadlines there are; when they fall due is asked of each order anew
        return sorted(value._at)
    if name == "BrokerNames":  # which of two ids was given first means nothing
        bearers = sorted(value._bearers.items())
        return [(given, _plain(bearer, orders)) for given, bearer in bearers], value.doubtful()
    if name == "OrderRecord" and value.seq in orders:
        return ("order", value.seq)
    if name == "OrderRecord":
        orders.add(value.seq)
    names = [n for c in type(value).__mro__ for n in getattr(c, "__slots__", ())]
    found = {
        n: _plain(getattr(value, n), orders)
        for n in (*names, *getattr(value, "__dict__", ()))
        if n not in UNSAVED.get(name, ())
    }
    if name in SPARSE:
        found = {
            n: sorted((e for e in table if not _is_nothing(e[1])), key=repr)
            if isinstance(table, list)
            else table
            for n, table in found.items()
        }
    return (name, found)


def _is_nothing(entry: Any) -> bool:
    """An empty table, no lots, a position that was only asked for."""
    if isinstance(entry, list):
        return not any(entry)
    if isinstance(entry, tuple) and entry[0] == "_Row":
        return not entry[1]["orders"]
    if isinstance(entry, tuple) and entry[0] == "Position":
        return not entry[1]["booked"] and not entry[1]["intended"]
    return False
