"""What the author of a strategy imports: the `Strategy` class, its parameters, and the values it is given.

    from engine.strategy.api import Quote, Strategy

A strategy runs in a process of its own. It never sees the broker: it declares intended positions or sends
explicit orders, and the engine's gate decides about each of them. An exception in a callback stops the
strategy, never the engine.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from engine.model import NS, Bar, Instrument, OrderStatus, OrderType, Quote, Side, TimeInForce, Trade
from engine.strategy.messages import Kind, StrategyFill, StrategyOrder
from engine.strategy.session import Session, Steps, StrategyError

__all__ = [
    "NS",
    "Bar",
    "Instrument",
    "OrderStatus",
    "OrderType",
    "Quote",
    "Side",
    "Strategy",
    "StrategyError",
    "StrategyFill",
    "StrategyOrder",
    "TimeInForce",
    "Trade",
]


class Strategy:
    """Base of all strategies. Override the callbacks that you need; only those events are sent.

    Units: a whole number (int) is ticks where a price is meant and lots where a size is; a `Decimal` is a
    price or size in natural units and must lie on the instrument's tick or lot. Floats are refused, because
    they are neither exact nor clear. Times are UTC nanoseconds.
    """

    class Params(BaseModel):
        """Parameters; declare your own as `class Params(Strategy.Params)`. Unknown names are refused."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    wants: ClassVar[frozenset[Kind] | None] = None
    """Kinds of market event that are sent (`quote`, `trade`, `bar`). None: those whose callback exists."""

    params: Any
    """The checked parameters, an instance of `Params`."""

    _session: Session | None = None

    # --- callbacks ------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Once, before all others. Positions and open orders of an earlier run are known already."""

    def on_quote(self, quote: Quote) -> None:
        """The touch changed. While the strategy is busy only the newest quote of a symbol is kept."""

    def on_trade(self, trade: Trade) -> None:
        """A print. While the strategy is busy the oldest are dropped beyond a bound."""

    def on_bar(self, bar: Bar) -> None:
        """A bar of `bar_seconds` has closed."""

    def on_fill(self, fill: StrategyFill) -> None:
        """An execution of its own; never dropped. `position` holds it already."""

    def on_order(self, order: StrategyOrder) -> None:
        """One of its own orders changed (accepted, rejected, cancelled …); never dropped.

        Of the orders towards an intended position it hears those that were refused or rejected, without a
        ref; while the same control refuses and nothing else is declared, once.
        """

    def on_timer(self, name: str) -> None:
        """A timer from `set_timer` ran out."""

    def on_stop(self, reason: str) -> None:
        """Last call; what is asked for here still counts, but no answer will be seen."""

    # --- reading --------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of this instance, from the configuration."""
        return self._running.name

    @property
    def now(self) -> int:
        """Engine time in UTC ns: the wall clock when live, the recording's time in a replay."""
        return self._running.now

    @property
    def symbols(self) -> tuple[str, ...]:
        return self._running.symbols

    @property
    def paused(self) -> str:
        """Why opening orders are refused at the moment; empty when they are not."""
        return self._running.paused

    @property
    def random(self) -> random.Random:
        """Random numbers that repeat with the run's seed."""
        return self._running.random

    @property
    def orders(self) -> list[StrategyOrder]:
        """Its own open orders as last reported, oldest first; one just placed is PENDING_NEW."""
        return self._running.open_orders(None)

    def orders_in(self, symbol: str) -> list[StrategyOrder]:
        """Its own open orders in one symbol."""
        return self._running.open_orders(symbol)

    def order(self, ref: int) -> StrategyOrder | None:
        """One of its open orders; None once it is closed."""
        return self._running.by_ref.get(ref)

    def instrument(self, symbol: str) -> Instrument:
        return self._running.instrument(symbol)

    def position(self, symbol: str) -> int:
        """Its own executed position in signed lots (not the account's)."""
        return self._running.position(symbol)

    def intended(self, symbol: str) -> int | None:
        """The position that it declared last, in signed lots; None before the first; 0 once a kill or flatten
        has closed it and proven flat: what is wanted after that is declared anew."""
        return self._running.intents.get(symbol)

    def intended_before(self, symbol: str) -> int | None:
        """The position that an earlier run of it declared last, in signed lots; None where there was none.
        It is not in force any more: declare it again where it still holds."""
        self._running.instrument(symbol)
        return self._running.earlier.get(symbol)

    @property
    def saved(self) -> dict[str, Any]:
        """Its own variables that outlive its process: what JSON knows, 16 KB at the most. What stands there
        when a callback returns is journalled, before what that callback asked for is done; after that at most
        once a second, and when it stops. What a callback that fails has changed is not kept."""
        return self._running.saved.variables

    def quote(self, symbol: str) -> Quote | None:
        """The newest touch, also for symbols and kinds that call nothing back."""
        return self._running.quote(symbol)

    def ticks(self, symbol: str, price: Decimal | str) -> int:
        """Exact price in natural units → ticks."""
        return self._running.ticks(symbol, price)

    def price(self, symbol: str, ticks: int) -> Decimal:
        """Ticks → exact price in natural units."""
        return self._running.price(symbol, ticks)

    def seconds_until(self, clock_time: str) -> float:
        """Seconds from now to the next `HH:MM` or `HH:MM:SS` UTC; for `set_timer`."""
        try:
            wanted = time_of_day.fromisoformat(clock_time)
        except ValueError:
            raise StrategyError(f"{clock_time!r} is no time of day like 20:55 (UTC)") from None
        now = datetime.fromtimestamp(self.now / NS, UTC)
        then = datetime.combine(now.date(), wanted.replace(tzinfo=None), UTC)
        if then <= now:
            then += timedelta(days=1)
        return (then - now).total_seconds()

    # --- acting ---------------------------------------------------------------------------------------

    def intend(self, symbol: str, lots: Steps) -> None:
        """Declares the position that it wants from now on; the engine trades towards it.

        Intentions of several strategies are netted. Asking for the same again does nothing. A kill or flatten
        that ends flat sets it to 0. What a control refuses is tried again each second as long as it is
        wanted: a strategy that hears so in `on_order` should declare what it can have.
        """
        self._running.intend(symbol, lots)

    def buy(
        self,
        symbol: str,
        qty: Steps,
        *,
        limit: Steps | None = None,
        stop: Steps | None = None,
        tif: str = "DAY",
        expire: int | None = None,
        reduce_only: bool = False,
        post_only: bool = False,
        take_profit: Steps | None = None,
        stop_loss: Steps | None = None,
    ) -> int:
        """Places a buy order and returns its ref.

        Without `limit` and `stop` a market order; with `limit` a limit, with `stop` a stop, with both a
        stop-limit order. `tif`: DAY, GTC, GTD (with `expire`, UTC ns), IOC or FOK. `take_profit` and
        `stop_loss` make a bracket: they protect what is filled and cancel one another.
        """
        return self._running.place(
            Side.BUY,
            symbol,
            qty,
            limit,
            stop,
            tif,
            expire,
            reduce_only,
            post_only,
            take_profit,
            stop_loss,
        )

    def sell(
        self,
        symbol: str,
        qty: Steps,
        *,
        limit: Steps | None = None,
        stop: Steps | None = None,
        tif: str = "DAY",
        expire: int | None = None,
        reduce_only: bool = False,
        post_only: bool = False,
        take_profit: Steps | None = None,
        stop_loss: Steps | None = None,
    ) -> int:
        """Places a sell order and returns its ref; see `buy`."""
        return self._running.place(
            Side.SELL,
            symbol,
            qty,
            limit,
            stop,
            tif,
            expire,
            reduce_only,
            post_only,
            take_profit,
            stop_loss,
        )

    def cancel(self, ref: int) -> bool:
        """Asks for the cancel of an order; False when it is not open any more.

        Asking again while the answer is out (`overlay` is `cancel?`) does nothing.
        """
        return self._running.cancel(ref)

    def cancel_all(self, symbol: str | None = None) -> int:
        """Asks for the cancel of all its open orders that it placed itself; returns how many."""
        refs = [order.ref for order in self._running.open_orders(symbol)]
        return sum(self._running.cancel(ref) for ref in refs if ref is not None)

    def replace(
        self, ref: int, *, qty: Steps | None = None, limit: Steps | None = None, stop: Steps | None = None
    ) -> bool:
        """Asks for new terms of an order (`qty`: new total).

        False, and nothing is asked, when it is not open any more or another request for it is unanswered.
        """
        return self._running.replace(ref, qty, limit, stop)

    def set_timer(self, seconds: float, name: str) -> None:
        """Calls `on_timer(name)` once after `seconds` of engine time; the same name again moves it."""
        self._running.set_timer(seconds, name)

    def cancel_timer(self, name: str) -> None:
        self._running.cancel_timer(name)

    def log(self, text: str, **fields: Any) -> None:
        """Writes a line to the engine's log. At most 100 lines for one batch of events are kept."""
        self._running.log(text, fields)

    # --- inside ---------------------------------------------------------------------------------------

    @property
    def _running(self) -> Session:
        if self._session is None:
            raise StrategyError("not before on_start: do in on_start what needs the engine, not in __init__")
        return self._session

    @classmethod
    def make(cls, session: Session, params: Mapping[str, Any]) -> Strategy:
        """An instance with its parameters checked; called by the process that runs it."""
        strategy = cls()
        strategy.params = cls.Params(**params)
        strategy._session = session
        return strategy

    @classmethod
    def wanted(cls) -> tuple[Kind, ...]:
        """Kinds of market event that this class is sent."""
        callbacks: tuple[tuple[Kind, str], ...] = (
            ("quote", "on_quote"),
            ("trade", "on_trade"),
            ("bar", "on_bar"),
        )
        if cls.wants is not None:
            unknown = sorted(set(cls.wants) - {kind for kind, _ in callbacks})
            if unknown:
                raise StrategyError(f"wants {unknown} are not among quote, trade, bar")
            return tuple(kind for kind, _ in callbacks if kind in cls.wants)
        return tuple(kind for kind, name in callbacks if getattr(cls, name) is not getattr(Strategy, name))
