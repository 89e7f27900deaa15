"""Worst case of the whole account: gross and net notional and margin if every working order were filled.

Sums over symbols are kept and only those symbols are counted anew whose version changed, because the gate
needs the totals for each order. Money is account currency, exact.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from engine.model import Instrument
from engine.risk.ask import Ask
from engine.risk.view import Reference, RiskView

ZERO: Final = Decimal(0)
Ends = tuple[int, int]
"""Highest and lowest position, signed lots, that fills can bring."""


class Line:
    """One symbol. `up` and `down` are the two ends that its position can reach, as signed notional."""

    __slots__ = ("asset_class", "down", "gross", "margin", "up", "version")

    def __init__(self, version: int, asset_class: str) -> None:
        self.version = version
        self.asset_class = asset_class
        self.gross: Decimal | None = ZERO
        """None where price, rate or instrument is not known."""
        self.up = self.down = ZERO
        self.margin: Decimal | None = ZERO
        """Margin that the working orders could need beyond that of the position."""

    def fill(self, view: RiskView, symbol: str, unit: Decimal | None, position: int, ends: Ends) -> None:
        """Values the two ends that the position can reach. `unit`: |price| of one lot."""
        high, low = ends
        worst = high if high > -low else -low  # high is never below low
        extra = worst - abs(position)
        if extra > 0:
            self.margin = view.margin_needed(symbol, extra)
        if unit is None:
            self.gross = None
        else:
            self.gross, self.up, self.down = worst * unit, high * unit, low * unit


class After(NamedTuple):
    """Worst-case totals with an order on top; None where a symbol could not be valued."""

    gross: Decimal | None
    net: Decimal | None
    change: Decimal | None
    """By how much the order changes the gross of its own asset class."""
    margin: Decimal | None
    unknown: str


class WorstCase:
    """Totals over all symbols, kept up to date by `refresh`."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._version = -1
        """The view's `worth_version` up to which all lines are counted."""
        self.gross: Decimal = ZERO
        self.up: Decimal = ZERO
        self.down: Decimal = ZERO
        self.margin: Decimal = ZERO
        self.unvalued = ""
        """Symbols with position or orders whose notional is not known."""
        self.unmargined = ""
        """Symbols with working orders whose margin is not known."""
        self._after: tuple[Ask, After] | None = None

    @property
    def net(self) -> Decimal:
        return _larger(self.up, self.down)

    def refresh(self, view: RiskView, but: str = "") -> None:
        """Counts what changed since the last call. `but`: a symbol whose line may stay as it was counted,
        where it had a value."""
        now = view.worth_version()
        if now == self._version:
            return
        self._version = -1  # of a count that fails nothing is known
        symbols = view.symbols()
        lines = self._lines
        current = True
        changed = False
        for symbol in symbols:
            line = lines.get(symbol)
            version = view.value_version(symbol)
            if symbol == but and line is not None and line.gross is not None and line.margin is not None:
                current = current and line.version == version
                continue
            if line is None or line.version != version:
                lines[symbol] = self._line(view, symbol, version)
                changed = True
        if len(lines) != len(symbols):
            keep = dict.fromkeys(symbols)
            for symbol in [s for s in lines if s not in keep]:
                del lines[symbol]
            changed = True
        if changed:
            self._sum()
        if current:
            self._version = now

    def _line(self, view: RiskView, symbol: str, version: int) -> Line:
        position = view.position(symbol)
        buy, sell = view.exposure(symbol)
        instrument = view.instrument(symbol)
        line = Line(version, "" if instrument is None else instrument.asset_class)
        if position or buy or sell:
            unit = _unit(instrument, view.reference(symbol), view)
            line.fill(view, symbol, unit, position, (position + buy, position - sell))
        return line

    def _sum(self) -> None:
        gross = up = down = margin = ZERO
        self.unvalued = self.unmargined = ""
        for symbol, line in self._lines.items():
            if line.gross is None:
                self.unvalued += f", {symbol}" if self.unvalued else symbol
            elif line.gross:
                gross += line.gross
                up += line.up
                down += line.down
            if line.margin is None:
                self.unmargined += f", {symbol}" if self.unmargined else symbol
            elif line.margin:
                margin += line.margin
        self.gross, self.up, self.down, self.margin = gross, up, down, margin

    def class_gross(self, asset_class: str) -> Decimal:
        """Gross of one asset class; asked for only where that has a limit."""
        lines = self._lines.values()
        return sum([n.gross for n in lines if n.gross and n.asset_class == asset_class], ZERO)

    def after(self, ask: Ask, view: RiskView) -> After:
        """Totals if this order were approved. Worked out once for each ask, however many controls want it."""
        if self._after is not None and self._after[0] is ask:
            return self._after[1]
        symbol = ask.symbol
        # Its own line leaves the totals and the new one takes its place: what it was is not worked out again.
        self.refresh(view, but=symbol)
        old = self._lines.get(symbol) or self._line(view, symbol, view.value_version(symbol))
        high = ask.position + (ask.others + ask.lots if ask.sign > 0 else ask.opposite)
        low = ask.position - (ask.others + ask.lots if ask.sign < 0 else ask.opposite)
        unit = _unit(ask.instrument, ask.reference(view), view)
        new = Line(old.version, old.asset_class)
        new.fill(view, symbol, unit, ask.position, (high, low))
        unknown = self.unvalued or (symbol if new.gross is None else "")
        if unknown or old.gross is None or new.gross is None:
            gross = net = change = None
        else:
            change = new.gross - old.gross
            gross = self.gross + change
            net = _larger(self.up - old.up + new.up, self.down - old.down + new.down)
        margin = None
        if not self.unmargined and old.margin is not None and new.margin is not None:
            margin = self.margin - old.margin + new.margin
        after = After(gross, net, change, margin, unknown)
        self._after = (ask, after)
        return after


def _unit(instrument: Instrument | None, reference: Reference | None, view: RiskView) -> Decimal | None:
    if instrument is None or reference is None:
        return None
    rate = view.fx(instrument.currency)
    return None if rate is None else instrument.money(abs(reference.price)) * rate


def _larger(up: Decimal, down: Decimal) -> Decimal:
    """The larger size."""
    up, down = abs(up), abs(down)
    return down if down > up else up
