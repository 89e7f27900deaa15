"""Replay: order, pace, resume, progress, and what it does with files that are wrong."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from engine.feeds.errors import FeedError
from engine.feeds.mbo import MBO_HEADER, MboBook
from engine.feeds.replay import ReplayFeed
from engine.model import NS, Quote, Side, Trade

from .fakeclock import FakeClock, MboRecorder, Recorder

HEADER = "ts_ns,symbol,kind,bid_px,bid_sz,ask_px,ask_sz,px,sz,aggressor"
T = 1_700_000_000 * NS


def quote(at: int, bid: str = "4500.25", ask: str = "4500.5", symbol: str = "ESZ3") -> str:
    return f"{T + at},{symbol},quote,{bid},10,{ask},12,,,"


def trade(at: int, px: str = "4500.25", sz: str = "3", side: str = "S", symbol: str = "ESZ3") -> str:
    return f"{T + at},{symbol},trade,,,,,{px},{sz},{side}"


def write(path: Path, *lines: str, header: str = HEADER, end: str = "\n") -> Path:
    data = (end.join((header, *lines)) + end).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def play(feed: ReplayFeed, resume_after: int | None = None, **kind: type[Recorder]) -> Recorder:
    clock = FakeClock(feed.start_time())
    sink = kind.get("sink", Recorder)(clock)
    asyncio.run(feed.run(clock, sink, resume_after))
    return sink


GOOD = (
    quote(0),
    trade(0),
    quote(5),
    trade(7, side="B"),
    trade(7, side=""),
    f"{T + 9},ESZ3,quote,,,4501,7,,,",
)


@pytest.mark.parametrize("name", ["day.csv", "day.csv.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_values_and_batches(tmp_path: Path, name: str, end: str) -> None:
    sink = play(ReplayFeed(write(tmp_path / name, *GOOD, end=end)))
    assert sink.events == [
        Quote("ESZ3", T, 18_001, 10, 18_002, 12),
        Trade("ESZ3", T, 18_001, 3, Side.SELL),
        Quote("ESZ3", T + 5, 18_001, 10, 18_002, 12),
        Trade("ESZ3", T + 7, 18_001, 3, Side.BUY),
        Trade("ESZ3", T + 7, 18_001, 3, None),
        Quote("ESZ3", T + 9, None, 0, 18_004, 7),
    ]
    assert sink.batches == [T, T + 5, T + 7, T + 9]
    assert sink.early == 0
    assert sink.ended == ["end of recording"]


def test_waits_until_each_stamp_and_not_at_all_when_late(tmp_path: Path) -> None:
    path = write(tmp_path / "day.csv", *(trade(i * NS) for i in range(100)))
    feed = ReplayFeed(path)
    clock = FakeClock(feed.start_time())
    asyncio.run(feed.run(clock, Recorder()))
    assert clock.now() == T + 99 * NS
    assert clock.sleeps == 99
    late = FakeClock(T + 1000 * NS)
    sink = Recorder()
    asyncio.run(feed.run(late, sink))
    assert late.now() == T + 1000 * NS
    assert len(sink.events) == 100
    assert 0 < late.sleeps < 10, "gives the loop its turn, but waits for nothing"


def test_resume_leaves_out_what_was_delivered(tmp_path: Path) -> None:
    path = write(tmp_path / "day.csv", *(trade(i) for i in range(10)))
    feed = ReplayFeed(path)
    sink = play(feed, resume_after=T + 6)
    assert [e.ts - T for e in sink.events] == [7, 8, 9]
    assert feed.counters["skipped"] == 7


def test_progress_grows_to_one_with_flat_memory(tmp_path: Path) -> None:
    lines = [trade(i * 1000, px=f"{4000 + i % 997}.25", sz=str(1 + i * 7919 % 83)) for i in range(60_000)]
    feed = ReplayFeed(write(tmp_path / "day.csv.gz", *lines))
    seen: list[float] = []
    largest = 0

    class Watcher(Recorder):
        def on_trade(self, trade: Trade) -> None:
            nonlocal largest
            if trade.ts % 1_000_000 == 0:
                seen.append(feed.progress())

    assert feed.progress() == 0.0
    asyncio.run(feed.run(FakeClock(T), Watcher()))
    assert seen == sorted(seen)
    assert len(set(seen)) > 40
    assert seen[0] < 0.05 and seen[30] == pytest.approx(0.5, abs=0.15)
    assert feed.progress() == 1.0
    largest = max(len(b) for b in feed._sources[0].reader.blocks())
    assert largest < 40_000


def test_cancel_ends_no_batch_twice(tmp_path: Path) -> None:
    feed = ReplayFeed(write(tmp_path / "day.csv", trade(0), trade(10 * NS)))

    class Stuck(FakeClock):
        async def sleep(self, delay: int) -> None:
            await asyncio.Event().wait()

    async def main() -> Recorder:
        sink = Recorder()
        task = asyncio.ensure_future(feed.run(Stuck(T), sink))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return sink

    sink = asyncio.run(main())
    assert sink.batches == [T]
    assert sink.ended == []


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ("garbage", 8, "1 fields where 10"),
        ("", 1, "1 fields where 10"),
        (quote(3) + ",", 56, "11 fields"),
        (quote(3).replace("4500.25", "45oo.25"), 32, "bid_px: '45oo.25' is no price"),
        (quote(3).replace(",12,", ",-12,"), 50, "ask_sz: '-12' is no size"),
        (quote(3).replace("4500.25", "NaN"), 32, "bid_px: 'NaN'"),
        (quote(3).replace("4500.25", "45_00.25"), 32, "bid_px"),
        (quote(3).replace("4500.25", ""), 33, "bid_sz: a size without its price"),
        (quote(3).replace("quote", "guess"), 26, "kind: 'guess' is neither quote nor trade"),
        (trade(3, side="X"), 46, "aggressor: 'X'"),
        (trade(3, px=""), 36, "px: '' is no price"),
        (trade(3)[:-1] + "S,", 48, "11 fields"),
        ("17e8" + trade(3)[4:], 1, "ts_ns: '17e8"),
        (trade(-5), 1, "goes back in time"),
        ("1700000000" + trade(3)[19:], 1, "no UTC stamp in nanoseconds"),
        (trade(3, symbol="WAT"), 21, "symbol: symbol 'WAT' is not in the instrument catalogue"),
        (quote(3)[:-3] + ",4500,1,B", 53, "px: a quote has no px"),
    ],
)
def test_bad_line_names_file_line_and_column(tmp_path: Path, line: str, column: int, reason: str) -> None:
    path = write(tmp_path / "day.csv", quote(0), trade(1), line, trade(6))
    told: list[str] = []
    feed = ReplayFeed(path, on_bad="skip", report=lambda b: told.append(str(b)))
    sink = play(feed)
    assert [e.ts - T for e in sink.events] == [0, 1, 6]
    assert feed.bad_lines == 1
    bad = feed.bad[0]
    assert (bad.file, bad.line) == (str(path), 4)
    assert reason in bad.reason
    assert bad.column == column
    assert told == [str(bad)]

    feed = ReplayFeed(path, on_bad="stop")
    sink = play(feed)
    assert [e.ts - T for e in sink.events] == [0, 1], "what came before the bad line is delivered"
    assert sink.batches == [T, T + 1]
    assert feed.error is not None and f"{path}:4:" in feed.error
    assert sink.ended == [feed.error]


def test_bad_line_in_one_of_two_files_stops_both(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", trade(0), "x", trade(2))
    two = write(tmp_path / "b.csv", *(trade(i, symbol="NQZ3") for i in range(10)))
    feed = ReplayFeed([one, two], on_bad="stop")
    sink = play(feed)
    assert feed.error is not None
    assert len(sink.events) < 11


def test_off_tick_prices_are_rounded_and_counted(tmp_path: Path) -> None:
    btc = "BTCUSDT-PERP"
    path = write(
        tmp_path / "day.csv",
        trade(0, px="61800.27", sz="0.0017", symbol=btc),
        trade(1, px="61800.27", sz="0.0017", symbol=btc),
        trade(2, px="61800.3", sz="1e-03", symbol=btc),
    )
    feed = ReplayFeed(path)
    sink = play(feed)
    assert [(e.price, e.size) for e in sink.events] == [(618_003, 1), (618_003, 1), (618_003, 1)]
    assert (feed.rounded_prices, feed.rounded_sizes) == (2, 2)


def test_negative_prices_pass(tmp_path: Path) -> None:
    sink = play(ReplayFeed(write(tmp_path / "day.csv", trade(0, px="-37.63", symbol="CLK0"))))
    assert sink.events[0].price == -3763


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("day.csv", b"time,price\n1,2\n", "the header must be 'ts_ns,symbol"),
        ("day.csv", b"", "is empty"),
        ("day.csv", HEADER.encode() + b"\n", "nothing to replay"),
        ("day.csv.gz", b"no gzip at all", "damaged or no gzip"),
        ("day.txt", b"", "must end in .csv or .csv.gz"),
        ("day.csv", b"x" * 300_000, "no recording"),
    ],
)
def test_refuses_what_is_no_recording(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FeedError, match=says) as caught:
        ReplayFeed(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"nowhere\.csv does not exist"):
        ReplayFeed(tmp_path / "nowhere.csv")
    with pytest.raises(FeedError, match="is a directory"):
        ReplayFeed(tmp_path)


def test_unknown_symbol_in_the_first_line(tmp_path: Path) -> None:
    path = write(tmp_path / "day.csv", trade(0, symbol="WAT"))
    with pytest.raises(FeedError, match="WAT"):
        ReplayFeed(path, on_bad="stop")


def test_cut_off_file_says_so_after_delivering_what_it_has(tmp_path: Path) -> None:
    path = write(tmp_path / "day.csv.gz", *(trade(i * 977, sz=str(i * 7919 % 83)) for i in range(20_000)))
    path.write_bytes(path.read_bytes()[:-5_000])
    feed = ReplayFeed(path)
    sink = play(feed)
    assert len(sink.events) > 1000
    assert feed.error is not None and "cut off" in feed.error
    assert sink.ended == [feed.error]


def test_second_gzip_member_belongs_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "day.csv.gz"
    path.write_bytes(
        gzip.compress(f"{HEADER}\n{trade(0)}\n".encode()) + gzip.compress(f"{trade(1)}\n".encode())
    )
    assert len(play(ReplayFeed(path)).events) == 2


def mbo(at: int, action: str, side: str, oid: int, px: str, sz: int, last: int, snap: int = 0) -> str:
    return f"{T + at},{T + at},{at},{action},{side},{oid},{px},{sz},{last},{snap}"


MBO = (
    mbo(0, "R", "N", 0, "", 0, 0, 1),
    mbo(0, "A", "B", 1, "4500", 5, 0, 1),
    mbo(0, "A", "B", 2, "4500", 7, 0, 1),
    mbo(0, "A", "A", 3, "4500.25", 4, 1, 1),
    mbo(10, "T", "A", 9, "4500", 5, 0),
    mbo(10, "F", "B", 1, "4500", 5, 0),
    mbo(10, "C", "B", 1, "4500", 5, 1),
    mbo(20, "A", "B", 4, "4500", 1, 1),
    mbo(30, "M", "B", 2, "4500", 8, 1),
    mbo(40, "M", "A", 3, "4500.5", 4, 1),
)


def write_mbo(path: Path, *lines: str) -> Path:
    return write(path, *lines, header=MBO_HEADER)


def test_order_by_order_book_quotes_and_priorities(tmp_path: Path) -> None:
    path = write_mbo(tmp_path / "x.mbo.csv", *MBO)
    feed = ReplayFeed(path, symbols={str(path): "ESZ3"})
    assert feed.start_time() == T + 10
    sink = play(feed, sink=MboRecorder)
    assert isinstance(sink, MboRecorder)
    assert [(e.ts - T, type(e).__name__) for e in sink.events] == [
        (0, "Quote"),
        (10, "Trade"),
        (10, "Quote"),
        (20, "Quote"),
        (30, "Quote"),
        (40, "Quote"),
    ]
    book = MboBook()
    for message in sink.messages:
        book.apply(message)
    assert book.queue(Side.BUY, 18_000) == [(4, 1), (2, 8)], "a larger size loses its place"
    assert book.queue(Side.SELL, 18_001) == []
    assert book.quote("ESZ3", 0) == Quote("ESZ3", 0, 18_000, 9, 18_002, 4)


def test_order_by_order_resume_begins_with_the_book(tmp_path: Path) -> None:
    path = write_mbo(tmp_path / "x.mbo.csv", *MBO)
    feed = ReplayFeed(path, symbols={str(path): "ESZ3"})
    sink = play(feed, resume_after=T + 20, sink=MboRecorder)
    assert isinstance(sink, MboRecorder)
    assert [(m.action, m.order_id, m.snapshot) for m in sink.messages] == [
        ("R", 0, True),
        ("A", 2, True),
        ("A", 4, True),
        ("A", 3, True),
        ("M", 2, False),
        ("M", 3, False),
    ]
    assert [e.ts - T for e in sink.events] == [30, 40]


def test_order_by_order_symbol_comes_from_the_file_beside(tmp_path: Path) -> None:
    path = write_mbo(tmp_path / "x.mbo.csv.gz", *MBO)
    with pytest.raises(FeedError, match="does not say its symbol"):
        ReplayFeed(path)
    beside = write(tmp_path / "x.csv", quote(0))
    assert ReplayFeed(path).instruments[0].symbol == "ESZ3"
    assert ReplayFeed(beside, order_by_order=True).order_by_order
    assert not ReplayFeed(beside).order_by_order


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (mbo(50, "X", "B", 1, "4500", 5, 1), "action: 'X'"),
        (mbo(50, "A", "N", 1, "4500", 5, 1), "side: an order has side B or A"),
        (mbo(50, "A", "B", 1, "", 5, 1), "px: '' is no price"),
        (mbo(50, "A", "B", 1, "4500", 0, 1), "sz: an order has a size above 0"),
        (mbo(50, "A", "B", 1, "4500", 5, 2), "last: '2'"),
        (mbo(5, "A", "B", 1, "4500", 5, 1), "goes back in time"),
        ("1,2,3", "3 fields where 10"),
    ],
)
def test_bad_order_by_order_lines(tmp_path: Path, line: str, reason: str) -> None:
    path = write_mbo(tmp_path / "x.mbo.csv", *MBO, line, mbo(60, "C", "A", 3, "4500.5", 4, 1))
    feed = ReplayFeed(path, symbols={str(path): "ESZ3"})
    play(feed, sink=MboRecorder)
    assert feed.bad_lines == 1
    assert reason in feed.bad[0].reason and feed.bad[0].line == 12
