"""Numbers, ages and clocks as a trader reads them. A sign is always there where a sign has a meaning."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from app.desk.view.cells import Cell

MINUS = "−"
NONE = "-"
"""Stands where there is no such number; an unknown number is a `?`."""
UNKNOWN = "?"


def _signed(text: str, positive: bool) -> str:
    if text.startswith("-"):
        return MINUS + text[1:]
    return "+" + text if positive else text


def money(value: Decimal | None, *, sign: bool = True, places: int = 2) -> str:
    """Account currency with thousands separators: +1,204.50; ? where it is not known."""
    if value is None:
        return UNKNOWN
    if not value.is_finite():
        return UNKNOWN
    text = f"{value:,.{places}f}"
    if text.startswith("-") and not text.strip("-0.,"):
        text = text[1:]
    return _signed(text, sign and value > 0 and bool(text.strip("0.,")))


def brief_money(value: Decimal | None, *, sign: bool = True) -> str:
    """Money rounded to the whole unit, for narrow places."""
    return money(value, sign=sign, places=0)


def price(value: Decimal | None) -> str:
    """A price as it is quoted: with its own decimals, no separators."""
    if value is None:
        return NONE
    return _signed(f"{value:f}", False)


def average(value: Decimal | None) -> str:
    """An average price: its own decimals, up to six, without the zeros beyond the second."""
    if value is None:
        return NONE
    whole, _, decimals = f"{value:f}".partition(".")
    if len(decimals) > 6:
        whole, _, decimals = f"{round(value, 6):f}".partition(".")
    decimals = decimals[:2] + decimals[2:].rstrip("0")
    return _signed(f"{whole}.{decimals}" if decimals else whole, False)


def size(value: Decimal | None, *, sign: bool = False, unknown: str = UNKNOWN) -> str:
    """Contracts or coins without trailing zeros; `sign` puts + before positive ones."""
    if value is None:
        return unknown
    text = f"{value:,f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text in ("-0", "-"):
        text = "0"
    return _signed(text, sign and value > 0)


def age(seconds: float | None) -> str:
    """0.3s, 12s, 3m05, 2h14, 5d: at most five characters; ? where it is not known."""
    if seconds is None:
        return UNKNOWN
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}"
    return f"{whole // 86_400}d"


@lru_cache(maxsize=16)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def clock(ts: int, zone: str, *, with_zone: bool = False) -> str:
    """UTC ns as the exchange's wall clock, 09:30:07 or with the zone's name 09:30:07 CDT."""
    return _clock(ts // 1_000_000_000, zone, with_zone)


@lru_cache(maxsize=2048)
def _clock(second: int, zone: str, with_zone: bool) -> str:
    # A table shows the same moments in every frame; a zone's rules take some µs each time.
    moment = datetime.fromtimestamp(second, UTC).astimezone(_zone(zone))
    return moment.strftime("%H:%M:%S %Z" if with_zone else "%H:%M:%S")


_STAMP: Final = re.compile(r"\b(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)Z")
"""As the engine writes a moment: UTC, with its date."""


def local(text: str, zone: str, *, dated: bool = True) -> str:
    """A text of the engine with its moments on the exchange's wall clock, like all others on the screen; with
    their date only where `dated`."""

    def wall(found: re.Match[str]) -> str:
        moment = datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00").astimezone(_zone(zone))
        return moment.strftime("%Y-%m-%d %H:%M:%S" if dated else "%H:%M:%S")

    return _STAMP.sub(wall, text)


def day(ts: int, zone: str) -> str:
    """UTC ns as the exchange's date, 2023-05-01."""
    return f"{datetime.fromtimestamp(ts // 1_000_000_000, UTC).astimezone(_zone(zone)):%Y-%m-%d}"


def microseconds(value: float) -> str:
    """A latency in µs as 85µs, 1.25ms, 740ms or 3.1s."""
    if value < 1000:
        return f"{value:.0f}µs"
    if value < 10_000:
        return f"{value / 1000:.2f}ms"
    if value < 1_000_000:
        return f"{value / 1000:.0f}ms"
    return f"{value / 1_000_000:.1f}s"


def percent(ratio: float | None) -> str:
    """A share as whole per cent; ? where it cannot be evaluated."""
    if ratio is None:
        return UNKNOWN
    return f"{min(ratio, 99.99) * 100:.0f}%"


def bar(ratio: float | None, width: int) -> str:
    """A gauge of text: ██████····; full from the limit on, question marks where it cannot be evaluated."""
    if ratio is None:
        return UNKNOWN * width
    filled = min(width, max(0, int(ratio * width)))
    return "█" * filled + "·" * (width - filled)


def pnl(value: Decimal | None, *, brief: bool = False) -> Cell:
    """Profit with glyph, sign and meaning: ▲+112.50, ▼−37.50."""
    if value is None:
        return Cell(UNKNOWN, "muted")
    text = brief_money(value) if brief else money(value)
    if text[0] == "+":
        return Cell("▲" + text, "pnl-up")
    if text[0] == MINUS:
        return Cell("▼" + text, "pnl-down")
    return Cell(text, "muted")
