"""The gateway's own file (SQLite): names of orders and revisions of executions, which the exchange lacks."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from brokers.loopback.tws.executions import Execution
from brokers.loopback.tws.order import TwsOrder

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS orders (perm INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS executions (stem TEXT PRIMARY KEY, body BLOB NOT NULL);
"""


class Store:
    """Every change is written at once. As the exchange's ledger it survives kill -9, not a power cut."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_TABLES)

    def save_order(self, order: TwsOrder) -> None:
        body = msgspec.json.encode(order)
        self._db.execute("INSERT OR REPLACE INTO orders VALUES (?, ?)", (order.perm_id, body))

    def save_execution(self, execution: Execution) -> None:
        body = msgspec.json.encode(execution)
        self._db.execute("INSERT OR REPLACE INTO executions VALUES (?, ?)", (execution.stem, body))

    def orders(self) -> list[TwsOrder]:
        """Oldest first."""
        rows = self._db.execute("SELECT body FROM orders ORDER BY perm")
        return [msgspec.json.decode(body, type=TwsOrder) for (body,) in rows]

    def executions(self) -> list[Execution]:
        rows = self._db.execute("SELECT body FROM executions ORDER BY rowid")
        return [msgspec.json.decode(body, type=Execution) for (body,) in rows]

    def forget_executions(self) -> None:
        self._db.execute("DELETE FROM executions")

    def forget_order(self, order: TwsOrder) -> None:
        self._db.execute("DELETE FROM orders WHERE perm = ?", (order.perm_id,))

    def close(self) -> None:
        self._db.close()
