"""Positions from three sources: intended by strategies, derived from executions, confirmed by the broker.

Executed positions are exact: `cash` is the negative sum of signed quantity × price in tick-lots, so total
profit at a mark is `cash + qty × mark`, an integer. Only its split into realised and open needs an average
price; that is kept in millionths of a tick-lot, and the two parts always sum to the exact total.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from engine.model import ExecutionKey, Fill, Instrument, Value
from engine.positions_booked import Booked, Legs
from engine.strategy.netting import split_money

MICRO: Final = 1_000_000


class Holding:
    """One executed position (of an account or of one strategy) in one instrument.

    `qty` signed lots, `cash` tick-lots, `cost` cost of what is held in millionths of a tick-lot, `fees` in
    the instrument's currency.
    """

    __slots__ = ("bought", "cash", "cost", "executions", "fees", "qty", "sold")

    def __init__(self) -> None:
        self.qty = 0
        self.cash = 0
        self.cost = 0
        self.fees = Decimal(0)
        self.bought = 0
        self.sold = 0
        self.executions = 0
        """How many executions it was a part of; adoptions and transfers are none."""

    def add(self, signed: int, price: int, fee: Decimal) -> None:
        """Books an execution of `signed` lots at `price` ticks."""
        if self.qty == 0 or (self.qty > 0) == (signed > 0):
            self.cost += signed * price * MICRO
        elif abs(signed) <= abs(self.qty):
            # What is closed leaves at the average cost; the rounding stays with what is held.
            self.cost -= _share(self.cost, abs(signed), abs(self.qty))
        else:
            self.cost = (self.qty + signed) * price * MICRO
        self.qty += signed
        if self.qty == 0:
            self.cost = 0
        self.cash -= signed * price
        self.fees += fee
        if signed > 0:
            self.bought += signed
        else:
            self.sold -= signed

    @property
    def average(self) -> Decimal | None:
        """Average price of what is held, in fractional ticks; None when flat."""
        return Decimal(self.cost) / (self.qty * MICRO) if self.qty else None

    @property
    def realised_micro(self) -> int:
        """Realised profit before fees, in millionths of a tick-lot."""
        return self.cash * MICRO + self.cost

    def total_half(self, mark_twice: int) -> int:
        """Exact profit before fees in half tick-lots, at half the mark `mark_twice` (bid + ask)."""
        return 2 * self.cash + self.qty * mark_twice

    def state(self) -> tuple[int, int, int, str]:
        return (self.qty, self.cash, self.cost, str(self.fees))

    def image(self) -> HoldingImage:
        return HoldingImage(
            self.qty, self.cash, self.cost, self.fees, self.bought, self.sold, self.executions
        )

    @classmethod
    def of(cls, image: HoldingImage) -> Holding:
        holding = cls()
        holding.qty, holding.cash, holding.cost, holding.fees = image.qty, image.cash, image.cost, image.fees
        holding.bought, holding.sold, holding.executions = image.bought, image.sold, image.executions
        return holding


class HoldingImage(Value, frozen=True, array_like=True):
    """A `Holding` for a saved state of the books."""

    qty: int
    cash: int
    cost: int
    fees: Decimal
    bought: int
    sold: int
    executions: int


class PositionImage(Value, frozen=True, kw_only=True):
    """A `Position` for a saved state, without its bookings, which may be many, and without the broker's word,
    which is asked for anew."""

    symbol: str
    held: HoldingImage
    parts: dict[str, HoldingImage]
    intended: dict[str, int]


def _share(total: int, part: int, whole: int) -> int:
    """`total × part / whole` rounded half to even, exact integers."""
    numerator, negative = abs(total) * part, total < 0
    quotient, rest = divmod(numerator, whole)
    if 2 * rest > whole or (2 * rest == whole and quotient & 1):
        quotient += 1
    return -quotient if negative else quotient


class Position:
    """One instrument's three views, and each strategy's part of the executed one."""

    __slots__ = (
        "booked",
        "broker",
        "broker_as_of",
        "held",
        "intended",
        "parts",
        "symbol",
    )

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.held = Holding()
        self.parts: dict[str, Holding] = {}
        self.booked = Booked()
        """All that was ever booked, in order of arrival: executions under their identity, adoptions and
        transfers under a number. Needed to take an execution back as if it had never been."""
        self.intended: dict[str, int] = {}
        self.broker: int | None = None
        self.broker_as_of = 0

    @property
    def target(self) -> int | None:
        """Sum of what the strategies intend; None where none declared anything."""
        return sum(self.intended.values()) if self.intended else None

    def part(self, strategy: str) -> Holding:
        holding = self.parts.get(strategy)
        if holding is None:
            holding = self.parts[strategy] = Holding()
        return holding


ALIKE: Final = 4_096
"""Bookings among which one that is alike is looked for."""

Attribution = tuple[tuple[str, int], ...]
"""Which strategy got how many lots (unsigned) of a fill; sums to the fill's quantity."""


