"""The trading day as a screen draws it: its curve against the limit, and who made what."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from engine.books import Books
from engine.control.replies import AccountSeen, DayPoint, DayRow, DaySeen
from engine.daystart import WHOLE, Traded
from engine.model import NS
from engine.positions import Holding, money_half, money_micro

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.view import EngineView

CENT = Decimal("0.01")


def day_seen(engine: Engine) -> DaySeen:
    """See `DaySeen`."""
    core, view, curve = engine.core, engine.view, engine.answers.curve
    books, day = core.books, core.books.day

    def mark(symbol: str) -> int | None:
        market = core.markets.get(symbol)
        return market.mark_twice if market is not None else None

    resumed = day is not None and engine.answers.resumed_day == day.trading_day
    partial = ""
    if resumed and curve.since:
        partial = "the curve begins with this run of the engine"
    return DaySeen(
        trading_day=day.trading_day if day is not None else "",
        currency=core.config.currency,
        ts=core.clock.now(),
        pnl=_cents(view.day_pnl()),
        limit=view.day_limit(),
        opening_equity=_cents(view.opening_equity()),
        equity=_cents(view.equity()),
        account=account_seen(view),
        peak=_cents(view.peak_equity()),
        carried=_cents(carried(books)),
        points=tuple(DayPoint(p.ts, _round(p.pnl), _round(p.low), _round(p.high)) for p in curve.points),
        step=curve.step / NS,
        since=curve.since,
        partial=partial,
        strategies=by_strategy(
            books, mark, (s.name for s in core.config.strategies), core.metrics.slippage_of
        ),
        instruments=by_instrument(books, mark, core.markets.by_symbol, core.metrics.slippage_in),
    )


def account_seen(view: EngineView) -> AccountSeen | None:
    """The broker's own word on the account; None where he has not said anything in this run."""
    read = view.account_read()
    if read is None:
        return None
    values, at = read
    return AccountSeen(equity=_cents(values.equity), at=at, counts=view.account() is not None)


def carried(books: Books) -> Decimal | None:
    """What the positions that the day began with were ahead by then: the day's baseline less what had been
    realised before it."""
    if books.day is None or books.day_start is None:
        return None
    before = books.day.baseline
    for position in books.positions:
        stood = books.day_start.stood(position.symbol)
        made = _money(books, position.symbol, stood)
        if made is None:
            return None
        before -= made[0] - made[1]
    return before


def _money(books: Books, symbol: str, made: Traded) -> tuple[Decimal, Decimal] | None:
    """Realised profit and fees in account currency; None without an instrument or an exchange rate."""
    instrument = books.instruments.get(symbol)
    rate = books.fx(instrument.currency) if instrument is not None else None
    if instrument is None or rate is None:
        return None
    return money_micro(instrument, made.realised_micro) * rate, made.fees * rate


Mark = Callable[[str], int | None]
"""Bid + ask of an instrument in ticks, or twice its last price; None: not known."""
Slip = Callable[[str], float | None]
"""Ticks a lot, by name."""


class _Sum:
    """What one row adds up; a part that is not known makes the sum unknown."""

    def __init__(self) -> None:
        self.realised: Decimal | None = Decimal(0)
        self.fees: Decimal | None = Decimal(0)
        self.open: Decimal | None = Decimal(0)
        self.fills = 0
        self.lots = Decimal(0)

    def add(self, books: Books, mark: Mark, symbol: str, strategy: str, holding: Holding) -> None:
        instrument, start = books.instruments.get(symbol), books.day_start
        opened = _open(books, mark, symbol, holding)
        self.open = None if self.open is None or opened is None else self.open + opened
        if start is None:
            self.realised = self.fees = None
            return
        made = start.since(symbol, strategy, holding)
        self.fills += made.executions
        self.lots += Decimal(made.lots) if instrument is None else instrument.size(made.lots)
        money = _money(books, symbol, made)
        if money is None or self.realised is None or self.fees is None:
            self.realised = self.fees = None
        else:
            self.realised, self.fees = self.realised + money[0], self.fees + money[1]

    def row(self, name: str, position: Decimal | None, slippage: float | None) -> DayRow:
        net: Decimal | None = None
        if self.realised is not None and self.fees is not None and self.open is not None:
            net = self.realised + self.open - self.fees
        return DayRow(
            name=name,
            position=position,
            realised=_cents(self.realised),
            fees=_cents(self.fees),
            open=_cents(self.open),
            net=_cents(net),
            fills=self.fills,
            lots=self.lots,
            slippage=slippage,
        )


def _open(books: Books, mark: Mark, symbol: str, holding: Holding) -> Decimal | None:
    """Profit of what is held against its average price, account currency; None where it has no mark."""
    if not holding.qty:
        return Decimal(0)
    instrument, twice = books.instruments.get(symbol), mark(symbol)
    rate = books.fx(instrument.currency) if instrument is not None else None
    if instrument is None or rate is None or twice is None:
        return None
    whole = money_half(instrument, holding.total_half(twice))
    return (whole - money_micro(instrument, holding.realised_micro)) * rate


def by_instrument(books: Books, mark: Mark, symbols: Iterable[str], slip: Slip) -> tuple[DayRow, ...]:
    """What each of these instruments, and each that has traded, made in the day."""
    rows = []
    for symbol in sorted({*symbols, *(p.symbol for p in books.positions)}):
        held, instrument = books.positions.get(symbol).held, books.instruments.get(symbol)
        total = _Sum()
        total.add(books, mark, symbol, WHOLE, held)
        position = Decimal(held.qty) if instrument is None else instrument.size(held.qty)
        rows.append(total.row(symbol, position, slip(symbol)))
    return tuple(rows)


def by_strategy(books: Books, mark: Mark, names: Iterable[str], slip: Slip) -> tuple[DayRow, ...]:
    """What each of these strategies, and each that has traded, made in the day."""
    sums: dict[str, _Sum] = {name: _Sum() for name in names}
    for position in books.positions:
        for name, holding in position.parts.items():
            sums.setdefault(name, _Sum()).add(books, mark, position.symbol, name, holding)
    return tuple(total.row(name, None, slip(name)) for name, total in sorted(sums.items()))


def realised_today(books: Books) -> Decimal | None:
    """Realised profit less fees since the day opened, account currency; None where it is not known."""
    if books.day_start is None:
        return None
    total = Decimal(0)
    for position in books.positions:
        money = _money(books, position.symbol, books.day_start.since(position.symbol, WHOLE, position.held))
        if money is None:
            return None
        total += money[0] - money[1]
    return total


def _round(money: Decimal) -> Decimal:
    return money.quantize(CENT)


def _cents(money: Decimal | None) -> Decimal | None:
    return None if money is None else money.quantize(CENT)
