"""Lines of an order-by-order file → messages, and the prints and quotes that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from engine.feeds.decode import Decoding, OnBad, Record, column_of
from engine.feeds.errors import BadLine
from engine.feeds.grid import Grid
from engine.feeds.mbo import MBO_HEADER, Action, MboBook, MboMessage
from engine.model import Instrument, Side, Trade

_NAMES: Final = MBO_HEADER.split(",")
_SIDES: Final[dict[str, Side | None]] = {"B": Side.BUY, "A": Side.SELL, "N": None}
_FLAGS: Final = {"0": False, "1": True}


class _Bad(ValueError):
    def __init__(self, field: int, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class MboDecoder(Decoding):
    """Each line gives its message; T a trade as well; `last` a quote where the top of book changed.

    With `resume_after` the book is built up to that stamp without giving anything, then handed over as one
    snapshot (R, then A for every order).
    """

    def __init__(
        self,
        file: str,
        instrument: Instrument,
        on_bad: OnBad = "skip",
        report: Callable[[BadLine], None] | None = None,
        resume_after: int | None = None,
    ) -> None:
        super().__init__(file, on_bad, report)
        self.grid: Final = Grid(instrument)
        self.book: Final = MboBook()
        self._resume_after = resume_after
        self._last = 0
        self._top: tuple[int | None, int, int | None, int] = (None, 0, None, 0)

    def decode(self, lines: list[str]) -> list[Record]:
        """Records of these lines. Where `stopped` is set afterwards, no more lines may be handed in."""
        out: list[Record] = []
        number = self.line
        for line in lines:
            number += 1
            try:
                message = self._message(line)
            except ValueError as error:
                field = error.field if isinstance(error, _Bad) else 0
                fields = line.split(",")
                if len(fields) != len(_NAMES):
                    column, reason = len(line) + 1, f"{len(fields)} fields where {len(_NAMES)} are expected"
                else:
                    column, reason = column_of(fields, field), f"{_NAMES[field]}: {error}"
                if not self.refuse(number, column, reason):
                    break
                continue
            self._take(message, out)
        self.line = number
        return out

    def _take(self, message: MboMessage, out: list[Record]) -> None:
        silent = False
        if self._resume_after is not None:
            if message.ts <= self._resume_after:
                silent = True
            else:
                out.extend(self.book.as_snapshot(self.grid.symbol, self._resume_after))
                self._resume_after = None
        self.book.apply(message)
        if silent:
            return
        out.append(message)
        if message.action == "T":
            out.append(Trade(message.symbol, message.ts, message.price, message.size, message.side))
        if message.last:
            quote = self.book.quote(message.symbol, message.ts)
            top = (quote.bid, quote.bid_size, quote.ask, quote.ask_size)
            if top != self._top:
                self._top = top
                out.append(quote)

    def _message(self, line: str) -> MboMessage:
        stamp, _, seq, action, side, order_id, px, sz, last, snapshot = line.split(",")
        ts = _whole(0, stamp)
        if ts < self._last:
            self.backward += 1
            raise _Bad(0, f"{ts} goes back in time; the file must be sorted by ts_ns")
        if action not in ("A", "C", "M", "T", "F", "R"):
            raise _Bad(3, f"{action!r} is none of R, A, C, M, T, F")
        if side not in _SIDES:
            raise _Bad(4, f"{side!r} is none of B, A, N")
        resting = _SIDES[side]
        if resting is None and action in ("A", "M"):
            raise _Bad(4, "an order has side B or A")
        price = 0 if action == "R" else self.grid.prices.get(px)
        if price is None:
            try:
                price = self.grid.price_of(px)
            except ValueError as error:
                raise _Bad(6, str(error)) from None
        size = self.grid.sizes.get(sz)
        if size is None:
            try:
                size = self.grid.size_of(sz)
            except ValueError as error:
                raise _Bad(7, str(error)) from None
        if size == 0 and action in ("A", "M"):
            raise _Bad(7, "an order has a size above 0")
        if last not in _FLAGS:
            raise _Bad(8, f"{last!r} is neither 0 nor 1")
        if snapshot not in _FLAGS:
            raise _Bad(9, f"{snapshot!r} is neither 0 nor 1")
        message = MboMessage(
            self.grid.symbol,
            ts,
            cast("Action", action),
            resting,
            _whole(5, order_id),
            price,
            size,
            _FLAGS[last],
            _FLAGS[snapshot],
            _whole(2, seq),
        )
        self._last = ts
        return message


def _whole(field: int, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise _Bad(field, f"{text!r} is no whole number")
    return int(text)
