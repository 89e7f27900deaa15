"""The registry of conformance cases, what a case gets to work with, and the few helpers that all cases share.

A case is a coroutine over a `Bench`. It never compares times; it waits for what it expects (`Bench.until`)
and looks at the venue's own books (`Bench.truth`) where it must know what really arrived.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from brokers.exchange.messages import Audit, AuditOrder
from engine import sending
from engine.facts import AnyFact, Busted, Corrected, Executed, Fact, OrderFact
from engine.model import ExecutionKey, Fill, MarketState, Order, OrderType, Replace, Side, TimeInForce
from engine.ports import Adapter, Clock, NotSent
from engine.sending import Approved, Recorded

F = TypeVar("F", bound=Fact)
R = TypeVar("R", Order, Replace)
B, S = Side.BUY, Side.SELL

GROUPS: Final = (
    "session",
    "instruments",
    "orders",
    "fills",
    "cancels and replaces",
    "brackets",
    "executions and corrections",
    "snapshots",
    "disconnects",
    "pacing",
    "market data",
    "account",
    "emergency",
)


class Bench(Protocol):
    """One adapter, connected, at a venue whose market and faults the case controls.

    The market is ES, first quoted 100 × 101 ticks with 20 and 10 lots; CL is listed beside it. `account` is
    the account that is traded.
    """

    adapter: Adapter
    facts: list[AnyFact]
    clock: Clock
    account: str

    async def quote(self, bid: int, bid_size: int, ask: int, ask_size: int) -> None:
        """The top of the book of ES, ticks and lots."""

    async def trade(self, price: int, size: int, aggressor: Side) -> None:
        """A print in ES."""

    async def arm(self, fault: str, times: int = 1) -> None:
        """The venue's next `times` events of this kind go wrong; kinds are those of `FaultConfig`."""

    async def calm(self) -> None:
        """Takes back all faults that have not struck yet."""

    async def state(self, state: MarketState) -> None:
        """The market of ES changes its state."""

    async def limits(self, low: int, high: int) -> None:
        """Daily price limits of ES, ticks."""

    async def manual_trade(self, side: Side, qty: int) -> None:
        """A trade at the account that no order of ours made."""

    async def foreign_order(self, side: Side, qty: int, limit: int) -> None:
        """A limit order placed by hand or by another program."""

    async def end_order(self, order_id: str) -> None:
        """The venue cancels our order without being asked."""

    async def bust(self, key: ExecutionKey) -> None: ...

    async def correct(self, key: ExecutionKey, price: int, qty: int | None = None) -> None: ...

    async def drop(self) -> None:
        """The line breaks; returns when the adapter knows."""

    async def mute(self) -> None:
        """The line stands and nothing comes through any more (half open)."""

    async def truth(self) -> Audit:
        """The venue's own books, asked behind the adapter's back."""

    async def settle(self) -> None:
        """Lets everything that is under way arrive."""

    async def until(self, done: Callable[[], bool], what: str) -> None:
        """Settles until `done()`; fails with `what` when that takes too long."""


Run = Callable[[Bench], Awaitable[bool | None]]
"""What a case does. It returns False where the venue lacks the ability and the adapter duly refuses it."""


@dataclass(frozen=True, slots=True)
class Case:
    number: int
    group: str
    sentence: str
    """Given, when, then."""
    ability: str
    """What of a venue it shows; cases with the same ability show it together."""
    run: Run


CASES: dict[int, Case] = {}


def case(number: int, group: str, *, shows: str = "") -> Callable[[Run], Run]:
    """Registers a case; its docstring is its sentence."""

    def add(function: Run) -> Run:
        sentence = " ".join((function.__doc__ or "").split())
        assert group in GROUPS, group
        assert number not in CASES, f"there are two cases {number}"
        assert sentence.startswith("Given ") and " when " in sentence and " then " in sentence, sentence
        CASES[number] = Case(number, group, sentence, shows, function)
        return function

    return add


# -- making requests


def recorded(request: R, seq: int = 0) -> Recorded[R]:
    """A request with the proof that gate and journal give; tests only."""
    approved = Approved(request, sending._seals["approve"])
    return Recorded(approved, seq, sending._seals["record"])


_count = 0


def fresh(prefix: str = "c") -> str:
    """An id that no case had before."""
    global _count
    _count += 1
    return f"{prefix}-suite0run-{_count}"


