"""What the risk controls read, answered from the live books, markets and account (`RiskView`).

Every answer is a cheap look-up; sums over instruments are kept until something that they depend on changes.
None means "not known".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from engine.books import NET, Books
from engine.config import RiskLimits, StrategyConfig
from engine.facts import AccountValues
from engine.market import Market as MarketOf
from engine.market import MarketBook
from engine.model import NS, Instrument, MarketState, Quote, Side
from engine.ports import Clock, Figure
from engine.positions import money_half
from engine.profit import Profit
from engine.risk.controls.daily_loss import loss_limit
from engine.risk.limits import LimitsBook
from engine.risk.view import DataState, Market, OrderStanding, Reference

_UNKNOWN = MarketState.UNKNOWN
_NO_MARKET = Market(_UNKNOWN)
_NO_DATA = DataState("none", None, 0)
_NOTHING = Decimal(0)


class Versioned(Protocol):
    """What counts its own changes."""

    version: int


class _Never:
    version = 0


class EngineView:
    """Implements `RiskView`. Read on the engine's thread only."""

    # Slots, because the interpreter looks names up anew each time in an object of 30 attributes and more.
    __slots__ = (
        "_account",
        "_account_at",
        "_account_read",
        "_account_ts",
        "_account_until",
        "_account_version",
        "_books",
        "_carried",
        "_carried_at",
        "_clock",
        "_limits",
        "_loss_limited",
        "_margin_bound",
        "_margin_of",
        "_markets",
        "_names",
        "_peak",
        "_profit",
        "_strategies",
        "_symbols",
        "_symbols_key",
        "believed",
        "covers",
        "doubt",
        "enabled",
        "figures",
        "margins",
        "mono",
        "now",
        "pause_reasons",
        "per_lot",
    )

    def __init__(self, books: Books, markets: MarketBook, clock: Clock, limits: LimitsBook) -> None:
        self._books = books
        self._markets = markets
        self._clock = clock
        self._limits = limits
        self._strategies = {s.name: s for s in books.config.strategies}
        self._names = tuple(self._strategies)
        self._loss_limited = frozenset(s.name for s in books.config.strategies if s.max_loss is not None)
        self._symbols: tuple[str, ...] = ()
        self._symbols_key = (-1, -1)
        self._profit = Profit(books, markets)
        self._account: AccountValues | None = None
        self._account_at = self._account_ts = 0
        self._account_until = -1
        """Mono up to which the broker's figures are believed."""
        self._margin_of = (-1, -1)
        """Versions of positions and margins that `_margin_bound` was summed up of."""
        self._margin_bound: Decimal | None = None
        """What the positions bind by our own reckoning."""
        self.believed = int(max(3 * books.config.reconcile.every, 10.0) * NS)
        """ns for which what the broker said when it was asked is taken for how it stands."""
        self._account_version = 0
        self._account_read: tuple[object, ...] = ()
        self._carried: tuple[MarketOf, ...] = ()
        """Markets of what is held or works, as of `_carried_at` (version of the books)."""
        self._carried_at = -1
        self._peak: Decimal | None = None
        self.enabled = False
        """Set by recovery once the three views agree."""
        self.pause_reasons: Callable[[str], str] = lambda _: ""
        """Why a strategy (or all) may open nothing: journal trouble, operator's pause."""
        self.figures: Callable[[], frozenset[Figure]] = frozenset
        """Figures of the account that the broker in use tells."""
        self.per_lot: Callable[[str], Decimal | None] = lambda _: None
        """Initial margin of one lot by the broker's what-if, account currency."""
        self.doubt: Callable[[str], str] = lambda _: ""
        """Why the margin of a symbol is not known."""
        self.margins: Versioned = _Never()
        """What the margins per lot came from."""
        self.covers: Callable[[str], bool] = lambda _: False
        """The kill procedure works on a symbol."""

        self.now: Callable[[], int] = clock.now
        self.mono: Callable[[], int] = clock.mono

    # limits

    def limits(self) -> RiskLimits:
        return self._limits.current

    def limits_version(self) -> int:
        return self._limits.version

    def strategy(self, name: str) -> StrategyConfig | None:
        return self._strategies.get(name)

    def strategies(self) -> Sequence[str]:
        return self._names

    # versions

    def symbols(self) -> Sequence[str]:
        known, by_symbol = self._books.symbols_version, self._markets.by_symbol
        if self._symbols_key != (known, len(by_symbol)):
            self._symbols_key = (known, len(by_symbol))
            self._symbols = tuple(
                sorted({*by_symbol, *(p.symbol for p in self._books.positions), *self._books.symbol_touched})
            )
        return self._symbols

    def stamp(self) -> tuple[object, ...]:
        return (
            self._books.figures,
            self._books.positions.confirmed,
            self._markets.version,
            self.margins.version,
            self._limits.version,
            self.account(),
            self.enabled,
        )

    def worth_version(self) -> int:
        books, markets = self._books, self._markets
        return books.figures + markets.valued + self.margins.version + len(markets.by_symbol)

    def value_version(self, symbol: str) -> int:
        market = self._markets.by_symbol.get(symbol)
        own = self._books.versions.get(symbol, 0) + self.margins.version
        return own if market is None else own + market.valued

    def version(self, symbol: str) -> int:
        books = self._books
        market = self._markets.by_symbol.get(symbol)
        own = books.versions.get(symbol, 0) + books.positions.confirmed + self.margins.version
        return own if market is None else own + market.version

    def booked_version(self, symbol: str) -> int:
        books = self._books
        if not symbol:
            return 2 * books.figures + self.enabled
        return books.versions.get(symbol, 0) + books.positions.confirmed

    def account_version(self) -> int:
        """Prices count only where something is held or may still be: others change no figure."""
        books = self._books
        figures = books.figures
        if figures != self._carried_at:
            self._carried_at = figures
            self._carried = tuple(
                market
                for symbol, market in self._markets.by_symbol.items()
                if books.positions.qty(symbol) or any(books.orders.exposure(symbol))
            )
        valued = 0
        for market in self._carried:
            valued += market.valued
        read = (figures, valued, self.account(), self.margins.version, self.enabled)
        if read != self._account_read:
            self._account_read = read
            self._account_version += 1
        return self._account_version

    def strategy_version(self, strategy: str) -> int:
        """Prices count only where a loss is limited: no other figure of a strategy follows them."""
        figures = self._books.figures
        return figures + self._markets.valued if strategy in self._loss_limited else figures

    # instruments and money

    def instrument(self, symbol: str) -> Instrument | None:
        return self._books.instruments.get(symbol)

    def fx(self, currency: str) -> Decimal | None:
        return self._books.fx(currency)

    def margin_needed(self, symbol: str, lots: int) -> Decimal | None:
        instrument = self._books.instruments.get(symbol)
        told = self.per_lot(symbol)
        if told is not None:
            return told * lots
        if instrument is None or not instrument.margin_known:
            return None
        rate = self._books.fx(instrument.currency)
        return None if rate is None else instrument.initial_margin * lots * rate

    def margin_doubt(self, symbol: str) -> str:
        return self.doubt(symbol)

    # positions and orders

    def position(self, symbol: str) -> int:
        return self._books.positions.qty(symbol)

    def broker_position(self, symbol: str) -> int | None:
        position = self._books.positions.get(symbol)
        if position.broker is None or position.broker_as_of < self._books.symbol_touched.get(symbol, 0):
            return None
        return position.broker

    def exposure(self, symbol: str) -> tuple[int, int]:
        return self._books.orders.exposure(symbol)

    def flatten_exposure(self, symbol: str) -> tuple[int, int]:
        return self._books.orders.flatten_exposure(symbol)

    def oco_exposure(self, group: str, symbol: str, side: Side) -> int:
        return self._books.orders.oco_exposure(group, symbol, side)

    def order(self, order_id: str) -> OrderStanding | None:
        record = self._books.orders.get(order_id)
        if record is None or record.held:  # what waits here was never sent
            return None
        life = record.life
        return OrderStanding(
            order=record.current(),
            status=life.status,
            cum=life.cum,
            exposure=self._books.orders.contribution(order_id),
        )

    def working_count(self) -> int:
        return self._books.orders.open_count()

    def own_best(self, symbol: str, side: Side) -> int | None:
        return self._books.orders.own_best(symbol, side)

    # strategies

    def strategy_position(self, strategy: str, symbol: str) -> int:
        if strategy == NET:
            return self._books.positions.qty(symbol)
        return self._books.positions.strategy_qty(strategy, symbol)

    def strategy_exposure(self, strategy: str, symbol: str) -> tuple[int, int]:
        return self._books.orders.strategy_exposure(strategy, symbol)

    def strategy_working(self, strategy: str) -> int:
        return self._books.orders.open_count(strategy=strategy)

    def strategy_pnl(self, strategy: str) -> Decimal | None:
        total = Decimal(0)
        for position in self._books.positions:
            part = position.parts.get(strategy)
            if part is None:
                continue
            instrument = self._books.instruments.get(position.symbol)
            market = self._markets.by_symbol.get(position.symbol)
            mark = market.mark_twice if market is not None else None
            if instrument is None or (part.qty and mark is None):
                return None
            rate = self._books.fx(instrument.currency)
            if rate is None:
                return None
            total += (money_half(instrument, part.total_half(mark or 0)) - part.fees) * rate
        return total - self._books.strategy_baseline.get(strategy, Decimal(0))

    # market

    def quote(self, symbol: str) -> Quote | None:
        market = self._markets.by_symbol.get(symbol)
        return market.quote if market is not None else None

    def reference(self, symbol: str) -> Reference | None:
        market = self._markets.by_symbol.get(symbol)
        if market is None:
            return None
        price = market.reference
        if price is None:
            return None
        quote = market.quote
        if quote is not None and quote.bid is not None and quote.ask is not None:
            age = self._clock.now() - quote.ts
        else:
            age = self._clock.now() - market.last_ts
        return Reference(price, age if age > 0 else 0)

    def data_state(self, symbol: str) -> DataState:
        market = self._markets.by_symbol.get(symbol)
        return _NO_DATA if market is None else market.risk_data(self._clock.now())

    def market(self, symbol: str) -> Market:
        market = self._markets.by_symbol.get(symbol)
        if market is None:
            return _NO_MARKET
        rules = market.rules
        if rules.state is not _UNKNOWN:
            return rules
        return Market(market.state(self._clock.now()), rules.low, rules.high)

    def data_age(self) -> float | None:
        """Seconds since the newest quote of any open market; None before the first."""
        now = self._clock.now()
        ages = [now - m.quote.ts for m in self._markets.by_symbol.values() if m.quote is not None]
        return max(0, min(ages)) / NS if ages else None

    def stale_symbols(self) -> list[str]:
        """Open markets whose data is not good right now."""
        now = self._clock.now()
        return [
            s for s, m in self._markets.by_symbol.items() if m.risk_data(now).word not in ("live", "closed")
        ]

    # account

    def set_account(self, values: AccountValues, mono: int) -> None:
        """The broker's own figures; they age."""
        self._account = values
        self._account_at, self._account_ts = mono, self._clock.now()
        self._account_until = mono + self.believed

    @property
    def account_at(self) -> int:
        """Monotonic ns at which the broker's figures were read."""
        return self._account_at

    def account_read(self) -> tuple[AccountValues, int] | None:
        """What the broker said of the account last, however old, and when that was read, UTC ns."""
        return None if self._account is None else (self._account, self._account_ts)

    def account(self) -> AccountValues | None:
        """The broker's figures while they are fresh: three reconciliations old at the most."""
        values = self._account
        return None if values is None or self.mono() > self._account_until else values

    def total_pnl(self) -> Decimal | None:
        """Realised + open − fees since the journal began; None where a held position has no mark."""
        self._profit.reckon()
        return self._profit.total

    def day_pnl(self) -> Decimal | None:
        self._profit.reckon()
        return self._profit.of_day

    def broker_day_pnl(self) -> Decimal | None:
        """His day may begin at another time than ours. What he had lost before ours began does not count; a
        gain of before is not taken off, so that a new day of his cannot look like a loss."""
        if self._account is None or self._account.day_pnl is None:
            return None
        values, day = self.account(), self._books.day
        if values is None or values.day_pnl is None:
            return None
        if day is None or day.why == "start":
            return values.day_pnl
        return None if day.broker_pnl is None else values.day_pnl - min(day.broker_pnl, Decimal(0))

    def tells(self, figure: Figure) -> bool:
        return figure in self.figures()

    def opening_equity(self) -> Decimal | None:
        return self._books.day.opening_equity if self._books.day is not None else None

    def equity(self) -> Decimal | None:
        self._profit.reckon()
        equity = self._profit.equity
        if equity is not None and (self._peak is None or equity > self._peak):
            self._peak = equity
        return equity

    def peak_equity(self) -> Decimal | None:
        self.equity()
        return self._peak

    def restart_peak(self, peak: Decimal | None) -> None:
        """A new day, or what the journal knew of this one."""
        self._peak = peak

    def margin_equity(self) -> Decimal | None:
        own, values = self.equity(), self.account()
        if own is None or values is None or values.equity is None:
            return own
        return values.equity if values.equity < own else own

    def margin_ahead(self) -> tuple[Decimal, int] | None:
        if self._account is None or self._account.next_margin is None:
            return None
        values = self.account()
        if values is None or values.next_margin is None or values.next_change is None:
            return None
        return (values.next_margin, values.next_change) if values.next_change > self.now() else None

    def margin_used(self) -> Decimal | None:
        """The largest of the broker's figure, our own reckoning, and what his excess liquidity leaves of the
        equity; None while one that he tells is not known."""
        values = self.account()
        if values is None or values.initial_margin is None:
            return None
        bound = values.initial_margin
        if values.excess_liquidity is not None and values.equity is not None:
            bound = max(bound, values.equity - values.excess_liquidity)
        elif self.tells("excess_liquidity"):
            return None
        own = self._margin_own()
        if own is None:
            return None
        return bound if bound > own else own

    def _margin_own(self) -> Decimal | None:
        of = (self._books.positions.version, self.margins.version)
        if of != self._margin_of:
            own: Decimal | None = _NOTHING
            for position in self._books.positions:
                if position.held.qty and own is not None:
                    needed = self.margin_needed(position.symbol, abs(position.held.qty))
                    own = None if needed is None else own + needed
            self._margin_of, self._margin_bound = of, own
        return self._margin_bound

    def trading_day(self) -> str:
        return self._books.day.trading_day if self._books.day is not None else ""

    def day_limit(self) -> Decimal | None:
        """Loss at which the day stops, account currency, as a positive amount."""
        return loss_limit(self._limits.current, self.opening_equity())

    # switches

    def halted(self) -> str:
        halt = self._books.halts.account()
        return f"halted: {halt.reason}" if halt is not None else ""

    def trading_enabled(self) -> bool:
        return self.enabled

    def symbol_halt(self, symbol: str) -> str:
        halt = self._books.halts.instrument(symbol)
        return f"{symbol} is halted: {halt.reason}" if halt is not None else ""

    def symbol_hold(self, symbol: str) -> str:
        hold = self._books.holds.get(symbol)
        return f"{symbol} is held: {hold.reason}" if hold is not None else ""

    def paused(self, strategy: str) -> str:
        halt = self._books.halts.strategy(strategy)
        if halt is not None:
            return f"{strategy} is paused: {halt.reason}"
        everybody = self._books.halts.pause()
        if everybody is not None:
            return everybody.reason
        return self.pause_reasons(strategy)

    def flattening(self, symbol: str) -> bool:
        return self.covers(symbol)

    def opening_blocked(self, symbol: str, strategy: str) -> str:
        """The first switch that keeps opening orders of this strategy in this symbol back; empty: none."""
        if not self.enabled:
            return "trading is not enabled yet"
        instrument = self.symbol_halt(symbol) or self.symbol_hold(symbol)
        return self.halted() or instrument or self.paused(strategy)
