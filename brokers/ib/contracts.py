"""From a symbol to exactly one contract of IB's, with its exact tick; anything else is refused with a
list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from brokers.ib import raw
from brokers.ib.config import IbContract
from brokers.ib.terms import Wanted
from engine.feeds.errors import UnknownSymbol
from engine.feeds.instruments import lookup
from engine.model import NS, Instrument
from engine.ports import NotSent


class Resolved(NamedTuple):
    """One of our symbols at IB."""

    instrument: Instrument
    contract: Wanted
    magnifier: int
    """TWS's prices are ours times this."""
    steps: tuple[tuple[Decimal, Decimal], ...]
    """Market rule in TWS's prices: (from this price on, increment); empty: the tick everywhere."""
    last_day: date | None
    """Last trading day."""
    outside_rth: bool = True
    """Whether orders work outside regular hours."""

    def told(self) -> str:
        """Which contract it is, for the record."""
        i, c = self.instrument, self.contract
        end = "" if self.last_day is None else f", last trading day {self.last_day}"
        return (
            f"{i.symbol} is {c.local_symbol} at {i.venue}, number {c.con_id}, tick {i.tick}, multiplier "
            f"{i.multiplier} {i.currency}{end}"
        )

    def objection(self, ticks: int | None) -> str:
        """Why a price cannot be sent; empty where it can. The tick is the smallest step; higher prices may
        have a larger one."""
        if ticks is None or not self.steps:
            return ""
        price = self.instrument.price(ticks) * self.magnifier
        step = self.steps[0][1]
        for edge, increment in self.steps:
            if abs(price) >= edge:
                step = increment
        if price % step == 0:
            return ""
        return f"price {price} of {self.instrument.symbol} is not on the step {step} that holds at this price"


def wanted(symbol: str, config: IbContract) -> Wanted:
    """How the contract is asked for. A front month is asked for without a date."""
    if config.con_id:
        return Wanted(con_id=config.con_id, exchange=config.exchange)
    return Wanted(
        symbol=config.symbol or symbol,
        sec_type=config.sec_type,
        expiry="" if config.expiry == "front" else config.expiry,
        exchange=config.exchange,
        currency=config.currency,
        local_symbol=config.local_symbol,
        trading_class=config.trading_class,
        multiplier=config.multiplier,
    )


def choose(symbol: str, config: IbContract, found: Sequence[raw.Details], today: date) -> raw.Details:
    """The one contract that is meant. Raises `NotSent` with all candidates where it is not exactly one."""
    rest = list(found)
    if config.expiry == "front":
        first = today + timedelta(days=config.roll_days)
        alive = [d for d in rest if (day := safe_day(d, config)) is not None and day > first]
        kinds = {(d.contract.trading_class, d.contract.multiplier) for d in alive}
        if len(kinds) <= 1 and alive:
            nearest = min(last_day(d) or date.max for d in alive)
            rest = [d for d in alive if last_day(d) == nearest]
    if len(rest) == 1:
        return rest[0]
    if not rest:
        raise NotSent(
            f"IB knows no contract for {symbol} ({wanted(symbol, config)}); correct ib.contracts.{symbol}"
        )
    listed = "; ".join(
        f"con_id={d.contract.con_id} {d.contract.local_symbol} {d.contract.expiry} {d.contract.exchange} "
        f"class {d.contract.trading_class} ×{d.contract.multiplier or 1}"
        for d in rest[:12]
    )
    raise NotSent(
        f"{symbol} may be {len(rest)} contracts at IB, and none is traded before one is named in "
        f"ib.contracts.{symbol} (con_id, expiry, trading_class or multiplier): {listed}"
    )


def last_day(details: raw.Details) -> date | None:
    """Last trading day; None for what never expires."""
    text = (details.real_expiry or details.contract.expiry)[:8]
    if len(text) != 8 or not text.isdecimal():
        return None
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def safe_day(details: raw.Details, config: IbContract) -> date | None:
    """The last day on which it can be held without a delivery notice: that of trading, or of first notice."""
    day = last_day(details)
    return None if day is None else day - timedelta(days=config.notice_days)


def rule_of(details: raw.Details, exchange: str) -> int | None:
    """Number of the market rule that holds at the exchange we trade at."""
    exchanges, rules = details.exchanges.split(","), details.rules.split(",")
    for name, rule in zip(exchanges, rules, strict=False):
        if name == exchange and rule.isdecimal():
            return int(rule)
    return None


def resolve(
    symbol: str,
    config: IbContract,
    details: raw.Details,
    rules: Mapping[int, tuple[tuple[Decimal, Decimal], ...]],
) -> Resolved:
    """Puts a contract together. Raises `NotSent` where its tick or multiplier is not known."""
    exchange = config.exchange
    rule = rule_of(details, exchange)
    steps = rules.get(rule, ()) if rule is not None else ()
    smallest = min((step for _, step in steps), default=details.min_tick)
    if smallest is None or smallest <= 0:
        raise NotSent(f"IB gives no price step for {symbol} at {exchange}; it cannot be traded exactly")
    magnifier = max(details.magnifier, 1)
    tick = smallest / magnifier
    known = _catalogued(symbol)
    safe = safe_day(details, config)
    instrument = Instrument(
        symbol=symbol,
        venue=exchange,
        asset_class=config.asset_class
        or (known.asset_class if known is not None else config.sec_type.lower()),
        tick=_plain(tick),
        multiplier=Decimal(details.contract.multiplier or 1),
        currency=details.contract.currency or config.currency,
        calendar=config.calendar or (known.calendar if known is not None else "always"),
        nonpositive_price=config.nonpositive_price or (known is not None and known.nonpositive_price),
        initial_margin=config.initial_margin,
        maintenance_margin=config.maintenance_margin,
        margin_known=config.initial_margin > 0,
        fee=config.fee or (known.fee if known is not None else Decimal(0)),
        ends=None
        if safe is None
        else int(datetime(safe.year, safe.month, safe.day, tzinfo=UTC).timestamp()) * NS,
    )
    contract = Wanted(
        con_id=details.contract.con_id,
        symbol=details.contract.symbol,
        sec_type=details.contract.sec_type,
        expiry=details.contract.expiry,
        exchange=exchange,
        currency=details.contract.currency,
        local_symbol=details.contract.local_symbol,
        trading_class=details.contract.trading_class,
        multiplier=details.contract.multiplier,
    )
    ordered = tuple(sorted(steps)) if len({step for _, step in steps}) > 1 else ()
    return Resolved(instrument, contract, magnifier, ordered, last_day(details), config.outside_rth)


def _catalogued(symbol: str) -> Instrument | None:
    try:
        return lookup(symbol)
    except UnknownSymbol:
        return None


def _plain(value: Decimal) -> Decimal:
    """Without an exponent and trailing zeros beyond the point: 0.250 → 0.25."""
    short = value.normalize()
    return short if int(short.as_tuple().exponent) <= 0 else short.quantize(Decimal(1))
