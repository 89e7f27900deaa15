"""A `RiskView` with plain attributes, a market of ES and crude oil, and books that count approved orders."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from engine.config import RiskLimits, StrategyConfig
from engine.model import (
    NS,
    Instrument,
    MarketState,
    Order,
    OrderStatus,
    OrderType,
    Purpose,
    Quote,
    Replace,
    Side,
)
from engine.ports import Figure
from engine.risk.controls import ControlSet, standard_controls
from engine.risk.gate import Gate, Refused
from engine.risk.loop import Doubt, RiskLoop
from engine.risk.view import DataState, Market, OrderStanding, Reference
from engine.sending import Approved

BUY, SELL = Side.BUY, Side.SELL
LMT, MKT, STP, STL = OrderType.LIMIT, OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT

ES = Instrument(
    symbol="ES",
    venue="CME",
    asset_class="equity index",
    tick=Decimal("0.25"),
    multiplier=Decimal(50),
    initial_margin=Decimal(1000),
    maintenance_margin=Decimal(900),
)
CL = Instrument(
    symbol="CL",
    venue="NYMEX",
    asset_class="energy",
    tick=Decimal("0.01"),
    multiplier=Decimal(1000),
    nonpositive_price=True,
    initial_margin=Decimal(2000),
)
EX = Instrument(
    symbol="EX",
    venue="XEUR",
    asset_class="equity index",
    tick=Decimal(1),
    multiplier=Decimal(10),
    currency="EUR",
    initial_margin=Decimal(500),
)

LIMITS = RiskLimits(max_order_notional=Decimal(100_000_000), duplicate_window=0.0)  # type: ignore[call-arg]
"""Notional and repeats stand in no test's way; the tests about them set their own."""


