"""The exchange's books on disk (SQLite): a venue does not forget when its clients die.

Everything that changed is saved in one transaction before a report of it leaves. `synchronous=OFF`: it
survives the death of the process (kill -9), not a power cut; the trader's own journal is what must.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from brokers.exchange.accounts import SavedAccount
from brokers.exchange.books import Books, Counters, Execution
from brokers.exchange.orders import VenueOrder

SCHEMA: Final = 1

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    uid INTEGER PRIMARY KEY, account TEXT NOT NULL, order_id TEXT, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS orders_by_client ON orders (account, order_id);
CREATE TABLE IF NOT EXISTS executions (n INTEGER PRIMARY KEY, body BLOB NOT NULL);
"""

_PUT_ORDER: Final = "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)"
_PUT_EXECUTION: Final = "INSERT OR REPLACE INTO executions VALUES (?, ?)"
_PUT_META: Final = "INSERT OR REPLACE INTO meta VALUES (?, ?)"


class LedgerError(RuntimeError):
    """The ledger cannot be used; the message says what to do."""


class Ledger:
    """Implements `books.Store`. `durable`: synchronous=NORMAL instead of OFF."""

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        self.path = path
        self.commits = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0.5)
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={'NORMAL' if durable else 'OFF'}")
            self._db.executescript(_TABLES)
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (str(SCHEMA).encode(),))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise LedgerError(
                f"the exchange's ledger {path} cannot be opened ({error}); "
                "is another exchange running on it, or is the disk read-only?"
            ) from error
        found = self._meta("schema")
        if found != str(SCHEMA).encode():
            self.close()
            raise LedgerError(
                f"the exchange's ledger {path} has schema {found!r}, this version knows {SCHEMA}; "
                "move the file away to start with empty books"
            )

    def close(self) -> None:
        self._db.close()

    def save(self, books: Books) -> None:
        """Saves what changed. Raises `LedgerError`: then no report of it may leave."""
        db, encode = self._db, msgspec.json.encode
        try:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(
                _PUT_ORDER,
                [(o.uid, o.account, o.order_id, encode(o)) for o in books.dirty_orders.values()],
            )
            db.executemany(_PUT_EXECUTION, [(e.n, encode(e)) for e in books.dirty_executions.values()])
            accounts = [account.save() for account in books.accounts.values()]
            db.executemany(
                _PUT_META,
                [
                    ("counters", encode(books.counters)),
                    ("accounts", encode(accounts)),
                    ("oco", encode(books.oco_filled)),
                ],
            )
            db.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):  # a full disk may have rolled it back already
                db.execute("ROLLBACK")
            raise LedgerError(f"the exchange's ledger {self.path} cannot be written ({error})") from error
        self.commits += 1

    def load(self, books: Books) -> bool:
        """Fills empty books with what was kept; False when there was nothing."""
        counters = self._meta("counters")
        if counters is None:
            return False
        decode = msgspec.json.decode
        books.load(
            decode(counters, type=Counters),
            decode(self._meta("accounts") or b"[]", type=list[SavedAccount]),
            [decode(b, type=VenueOrder) for (b,) in self._db.execute("SELECT body FROM orders ORDER BY uid")],
            [
                decode(b, type=Execution)
                for (b,) in self._db.execute("SELECT body FROM executions ORDER BY n")
            ],
            decode(self._meta("oco") or b"{}", type=dict[str, int]),
        )
        return True

    def find_order(self, account: str, order_id: str) -> VenueOrder | None:
        """The newest order with this client id."""
        row = self._db.execute(
            "SELECT body FROM orders WHERE account = ? AND order_id = ? ORDER BY uid DESC LIMIT 1",
            (account, order_id),
        ).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=VenueOrder)

    def all_orders(self) -> list[VenueOrder]:
        """Every order that was ever saved, oldest first."""
        rows = self._db.execute("SELECT body FROM orders ORDER BY uid")
        return [msgspec.json.decode(body, type=VenueOrder) for (body,) in rows]

    def _meta(self, name: str) -> bytes | None:
        row = self._db.execute("SELECT body FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])
