"""Lines of the normalised layout → quotes and trades."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from engine.feeds.errors import BadLine, FeedError, UnknownSymbol
from engine.feeds.grid import Grid
from engine.feeds.mbo import MboMessage
from engine.model import Instrument, Quote, Side, Trade

Record = Quote | Trade | MboMessage
OnBad = Literal["skip", "stop"]

HEADER: Final = "ts_ns,symbol,kind,bid_px,bid_sz,ask_px,ask_sz,px,sz,aggressor"
_NAMES: Final = HEADER.split(",")
_AGGRESSOR: Final[dict[str, Side | None]] = {"B": Side.BUY, "S": Side.SELL, "": None}
_FIRST_YEAR: Final = 10**18
"""UTC ns in September 2001: a smaller stamp is not in nanoseconds."""
_BAD_KEPT: Final = 20


class _Bad(ValueError):
    """A line is unusable because of the field with this index."""

    def __init__(self, field: int, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class Decoding:
    """What decoders share: counters, and what happens to bad lines.

    `on_bad="skip"` counts a bad line and goes on; `"stop"` makes it the last. The first 20 are kept in `bad`,
    each is handed to `report`.
    """

    def __init__(self, file: str, on_bad: OnBad, report: Callable[[BadLine], None] | None) -> None:
        self.file = file
        self.on_bad = on_bad
        self.report = report
        self.line = 0
        """Number of the last line that was looked at."""
        self.bad: list[BadLine] = []
        self.bad_lines = 0
        self.backward = 0
        """Bad lines whose stamp lay before the one of the line above."""
        self.stopped: BadLine | None = None

    def decode(self, lines: list[str]) -> list[Record]:
        """Records of these lines. Where `stopped` is set afterwards, no more lines may be handed in."""
        raise NotImplementedError

    def refuse(self, number: int, column: int, reason: str) -> bool:
        """Notes a bad line; True where decoding goes on."""
        bad = BadLine(file=self.file, line=number, column=column, reason=reason)
        self.bad_lines += 1
        if len(self.bad) < _BAD_KEPT:
            self.bad.append(bad)
        if self.report is not None:
            self.report(bad)
        if self.on_bad == "stop":
            self.stopped = bad
            return False
        return True


def check_header(line: str, expected: str, file: str) -> None:
    """Raises `FeedError` unless the first line is the layout's header."""
    if line.lstrip("\ufeffï»¿") != expected:
        shown = line if len(line) <= 120 else line[:120] + "…"
        raise FeedError(f"{file}:1:1: the header must be {expected!r}, it is {shown!r}")


class QuoteTradeDecoder(Decoding):
    """Decodes lines in their order; keeps the last stamp, the line number and each symbol's grid."""

    def __init__(
        self,
        file: str,
        lookup: Callable[[str], Instrument],
        on_bad: OnBad = "skip",
        report: Callable[[BadLine], None] | None = None,
    ) -> None:
        super().__init__(file, on_bad, report)
        self._lookup = lookup
        self.grids: dict[str, Grid] = {}
        self._last = _FIRST_YEAR

    def decode(self, lines: list[str]) -> list[Record]:
        """Records of these lines. Where `stopped` is set afterwards, no more lines may be handed in."""
        out: list[Record] = []
        append = out.append
        number = self.line
        last = self._last
        last_text = ""
        symbol = ""
        grid: Grid | None = None
        for line in lines:
            number += 1
            try:
                stamp, name, kind, bid_px, bid_sz, ask_px, ask_sz, px, sz, aggressor = line.split(",")
                if name != symbol or grid is None:
                    grid = self.grids.get(name) or self._grid(name)
                    prices, sizes = grid.prices.get, grid.sizes.get
                    symbol = name
                if stamp == last_text:
                    ts = last
                else:
                    if not stamp.isdigit():
                        raise _Bad(0, f"{stamp!r} is no whole number")
                    ts = int(stamp)
                    if ts < last:
                        self._complain_about_time(ts)
                if kind == "quote":
                    if px or sz or aggressor:
                        raise _Bad(7, "a quote has no px, sz or aggressor")
                    bid = ask = None
                    bid_lots = ask_lots = 0
                    if bid_px:
                        bid = prices(bid_px)
                        if bid is None:
                            bid = grid.price_of(bid_px)
                        lots = sizes(bid_sz)
                        bid_lots = grid.size_of(bid_sz) if lots is None else lots
                    elif bid_sz:
                        raise _Bad(4, "a size without its price")
                    if ask_px:
                        ask = prices(ask_px)
                        if ask is None:
                            ask = grid.price_of(ask_px)
                        lots = sizes(ask_sz)
                        ask_lots = grid.size_of(ask_sz) if lots is None else lots
                    elif ask_sz:
                        raise _Bad(6, "a size without its price")
                    append(Quote(grid.symbol, ts, bid, bid_lots, ask, ask_lots))
                elif kind == "trade":
                    if bid_px or bid_sz or ask_px or ask_sz:
                        raise _Bad(3, "a trade has no bid or ask fields")
                    price = prices(px)
                    if price is None:
                        price = grid.price_of(px)
                    lots = sizes(sz)
                    if lots is None:
                        lots = grid.size_of(sz)
                    append(Trade(grid.symbol, ts, price, lots, _AGGRESSOR[aggressor]))
                else:
                    raise _Bad(2, f"{kind!r} is neither quote nor trade")
                last = ts
                last_text = stamp
            except (ValueError, KeyError, FeedError) as error:
                if not self.refuse(number, *_diagnose(line, error)):
                    break
        self.line = number
        self._last = last
        return out

    def _grid(self, name: str) -> Grid:
        try:
            instrument = self._lookup(name)
        except LookupError:
            raise UnknownSymbol(f"{name!r} is not among the instruments") from None
        grid = self.grids[name] = Grid(instrument)
        return grid

    def _complain_about_time(self, ts: int) -> None:
        if ts < _FIRST_YEAR:
            raise _Bad(0, f"{ts} is no UTC stamp in nanoseconds")
        self.backward += 1
        raise _Bad(0, f"{ts} goes back in time; the file must be sorted by ts_ns")


def _diagnose(line: str, error: Exception) -> tuple[int, str]:
    """Column (from 1) and reason of a line that could not be used."""
    fields = line.split(",")
    if len(fields) != len(_NAMES):
        return len(line) + 1, f"{len(fields)} fields where {len(_NAMES)} are expected"
    if isinstance(error, _Bad):
        return column_of(fields, error.field), f"{_NAMES[error.field]}: {error}"
    if isinstance(error, FeedError):
        return column_of(fields, 1), f"symbol: {error}"
    if isinstance(error, KeyError):
        return column_of(fields, 9), f"aggressor: {fields[9]!r} is none of B, S or empty"
    if not (fields[0].isascii() and fields[0].isdigit()):
        return column_of(fields, 0), f"ts_ns: {fields[0]!r} is no whole number"
    for index in (7, 8) if fields[2] == "trade" else (3, 4, 5, 6):
        if repr(fields[index]) in str(error):
            return column_of(fields, index), f"{_NAMES[index]}: {error}"
    return 1, str(error)


def column_of(fields: list[str], index: int) -> int:
    """Column at which a field starts, counting from 1."""
    return sum(len(f) + 1 for f in fields[:index]) + 1
