"""A record between `append` and COMMIT: its bytes, and who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from engine.journal.connection import Batch, KeyLine
from engine.journal.errors import StoreFailed
from engine.journal.rows import Row, checksum, key_checksum
from engine.model import ExecutionKey
from engine.sending import Approved, Recorded, take_seal

_seal: Final = take_seal("record", "engine.journal")
_encoder: Final = msgspec.json.Encoder()

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
        "future",
        "key",
        "kind",
        "order_id",
        "stays",
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
        *,
        emergency: bool,
        future: asyncio.Future[Any] | None,
        approved: Approved[Any] | None = None,
        stays: bool = False,
    ) -> None:
        if not isinstance(ts, int) or not -(1 << 63) <= ts < 1 << 63:
            raise ValueError(f"ts must be whole nanoseconds that fit 64 bits, not {ts!r}")
        raw = (
            body.encode()
            if isinstance(body, str)
            else body
            if isinstance(body, bytes)
            else _encoder.encode(body)
        )
        if key is not None:
            key_checksum(key.venue, key.account, key.trading_day, key.exec_id, 0)
        self.kind = kind
        self.body = body if isinstance(body, str) else raw.decode()
        self.ts = int(ts)
        self.correlation = correlation
        self.order_id = order_id
        self.key = key
        self.emergency = emergency
        self.stays = stays
        self.future = future
        self._approved = approved
        self._bytes = (kind.encode(), correlation.encode(), order_id.encode(), raw)

    @property
    def may_go_ahead(self) -> bool:
        """True for a flattening order that still waits: it goes even when the store cannot take it."""
        return self._approved is not None and self.emergency and self.future is not None

    def turn_away(self, reason: str) -> None:
        """It is refused, so that what it asks for cannot leave. Where it `stays` its row is owed from now on,
        as an emergency record's: the books have it, and understand reports by it until it is taken back."""
        self.fail(reason)
        self.emergency |= self.stays

    def row(self, previous: int, seq: int) -> Row:
        """The row that this record becomes as number `seq`, after a row with checksum `previous`."""
        crc = checksum(previous, seq, self.ts, *self._bytes)
        return Row(seq, self.ts, self.kind, self.correlation, self.order_id, self.body, crc)

    def settle(self, seq: int) -> None:
        """It is committed as `seq`."""
        future, self.future = self.future, None
        if future is not None and not future.done():
            future.set_result(seq if self._approved is None else Recorded(self._approved, seq, _seal))

    def go_ahead(self) -> None:
        """Lets a flattening order go before its row; `Recorded.seq` is 0. The row is still owed."""
        self.settle(0)

    def fail(self, reason: str) -> None:
        """It is not stored. Nobody has to look at the future for that."""
        future, self.future = self.future, None
        if future is not None and not future.done():
            future.set_exception(StoreFailed(reason))
            future.exception()  # marks it as looked at; who awaits it still gets the error


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
