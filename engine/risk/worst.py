"""Worst case of the whole account: gross and net notional and margin if every working order were filled.

Sums over symbols are kept and only those symbols are counted anew whose version changed, because the gate
needs the totals for each order. Money is account currency, exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from engine.model import Instrument
from engine.risk.ask import Ask
from engine.risk.view import Reference, RiskView

ZERO: Final = Decimal(0)


@dataclass(slots=True)
class Line:
    """One symbol. `up` and `down` are the two ends that its position can reach, as signed notional."""

    version: int
    asset_class: str = ""
    unit: Decimal | None = None
    """|price| of one lot; None where price, rate or instrument is not known."""
    position: int = 0
    gross: Decimal | None = ZERO
    up: Decimal = ZERO
    down: Decimal = ZERO
    margin: Decimal | None = ZERO
    """Margin that the working orders could need beyond that of the position."""


class After(NamedTuple):
    """Worst-case totals with an order on top; None where a symbol could not be valued."""

    gross: Decimal | None
    net: Decimal | None
    class_gross: Decimal | None
    margin: Decimal | None
    unknown: str


class WorstCase:
    """Totals over all symbols, kept up to date by `refresh`."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self.gross: Decimal = ZERO
        self.up: Decimal = ZERO
        self.down: Decimal = ZERO
        self.margin: Decimal = ZERO
        self.by_class: dict[str, Decimal] = {}
        self.unvalued = ""
        """Symbols with position or orders whose notional is not known."""
        self.unmargined = ""
        """Symbols with working orders whose margin is not known."""
        self._after: tuple[Ask, After] | None = None

    @property
    def net(self) -> Decimal:
        return max(abs(self.up), abs(self.down))

    def refresh(self, view: RiskView, but: str = "") -> None:
        """Counts what changed since the last call. `but`: a symbol whose line may stay as it was counted,
        where it had a value."""
        symbols = view.symbols()
        lines = self._lines
        changed = False
        for symbol in symbols:
            line = lines.get(symbol)
            if symbol == but and line is not None and line.gross is not None and line.margin is not None:
                continue
            version = view.value_version(symbol)
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

    def _line(self, view: RiskView, symbol: str, version: int) -> Line:
        position = view.position(symbol)
        buy, sell = view.exposure(symbol)
        instrument = view.instrument(symbol)
        asset_class = "" if instrument is None else instrument.asset_class
        line = Line(version, asset_class, _unit(instrument, view.reference(symbol), view), position)
        if position or buy or sell:
            _fill(line, view, symbol, position + buy, position - sell)
        return line

    def _sum(self) -> None:
        gross = up = down = margin = ZERO
        by_class: dict[str, Decimal] = {}
        unvalued: list[str] = []
        unmargined: list[str] = []
        for symbol, line in self._lines.items():
            if line.gross is None:
                unvalued.append(symbol)
            elif line.gross:
                gross += line.gross
                up += line.up
                down += line.down
                by_class[line.asset_class] = by_class.get(line.asset_class, ZERO) + line.gross
            if line.margin is None:
                unmargined.append(symbol)
            elif line.margin:
                margin += line.margin
        self.gross, self.up, self.down, self.margin, self.by_class = gross, up, down, margin, by_class
        self.unvalued = ", ".join(unvalued)
        self.unmargined = ", ".join(unmargined)

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
        new = Line(old.version, old.asset_class, unit, ask.position)
        _fill(new, view, symbol, high, low)
        unknown = self.unvalued or (symbol if new.gross is None else "")
        if unknown or old.gross is None or new.gross is None:
            gross = net = in_class = None
        else:
            gross = self.gross - old.gross + new.gross
            net = max(abs(self.up - old.up + new.up), abs(self.down - old.down + new.down))
            in_class = self.by_class.get(old.asset_class, ZERO) - old.gross + new.gross
        margin = None
        if not self.unmargined and old.margin is not None and new.margin is not None:
            margin = self.margin - old.margin + new.margin
        after = After(gross, net, in_class, margin, unknown)
        self._after = (ask, after)
        return after


def _unit(instrument: Instrument | None, reference: Reference | None, view: RiskView) -> Decimal | None:
    if instrument is None or reference is None:
        return None
    rate = view.fx(instrument.currency)
    return None if rate is None else instrument.money(abs(reference.price)) * rate


def _fill(line: Line, view: RiskView, symbol: str, high: int, low: int) -> None:
    """Values the two ends that the position can reach."""
    worst = max(abs(high), abs(low))
    extra = worst - abs(line.position)
    line.margin = view.margin_needed(symbol, extra) if extra > 0 else ZERO
    unit = line.unit
    if unit is None:
        line.gross = None
    else:
        line.gross, line.up, line.down = worst * unit, high * unit, low * unit
