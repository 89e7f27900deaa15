"""The journal's tables, its SQL and its forward migrations."""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x42574A31
"""`BWJ1` in the file's header: this file is a Breakwater journal."""

Migration = tuple[str, ...]
"""Statements that take a file from one schema version to the next, run in one transaction."""

MIGRATIONS: Final[tuple[Migration, ...]] = (
    (
        """CREATE TABLE log (
            seq INTEGER PRIMARY KEY,
            ts INTEGER NOT NULL,
            kind TEXT NOT NULL,
            correlation TEXT NOT NULL,
            order_id TEXT NOT NULL,
            body TEXT NOT NULL,
            crc INTEGER NOT NULL
        ) STRICT""",
        """CREATE TABLE execution (
            venue TEXT NOT NULL,
            account TEXT NOT NULL,
            trading_day TEXT NOT NULL,
            exec_id TEXT NOT NULL,
            seq INTEGER NOT NULL REFERENCES log (seq),
            crc INTEGER NOT NULL,
            PRIMARY KEY (venue, account, trading_day, exec_id)
        ) STRICT, WITHOUT ROWID""",
        "CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    ),
)
"""Step n makes version n out of version n − 1; version 0 is an empty file. Never change a step, only add.

A step that changes a column of `log` must also compute the chain of checksums anew.
"""


def insert_log(rows: int) -> str:
    """One statement for so many rows; its values are theirs, one row after the other."""
    return (
        "INSERT INTO log (seq, ts, kind, correlation, order_id, body, crc) VALUES (?, ?, ?, ?, ?, ?, ?)"
        + ", (?, ?, ?, ?, ?, ?, ?)" * (rows - 1)
    )


INSERT_LOG: Final = insert_log(1)
INSERT_EXECUTION: Final = (
    "INSERT OR IGNORE INTO execution (venue, account, trading_day, exec_id, seq, crc) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
PUT_META: Final = (
    "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
SELECT_ROWS: Final = (
    "SELECT seq, ts, kind, correlation, order_id, body, crc FROM log WHERE seq > ? ORDER BY seq LIMIT ?"
)
SELECT_ABOUT: Final = (
    "SELECT seq, ts, kind, correlation, order_id, body, crc FROM log "
    "WHERE seq > ? AND seq <= ? AND (order_id = ? OR correlation = ? OR kind = ?) ORDER BY seq"
)
SELECT_CHAIN: Final = "SELECT seq, ts, kind, correlation, order_id, body, crc FROM log ORDER BY seq"
SELECT_TAIL: Final = "SELECT seq, crc FROM log ORDER BY seq DESC LIMIT 1"
SELECT_CRC: Final = "SELECT crc FROM log WHERE seq = ?"
SELECT_KEYS: Final = (
    "SELECT venue, account, trading_day, exec_id, seq, crc FROM execution "
    "WHERE seq > ? AND seq <= ? ORDER BY seq"
)
SELECT_META: Final = "SELECT key, value FROM meta ORDER BY key"


def settings(durability: str) -> tuple[str, ...]:
    """Connection settings; `locking_mode` was set before, because it must come ahead of WAL mode."""
    return (
        "PRAGMA journal_mode=WAL",
        f"PRAGMA synchronous={'FULL' if durability == 'power' else 'NORMAL'}",
        "PRAGMA foreign_keys=ON",
        "PRAGMA wal_autocheckpoint=1000",
        "PRAGMA temp_store=MEMORY",
        "PRAGMA cache_size=-16000",
        "PRAGMA mmap_size=0",
        "PRAGMA trusted_schema=OFF",
        "PRAGMA cell_size_check=ON",
    )