Bookings = tuple[tuple[bytes, ...], list[tuple[ExecutionKey | int, Legs]]]
"""Of one instrument: the older ones, packed, and the newest."""


class PositionBook:
    """All positions of one account. Executions are booked once each; the order book keeps repeats away."""

    def __init__(self) -> None:
        self._positions: dict[str, Position] = {}
        self.version = 0
        """Counts the changes of what is held; what is intended, or confirmed by the broker, is none."""
        self.confirmed = 0
        """Counts what the broker said that no figure follows yet: another position than before, or than
        ours."""
        self._notes = 0
        """Bookings without an execution so far."""
        self._alike: dict[Legs, Legs] = {}
        """What was booked lately: all bookings are kept, so those that are alike share their memory."""

    def __iter__(self) -> Iterator[Position]:
        return iter(self._positions.values())

    def get(self, symbol: str) -> Position:
        position = self._positions.get(symbol)
        if position is None:
            position = self._positions[symbol] = Position(symbol)
        return position

    def qty(self, symbol: str) -> int:
        """Executed position, signed lots."""
        position = self._positions.get(symbol)
        return position.held.qty if position is not None else 0

    def strategy_qty(self, strategy: str, symbol: str) -> int:
        position = self._positions.get(symbol)
        if position is None:
            return 0
        part = position.parts.get(strategy)
        return part.qty if part is not None else 0

    def book(self, fill: Fill, attribution: Attribution) -> None:
        """Books a new execution, split over strategies. Raises `ValueError` if the parts do not sum to it."""
        if sum(lots for _, lots in attribution) != fill.qty:
            raise ValueError(f"attribution {attribution} of {fill.key.exec_id} does not sum to {fill.qty}")
        position = self.get(fill.symbol)
        if position.booked.is_recent(fill.key):
            raise ValueError(f"execution {fill.key.exec_id} is booked already")
        legs = tuple(self._legs(fill, attribution))
        if len(self._alike) >= ALIKE:
            self._alike.clear()
        self.version += 1
        self._enter(position, fill.key, self._alike.setdefault(legs, legs))

    @staticmethod
    def _legs(fill: Fill, attribution: Attribution) -> Iterator[tuple[str, int, int, Decimal]]:
        fees = split_money(fill.fee, dict(attribution))
        for strategy, lots in attribution:
            yield strategy, fill.side.sign * lots, fill.price, fees[strategy]

    def bust(self, symbol: str, key: ExecutionKey) -> bool:
        """Takes an execution back. False when it was never booked."""
        position = self.get(symbol)
        if position.booked.pop(key, None) is None:
            return False
        self.version += 1
        self._fold(position, position.booked.entries())
        return True

    def correct(self, key: ExecutionKey, old_symbol: str, fill: Fill, attribution: Attribution) -> bool:
        """Puts `fill` in the place of the execution `key`. False when that was never booked."""
        position = self.get(old_symbol)
        if key not in position.booked:
            return False
        if old_symbol != fill.symbol:
            self.bust(old_symbol, key)
            self.book(fill, attribution)
            return True
        legs = tuple(self._legs(fill, attribution))
        self.version += 1
        self._fold(
            position,
            ((fill.key, legs) if k == key else (k, v) for k, v in position.booked.entries()),
        )
        return True

    @staticmethod
    def _fold(position: Position, entries: Iterable[tuple[ExecutionKey | int, Legs]]) -> None:
        """Books these alone, anew and in order; a bust or a correction is rare and must be exact."""
        booked, position.booked = list(entries), Booked()
        position.held = Holding()
        position.parts = {}
        for key, legs in booked:
            PositionBook._enter(position, key, legs)

    @staticmethod
    def _enter(position: Position, key: ExecutionKey | int, legs: Legs) -> None:
        position.booked.add(key, legs)
        executed = isinstance(key, ExecutionKey)
        lots = sum(leg[1] for leg in legs)
        if lots:
            position.held.add(lots, legs[0][2], sum((leg[3] for leg in legs), Decimal(0)))
            position.held.executions += executed
        for strategy, signed, price, fee in legs:
            part = position.part(strategy)
            part.add(signed, price, fee)
            part.executions += executed

    def find(self, key: ExecutionKey) -> str | None:
        """Symbol in which an execution is booked; None where it is not."""
        for symbol, position in self._positions.items():
            if key in position.booked:
                return symbol
        return None

    def owners(self, symbol: str, key: ExecutionKey) -> Attribution:
        """Who got how many lots of a booked execution."""
        return tuple(
            (strategy, abs(signed)) for strategy, signed, _, _ in self.get(symbol).booked.get(key, ())
        )

    def adjust(self, symbol: str, signed: int, price: int, owner: str) -> None:
        """Books a position that was adopted from the broker without an execution (operator's decision)."""
        self._note(symbol, ((owner, signed, price, Decimal(0)),))

    def _note(self, symbol: str, legs: Legs) -> None:
        self._notes += 1
        self.version += 1
        self._enter(self.get(symbol), self._notes, legs)

    def transfer(self, symbol: str, seller: str, buyer: str, lots: int, price: int) -> None:
        """Moves lots between two strategies' parts at `price`; the account's position does not change."""
        self._note(symbol, ((seller, -lots, price, Decimal(0)), (buyer, lots, price, Decimal(0))))

    def confirm(self, symbol: str, qty: int, as_of: int) -> None:
        """Notes what the broker said, signed lots."""
        position = self.get(symbol)
        if qty != position.broker or qty != position.held.qty:
            self.confirmed += 1
        position.broker = qty
        position.broker_as_of = as_of

    def intend(self, strategy: str, symbol: str, lots: int | None) -> None:
        """Notes a strategy's intended position; None takes the declaration back."""
        position = self.get(symbol)
        if lots is None:
            position.intended.pop(strategy, None)
        else:
            position.intended[strategy] = lots

    def image(self) -> tuple[int, tuple[PositionImage, ...]]:
        """How many notes there were, and all positions that were ever more than asked for, by symbol."""
        return self._notes, tuple(
            PositionImage(
                symbol=p.symbol,
                held=p.held.image(),
                parts={strategy: part.image() for strategy, part in p.parts.items()},
                intended=dict(p.intended),
            )
            for _, p in sorted(self._positions.items())
            if p.booked or p.intended
        )

    def bookings(self) -> dict[str, Bookings]:
        """Copies of all that was ever booked, by symbol."""
        return {p.symbol: (p.booked.packs, p.booked.recent) for p in self._positions.values() if p.booked}

    def put_back(self, notes: int, images: Iterable[PositionImage], bookings: dict[str, Bookings]) -> None:
        """Fills an empty book with a saved state."""
        self._notes = notes
        alike: dict[Legs, Legs] = {}
        for image in images:
            position = self.get(image.symbol)
            position.held = Holding.of(image.held)
            position.parts = {strategy: Holding.of(part) for strategy, part in image.parts.items()}
            position.intended = dict(image.intended)
            packs, recent = bookings.pop(image.symbol, ((), []))
            position.booked = Booked(packs, [(key, alike.setdefault(legs, legs)) for key, legs in recent])
        if bookings:
            raise KeyError(f"bookings of {', '.join(bookings)} without a position")

    def state(self) -> tuple[object, ...]:
        """Everything that executions and operators decided, for comparing two engines."""
        return tuple(
            (
                symbol,
                p.held.state(),
                tuple(sorted((s, h.state()) for s, h in p.parts.items())),
                tuple(sorted(p.intended.items())),
            )
            for symbol, p in sorted(self._positions.items())
            if p.booked or p.intended
        )


def money_half(instrument: Instrument, half_tick_lots: int) -> Decimal:
    """Half tick-lots → money in the instrument's currency, exact."""
    return instrument.money(half_tick_lots) / 2


def money_micro(instrument: Instrument, micro: int) -> Decimal:
    """Millionths of a tick-lot → money in the instrument's currency."""
    return instrument.money(micro) / MICRO
