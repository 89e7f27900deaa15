"""How the made-up instruments behave: prices, rates, sizes and spreads, near what recordings of them show."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from engine.model import Value


class Profile(Value, frozen=True, kw_only=True):
    """One product in calm conditions. Prices and spreads in ticks, sizes in lots, rates per second."""

    price: Decimal
    """Where it starts."""
    volatility: float
    """Ticks per square root of a second."""
    factor: str = ""
    """Products with the same factor move together."""
    loading: float = 0.0
    """Correlation with that factor."""
    quotes: float
    """Changes of the top of book a second that no trade causes."""
    trades: float
    """Prints a second, bursts included."""
    branching: float
    """Share of the prints that are set off by earlier ones."""
    burst_decay: float
    """How quickly a burst dies, per second."""
    spreads: tuple[tuple[int, float], ...]
    """Spread → share of time at which market makers quote it."""
    torn: float
    """Share of price moves in which one side leaves before the other follows."""
    touch: float
    """Typical size at the touch."""
    print_sizes: tuple[float, float, float]
    """Share of prints of a single clip, median and log-deviation of the others (clip: `clip`)."""
    clip: int = 1
    """Commonest size of a print."""
    news_widening: int
    """Ticks by which news widen the spread at first."""
    news_rate: float
    """Multiple by which news raise the rate of quotes at first, beyond 1."""
    news_prints: float
    """The same of prints: on a release many more trade than quote (gold: 30 times as many in the minute)."""
    reserved: float = 3.0
    """Seconds for which the venue reserves the market on news; 0: it has no such state."""


PROFILES: Final[dict[str, Profile]] = {
    "ES": Profile(
        price=Decimal("6702.25"),
        volatility=0.85,
        factor="equity",
        loading=0.93,
        quotes=8.0,
        trades=2.2,
        branching=0.6,
        burst_decay=4.0,
        spreads=((1, 0.97), (2, 0.03)),
        torn=1.0,
        touch=23,
        print_sizes=(0.55, 3.0, 1.22),
        news_widening=4,
        news_rate=10.0,
        news_prints=45.0,
    ),
    "NQ": Profile(
        price=Decimal("24850.50"),
        volatility=3.4,
        factor="equity",
        loading=0.93,
        quotes=14.0,
        trades=3.0,
        branching=0.6,
        burst_decay=4.0,
        spreads=((1, 0.55), (2, 0.40), (3, 0.05)),
        torn=0.08,
        touch=5,
        print_sizes=(0.7, 2.0, 0.7),
        news_widening=8,
        news_rate=10.0,
        news_prints=45.0,
    ),
    "GC": Profile(
        price=Decimal("4085.40"),
        volatility=1.5,
        quotes=4.5,
        trades=1.1,
        branching=0.6,
        burst_decay=3.0,
        spreads=((1, 0.92), (2, 0.08)),
        torn=0.3,
        touch=6,
        print_sizes=(0.7, 2.0, 1.1),
        news_widening=4,
        news_rate=12.0,
        news_prints=70.0,
    ),
    "BTCUSDT-PERP": Profile(
        price=Decimal("91840.0"),
        volatility=45.0,
        quotes=140.0,
        trades=60.0,
        branching=0.75,
        burst_decay=15.0,
        spreads=((1, 1.0),),
        torn=0.0005,
        touch=2700,
        print_sizes=(0.1, 18.0, 1.9),
        clip=2,
        news_widening=60,
        news_rate=4.0,
        news_prints=12.0,
        reserved=0.0,
    ),
}
"""By root of the symbol."""
