"""What the kill procedure sees and may use: orders, touch, progress, and the engine's door to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from engine.facts import ForeignOrder, OpenOrders, OrderReport, Positions
from engine.model import Instrument, MarketState, Order, Purpose, Side
from engine.ports import Clock
from engine.records import AnyRecord


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """What the procedure needs to know of an order that is open by our books."""

    id: str
    broker_id: str | None
    symbol: str
    side: Side
    leaves: int
    purpose: Purpose
    since: int
    """Engine time at which it was made, UTC ns."""
    foreign: bool
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Touch:
    """Where a marketable limit can be priced from, ticks."""

    bid: int | None
    ask: int | None
    last: int | None
    state: MarketState
    low_limit: int | None
    high_limit: int | None
    """The venue's limits of the day."""
    paid: int | None = None
    """Average price of what we hold; all there is to go by where no market data comes."""
    sane: tuple[int, int] | None = None
    """Lowest and highest price that the gate lets the procedure use; None where it has no fresh reference."""


class KillHost(Protocol):
    """What the procedure may use of the engine."""

    clock: Clock

    def commit(self, record: AnyRecord, correlation: str = "") -> None: ...

    def live_orders(self) -> Sequence[LiveOrder]: ...

    def executed(self) -> Mapping[str, int]:
        """Executed positions that are not zero, signed lots."""

    def touch(self, symbol: str) -> Touch: ...

    def instrument(self, symbol: str) -> Instrument | None: ...

    def cancel_wait(self) -> int:
        """0: one cancel is charged to the reserve and may go now; else ns after which to ask again."""

    def send_cancel(self, order_id: str, broker_id: str | None, correlation: str) -> str:
        """Hands over a cancel, journalled under the procedure's id; returns why it could not, else an empty
        text."""

    def send_flatten(self, order: Order) -> str:
        """Gate, journal, send; returns why it was refused, else an empty text."""

    def refusal(self, order_id: str) -> tuple[str, bool]:
        """Why an order ended as rejected, empty where it did not; and whether the venue said so, or it never
        left."""

    def take(self, report: OrderReport | ForeignOrder) -> None:
        """An order that the broker shows and our book does not: it counts from now on."""

    def new_order_id(self, strategy: str) -> str: ...

    def new_correlation(self) -> str:
        """An id for a procedure that nobody's command caused."""

    async def read_positions(self) -> Positions: ...

    async def read_open_orders(self) -> OpenOrders: ...

    def latch(self, symbol: str | None, reason: str, who: str, correlation: str) -> None:
        """Latches the halt of one instrument, or with None of the account. `who`: a person wanted it."""

    def leave_no_shares(self, emptied: Callable[[str], bool], correlation: str) -> Sequence[str]:
        """No strategy holds or wants anything of the instruments that were proven flat; says what changed."""

    def alarm(self, code: str, text: str, correlation: str) -> None: ...

    def utc(self, ts: int) -> str:
        """Engine time as text."""


@dataclass(slots=True)
class Progress:
    """What screens show of the running or last procedure."""

    scope: str = ""
    running: bool = False
    steps: list[str] = field(default_factory=list)
    verdict: str = ""
    flat: bool = False
