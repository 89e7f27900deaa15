"""A record between `append` and COMMIT: its bytes, and who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from engine.journal.connection import Batch, KeyLine
from engine.journal.errors import StoreFailed
from engine.journal.rows import Row, checksum, key_checksum
from engine.model import ExecutionKey
from engine.sending import Approved, Recorded, take_seal

_seal: Final = take_seal("record", "engine.journal")
_encoder: Final = msgspec.json.Encoder()
_row: Final = tuple.__new__
"""Makes a `Row`, as its own constructor does in twice the time."""

Body = msgspec.Struct | bytes | str
"""What a record carries: a value that is encoded as JSON, or text (as bytes: UTF-8) that is kept as it is."""


class Entry:
    """A record that waits for its commit.

    Everything that could be wrong with it (text that is no UTF-8, a time beyond 64 bits) is found here, at
    the caller, because inside a batch it would fail the batch.
    """

    __slots__ = (
        "_approved",
        "_bytes",
        "body",
        "correlation",
        "emergency",
        "key",
        "kind",
        "order_id",
        "stays",
        "told",
        "ts",
    )

    def __init__(
        self,
        kind: str,
        body: Body,
        ts: int,
        correlation: str,
        order_id: str,
        key: ExecutionKey | None,
        emergency: bool,
        told: Callable[[Any], None] | None,
        *,
        approved: Approved[Any] | None = None,
        stays: bool = False,
    ) -> None:
        """`told` hears once how it ended: the row's number, with `approved` the proof, or `StoreFailed`."""
        if not isinstance(ts, int) or not -(1 << 63) <= ts < 1 << 63:
            raise ValueError(f"ts must be whole nanoseconds that fit 64 bits, not {ts!r}")
        if isinstance(body, str):
            raw, self.body = body.encode(), body
        else:
            raw = body if isinstance(body, bytes) else _encoder.encode(body)
            self.body = raw.decode()
        if key is not None:
            key_checksum(key.venue, key.account, key.trading_day, key.exec_id, 0)
        self.kind = kind
        self.ts = int(ts)
        self.correlation = correlation
        self.order_id = order_id
        self.key = key
        self.emergency = emergency
        self.stays = stays
        self.told = told
        self._approved = approved
        self._bytes = (kind.encode(), correlation.encode(), order_id.encode(), raw)

    @property
    def may_go_ahead(self) -> bool:
        """True for a flattening order that still waits: it goes even when the store cannot take it."""
        return self._approved is not None and self.emergency and self.told is not None

    def turn_away(self, reason: str) -> None:
        """It is refused, so that what it asks for cannot leave. Where it `stays` its row is owed from now on,
        as an emergency record's: the books have it, and understand reports by it until it is taken back."""
        self.fail(reason)
        self.emergency |= self.stays

    def row(self, previous: int, seq: int) -> Row:
        """The row that this record becomes as number `seq`, after a row with checksum `previous`."""
        ts, (kind, correlation, order_id, body) = self.ts, self._bytes
        crc = checksum(previous, seq, ts, kind, correlation, order_id, body)
        return _row(Row, (seq, ts, self.kind, self.correlation, self.order_id, self.body, crc))

    def settle(self, seq: int) -> None:
        """It is committed as `seq`. Whoever waits hears of it here and now: a further turn of the loop would
        be the longest part of an order's way between the disk and the adapter."""
        told, self.told = self.told, None
        if told is not None:
            try:
                told(self._proof(seq))
            except Exception as error:  # noqa: BLE001 - reported; the rest of the batch is stored as well and must hear of it
                context = {
                    "message": f"what follows the record of {self.order_id} failed",
                    "exception": error,
                }
                asyncio.get_running_loop().call_exception_handler(context)

    def go_ahead(self) -> None:
        """Lets a flattening order go before its row; `Recorded.seq` is 0. The row is still owed."""
        self._tell_soon(self._proof(0))

    def fail(self, reason: str) -> None:
        """It is not stored."""
        self._tell_soon(StoreFailed(reason))

    def _tell_soon(self, end: Any) -> None:
        """In the next turn of the loop: this one may be in the middle of handing the record over."""
        told, self.told = self.told, None
        if told is not None:
            asyncio.get_running_loop().call_soon(told, end)

    def _proof(self, seq: int) -> Any:
        return seq if self._approved is None else Recorded(self._approved, seq, _seal)


def form(entries: Sequence[Entry], seq: int, crc: int) -> Batch:
    """Numbers and chains records after the last committed row (`seq`, `crc`)."""
    rows: list[Row] = []
    keys: list[KeyLine] = []
    for entry in entries:
        seq += 1
        row = entry.row(crc, seq)
        crc = row.crc
        rows.append(row)
        key = entry.key
        if key is not None:
            line = (key.venue, key.account, key.trading_day, key.exec_id)
            keys.append((*line, seq, key_checksum(*line, seq)))
    return Batch(rows, keys)
