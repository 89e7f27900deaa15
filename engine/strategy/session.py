"""What one running strategy knows and has asked for: its view of market, orders and position, kept exact.

Lives in the strategy's process behind `engine.strategy.api.Strategy`. Everything that an author passes in is
checked here and refused with a `StrategyError` that says what was wrong and what is meant.
"""

from __future__ import annotations

import json
import math
import operator
import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, SupportsIndex

from msgspec import structs

from engine.model import NS, Instrument, OffGrid, OrderStatus, OrderType, Quote, Side, TimeInForce
from engine.orders_groups import in_order
from engine.strategy.messages import (
    MAX_ACTIONS,
    MAX_LOTS,
    MAX_SAVED,
    MAX_TICKS,
    MAX_TIMERS,
    MAX_WAIT,
    AnyAction,
    CancelRef,
    Intend,
    Log,
    Place,
    PositionSet,
    ReplaceRef,
    SetTimer,
    Start,
    StrategyOrder,
)

Steps = SupportsIndex | Decimal
"""A price or size: a whole number counts ticks or lots, a Decimal is in natural units."""

CANCEL_ASKED: Final = "cancel?"
REPLACE_ASKED: Final = "replace?"
MAX_LINES: Final = 100
"""Lines of log in answer to one batch; more are counted and lost."""
MAX_LINE: Final = 2_000
"""Characters of one line of log."""
MAX_CHARACTERS: Final = 50_000
"""Characters of log in answer to one batch, so that the answer fits its frame."""
MAX_FIELDS: Final = 20
"""Fields of one line of log."""


class StrategyError(Exception):
    """Something in a strategy that cannot be meant. It stops the strategy and nothing else."""


