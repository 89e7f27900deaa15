"""The books as plain immutable values, to be saved beside the journal and put back at the next start.

An image is what a fold over the journal's rows has brought about, and nothing else: what a running engine
adds (the broker's word on positions, how often it has asked about an order) is left out, so the image of
running books equals that of the same rows folded anew. What may be many (orders and executions of a whole
year) goes in pieces, so that nobody who encodes them keeps the interpreter for long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from engine.alerts import AlertsImage
from engine.books import Books
from engine.daystart import DayStart, Traded
from engine.halts import Halt
from engine.holds import InstrumentHold
from engine.model import Value
from engine.orders_evicted import EvictedImage
from engine.orders_fills import Day
from engine.orders_shelf import OrdersImage
from engine.positions import Bookings, PositionImage
from engine.positions_booked import Entry
from engine.records import ControlTripped, DayOpened, KillBegan, RunEnded, RunStarted, StrategyChanged
from engine.records_sentinel import SentinelImported
from engine.risk.override import Override
from engine.roll import Roll

PIECE: Final = 2_000
"""Entries of a piece: encoding so many takes about a millisecond."""
T = TypeVar("T")


class Main(Value, frozen=True, kw_only=True, tag="books"):
    """Everything of the books but what may be many. Fields are called as those of `Books`."""

    orders: OrdersImage
    notes: int
    positions: tuple[PositionImage, ...]
    halts: tuple[Halt, ...]
    holds: tuple[InstrumentHold, ...]
    alerts: AlertsImage
    day: DayOpened | None
    day_start: tuple[tuple[str, str, Traded], ...] | None
    peak: Decimal | None
    run: RunStarted | None
    ended: RunEnded | None
    kills: tuple[KillBegan, ...]
    rolls: tuple[Roll, ...]
    rolled: tuple[str, ...]
    """Closing orders of rolls."""
    stops: int
    sentinel: SentinelImported | None
    armed: bool
    tripped: tuple[ControlTripped, ...]
    limits_version: int
    overrides: dict[str, Override]
    strategies: tuple[StrategyChanged, ...]
    restarts: dict[str, tuple[int, ...]]
    saved: dict[str, str]
    last_execution: int
    symbol_touched: dict[str, int]
    versions: dict[str, int]
    version: int
    figures: int
    symbols_version: int
    strategy_baseline: dict[str, Decimal]
    last_fill: dict[str, int]
    last_ts: int
    fills: int


class Gone(Value, frozen=True, tag="gone", kw_only=True):
    """Orders that left memory, of our own ids."""

    runs: dict[str, list[int]]
    strategies: dict[str, list[str]]


class Odd(Value, frozen=True, tag="odd"):
    """Strategies of other orders that left memory, by order id."""

    owners: dict[str, str]


class Behind(Value, frozen=True, tag="behind"):
    """Which strategies needed how much of a netted order, by order id."""

    needs: dict[str, dict[str, int]]


class Seen(Value, frozen=True, tag="seen"):
    """Identities of executions."""

    venue: str
    account: str
    trading_day: str
    ids: list[str]


class Pack(Value, frozen=True, tag="pack"):
    """Bookings of an instrument as they stand packed, in their order."""

    symbol: str
    entries: bytes


class Booked(Value, frozen=True, tag="booked"):
    """The newest bookings of an instrument, behind its packs."""

    symbol: str
    entries: list[Entry]


Piece = Main | Gone | Odd | Behind | Seen | Pack | Booked


class Image(Value, frozen=True, kw_only=True):
    """The books at one moment. Nobody changes what it holds."""

    main: Main
    evicted: EvictedImage
    behind: dict[str, dict[str, int]]
    days: dict[Day, set[str]]
    bookings: dict[str, Bookings]

    def pieces(self) -> Iterator[Piece]:
        """The image in small parts, to be encoded one by one; `gather` puts them together again."""
        yield self.main
        yield Gone(runs=self.evicted.runs, strategies=self.evicted.strategies)
        for owners in _slices(self.evicted.odd.items()):
            yield Odd(dict(owners))
        for needs in _slices(self.behind.items()):
            yield Behind(dict(needs))
        for day, ids in self.days.items():
            for some in _slices(ids):
                yield Seen(*day, some)
        for symbol, (packs, recent) in self.bookings.items():
            yield from (Pack(symbol, pack) for pack in packs)
            for some_entries in _slices(recent):
                yield Booked(symbol, some_entries)


def take(books: Books) -> Image:
    """The books as they stand. Synchronous; what is long is copied, not looked through."""
    b = books
    notes, positions = b.positions.image()
    rolls, rolled = b.rolls.image()
    main = Main(
        orders=b.orders.image(),
        notes=notes,
        positions=positions,
        halts=b.halts.latched(),
        holds=b.holds.standing(),
        alerts=b.alerts.image(),
        day=b.day,
        day_start=None if b.day_start is None else b.day_start.image(),
        peak=b.peak,
        run=b.run,
        ended=b.ended,
        kills=b.kills,
        rolls=rolls,
        rolled=rolled,
        stops=b.stops,
        sentinel=b.sentinel,
        armed=b.armed,
        tripped=tuple(b.tripped.values()),
        limits_version=b.limits_version,
        overrides=dict(b.overrides),
        strategies=tuple(b.strategies.values()),
        restarts=dict(b.restarts),
        saved=dict(b.saved),
        last_execution=b.last_execution,
        symbol_touched=dict(b.symbol_touched),
        versions=dict(b.versions),
        version=b.version,
        figures=b.figures,
        symbols_version=b.symbols_version,
        strategy_baseline=dict(b.strategy_baseline),
        last_fill=dict(b.last_fill),
        last_ts=b.last_ts,
        fills=b.fills,
    )
    return Image(
        main=main,
        evicted=b.orders.evicted(),
        behind=dict(b.behind_orders),
        days=b.orders.days(),
        bookings=b.positions.bookings(),
    )


def gather(pieces: Iterable[Piece]) -> Image:
    """The image of these pieces. Raises `ValueError` where its main part is missing or comes twice."""
    main: Main | None = None
    gone: Gone | None = None
    odd: dict[str, str] = {}
    behind: dict[str, dict[str, int]] = {}
    days: dict[Day, set[str]] = {}
    packs: dict[str, list[bytes]] = {}
    recent: dict[str, list[Entry]] = {}
    for piece in pieces:
        match piece:
            case Main():
                if main is not None:
                    raise ValueError("its main part comes twice")
                main = piece
            case Gone():
                gone = piece
            case Odd(owners):
                odd.update(owners)
            case Behind(needs):
                behind.update(needs)
            case Seen(venue, account, trading_day, ids):
                days.setdefault((venue, account, trading_day), set()).update(ids)
            case Pack(symbol, pack):
                packs.setdefault(symbol, []).append(pack)
            case Booked(symbol, entries):
                recent.setdefault(symbol, []).extend(entries)
    if main is None or gone is None:
        raise ValueError("its main part is missing")
    evicted = EvictedImage(runs=gone.runs, strategies=gone.strategies, odd=odd)
    bookings = {s: (tuple(packs.get(s, ())), recent.get(s, [])) for s in {**packs, **recent}}
    return Image(main=main, evicted=evicted, behind=behind, days=days, bookings=bookings)


def put_back(books: Books, image: Image) -> None:
    """Fills new books with an image, which is used up. Raises `KeyError` or `ValueError` where its parts do
    not fit each other; such books are of no use."""
    b, main = books, image.main
    b.orders.put_back(main.orders, image.evicted, image.days)
    b.positions.put_back(main.notes, main.positions, image.bookings)
    b.halts.put_back(main.halts)
    b.holds.put_back(main.holds)
    b.alerts.put_back(main.alerts)
    b.rolls.put_back(main.rolls, main.rolled)
    b.day, b.peak, b.run, b.ended = main.day, main.peak, main.run, main.ended
    b.day_start = None if main.day_start is None else DayStart.of(main.day_start)
    b.kills, b.stops = main.kills, main.stops
    b.sentinel, b.armed = main.sentinel, main.armed
    b.tripped = {(one.control, one.scope): one for one in main.tripped}
    b.limits_version, b.overrides = main.limits_version, main.overrides
    b.strategies, b.saved = {one.name: one for one in main.strategies}, main.saved
    b.restarts = main.restarts
    b.behind_orders = image.behind
    b.last_execution, b.last_ts, b.fills = main.last_execution, main.last_ts, main.fills
    b.symbol_touched, b.versions = main.symbol_touched, main.versions
    b.version, b.figures, b.symbols_version = main.version, main.figures, main.symbols_version
    b.strategy_baseline, b.last_fill = main.strategy_baseline, main.last_fill


def basis(books: Books) -> str:
    """A mark of all that a fold depends on beside the rows: the engine's code, and what the books were told
    of accounts, orders and instruments. An image is good for books of the same basis only."""
    engine = Path(__file__).parent
    found = hashlib.sha256()
    for source in sorted((*engine.glob("*.py"), *(engine / "strategy").glob("netting.py"))):
        found.update(source.read_bytes())
    config = books.config
    told = (config.account, config.currency, config.orders.model_dump_json(), sorted(books.instruments))
    found.update(repr((told, msgspec.__version__)).encode())
    return found.hexdigest()


def _slices(items: Iterable[T]) -> Iterator[list[T]]:
    source = iter(items)
    while some := list(islice(source, PIECE)):
        yield some
