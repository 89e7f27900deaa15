"""One account at the exchange: positions at average cost, cash, fees and margin, all exact."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from brokers.exchange.config import AccountConfig
from engine.facts import AccountValues, BrokerPosition
from engine.model import Fill, Instrument

Marks = Callable[[str], int | None]
"""Mark price in ticks by symbol, None where nothing was ever seen."""


class Holding(msgspec.Struct, kw_only=True):
    """Position in one instrument. `cost_*`: the open cost in ticks × lots, an exact fraction."""

    qty: int = 0
    flow: int = 0
    """Ticks × lots received minus paid since the beginning: −Σ signed quantity × price."""
    cost_num: int = 0
    cost_den: int = 1

    @property
    def cost(self) -> Fraction:
        return Fraction(self.cost_num, self.cost_den)

    def apply(self, signed: int, price: int) -> None:
        """Books `signed` lots at `price`: average cost moves when adding, stays when reducing."""
        before, cost = self.qty, self.cost
        self.qty = before + signed
        self.flow -= signed * price
        if before == 0 or (before > 0) == (signed > 0):
            cost += signed * price
        elif abs(signed) < abs(before):
            cost = cost * self.qty / before
        else:
            cost = Fraction(self.qty * price)
        self.cost_num, self.cost_den = cost.numerator, cost.denominator

    def average(self) -> Decimal | None:
        if self.qty == 0:
            return None
        return Decimal(self.cost_num) / Decimal(self.cost_den * self.qty)


class Account:
    """Books of one account. Money in account currency."""

    def __init__(self, name: str, config: AccountConfig, instruments: Mapping[str, Instrument]) -> None:
        self.name = name
        self.config = config
        self.start = config.cash
        """Cash before the first trade."""
        self.fees = Decimal(0)
        self.holdings: dict[str, Holding] = {}
        self._instruments = instruments

    def rate(self, instrument: Instrument) -> Decimal | None:
        """Account currency for one unit of the instrument's; None where it is not known."""
        if instrument.currency == self.config.currency:
            return Decimal(1)
        return self.config.fx.get(instrument.currency)

    def position(self, symbol: str) -> int:
        holding = self.holdings.get(symbol)
        return 0 if holding is None else holding.qty

    def book(self, fill: Fill) -> None:
        """Books an execution: position, cash flow, fee."""
        holding = self.holdings.setdefault(fill.symbol, Holding())
        holding.apply(fill.side.sign * fill.qty, fill.price)
        self.fees += fill.fee * self._rate(fill.symbol)

    def unbook(self, fill: Fill) -> None:
        """Takes an execution back as if it had never been; the average cost is then an approximation."""
        holding = self.holdings.setdefault(fill.symbol, Holding())
        holding.apply(-fill.side.sign * fill.qty, fill.price)
        self.fees -= fill.fee * self._rate(fill.symbol)

    def equity(self, marks: Marks) -> Decimal:
        """Starting cash + all flows + positions at their marks − fees."""
        total = self.start - self.fees
        for symbol, holding in self.holdings.items():
            mark = marks(symbol) if holding.qty else 0
            if mark is None:  # never seen a price: worth what it cost
                total += self._money(symbol, holding.flow + holding.cost)
            elif holding.flow or holding.qty:
                value = holding.flow + holding.qty * mark
                total += self._instruments[symbol].money(value) * self._rate(symbol)
        return total

    def cash(self) -> Decimal:
        """Starting cash + realised profit − fees."""
        total = self.start - self.fees
        for symbol, holding in self.holdings.items():
            total += self._money(symbol, holding.flow + holding.cost)
        return total

    def margin(self, working: Mapping[str, Sequence[int]]) -> Decimal:
        """Initial margin of the worst case: each position plus all that works on the worse side.

        `working`: lots that work by symbol, [buys, sells].
        """
        total = Decimal(0)
        for symbol in sorted({*self.holdings, *working}):
            per_lot = self._instruments[symbol].initial_margin
            if per_lot:
                qty = self.position(symbol)
                buys, sells = working.get(symbol, (0, 0))
                total += max(abs(qty + buys), abs(qty - sells), abs(qty)) * per_lot * self._rate(symbol)
        return total

    def margins(self) -> tuple[Decimal, Decimal]:
        """Initial and maintenance margin of the positions as they are."""
        initial = maintenance = Decimal(0)
        for symbol, holding in self.holdings.items():
            if holding.qty:
                instrument, rate = self._instruments[symbol], self._rate(symbol)
                initial += abs(holding.qty) * instrument.initial_margin * rate
                maintenance += abs(holding.qty) * instrument.maintenance_margin * rate
        return initial, maintenance

    def values(self, now: int, marks: Marks) -> AccountValues:
        initial, maintenance = self.margins()
        return AccountValues(
            as_of=now,
            account=self.name,
            currency=self.config.currency,
            equity=self.equity(marks),
            cash=self.cash(),
            initial_margin=initial,
            maintenance_margin=maintenance,
        )

    def positions(self) -> tuple[BrokerPosition, ...]:
        """All positions that are not flat, by symbol."""
        return tuple(
            BrokerPosition(symbol=symbol, qty=holding.qty, avg_price=holding.average())
            for symbol, holding in sorted(self.holdings.items())
            if holding.qty
        )

    def save(self) -> SavedAccount:
        return SavedAccount(name=self.name, start=self.start, fees=self.fees, holdings=self.holdings)

    def load(self, saved: SavedAccount) -> None:
        self.start = saved.start
        self.fees = saved.fees
        self.holdings = dict(saved.holdings)

    def _money(self, symbol: str, tick_lots: Fraction) -> Decimal:
        exact = Decimal(tick_lots.numerator) / Decimal(tick_lots.denominator)
        return exact * self._instruments[symbol].tick_value * self._rate(symbol)

    def _rate(self, symbol: str) -> Decimal:
        return self.rate(self._instruments[symbol]) or Decimal(1)


class SavedAccount(msgspec.Struct, kw_only=True):
    """What the ledger keeps of an account. Its currency comes from the settings."""

    name: str
    start: Decimal
    fees: Decimal
    holdings: dict[str, Holding]
