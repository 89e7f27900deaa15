"""A roll as pure values: what has come of its two legs, and what is to be done next.

The closing leg goes first; the opening leg is only ever for what the closing one has executed and no order
of the opening leg stands for yet. So both months together never hold more lots than the one held at the
start, in whatever order reports come. Whatever ends a roll before its time ends all of it: nothing more
leaves, what works is cancelled, and when no order of it can execute any more it is over, with exact numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal, NamedTuple

from engine.model import Order, Value
from engine.orders_record import OrderRecord
from engine.records import RollEnded, RollStarted

Outcome = Literal["rolled", "part", "half"]

REMEMBERED: Final = 1_000
"""Closing orders of rolls that are over: a late execution of one is still booked to whose lots it closes."""


class Roll(Value, frozen=True):
    """One that is under way, and its orders."""

    started: RollStarted
    closing: tuple[str, ...] = ()
    opening: tuple[str, ...] = ()

    def concerns(self, symbol: str) -> bool:
        return symbol in (self.started.source, self.started.target)


class RollBook:
    """The rolls that are under way, as a fold over the journal's records."""

    def __init__(self) -> None:
        self.active: dict[str, Roll] = {}
        """By the correlation id that its orders carry."""
        self._closing: dict[str, None] = {}

    def start(self, started: RollStarted) -> None:
        self.active[started.roll] = Roll(started)

    def end(self, ended: RollEnded) -> None:
        self.active.pop(ended.roll, None)

    def stored(self, order: Order) -> None:
        """An order was recorded: it may be one of a roll's."""
        roll = self.active.get(order.correlation)
        if roll is None:
            return
        begun = roll.started
        if order.symbol == begun.source and order.side is begun.side:
            self.active[order.correlation] = Roll(begun, (*roll.closing, order.id), roll.opening)
            self._closing[order.id] = None
            if len(self._closing) > REMEMBERED:
                del self._closing[next(iter(self._closing))]
        elif order.symbol == begun.target and order.side is begun.side.opposite:
            self.active[order.correlation] = Roll(begun, roll.closing, (*roll.opening, order.id))

    def closes(self, order_id: str) -> bool:
        """Whether an order is the closing leg of a roll: it closes the lots of whoever holds them."""
        return order_id in self._closing

    def image(self) -> tuple[tuple[Roll, ...], tuple[str, ...]]:
        return tuple(self.active.values()), tuple(self._closing)

    def put_back(self, active: Iterable[Roll], closing: Iterable[str]) -> None:
        self.active = {roll.started.roll: roll for roll in active}
        self._closing = dict.fromkeys(closing)

    def state(self) -> tuple[object, ...]:
        return tuple(self.active.values())


class Legs(NamedTuple):
    """Lots that both legs have executed, and most that what is out of them may still execute."""

    closed: int = 0
    closing: int = 0
    opened: int = 0
    opening: int = 0

    @property
    def still(self) -> bool:
        """No order of either leg can execute any more."""
        return not (self.closing or self.opening)


class Step(NamedTuple):
    """What is to be done now. `why`: what ends the roll before its time, to be kept from here on."""

    open: int = 0
    cancel_closing: bool = False
    cancel_opening: bool = False
    over: bool = False
    why: str = ""


def decide(lots: int, legs: Legs, why: str, *, late_closing: bool, late_opening: bool) -> Step:
    """The next step of a roll of so many lots. `why`: what ends it, empty: nothing does. `late_closing`,
    `late_opening`: an order of that leg has had its time."""
    if not why and late_opening:
        why = "the opening order was not filled in time"
    if not why and legs.opened + legs.opening > legs.closed:
        why = "more is opened than was closed: an execution was taken back, or came twice"
    if not why and legs.closed > lots:
        why = "more was closed than was asked for"
    if why:
        if legs.still:
            return Step(over=True, why=why)
        return Step(cancel_closing=legs.closing > 0, cancel_opening=legs.opening > 0, why=why)
    free = legs.closed - legs.opened - legs.opening
    if legs.still and not free:
        return Step(over=True)
    return Step(open=free, cancel_closing=late_closing and legs.closing > 0)


def outcome(lots: int, legs: Legs) -> Outcome:
    """What came of a roll that is over."""
    if legs.opened != legs.closed:
        return "half"
    return "rolled" if legs.closed == lots else "part"


def legs_of(roll: Roll, find: Callable[[str], OrderRecord | None]) -> Legs:
    """Where the legs of a roll stand, by the order book."""
    closing = [r for i in roll.closing if (r := find(i)) is not None]
    opening = [r for i in roll.opening if (r := find(i)) is not None]
    return Legs(
        closed=sum(r.life.cum for r in closing),
        closing=sum(r.life.worst_leaves for r in closing),
        opened=sum(r.life.cum for r in opening),
        opening=sum(r.life.worst_leaves for r in opening),
    )
