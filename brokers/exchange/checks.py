"""Why the exchange refuses an order: each rule returns its reason as text, or None without an objection."""

from __future__ import annotations

from brokers.exchange.accounts import Marks
from brokers.exchange.books import Books
from brokers.exchange.config import ExchangeConfig
from brokers.exchange.market import Market
from brokers.exchange.orders import VenueOrder
from engine.model import Instrument, MarketState, OrderType, Side, TimeInForce

_LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


def malformed(order: VenueOrder, instrument: Instrument, now: int) -> str | None:
    """Fields that contradict each other."""
    if order.qty <= 0:
        return f"quantity must be above 0, not {order.qty}"
    if (order.type in _LIMITED) != (order.limit is not None):
        return f"a {order.type} order {'needs a' if order.limit is None else 'has no'} limit price"
    if (order.type in _STOPS) != (order.stop is not None):
        return f"a {order.type} order {'needs a' if order.stop is None else 'has no'} stop price"
    if order.tif is TimeInForce.GTD and (order.expire is None or order.expire <= now):
        return "a GTD order needs a time of expiry in the future"
    if order.post_only and (order.type is not OrderType.LIMIT or order.tif in _IMMEDIATE):
        return "only a limit order that may rest can be post-only"
    return bad_price(order.limit, order.stop, instrument)


def bad_price(limit: int | None, stop: int | None, instrument: Instrument) -> str | None:
    for name, price in (("limit", limit), ("stop", stop)):
        if price is not None and price <= 0 and not instrument.nonpositive_price:
            return f"{name} price {price} ticks: {instrument.symbol} has no prices at or below zero"
    return None


def wrong_state(order: VenueOrder, market: Market) -> str | None:
    """What the market's state does not let in."""
    state = market.state
    if state is MarketState.CLOSED:
        return f"{market.symbol} is closed"
    if state in (MarketState.HALTED, MarketState.UNKNOWN) and not market.config.halted_accepts:
        return f"{market.symbol} is halted"
    if state is MarketState.PRE_OPEN and order.tif in _IMMEDIATE:
        return f"{market.symbol} is in pre-open: no {order.tif} orders"
    if state is MarketState.RESERVED and order.type is OrderType.MARKET:
        return f"{market.symbol} is reserved: market orders are refused, use a limit"
    if order.type is OrderType.MARKET and market.matching and not market.has_offer(order.side):
        return f"{market.symbol} has nobody to trade with at the moment"
    if order.post_only and market.ready and market.crosses(order):
        return "post-only order would trade at once"
    return None


def outside_bands(side: Side, limit: int | None, stop: int | None, market: Market) -> str | None:
    """Daily limits and collar."""
    for name, price in (("limit", limit), ("stop", stop)):
        if price is None:
            continue
        if market.low is not None and price < market.low:
            return f"{name} price {price} is below the daily limit {market.low}"
        if market.high is not None and price > market.high:
            return f"{name} price {price} is above the daily limit {market.high}"
    if limit is not None and stop is None and market.collar is not None:
        far = market.book.best(side.opposite) if market.book.sane else None
        reference = far if far is not None else market.last
        if reference is not None and (limit - reference) * side.sign > market.collar:
            return f"limit price {limit} is more than {market.collar} ticks through the market at {reference}"
    return None


def cannot_reduce(order: VenueOrder, books: Books) -> str | None:
    """A reduce-only order needs a position to reduce; a bracket child gets its own later."""
    if not order.reduce_only or order.parent is not None:
        return None
    if books.account(order.account).position(order.symbol) * order.side.sign >= 0:
        return "reduce-only order without a position to reduce"
    return None


def cannot_carry(
    order: VenueOrder, books: Books, market: Market, config: ExchangeConfig, marks: Marks
) -> str | None:
    """Currency and margin. Orders that do not raise the worst-case margin always pass."""
    account = books.account(order.account)
    if account.rate(market.instrument) is None:
        foreign, own = market.instrument.currency, account.config.currency
        return f"no rate from {foreign} to the account's {own}: the exchange needs --fx {foreign}=RATE"
    if not config.margin_check or order.reduce_only or order.parent is not None:
        return None
    working = books.working.get(order.account, {})
    before = account.margin(working)
    sums = list(working.get(order.symbol, (0, 0)))
    sums[order.side is not Side.BUY] += order.leaves - order.counted
    after = account.margin({**working, order.symbol: sums})
    if after <= before:
        return None
    equity = account.equity(marks)
    if after > equity:
        return f"margin {after} {account.config.currency} exceeds equity {equity}"
    return None


def refusal(
    order: VenueOrder, books: Books, market: Market | None, config: ExchangeConfig, marks: Marks, now: int
) -> str | None:
    """The first objection of all rules to a new order."""
    if market is None:
        return f"there is no instrument {order.symbol} here"
    return (
        malformed(order, market.instrument, now)
        or wrong_state(order, market)
        or outside_bands(order.side, order.limit, order.stop, market)
        or cannot_reduce(order, books)
        or cannot_carry(order, books, market, config, marks)
    )
