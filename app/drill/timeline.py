"""From a case's journal to its timeline: the lives of orders, fills, halts, positions, and the market."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from app.drill.model import Band, Dot, JournalLine, Line, OrderBar, Timeline
from engine import facts, records
from engine.books import Books
from engine.config import EngineConfig
from engine.journal.rows import Row
from engine.model import NS, Instrument
from engine.recorder.words import Words
from engine.records import AnyRecord, decode
from engine.records_sentinel import OrderImported

T = TypeVar("T")

MOST_ORDERS = 40
"""Orders that a picture shows; of more, the first and the last."""
MOST_LINES = 80
"""Rows of the journal that a report shows."""
MOST_POINTS = 400
"""Points of one line."""

DULL = frozenset({"peak", "day_opened", "run_started", "run_ended", "answer"})
"""Kinds of rows that tell nothing of a case."""


@dataclass(slots=True)
class Unrolled:
    """What was read off a journal."""

    timeline: Timeline
    journal: tuple[JournalLine, ...]
    rows: int
    digest: str


@dataclass(slots=True)
class _Reading:
    begin: int
    words: Words
    bars: dict[str, OrderBar] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)
    dots: list[Dot] = field(default_factory=list)
    positions: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    bands: list[Band] = field(default_factory=list)
    down: tuple[float, str] | None = None
    halted: dict[str, float] = field(default_factory=dict)

    def at(self, row: Row) -> float:
        return round((row.ts - self.begin) / NS, 6)


def unroll(
    rows: Iterable[Row],
    begin: int,
    span: float,
    config: EngineConfig,
    instruments: Sequence[Instrument],
    path: Iterable[tuple[int, str, int]] = (),
    bands: Iterable[Band] = (),
) -> Unrolled:
    """Folds the rows and notes what a picture needs. `begin`: UTC ns at which the case began; `path`: the
    market as (UTC ns, symbol, bid + ask in ticks)."""
    reading = _Reading(begin, Words(instruments))
    books = Books(config, instruments)
    lines: list[JournalLine] = []
    count = 0
    for row in rows:
        count += 1
        record = decode(row.kind, row.body)
        applied = books.apply(record, row.ts)
        _note(reading, row, record, books)
        if applied.record is not None:
            _follow(reading, row, applied.record.order.id, str(applied.record.life.status))
        if row.kind not in DULL:
            symbol = reading.symbols.get(row.order_id, "")
            lines.append(
                JournalLine(
                    seq=row.seq,
                    at=reading.at(row),
                    kind=row.kind,
                    order_id=row.order_id,
                    correlation=row.correlation,
                    text=reading.words.record(record, symbol),
                )
            )
    for name, since in reading.halted.items():
        reading.bands.append(Band(begin=since, end=span, text=name))
    if reading.down is not None:
        reading.bands.append(Band(begin=reading.down[0], end=span, text=reading.down[1]))
    known = {i.symbol: i for i in instruments}
    prices: dict[str, list[tuple[float, float]]] = {}
    for ts, symbol, twice in path:
        instrument = known.get(symbol)
        if instrument is not None:
            middle = float(instrument.tick) * twice / 2
            prices.setdefault(symbol, []).append((round((ts - begin) / NS, 6), middle))
    traded = {*reading.symbols.values(), *reading.positions}
    timeline = Timeline(
        span=max(span, 0.001),
        prices=tuple(
            Line(name=s, points=_thin(p)) for s, p in sorted(prices.items()) if s in traded or len(p) > 1
        ),
        positions=tuple(Line(name=s, points=_thin(p)) for s, p in sorted(reading.positions.items())),
        orders=tuple(_ends(list(reading.bars.values()), MOST_ORDERS)),
        dots=tuple(reading.dots[:400]),
        bands=(*bands, *reading.bands),
    )
    return Unrolled(timeline, tuple(_ends(lines, MOST_LINES)), count, books.digest())


def _ends(items: list[T], most: int) -> list[T]:
    """All of them, or of too many the first two thirds and the last."""
    if len(items) <= most:
        return items
    first = most * 2 // 3
    return [*items[:first], *items[-(most - first) :]]


def _thin(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    if len(points) <= MOST_POINTS:
        return tuple(points)
    every = len(points) / MOST_POINTS
    kept = [points[int(n * every)] for n in range(MOST_POINTS)]
    return (*kept, points[-1])


def _follow(reading: _Reading, row: Row, order_id: str, status: str) -> None:
    bar = reading.bars.get(order_id)
    if bar is None:
        return
    closed = status in ("FILLED", "CANCELED", "REJECTED", "EXPIRED")
    end = (bar.end if bar.end is not None and bar.status == status else reading.at(row)) if closed else None
    reading.bars[order_id] = OrderBar(id=bar.id, label=bar.label, begin=bar.begin, end=end, status=status)


def _note(reading: _Reading, row: Row, record: AnyRecord, books: Books) -> None:
    at, words = reading.at(row), reading.words
    match record:
        case records.OrderStored(order=order) | OrderImported(order=order):
            reading.symbols[order.id] = order.symbol
            bar = OrderBar(id=order.id, label=words.order(order), begin=at, end=None, status="PENDING_NEW")
            reading.bars[order.id] = bar
        case records.Refused(order=order, control=control):
            reading.symbols[order.id] = order.symbol
            reading.dots.append(
                Dot(at=at, kind="refused", text=f"refused by {control}: {words.order(order)}")
            )
        case records.FactTaken(fact=facts.Executed(fill=fill)):
            _position(reading, at, fill.symbol, books)
            reading.dots.append(Dot(at=at, kind="fill", text=words.fill(fill), lane=fill.order_id or ""))
        case records.FactTaken(fact=facts.Busted() | facts.Corrected()) | records.Adopted():
            for position in books.positions:
                _position(reading, at, position.symbol, books)
        case records.FactTaken(fact=facts.LinkDown(reason=reason)):
            reading.down = (at, f"link down: {reason}")
        case records.FactTaken(fact=facts.LinkUp()):
            if reading.down is not None:
                reading.bands.append(Band(begin=reading.down[0], end=at, text=reading.down[1]))
                reading.down = None
        case records.FactTaken(fact=facts.MarketStateChanged(symbol=symbol, state=state)):
            for name in [n for n in reading.halted if n.startswith(f"{symbol} ")]:
                reading.bands.append(Band(begin=reading.halted.pop(name), end=at, text=name))
            if str(state) not in ("OPEN", "UNKNOWN"):
                reading.halted[f"{symbol} {state}"] = at
        case records.Halted(reason=reason):
            reading.dots.append(Dot(at=at, kind="halt", text=f"halt: {reason}"))
        case records.HaltReset(who=who):
            reading.dots.append(Dot(at=at, kind="reset", text=f"{who} lifts the halt"))
        case records.AlertRaised(alert=alert):
            reading.dots.append(
                Dot(at=at, kind="alarm", text=f"alarm {alert.id}: {alert.code}: {alert.text}")
            )
        case records.KillBegan(reason=reason):
            reading.dots.append(Dot(at=at, kind="kill", text=f"kill begins: {reason}"))
        case records.KillEnded(verdict=verdict):
            reading.dots.append(Dot(at=at, kind="flat", text=verdict))
        case _:
            pass


def _position(reading: _Reading, at: float, symbol: str, books: Books) -> None:
    points = reading.positions.setdefault(symbol, [(0.0, 0.0)])
    qty = float(books.positions.qty(symbol))
    if points[-1][1] != qty:
        points.append((at, qty))
