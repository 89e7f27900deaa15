"""A row of the journal and the checksum that chains it to the one before.

The checksum of a row covers all its columns and starts from the checksum of its predecessor, so a row that
was changed, lost, inserted or moved shows at that place. It is CRC-32: it finds accidents (flipped bits, lost
pages), it is no signature against a forger.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple


class Row(NamedTuple):
    """One record. `ts` is engine time in UTC ns; `body` is JSON unless its kind says otherwise."""

    seq: int
    ts: int
    kind: str
    correlation: str
    order_id: str
    body: str
    crc: int


def checksum(
    previous: int, seq: int, ts: int, kind: bytes, correlation: bytes, order_id: bytes, body: bytes
) -> int:
    """CRC-32 over the columns as UTF-8, continued from the row before (0 for the first row).

    The lengths stand in front, so text that moves from one column to its neighbour changes it too.
    """
    head = b"%d,%d,%d,%d,%d,%b%b%b" % (
        seq,
        ts,
        len(kind),
        len(correlation),
        len(order_id),
        kind,
        correlation,
        order_id,
    )
    return zlib.crc32(body, zlib.crc32(head, previous))


def row_checksum(previous: int, row: Row) -> int:
    """`checksum` of a whole row."""
    return checksum(
        previous,
        row.seq,
        row.ts,
        row.kind.encode(),
        row.correlation.encode(),
        row.order_id.encode(),
        row.body.encode(),
    )


def key_checksum(venue: str, account: str, trading_day: str, exec_id: str, seq: int) -> int:
    """CRC-32 of one line of the execution table."""
    return zlib.crc32("\x1f".join((venue, account, trading_day, exec_id, str(seq))).encode())
