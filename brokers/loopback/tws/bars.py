"""Bars made from what the gateway itself has seen: five-second ones, kept and put together on request."""

from __future__ import annotations

import re
from collections import deque
from decimal import Decimal
from typing import Final

import msgspec

from engine.model import NS

SPAN: Final = 5
"""Seconds of the smallest bar, that of the real-time bars."""
_KEEP: Final = 2_880
"""Five-second bars kept for each instrument and kind: four hours."""
_KEEP_MINUTES: Final = 10_080
"""One-minute bars kept: a week."""
_UNITS: Final = {"sec": 1, "secs": 1, "min": 60, "mins": 60, "hour": 3600, "hours": 3600, "day": 86_400}
_DURATIONS: Final = {"S": 1, "D": 86_400, "W": 7 * 86_400, "M": 30 * 86_400, "Y": 365 * 86_400}


class Bar(msgspec.Struct):
    """Prices in ticks; `start` in seconds since 1970."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    turnover: int = 0
    count: int = 0

    def add(self, price: int, lots: int) -> None:
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.volume += lots
        self.turnover += lots * price
        self.count += 1

    def average(self) -> Decimal:
        """Ticks; of the close where nothing traded."""
        return Decimal(self.turnover) / self.volume if self.volume else Decimal(self.close)


def span_of(text: str) -> int:
    """Seconds of a bar size such as `5 mins`. Raises `ValueError`."""
    match = re.fullmatch(r"(\d+) (\w+)", text.strip())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"bar size {text!r} is not known")
    span = int(match[1]) * _UNITS[match[2]]
    if span % SPAN:
        raise ValueError(f"bar size {text!r}: the smallest here is {SPAN} secs")
    return span


def duration_of(text: str) -> int:
    """Seconds of a duration such as `1 D`. Raises `ValueError`."""
    match = re.fullmatch(r"(\d+) ([SDWMY])", text.strip())
    if match is None:
        raise ValueError(f"duration {text!r} is not known")
    return int(match[1]) * _DURATIONS[match[2]]


class Series:
    """Bars of one instrument and kind (TRADES, MIDPOINT, BID, ASK)."""

    def __init__(self) -> None:
        self._bars: deque[Bar] = deque(maxlen=_KEEP)
        self._minutes: deque[Bar] = deque(maxlen=_KEEP_MINUTES)

    def add(self, ts: int, price: int, lots: int) -> None:
        seconds = ts // NS
        _add(self._bars, seconds // SPAN * SPAN, price, lots)
        _add(self._minutes, seconds // 60 * 60, price, lots)

    def at(self, start: int) -> Bar | None:
        """The bar that begins there; a flat one at the last close where nothing happened."""
        for bar in reversed(self._bars):
            if bar.start == start:
                return bar
            if bar.start < start:
                return Bar(start, bar.close, bar.close, bar.close, bar.close)
        return None

    def between(self, since: int, until: int, span: int) -> list[Bar]:
        """Bars of `span` seconds within [since, until), in seconds. Whole minutes reach further back."""
        out: list[Bar] = []
        for bar in self._minutes if span % 60 == 0 else self._bars:
            if not since <= bar.start < until:
                continue
            start = bar.start // span * span
            if out and out[-1].start == start:
                last = out[-1]
                last.high, last.low = max(last.high, bar.high), min(last.low, bar.low)
                last.close = bar.close
                last.volume += bar.volume
                last.turnover += bar.turnover
                last.count += bar.count
            else:
                out.append(msgspec.structs.replace(bar, start=start))
        return out


def _add(bars: deque[Bar], start: int, price: int, lots: int) -> None:
    if not bars or bars[-1].start < start:
        bars.append(Bar(start, price, price, price, price))
    bars[-1].add(price, lots)