class FakeView:
    """Everything can be set; every change through a method bumps the version that it should."""

    def __init__(self, limits: RiskLimits = LIMITS, instruments: Sequence[Instrument] = (ES, CL, EX)) -> None:
        self.time = 1_700_000_000 * NS
        self.mono_time = 1_000 * NS
        self.the_limits = limits
        self.the_limits_version = 1
        self.instruments = {i.symbol: i for i in instruments}
        self.positions: dict[str, int] = {}
        self.broker: dict[str, int] = {}
        self.exposures: dict[str, list[int]] = {}
        self.flatten_exposures: dict[str, list[int]] = {}
        self.oco: dict[str, int] = {}
        self.orders: dict[str, OrderStanding] = {}
        self.working = 0
        self.own: dict[tuple[str, Side], int] = {}
        self.the_strategies: dict[str, StrategyConfig] = {}
        self.strategy_positions: dict[tuple[str, str], int] = {}
        self.strategy_exposures: dict[tuple[str, str], tuple[int, int]] = {}
        self.strategy_workings: dict[str, int] = {}
        self.strategy_pnls: dict[str, Decimal | None] = {}
        self.rates = {"USD": Decimal(1)}
        self.quotes: dict[str, Quote] = {}
        self.markets: dict[str, Market] = {}
        self.references: dict[str, int] = {}
        self.quote_times: dict[str, int] = {}
        self.words: dict[str, Any] = {}
        self.data_deadline = 5 * NS
        self.the_equity: Decimal | None = Decimal(1_000_000)
        self.the_opening: Decimal | None = Decimal(1_000_000)
        self.the_peak: Decimal | None = Decimal(1_000_000)
        self.pnl: Decimal | None = Decimal(0)
        self.broker_pnl: Decimal | None = None
        self.figures: frozenset[Figure] = frozenset()
        self.ahead: tuple[Decimal, int] | None = None
        self.margin_doubts: dict[str, str] = {}
        self.the_margin: Decimal | None = Decimal(0)
        self.day = "2026-11-20"
        self.the_halt = ""
        self.enabled = True
        self.symbol_halts: dict[str, str] = {}
        self.symbol_holds: dict[str, str] = {}
        self.pauses: dict[str, str] = {}
        self.being_flattened: set[str] = set()
        self.versions: dict[str, int] = {}
        self.the_account_version = 1
        self.strategy_versions: dict[str, int] = {}
        for symbol in self.instruments:
            self.versions[symbol] = 1
            self.markets[symbol] = Market(MarketState.OPEN)

    # -- setting things

    def bump(self, symbol: str) -> None:
        self.versions[symbol] = self.versions.get(symbol, 0) + 1

    def account_changed(self) -> None:
        self.the_account_version += 1

    def advance(self, seconds: float) -> None:
        step = round(seconds * NS)
        self.time += step
        self.mono_time += step

    def put_quote(self, symbol: str, bid: int | None, ask: int | None) -> None:
        self.quotes[symbol] = Quote(symbol, self.time, bid, 10, ask, 10)
        self.quote_times[symbol] = self.time
        if bid is not None and ask is not None:
            self.references[symbol] = (bid + ask) // 2
        self.bump(symbol)

    def set_limits(self, **changes: Any) -> None:
        self.the_limits = self.the_limits.model_copy(update=changes)
        self.the_limits_version += 1

    def put_position(self, symbol: str, lots: int, broker: int | None = None) -> None:
        self.positions[symbol] = lots
        if broker is not None:
            self.broker[symbol] = broker
        self.bump(symbol)

    def put_exposure(self, symbol: str, buy: int, sell: int) -> None:
        self.exposures[symbol] = [buy, sell]
        self.bump(symbol)

    def book(self, order: Order) -> None:
        """What the engine does with an approved order: from now on it counts."""
        sides = self.exposures.setdefault(order.symbol, [0, 0])
        at = 0 if order.side is BUY else 1
        sides[at] += order.qty
        if order.purpose is Purpose.FLATTEN:
            self.flatten_exposures.setdefault(order.symbol, [0, 0])[at] += order.qty
        self.orders[order.id] = OrderStanding(
            order=order, status=OrderStatus.PENDING_NEW, cum=0, exposure=order.qty
        )
        self.working += 1
        key = (order.symbol, order.side)
        if order.limit is not None:
            best = self.own.get(key)
            self.own[key] = (
                order.limit if best is None else max(best, order.limit) if at == 0 else min(best, order.limit)
            )
        self.bump(order.symbol)

    def fill(self, order: Order, qty: int) -> None:
        standing = self.orders[order.id]
        at = 0 if order.side is BUY else 1
        self.exposures[order.symbol][at] -= qty
        self.positions[order.symbol] = self.positions.get(order.symbol, 0) + order.side.sign * qty
        self.orders[order.id] = OrderStanding(
            order=order,
            status=OrderStatus.PARTIAL_FILL,
            cum=standing.cum + qty,
            exposure=standing.exposure - qty,
        )
        self.bump(order.symbol)

    # -- RiskView

    def now(self) -> int:
        return self.time

    def mono(self) -> int:
        return self.mono_time

    def limits(self) -> RiskLimits:
        return self.the_limits

    def limits_version(self) -> int:
        return self.the_limits_version

    def strategy(self, name: str) -> StrategyConfig | None:
        return self.the_strategies.get(name)

    def symbols(self) -> Sequence[str]:
        return tuple(self.instruments)

    def strategies(self) -> Sequence[str]:
        return tuple(self.the_strategies)

    def version(self, symbol: str) -> int:
        return self.versions[symbol]

    def value_version(self, symbol: str) -> int:
        return self.versions[symbol]

    def booked_version(self, symbol: str) -> int:
        return self.versions[symbol] if symbol else self.account_version()

    def worth_version(self) -> int:
        return sum(self.versions.values()) + len(self.instruments)

    def stamp(self) -> tuple[object, ...]:
        return (
            self.the_limits_version,
            self.the_account_version,
            tuple(self.versions.items()),
            tuple(self.strategy_versions.items()),
            self.symbols(),
            self.strategies(),
        )

    def account_version(self) -> int:
        return self.the_account_version + sum(self.versions.values())

    def strategy_version(self, strategy: str) -> int:
        return self.strategy_versions.get(strategy, 0)

    def instrument(self, symbol: str) -> Instrument | None:
        return self.instruments.get(symbol)

    def fx(self, currency: str) -> Decimal | None:
        return self.rates.get(currency)

    def margin_needed(self, symbol: str, lots: int) -> Decimal | None:
        instrument = self.instruments.get(symbol)
        if instrument is None:
            return None
        rate = self.rates.get(instrument.currency)
        return None if rate is None else instrument.initial_margin * lots * rate

    def margin_doubt(self, symbol: str) -> str:
        return self.margin_doubts.get(symbol, "")

    def position(self, symbol: str) -> int:
        return self.positions.get(symbol, 0)

    def broker_position(self, symbol: str) -> int | None:
        return self.broker.get(symbol)

    def exposure(self, symbol: str) -> tuple[int, int]:
        buy, sell = self.exposures.get(symbol, (0, 0))
        return buy, sell

    def flatten_exposure(self, symbol: str) -> tuple[int, int]:
        buy, sell = self.flatten_exposures.get(symbol, (0, 0))
        return buy, sell

    def oco_exposure(self, group: str, symbol: str, side: Side) -> int:
        return self.oco.get(group, 0)

    def order(self, order_id: str) -> OrderStanding | None:
        return self.orders.get(order_id)

    def working_count(self) -> int:
        return self.working

    def own_best(self, symbol: str, side: Side) -> int | None:
        return self.own.get((symbol, side))

    def strategy_position(self, strategy: str, symbol: str) -> int:
        return self.strategy_positions.get((strategy, symbol), 0)

    def strategy_exposure(self, strategy: str, symbol: str) -> tuple[int, int]:
        return self.strategy_exposures.get((strategy, symbol), (0, 0))

    def strategy_working(self, strategy: str) -> int:
        return self.strategy_workings.get(strategy, 0)

    def strategy_pnl(self, strategy: str) -> Decimal | None:
        return self.strategy_pnls.get(strategy, Decimal(0))

    def quote(self, symbol: str) -> Quote | None:
        return self.quotes.get(symbol)

    def reference(self, symbol: str) -> Reference | None:
        if symbol not in self.references:
            return None
        return Reference(self.references[symbol], self.time - self.quote_times[symbol])

    def data_state(self, symbol: str) -> DataState:
        at = self.quote_times.get(symbol)
        if at is None:
            return DataState("none", None, self.data_deadline)
        return DataState(self.words.get(symbol, "live"), self.time - at, self.data_deadline)

    def market(self, symbol: str) -> Market:
        return self.markets[symbol]

    def equity(self) -> Decimal | None:
        return self.the_equity

    def opening_equity(self) -> Decimal | None:
        return self.the_opening

    def peak_equity(self) -> Decimal | None:
        return self.the_peak

    def broker_day_pnl(self) -> Decimal | None:
        return self.broker_pnl

    def tells(self, figure: Figure) -> bool:
        return figure in self.figures

    def day_pnl(self) -> Decimal | None:
        return self.pnl

    def margin_equity(self) -> Decimal | None:
        return self.equity()

    def margin_ahead(self) -> tuple[Decimal, int] | None:
        return self.ahead

    def margin_used(self) -> Decimal | None:
        return self.the_margin

    def trading_day(self) -> str:
        return self.day

    def halted(self) -> str:
        return self.the_halt

    def trading_enabled(self) -> bool:
        return self.enabled

    def symbol_halt(self, symbol: str) -> str:
        return self.symbol_halts.get(symbol, "")

    def symbol_hold(self, symbol: str) -> str:
        return self.symbol_holds.get(symbol, "")

    def paused(self, strategy: str) -> str:
        return self.pauses.get(strategy, "")

    def flattening(self, symbol: str) -> bool:
        return symbol in self.being_flattened