def make(bench: Bench, side: Side, qty: int, limit: int | None = None, **more: Any) -> Order:
    kind = OrderType.MARKET if limit is None else OrderType.LIMIT
    if "stop" in more:
        kind = OrderType.STOP if limit is None else OrderType.STOP_LIMIT
    fields: dict[str, Any] = {"id": fresh(), "strategy": "c", "account": bench.account, "symbol": "ES"}
    return Order(**{**fields, "side": side, "qty": qty, "type": kind, "limit": limit, **more})


async def submit(bench: Bench, side: Side, qty: int, limit: int | None = None, **more: Any) -> str:
    """Sends an order and lets the answers come. Returns its id."""
    order = make(bench, side, qty, limit, **more)
    bench.adapter.submit(recorded(order))
    await bench.settle()
    return order.id


async def replace(
    bench: Bench, order_id: str, qty: int, limit: int | None = None, stop: int | None = None
) -> str:
    change = Replace(id=fresh("r"), order_id=order_id, qty=qty, limit=limit, stop=stop)
    bench.adapter.replace(recorded(change))
    await bench.settle()
    return change.id


async def cancel(bench: Bench, order_id: str) -> None:
    bench.adapter.cancel(order_id, broker_id_of(bench, order_id))
    await bench.settle()


def refused(send: Callable[[], None]) -> bool:
    """Whether the adapter says that nothing left."""
    try:
        send()
    except NotSent as problem:
        assert str(problem), "a refusal names its reason"
        return True
    return False


# -- looking at what came


def of(bench: Bench, kind: type[F], order_id: str | None = None) -> list[F]:
    """Facts of a kind, of one order where it is named."""
    found = [fact for fact in bench.facts if isinstance(fact, kind)]
    return found if order_id is None else [fact for fact in found if order_of(fact) == order_id]


def order_of(fact: AnyFact | Fact) -> str | None:
    if isinstance(fact, Executed | Corrected):
        return fact.fill.order_id
    return fact.order_id if isinstance(fact, OrderFact) else None


def broker_id_of(bench: Bench, order_id: str) -> str | None:
    for fact in bench.facts:
        if order_of(fact) == order_id:
            found = fact.fill.broker_id if isinstance(fact, Executed) else getattr(fact, "broker_id", None)
            if found is not None:
                return str(found)
    return None


def standing(bench: Bench) -> dict[ExecutionKey, Fill]:
    """Executions as the facts leave them: repeats count once, corrections replace, busts remove."""
    found: dict[ExecutionKey, Fill] = {}
    for fact in bench.facts:
        if isinstance(fact, Executed):
            found.setdefault(fact.fill.key, fact.fill)
        elif isinstance(fact, Corrected):
            found.pop(fact.key, None)
            found[fact.fill.key] = fact.fill
        elif isinstance(fact, Busted):
            found.pop(fact.key, None)
    return found


def filled(bench: Bench, order_id: str) -> int:
    """Lots that the facts say were executed of an order."""
    return sum(fill.qty for fill in standing(bench).values() if fill.order_id == order_id)


async def until_filled(bench: Bench, order_id: str, lots: int) -> None:
    await bench.until(lambda: filled(bench, order_id) >= lots, f"{lots} lots of {order_id}")
    assert filled(bench, order_id) == lots


async def until_seen(bench: Bench, kind: type[F], order_id: str) -> F:
    """The first fact of a kind about an order."""
    await bench.until(lambda: bool(of(bench, kind, order_id)), f"{kind.__name__} of {order_id}")
    return of(bench, kind, order_id)[0]


async def at_venue(bench: Bench, order_id: str) -> list[AuditOrder]:
    """What the venue has under our id, whatever became of it."""
    return [o for o in (await bench.truth()).orders if o.order_id == order_id]


async def live_at_venue(bench: Bench, order_id: str) -> list[AuditOrder]:
    return [o for o in await at_venue(bench, order_id) if not o.status.is_closed]


__all__ = [
    "CASES",
    "GROUPS",
    "B",
    "Bench",
    "Case",
    "S",
    "TimeInForce",
    "at_venue",
    "broker_id_of",
    "cancel",
    "case",
    "filled",
    "fresh",
    "live_at_venue",
    "make",
    "of",
    "order_of",
    "recorded",
    "refused",
    "replace",
    "standing",
    "submit",
    "until_filled",
    "until_seen",
]
