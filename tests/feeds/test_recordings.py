"""Every recorded day replays completely, in order, on its grid."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from engine.feeds.replay import ReplayFeed
from engine.feeds.watchdog import Watchdog
from engine.model import NS, Quote, Trade
from engine.sessions import calendar

from .fakeclock import FakeClock, MboRecorder, Recorder
from .recordings import COUNTS, recording

pytestmark = pytest.mark.data


def play(path: Path, sink: Recorder, **options: bool) -> ReplayFeed:
    feed = ReplayFeed(path, on_bad="stop", **options)
    sink.clock = clock = FakeClock(feed.start_time())
    asyncio.run(feed.run(clock, sink))
    return feed


@pytest.mark.parametrize("name", COUNTS)
def test_whole_day(name: str) -> None:
    symbol, quotes, trades = COUNTS[name]
    sink = Recorder()
    feed = play(recording(name), sink)
    assert (feed.error, sink.ended) == (None, ["end of recording"])
    assert [i.symbol for i in feed.instruments] == [symbol]
    assert sum(type(e) is Quote for e in sink.events) == feed.counters["quotes"] == quotes
    assert sum(type(e) is Trade for e in sink.events) == feed.counters["trades"] == trades
    assert feed.bad_lines == feed.rounded_sizes == 0
    assert (feed.rounded_prices > 0) == (symbol == "XAUUSD")
    assert sink.early == 0
    assert sink.batches == sorted(set(sink.batches))
    assert sink.batches == list(dict.fromkeys(e.ts for e in sink.events))
    assert feed.progress() == 1.0
    dog = Watchdog(feed.instruments[0], calendar(feed.instruments[0].calendar))
    refused = [e for e in sink.events if not (dog.on_quote if type(e) is Quote else dog.on_trade)(e, e.ts)]
    assert refused == [], "a real day, its news included, has no bad tick"


@pytest.mark.parametrize("stem", ["es_mbo_20231225/es_mbo_20231225", "es_snips_2024/esm4_20240508"])
def test_order_by_order_gives_the_same_quotes_and_trades(stem: str) -> None:
    path = recording(f"{stem}.csv.gz")
    plain, full = Recorder(), MboRecorder()
    play(path, plain)
    feed = play(path, full, order_by_order=True)
    assert feed.order_by_order
    assert feed.counters["messages"] == len(full.messages) > 10_000
    assert full.events == plain.events


def test_auction_and_crossed_pre_open_of_the_holiday_evening() -> None:
    sink = Recorder()
    feed = play(recording("es_mbo_20231225/es_mbo_20231225.csv.gz"), sink)
    es = feed.instruments[0]
    first = next(e for e in sink.events if type(e) is Trade)
    assert (first.ts, es.price(first.price), first.size, first.aggressor) == (
        1_703_545_200 * NS,
        Decimal("4800.25"),
        44,
        None,
    )
    hours = calendar(es.calendar)
    assert hours.session_open(first.ts) == first.ts
    dog = Watchdog(es, hours)
    words = set()
    for event in sink.events:
        if type(event) is Quote:
            dog.on_quote(event, event.ts)
            if event.ts < first.ts:
                words.add(dog.state(event.ts).word)
    assert words == {"closed"}


def test_snapshot_before_the_start_does_not_make_anybody_wait() -> None:
    sink = MboRecorder()
    path = recording("es_mbo_20231225/es_mbo_20231225.csv.gz")
    feed = ReplayFeed(path, order_by_order=True)
    assert feed.start_time() == 1_703_541_600_180_087_113
    clock = FakeClock(feed.start_time())
    seen: list[int] = []
    sink.on_mbo = lambda m: seen.append(clock.now())  # type: ignore[method-assign]
    asyncio.run(feed.run(clock, sink))
    assert set(seen[:8_725]) == {feed.start_time()}


def test_volatile_minute_is_live_and_gold_locks_only_outside_the_session() -> None:
    sink = Recorder()
    feed = play(recording("gc_l5_20230501/gc_l5_20230501.csv.gz"), sink)
    gold = feed.instruments[0]
    dog = Watchdog(gold, calendar(gold.calendar))
    ism = 1_682_949_600 * NS
    words = set()
    for event in sink.events:
        (dog.on_quote if type(event) is Quote else dog.on_trade)(event, event.ts)
        if ism <= event.ts < ism + 60 * NS:
            words.add(dog.state(event.ts).word)
    assert words == {"live"}
    assert dog.counters["locked"] > 0


def test_two_venues_merge_by_time() -> None:
    paths = [recording(n) for n in COUNTS if n.startswith("btc")]
    feed = ReplayFeed(paths, on_bad="stop")
    sink = Recorder()
    clock = FakeClock(feed.start_time())
    asyncio.run(feed.run(clock, sink))
    stamps = [e.ts for e in sink.events]
    assert stamps == sorted(stamps)
    assert len(stamps) == sum(q + t for n, (_, q, t) in COUNTS.items() if n.startswith("btc"))
    assert {i.symbol for i in feed.instruments} == {"BTCUSDT", "BTCUSDT-PERP"}