class Bench:
    """View, controls, gate and loop together, with a quiet market at ES 20000/20001 and a loop that runs."""

    def __init__(self, limits: RiskLimits = LIMITS) -> None:
        self.view = FakeView(limits)
        self.view.put_quote("ES", 20000, 20001)
        self.view.put_quote("CL", 6000, 6002)
        self.controls: ControlSet = standard_controls()
        self.controls.health.promise(1 << 60)
        self.gate = Gate(self.controls)
        self.loop = RiskLoop(self.controls)
        self.made = 0

    def order(self, side: Side = BUY, qty: int = 1, limit: int | None = 20000, **more: Any) -> Order:
        self.made += 1
        values: dict[str, Any] = {
            "id": f"s-{self.made}",
            "strategy": "s",
            "account": "PAPER",
            "symbol": "ES",
            "side": side,
            "qty": qty,
            "type": LMT,
            "limit": limit,
        }
        return Order(**{**values, **more})

    def check(self, order: Order | Replace) -> Approved[Any] | Refused:
        return self.gate.check(order, self.view)

    def refusal(self, order: Order | Replace) -> str:
        """Name of the control that refuses, empty where the order passes."""
        answer = self.check(order)
        return "" if isinstance(answer, Approved) else answer.reasons[0].control

    def text(self, order: Order | Replace) -> str:
        answer = self.check(order)
        return "" if isinstance(answer, Approved) else answer.text

    def working(self, order: Order, cum: int = 0, status: OrderStatus = OrderStatus.WORKING) -> Order:
        """Puts an order into the books as if it had been approved and acknowledged."""
        self.view.book(order)
        if cum:
            self.view.fill(order, cum)
        standing = self.view.orders[order.id]
        self.view.orders[order.id] = OrderStanding(
            order=order, status=status, cum=standing.cum, exposure=standing.exposure
        )
        return order

    def tick(self) -> list[tuple[str, str, str]]:
        """One round; (kind, control, scope) of each event, Doubt left out."""
        events = self.loop.tick(self.view)
        return [(type(e).__name__, e.control, e.scope) for e in events if not isinstance(e, Doubt)]

    def state(self, control: str, scope: str = "") -> str:
        for reading in self.loop.readings():
            if reading.control == control and reading.scope == scope:
                return reading.state
        raise LookupError(f"no reading of {control} in {scope!r}")
