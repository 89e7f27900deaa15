"""Starts exchange and engine as processes, kills them by their own pid, and reads what each side wrote."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.drill.processes import PATIENCE, ROOT, EngineProcess, alive, short_folder, wait_for
from app.drill.processes import ExchangeProcess as Venue
from brokers.loopback.walk import INSTRUMENTS
from engine.books import Books
from engine.config import EngineConfig, OrderConfig
from engine.journal import schema
from engine.journal.rows import Row, row_checksum
from engine.records import decode

__all__ = ["PATIENCE", "ROOT", "Engine", "Story", "Venue", "alive", "short_folder", "wait_for"]

HERE = Path(__file__).parent

CONFIG = """
[risk]
daily_loss_pct = {loss_pct}
max_drawdown_pct = 100
order_rate = 300
order_burst = 300
cancel_rate = 1000
duplicate_window = 0
max_position = 200
max_order_qty = 100
max_gross = 1000000000
max_net = 1000000000
max_executions = 1000000
reject_storm = 10000
error_storm = 10000
{risk}

[journal]
{journal}

[orders]
answer_after = 0.5

[reconcile]
every = 0.5
settle = 0.3

[kill]
confirm_every = 0.1

[[strategies]]
module = "strategies:Churn"
name = "churn"
symbols = {symbols}
max_position = 200
max_working = 400
hang_timeout = {hang}

[strategies.params]
rate = {rate}
cap = {cap}
mark = "{mark}"
intent = {intent}
stuck = {stuck}
cancel = {cancel}
"""


@contextlib.contextmanager
def venue(folder: Path, seed: int, feed: str = "walk:ES,NQ@25") -> Iterator[Venue]:
    process = Venue(folder, seed, feed)
    try:
        yield process
    finally:
        process.close()


class Engine(EngineProcess):
    """One engine process after another on one state directory, with the churning strategy."""

    def __init__(self, folder: Path, market: Venue, name: str = "state", **more: Any) -> None:
        super().__init__(folder / name, folder / "breakwater.toml", f"exchange:{market.address.path}", **more)
        self.folder = folder
        self.market = market
        self.mark = folder / f"{name}.trading"

    # -- life

    def start(
        self,
        *options: str,
        rate: float = 50.0,
        cap: int = 6,
        symbols: tuple[str, ...] = ("ES", "NQ"),
        risk: str = "",
        journal: str = "",
        loss_pct: float = 100,
        intent: bool = False,
        stuck: bool = False,
        cancel: bool = False,
        hang: float = 30.0,
    ) -> None:
        """Starts it with the churning strategy. `rate` 0: the strategy is there and does nothing; `stuck`: it
        never ends its last callback; `cancel`: it withdraws whatever it finds open; `hang`: seconds after
        which it counts as hung."""
        self.mark.unlink(missing_ok=True)
        text = CONFIG.format(
            symbols=json.dumps(symbols),
            rate=float(rate),
            cap=cap,
            mark=self.mark,
            risk=risk,
            journal=journal,
            loss_pct=loss_pct,
            intent=str(intent).lower(),
            stuck=str(stuck).lower(),
            cancel=str(cancel).lower(),
            hang=hang,
        )
        (self.folder / "breakwater.toml").write_text(text)
        # The strategy's module is looked for beside the configuration.
        shutil.copy(HERE / "strategies.py", self.folder / "strategies.py")
        self.begin(*options)

    # -- looking

    def until_trading(self) -> None:
        """Waits until the strategy of this start has placed something."""

        def look() -> bool:
            code = self.process.poll()
            assert code is None, f"ended with {code}: {self.process.communicate()}"
            return self.mark.exists()

        wait_for(look, "the strategy trades", every=0.005)


@contextlib.contextmanager
def engine(folder: Path, market: Venue, name: str = "state") -> Iterator[Engine]:
    runner = Engine(folder, market, name)
    try:
        yield runner
        unhandled = runner.errors_in_log()
        assert not unhandled, unhandled[0]
    finally:
        runner.give_up()


class Story:
    """What a journal says, read row by row from a copy, so that the next start finds what the kill left.

    Checks with every reading that the rows are a chain that only grows, and folds them into books.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / "journal.db"
        self.rows: list[Row] = []
        self.records: list[Any] = []
        self.keys: list[tuple[str, str, str, str]] = []
        """The table of executions, in the order of their rows."""
        self.books = new_books()

    def read(self) -> list[Row]:
        """The rows that are new since the last reading."""
        with tempfile.TemporaryDirectory(prefix="bw-copy-") as copy:
            for file in (self._path, self._path.with_name("journal.db-wal")):
                if file.exists():
                    shutil.copy(file, copy)
            connection = sqlite3.connect(Path(copy) / "journal.db")
            try:
                last = self.rows[-1].seq if self.rows else 0
                fresh = [Row._make(r) for r in connection.execute(schema.SELECT_CHAIN) if r[0] > last]
                kept = connection.execute(schema.SELECT_TAIL).fetchone()
                self.keys = [tuple(r[:4]) for r in connection.execute(schema.SELECT_KEYS, (0, 2**62))]
            finally:
                connection.close()
        assert kept is None or kept[0] >= last, "rows that had been committed are gone"
        for row in fresh:
            before = self.rows[-1] if self.rows else None
            assert row.seq == (before.seq + 1 if before else 1), "a row is missing"
            assert row.crc == row_checksum(before.crc if before else 0, row)
            self.rows.append(row)
            record = decode(row.kind, row.body)
            self.records.append(record)
            self.books.apply(record, row.ts)
        return fresh

    def fold(self) -> Books:
        """All rows folded anew."""
        books = new_books()
        for row, record in zip(self.rows, self.records, strict=True):
            books.apply(record, row.ts)
        return books


def new_books() -> Books:
    return Books(EngineConfig(orders=OrderConfig(answer_after=0.5)), INSTRUMENTS)
