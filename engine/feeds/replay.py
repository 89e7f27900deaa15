"""A recorded day as a feed: one or more files, merged by time, at the pace of the clock that is handed in.

Time is the recording's. The clock is asked to sleep until each record's stamp: in virtual time that is a
jump, in real time a wait, N times shorter at N×. Records that are due already go out without waiting.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Final

from engine.feeds.decode import HEADER, Decoding, OnBad, QuoteTradeDecoder, Record, check_header
from engine.feeds.errors import BadLine, FeedError
from engine.feeds.grid import Grid
from engine.feeds.instruments import lookup as package_lookup
from engine.feeds.mbo import MBO_HEADER, MboMessage
from engine.feeds.mbo_decode import MboDecoder
from engine.feeds.pacing import Pacer
from engine.feeds.reader import LineReader
from engine.model import Instrument
from engine.ports import Clock, MarketSink

Lookup = Callable[[str], Instrument]


class _Stopped(Exception):
    """A bad line ends the replay, by policy."""


class _Source:
    """One file. Subclasses say which header it has and how its lines are decoded."""

    header = HEADER

    def __init__(self, path: Path, on_bad: OnBad, report: Callable[[BadLine], None] | None) -> None:
        self.path: Final = path
        self.on_bad: Final[OnBad] = on_bad
        self.report = report
        self.reader: Final = LineReader(path)
        self.decoder: Decoding | None = None
        self._before = 0
        self._first = self._last = 0

    def batches(self, resume_after: int | None = None, *, quiet: bool = False) -> Iterator[list[Record]]:
        """Decoded blocks from the start of the file. Raises `_Stopped` and `FeedError`."""
        decoder = self._make(resume_after, None if quiet else self.report)
        if not quiet:
            self.decoder = decoder
        before = 0
        for lines in self.reader.blocks():
            if decoder.line == 0:
                check_header(lines[0], self.header, str(self.path))
                decoder.line = 1
                lines = lines[1:]
            records = decoder.decode(lines)
            if records:
                self._before, before = before, self.reader.consumed
                self._first, self._last = records[0].ts, records[-1].ts
                yield records
            if decoder.stopped is not None:
                raise _Stopped(str(decoder.stopped))
        if decoder.line == 0:
            raise FeedError(f"{self.path} is empty; a recording begins with the header {self.header!r}")

    def peek(self) -> tuple[int | None, list[Instrument]]:
        """First stamp that is no snapshot (None: there is none), and the instruments of the first block."""
        first: int | None = None
        found: list[Instrument] = []
        batches = self.batches(quiet=True)
        try:
            for records in batches:
                for symbol in dict.fromkeys(r.symbol for r in records):
                    if all(i.symbol != symbol for i in found):
                        found.append(self.instrument(symbol))
                first = next((r.ts for r in records if self.is_event(r)), None)
                if first is not None:
                    break
        except _Stopped as stop:
            if first is None:
                raise FeedError(str(stop)) from stop
        finally:
            batches.close()  # type: ignore[attr-defined]
        return first, found

    def done(self, ts: int) -> float:
        """Bytes of the file that stand for what was delivered up to `ts`."""
        span = self._last - self._first
        share = 1.0 if span <= 0 else min(max((ts - self._first) / span, 0.0), 1.0)
        return self._before + (self.reader.consumed - self._before) * share

    def _make(self, resume_after: int | None, report: Callable[[BadLine], None] | None) -> Decoding:
        raise NotImplementedError

    def instrument(self, symbol: str) -> Instrument:
        raise NotImplementedError

    def is_event(self, record: Record) -> bool:  # noqa: ARG002 - every quote and trade is one
        """False for what belongs to a picture of the book from before the start."""
        return True

    def grids(self) -> Iterable[Grid]:
        raise NotImplementedError


class QuoteTradeSource(_Source):
    """A file in the normalised layout."""

    def __init__(
        self, path: Path, lookup: Lookup, on_bad: OnBad, report: Callable[[BadLine], None] | None
    ) -> None:
        super().__init__(path, on_bad, report)
        self._lookup = lookup

    def _make(
        self,
        resume_after: int | None,  # noqa: ARG002 - leaving out what came before needs no state here
        report: Callable[[BadLine], None] | None,
    ) -> QuoteTradeDecoder:
        return QuoteTradeDecoder(str(self.path), self._lookup, self.on_bad, report)

    def instrument(self, symbol: str) -> Instrument:
        return self._lookup(symbol)

    def grids(self) -> Iterable[Grid]:
        return self.decoder.grids.values() if isinstance(self.decoder, QuoteTradeDecoder) else ()


class MboSource(_Source):
    """An order-by-order file of one instrument."""

    header = MBO_HEADER

    def __init__(
        self, path: Path, instrument: Instrument, on_bad: OnBad, report: Callable[[BadLine], None] | None
    ) -> None:
        super().__init__(path, on_bad, report)
        self._instrument = instrument

    def _make(self, resume_after: int | None, report: Callable[[BadLine], None] | None) -> MboDecoder:
        return MboDecoder(str(self.path), self._instrument, self.on_bad, report, resume_after)

    def instrument(self, symbol: str) -> Instrument:  # noqa: ARG002 - such a file has one
        return self._instrument

    def is_event(self, record: Record) -> bool:
        return isinstance(record, MboMessage) and not record.snapshot

    def grids(self) -> Iterable[Grid]:
        return (self.decoder.grid,) if isinstance(self.decoder, MboDecoder) else ()


class ReplayFeed:
    """`engine.ports.Feed` over recordings.

    `paths`: normalised `.csv` or `.csv.gz`, or order-by-order `.mbo.csv[.gz]`. With `order_by_order` a
    normalised file that has its order-by-order file beside it is replayed from the latter: same quotes and
    trades, and the sink's `on_mbo(message)` gets every message first, where it has that method.
    `symbols` names the instrument of an order-by-order file that stands alone (path → symbol).

    Headers and first records are read at once: raises `FeedError` for a missing, empty or foreign file and
    for an unknown symbol in the first record. Bad lines later on follow `on_bad`: "skip" counts them, "stop"
    ends the feed there (`error` is set, `on_feed_end` gets the reason). Nothing is raised from `run`.
    """

    def __init__(
        self,
        paths: Path | str | Sequence[Path | str],
        lookup: Lookup = package_lookup,
        *,
        on_bad: OnBad = "skip",
        order_by_order: bool = False,
        symbols: dict[str, str] | None = None,
        report: Callable[[BadLine], None] | None = None,
    ) -> None:
        several = [paths] if isinstance(paths, str | Path) else list(paths)
        if not several:
            raise FeedError("a replay needs at least one file: replay:PATH")
        self._sources: list[_Source] = [
            _source(Path(p), lookup, on_bad, order_by_order, (symbols or {}).get(str(p)), report)
            for p in several
        ]
        self._size = sum(s.reader.size for s in self._sources)
        starts: list[int] = []
        instruments: dict[str, Instrument] = {}
        for source in self._sources:
            first, found = source.peek()
            if first is not None:
                starts.append(first)
            instruments.update((i.symbol, i) for i in found)
        if not starts:
            raise FeedError(f"{', '.join(map(str, several))}: no usable record; nothing to replay")
        self.name = "replay:" + ",".join(s.path.name for s in self._sources)
        self._instruments = instruments
        self._start = min(starts)
        self._pacer = Pacer()
        self._ended = False
        self.order_by_order: Final = any(isinstance(s, MboSource) for s in self._sources)
        self.error: str | None = None
        """Why the feed stopped before its end; None where it did not."""

    @property
    def instruments(self) -> Sequence[Instrument]:
        """Those of the first block of every file, later also those that turned up since."""
        for source in self._sources:
            for grid in source.grids():
                self._instruments.setdefault(grid.symbol, grid.instrument)
        return tuple(self._instruments.values())

    @property
    def bad_lines(self) -> int:
        return sum(s.decoder.bad_lines for s in self._sources if s.decoder is not None)

    @property
    def backward(self) -> int:
        """Bad lines whose stamp went back in time."""
        return sum(s.decoder.backward for s in self._sources if s.decoder is not None)

    @property
    def bad(self) -> list[BadLine]:
        """The first bad lines of each file."""
        return [b for s in self._sources if s.decoder is not None for b in s.decoder.bad]

    @property
    def rounded_prices(self) -> int:
        """Prices that were not on their tick."""
        return sum(g.rounded_prices for s in self._sources for g in s.grids())

    @property
    def rounded_sizes(self) -> int:
        """Sizes that were not on their lot."""
        return sum(g.rounded_sizes for s in self._sources for g in s.grids())

    @property
    def counters(self) -> dict[str, int]:
        """All counters by name, for the screen and the log."""
        return {
            **self._pacer.counters,
            "bad_lines": self.bad_lines,
            "backward": self.backward,
            "rounded_prices": self.rounded_prices,
            "rounded_sizes": self.rounded_sizes,
        }

    def start_time(self) -> int:
        """Stamp of the first record; a book snapshot before it belongs to it."""
        return self._start

    def progress(self) -> float:
        if self._ended:
            return 1.0
        now = self._pacer.now
        if now == 0 or self._size == 0:
            return 0.0
        return min(sum(s.done(now) for s in self._sources) / self._size, 1.0)

    def records(self, resume_after: int | None = None) -> Iterator[Record]:
        """All records in the order of time, without a clock. Raises `FeedError`."""
        streams = [chain.from_iterable(s.batches(resume_after)) for s in self._sources]
        return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=attrgetter("ts"))

    async def run(self, clock: Clock, sink: MarketSink, resume_after: int | None = None) -> None:
        """Delivers everything, then `on_feed_end`. A second run starts from the beginning again."""
        self._pacer = Pacer()
        self._ended = False
        self.error = None
        reason = "end of recording"
        try:
            await self._pacer.deliver(self.records(resume_after), clock, sink, resume_after)
        except _Stopped as stop:
            self.error = reason = f"stopped at a bad line: {stop}"
        except FeedError as error:
            self.error = reason = str(error)
        self._ended = self.error is None
        sink.on_feed_end(reason)


def _source(
    path: Path,
    lookup: Lookup,
    on_bad: OnBad,
    order_by_order: bool,
    symbol: str | None,
    report: Callable[[BadLine], None] | None,
) -> _Source:
    stem = _stem(path)
    if stem.endswith(".mbo"):
        if symbol is None:
            symbol = _symbol_beside(path, stem.removesuffix(".mbo"), lookup)
        return MboSource(path, lookup(symbol), on_bad, report)
    source = QuoteTradeSource(path, lookup, on_bad, report)
    if order_by_order:
        for suffix in (".mbo.csv.gz", ".mbo.csv"):
            beside = path.with_name(stem + suffix)
            if beside.exists():
                _, found = source.peek()
                return MboSource(beside, found[0], on_bad, report)
    return source


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".csv")


def _symbol_beside(path: Path, stem: str, lookup: Lookup) -> str:
    for suffix in (".csv.gz", ".csv"):
        beside = path.with_name(stem + suffix)
        if beside.exists():
            _, found = QuoteTradeSource(beside, lookup, "skip", None).peek()
            if found:
                return found[0].symbol
    raise FeedError(f"{path} does not say its symbol; name it as replay:SYMBOL={path}")
