"""What is remembered for screens, against the plain definition of it: bars, the tape, the day's curve."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.control.questions import BAR_SECONDS, MAX_BARS, MAX_POINTS, MAX_PRINTS
from engine.daycurve import STEP, DayCurve
from engine.marketmemory import Bar, MarketMemory
from engine.model import NS, Trade

START = 1_700_000_100 * NS

Event = tuple[int, int | None, int]
"""Milliseconds since the one before; a print's price and size in ticks and lots, or with None a middle."""

events = st.lists(
    st.tuples(st.integers(0, 30_000), st.none() | st.integers(-4, 4), st.integers(-4, 4)), max_size=60
)


def plain(happened: list[Event], seconds: int) -> list[Bar]:
    """Bars by their definition: prints of a span, else the middles that were seen in it."""
    now, found = START, {}
    for wait, price, other in happened:
        now += wait * 1_000_000
        base = now // (5 * NS) * 5 * NS
        found.setdefault(base, []).append((price, other))
    bars: dict[int, list[Bar]] = {}
    for base, seen in found.items():
        prints = [(2 * price, abs(size)) for price, size in seen if price is not None]
        middles = [middle for price, middle in seen if price is None]
        values = [price for price, _ in prints] or middles
        bar = Bar(
            base,
            values[0],
            max(values),
            min(values),
            values[-1],
            sum(size for _, size in prints),
            bool(prints),
        )
        bars.setdefault(base // (seconds * NS) * seconds * NS, []).append(bar)
    whole = []
    for start, parts in sorted(bars.items()):
        kept = [bar for bar in parts if bar.traded] or parts
        whole.append(
            Bar(
                start,
                kept[0].open,
                max(bar.high for bar in kept),
                min(bar.low for bar in kept),
                kept[-1].close,
                sum(bar.volume for bar in kept),
                kept[0].traded,
            )
        )
    return whole


@pytest.mark.parametrize("seconds", BAR_SECONDS)
@given(happened=events)
def test_bars_are_what_was_seen_in_their_span_also_at_prices_of_zero_and_below(
    seconds: int, happened: list[Event]
) -> None:
    memory, now = MarketMemory(), START
    for wait, price, other in happened:
        now += wait * 1_000_000
        if price is None:
            memory.sample(other, now)
        else:
            memory.on_trade(Trade("CL", now, price, abs(other)), now)
    wanted = plain(happened, seconds)
    assert memory.bars(seconds, MAX_BARS) == wanted[-MAX_BARS:]
    assert memory.bars(seconds, 2) == wanted[-2:]
    assert memory.bars(seconds, 0) == []


def test_what_is_kept_is_bounded() -> None:
    memory, now = MarketMemory(), START
    for n in range(3 * MAX_PRINTS):
        now += 5 * NS
        memory.on_trade(Trade("CL", now, n, 1), now)
    assert len(memory.prints) == MAX_PRINTS and memory.prints[-1].n == memory.n == 3 * MAX_PRINTS
    assert len(memory.bars(5, 10_000)) <= MAX_BARS + 1
    assert memory.bars(5, 10_000)[-1].close == 2 * (3 * MAX_PRINTS - 1)


@given(
    steps=st.lists(st.tuples(st.integers(1, 40), st.none() | st.integers(-500, 500)), max_size=300),
    lap=st.integers(1, 40),
)
def test_the_days_curve_keeps_extremes_and_end_whatever_its_step(
    steps: list[tuple[int, int | None]], lap: int
) -> None:
    curve, now, known = DayCurve(), START, []
    for wait, pnl in steps:
        now += wait * lap * NS
        curve.sample("2026-01-07", None if pnl is None else Decimal(pnl), now)
        if pnl is not None:
            known.append(pnl)
    assert len(curve.points) <= MAX_POINTS
    if not known:
        assert curve.points == []
        return
    assert curve.points[-1].pnl == known[-1]
    assert min(p.low for p in curve.points) == min(known)
    assert max(p.high for p in curve.points) == max(known)
    stamps = [p.ts for p in curve.points]
    assert stamps == sorted(set(stamps))
    assert all(ts % curve.step == 0 for ts in stamps) and curve.step % STEP == 0


def test_a_whole_day_fits_and_a_new_day_begins_anew() -> None:
    curve = DayCurve()
    for n in range(86_400):
        curve.sample("monday", Decimal(n % 1000), START + n * NS)
    assert MAX_POINTS // 2 <= len(curve.points) <= MAX_POINTS
    assert curve.since == START
    curve.sample("tuesday", Decimal(1), START + 86_401 * NS)
    assert len(curve.points) == 1 and curve.step == STEP