class Saved:
    """A strategy's own variables that outlive its process, and when they are handed to the engine."""

    def __init__(self, text: str) -> None:
        self.variables: dict[str, Any] = json.loads(text) if text else {}
        self._kept = text
        self._kept_at: int | None = None

    def due(self, now: int, at_once: bool) -> str | None:
        """As JSON where they have changed and, unless `at_once`, a second has passed since the last time.
        Raises `StrategyError` for what would not come back as it is."""
        if not self.variables and not self._kept:
            return None
        if not at_once and self._kept_at is not None and now - self._kept_at < NS:
            return None
        try:
            text = json.dumps(self.variables, allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise StrategyError(f"self.saved takes what JSON knows: {_text(error, 200)}") from None
        if text == self._kept:
            return None
        size = len(text.encode("utf-8", "replace"))
        if size > MAX_SAVED:
            raise StrategyError(f"self.saved has {size:,} bytes as JSON; at most {MAX_SAVED:,} are kept")
        if json.loads(text) != self.variables:
            raise StrategyError(
                "self.saved would not come back as it is: texts as keys, lists instead of tuples"
            )
        self._kept = text
        self._kept_at = now
        return text


class Session:
    """The state behind one strategy. All times UTC ns, prices ticks, quantities lots."""

    def __init__(self, start: Start) -> None:
        self.name = start.name
        self.symbols = start.symbols
        self.instruments: Mapping[str, Instrument] = start.instruments
        self.now = start.now
        self.random = random.Random(start.seed)
        self.paused = ""
        self.positions = dict(start.positions)
        self.quotes: dict[str, Quote] = {quote.symbol: quote for quote in start.quotes}
        self.intents: dict[str, int] = {}
        self.earlier = start.intended
        self.saved = Saved(start.saved)
        self.by_ref: dict[int, StrategyOrder] = {}
        self.by_id: dict[str, StrategyOrder] = {}
        self.cause = -1
        self.actions: list[AnyAction] = []
        self.logs: list[Log] = []
        self.dropped = 0
        self._characters = 0
        self._next_ref = start.next_ref
        self._timers: set[str] = set()
        for order in start.orders:
            self.see_order(order)

    # --- what comes in --------------------------------------------------------------------------------

    def see_order(self, order: StrategyOrder) -> None:
        """Takes over the newest report on one of its own orders; a closed one leaves `orders`."""
        if order.ref is not None:
            if order.status.is_closed:
                self.by_ref.pop(order.ref, None)
            else:
                self.by_ref[order.ref] = order
        elif order.status.is_closed:
            self.by_id.pop(order.order_id, None)
        else:
            self.by_id[order.order_id] = order

    def position_set(self, held: PositionSet) -> None:
        """Takes over its own position, and what counts as declared where the engine gave that up."""
        self.positions[held.symbol] = held.lots
        if held.intended is not None and held.symbol in self.intents:
            self.intents[held.symbol] = held.intended

    def timer_fired(self, name: str) -> None:
        self._timers.discard(name)

    # --- reading --------------------------------------------------------------------------------------

    def instrument(self, symbol: str) -> Instrument:
        if symbol not in self.symbols:
            raise StrategyError(
                f"{symbol!r} is not among the strategy's symbols ({', '.join(self.symbols)}); "
                "add it to `symbols` in its configuration"
            )
        return self.instruments[symbol]

    def position(self, symbol: str) -> int:
        self.instrument(symbol)
        return self.positions.get(symbol, 0)

    def quote(self, symbol: str) -> Quote | None:
        self.instrument(symbol)
        return self.quotes.get(symbol)

    def open_orders(self, symbol: str | None) -> list[StrategyOrder]:
        """Those with a ref first, oldest first."""
        orders = [*self.by_ref.values(), *self.by_id.values()]
        return [order for order in orders if symbol is None or order.symbol == symbol]

    # --- acting ---------------------------------------------------------------------------------------

    def intend(self, symbol: str, lots: Steps) -> None:
        instrument = self.instrument(symbol)
        target = self._lots(instrument, lots, "an intended position")
        if any(order.symbol == symbol and order.parent is None for order in self.by_ref.values()):
            raise StrategyError(
                f"{symbol} has explicit orders open: use either intend() or buy()/sell() for one symbol"
            )
        if self.intents.get(symbol) == target:
            return
        self._act(Intend(*self._seen(symbol), symbol, target))
        self.intents[symbol] = target

    def place(
        self,
        side: Side,
        symbol: str,
        qty: Steps,
        limit: Steps | None,
        stop: Steps | None,
        tif: str,
        expire: int | None,
        reduce_only: bool,
        post_only: bool,
        take_profit: Steps | None,
        stop_loss: Steps | None,
    ) -> int:
        instrument = self.instrument(symbol)
        if symbol in self.intents:
            raise StrategyError(
                f"{symbol} has an intended position: use either intend() or buy()/sell() for one symbol"
            )
        lots = self._lots(instrument, qty, "a quantity")
        if lots <= 0:
            raise StrategyError(f"a quantity of {lots} lots of {symbol}: it must be above 0")
        limit_ticks = self._price(instrument, limit, "limit")
        stop_ticks = self._price(instrument, stop, "stop")
        profit_ticks = self._price(instrument, take_profit, "take_profit")
        loss_ticks = self._price(instrument, stop_loss, "stop_loss")
        if wrong := in_order(side, limit_ticks, profit_ticks, loss_ticks):
            raise StrategyError(wrong)
        try:
            force = TimeInForce(tif)
        except ValueError:
            known = ", ".join(member.value for member in TimeInForce)
            raise StrategyError(f"tif {tif!r} is not one of {known}") from None
        if (force is TimeInForce.GTD) != (expire is not None):
            raise StrategyError("tif GTD and expire (UTC ns) go together")
        if expire is not None and (isinstance(expire, bool) or not isinstance(expire, int)):
            raise StrategyError(f"expire is {expire!r}: give whole UTC nanoseconds as an int")
        if expire is not None and expire <= self.now:
            raise StrategyError(f"expire {expire} is not after now ({self.now}); both are UTC nanoseconds")
        if post_only and limit_ticks is None:
            raise StrategyError("post_only needs a limit")
        if post_only and force in (TimeInForce.IOC, TimeInForce.FOK):
            raise StrategyError(f"post_only and tif {force} exclude one another")
        kind = _type_of(limit_ticks, stop_ticks)
        ref = self._next_ref
        self._act(
            Place(
                *self._seen(symbol),
                ref,
                symbol,
                side,
                lots,
                kind,
                limit_ticks,
                stop_ticks,
                force,
                expire,
                bool(reduce_only),
                bool(post_only),
                profit_ticks,
                loss_ticks,
            )
        )
        self._next_ref += 1
        self.by_ref[ref] = StrategyOrder(
            symbol=symbol,
            side=side,
            type=kind,
            qty=lots,
            cum=0,
            leaves=lots,
            status=OrderStatus.PENDING_NEW,
            ref=ref,
            limit=limit_ticks,
            stop=stop_ticks,
            tif=force,
        )
        return ref

    def cancel(self, ref: int) -> bool:
        order = self.by_ref.get(ref)
        if order is None:
            return False
        if order.overlay != CANCEL_ASKED:
            self._act(CancelRef(*self._seen(order.symbol), ref))
            self.by_ref[ref] = structs.replace(order, overlay=CANCEL_ASKED)
        return True

    def replace(self, ref: int, qty: Steps | None, limit: Steps | None, stop: Steps | None) -> bool:
        order = self.by_ref.get(ref)
        if order is None or order.overlay:
            return False
        instrument = self.instrument(order.symbol)
        lots = None if qty is None else self._lots(instrument, qty, "a quantity")
        if lots is not None and lots <= 0:
            raise StrategyError(f"a quantity of {lots} lots of {order.symbol}: to take it back, cancel it")
        if limit is not None and order.limit is None:
            raise StrategyError(f"order {ref} is of type {order.type} and has no limit to replace")
        if stop is not None and order.stop is None:
            raise StrategyError(f"order {ref} is of type {order.type} and has no stop to replace")
        limit_ticks = self._price(instrument, limit, "limit")
        stop_ticks = self._price(instrument, stop, "stop")
        if lots is None and limit_ticks is None and stop_ticks is None:
            raise StrategyError("replace() needs a new qty, limit or stop")
        self._act(ReplaceRef(*self._seen(order.symbol), ref, lots, limit_ticks, stop_ticks))
        self.by_ref[ref] = structs.replace(order, overlay=REPLACE_ASKED)
        return True

    def set_timer(self, seconds: float, name: str) -> None:
        if not isinstance(name, str) or not 0 < len(name) <= 64:
            raise StrategyError("a timer's name is a text of 1 to 64 characters")
        try:
            wait = float(seconds)
        except (TypeError, ValueError):
            raise StrategyError(f"set_timer({seconds!r}): seconds must be a number") from None
        if not math.isfinite(wait) or not 0 <= wait * NS <= MAX_WAIT:
            raise StrategyError(f"set_timer({seconds!r}): seconds must be from 0 to {MAX_WAIT // NS}")
        if name not in self._timers and len(self._timers) >= MAX_TIMERS:
            raise StrategyError(f"more than {MAX_TIMERS} timers are set")
        self._act(SetTimer(self.cause, None, None, name, round(wait * NS)))
        self._timers.add(name)

    def cancel_timer(self, name: str) -> None:
        if name in self._timers:
            self._act(SetTimer(self.cause, None, None, name, None))
            self._timers.discard(name)

    def log(self, text: object, fields: Mapping[str, Any]) -> None:
        shown = {_text(key, 64): _text(value, 200) for key, value in list(fields.items())[:MAX_FIELDS]}
        self._log(Log("info", _text(text, MAX_LINE), shown))

    def output(self, line: str) -> None:
        """A line that the strategy printed."""
        self._log(Log("output", _text(line, MAX_LINE), {}))

    def take(self) -> tuple[tuple[AnyAction, ...], tuple[Log, ...], int]:
        """Actions, lines of log and the number of lines lost since the last call."""
        taken = (tuple(self.actions), tuple(self.logs), self.dropped)
        self.actions.clear()
        self.logs.clear()
        self.dropped = 0
        self._characters = 0
        return taken

    # --- units ----------------------------------------------------------------------------------------

    def ticks(self, symbol: str, price: Decimal | str) -> int:
        try:
            return self.instrument(symbol).to_ticks(_decimal(price, "a price"))
        except OffGrid as error:
            raise StrategyError(str(error)) from None

    def price(self, symbol: str, ticks: int) -> Decimal:
        return self.instrument(symbol).price(operator.index(ticks))

    def _lots(self, instrument: Instrument, value: Steps, what: str) -> int:
        lots = _steps(value, instrument.to_lots, f"{what} of {instrument.symbol}", "lots")
        if abs(lots) > MAX_LOTS:
            raise StrategyError(f"{what} of {lots:,} lots of {instrument.symbol}: at most {MAX_LOTS:,}")
        return lots

    def _price(self, instrument: Instrument, value: Steps | None, what: str) -> int | None:
        if value is None:
            return None
        ticks = _steps(value, instrument.to_ticks, f"{what} of {instrument.symbol}", "ticks")
        if abs(ticks) > MAX_TICKS:
            raise StrategyError(f"{what} of {ticks:,} ticks in {instrument.symbol}: at most {MAX_TICKS:,}")
        if ticks <= 0 and not instrument.nonpositive_price:
            raise StrategyError(f"{what} of {ticks} ticks: {instrument.symbol} trades above zero only")
        return ticks

    # --- inside ---------------------------------------------------------------------------------------

    def _seen(self, symbol: str) -> tuple[int, int | None, int | None]:
        quote = self.quotes.get(symbol)
        return (self.cause, None, None) if quote is None else (self.cause, quote.bid, quote.ask)

    def _act(self, action: AnyAction) -> None:
        if len(self.actions) >= MAX_ACTIONS:
            raise StrategyError(f"more than {MAX_ACTIONS} actions in answer to one batch of events")
        self.actions.append(action)

    def _log(self, line: Log) -> None:
        size = len(line.text) + sum(len(key) + len(value) for key, value in line.fields.items())
        if len(self.logs) < MAX_LINES and self._characters + size <= MAX_CHARACTERS:
            self.logs.append(line)
            self._characters += size
        else:
            self.dropped += 1


def _steps(value: Steps, exact: Any, what: str, unit: str) -> int:
    """Whole number of ticks or lots, from one or from an exact Decimal."""
    if isinstance(value, Decimal):
        try:
            return int(exact(value))
        except OffGrid as error:
            raise StrategyError(str(error)) from None
    if not isinstance(value, bool):
        try:
            return operator.index(value)
        except TypeError:
            pass
    if isinstance(value, float) and not math.isfinite(value):
        raise StrategyError(f"{what} is {value}")
    raise StrategyError(
        f"{what} is {value!r} ({type(value).__name__}): give whole {unit} as an int (round() them), "
        "or an exact Decimal in natural units"
    )


def _decimal(value: Decimal | str, what: str) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str):
        raise StrategyError(f"{what} of {value!r} ({type(value).__name__}): give a Decimal or a text")
    try:
        return Decimal(value)
    except ArithmeticError:
        raise StrategyError(f"{what} of {value!r} is no number") from None


def _type_of(limit: int | None, stop: int | None) -> OrderType:
    if stop is None:
        return OrderType.MARKET if limit is None else OrderType.LIMIT
    return OrderType.STOP if limit is None else OrderType.STOP_LIMIT


def _text(value: object, limit: int) -> str:
    # A lone surrogate cannot be encoded, and a strategy's print must not stop it.
    shown = str(value).encode("utf-8", "replace").decode()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
