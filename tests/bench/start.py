"""Section `start`: a headless process until it may trade, from nothing and from a long journal; memory.

The floor is the start of the same interpreter with the libraries that the engine stands on, in turns with it;
for a long journal it is reading all its rows by SQLite alone. A long journal is started from twice: with all
rows folded, as after an update of the code or where the saved state of the books is in doubt, and from that
state, which the first start has left (`engine.restoring`); every row's checksum is verified in both.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

from app.paths import journal_path
from app.settings import Settings
from engine.facts import Acknowledged, Canceled
from engine.journal.connection import open_connection
from engine.journal.entry import Entry, form
from engine.model import Order, OrderType, Side
from engine.records import KINDS, AnyRecord, FactTaken, OrderStored, Sent
from engine.restoring import ROWS
from tests.bench.figures import Figures, table, workplace

ROWS_OF_AN_ORDER = 4
CHUNK = 20_000
LIBRARIES = "import asyncio, sqlite3, aiosqlite, msgspec, pydantic, pydantic_settings, structlog"


def run(quick: bool) -> Figures:
    starts, rows = (1, 4_000) if quick else (3, 1_000_000)
    found: Figures = {"empty": [], "floor_cpu_s": []}
    with workplace() as folder:
        for number in range(starts):
            found["empty"].append(_start(folder / f"state{number}", 0.5 if quick else 3.0))
            found["floor_cpu_s"].append(_libraries())
        state = folder / "state0"
        before = _fill(state, rows)
        found["read_s"] = [_read(state) for _ in range(starts)]
        found["folded"] = [_start(state, 0.0)]  # its CPU seconds vary little, and it takes long
        found["long"] = [_start(state, 0.0) for _ in range(starts)]
        for one in (*found["folded"], *found["long"]):
            if one["rows"] < before:
                raise RuntimeError(f"{one['rows']} rows were taken over of {before}")
        if rows > ROWS and (found["folded"][0]["saved"] or not found["long"][0]["saved"]):
            raise RuntimeError("the first start was to fold all rows, the second one not")
    _print(found)
    return found


def _start(state: Path, idle: float) -> Figures:
    state.mkdir(mode=0o700, exist_ok=True)
    command = [sys.executable, "-m", "tests.bench.start_child", str(state), str(idle)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if child.returncode != 0 or not child.stdout.startswith("{"):
        raise RuntimeError(f"the run did not come to trading: {child.stdout}{child.stderr[-2_000:]}")
    return dict(json.loads(child.stdout.splitlines()[0]))


def _libraries() -> float:
    """CPU seconds of an interpreter that only imports what the engine stands on."""
    code = f"{LIBRARIES}, time; print(time.process_time())"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


def _order(number: int, account: str) -> list[tuple[AnyRecord, str]]:
    """The records of one order that was sent, acknowledged and canceled."""
    order = Order(
        id=f"manual-bench-{number}",
        strategy="manual",
        account=account,
        symbol="ES",
        side=Side.BUY if number % 2 else Side.SELL,
        qty=1,
        type=OrderType.LIMIT,
        limit=20_000 + number % 50,
        created=number,
        correlation=f"c-bench-{number}",
    )
    broker = f"B{number}"
    return [
        (OrderStored(order=order), order.id),
        (Sent(order_id=order.id, what="submit"), order.id),
        (FactTaken(fact=Acknowledged(ts=0, order_id=order.id, broker_id=broker), source="stream"), order.id),
        (FactTaken(fact=Canceled(ts=0, order_id=order.id, cum=0), source="stream"), order.id),
    ]


def _fill(state: Path, rows: int) -> int:
    """Appends orders to a journal until it has so many rows; returns how many it has."""
    path = journal_path(state)
    account = Settings().account
    connection = open_connection(path, durability="process", min_free_mb=0, now=0)
    seq, crc = connection.last_row()
    ts = int(connection.execute("SELECT max(ts) FROM log").fetchone()[0])
    number = 0
    while seq < rows:
        entries = []
        for _ in range(CHUNK // ROWS_OF_AN_ORDER):
            number += 1
            for record, order_id in _order(number, account):
                ts += 1
                body = record.order if isinstance(record, OrderStored) else record
                kind = KINDS[type(record)]
                correlation = f"c-bench-{number}"
                entries.append(Entry(kind, body, ts, correlation, order_id, None, emergency=False, told=None))
        batch = form(entries, seq, crc)
        connection.write(batch)
        seq, crc = batch.rows[-1].seq, batch.rows[-1].crc
    connection.finish()
    return seq


def _read(state: Path) -> float:
    """CPU seconds for reading every row by SQLite, which no start can do without."""
    with sqlite3.connect(journal_path(state)) as connection:
        began = time.process_time()
        for _ in connection.execute("SELECT seq, ts, kind, correlation, order_id, body, crc FROM log"):
            pass
        taken = time.process_time() - began
    connection.close()
    return taken


def _print(found: Figures) -> None:
    middle = statistics.median
    rows = []
    for key, label, floor in (
        ("empty", "empty state", middle(found["floor_cpu_s"])),
        ("long", f"{found['long'][0]['rows']:,} rows", middle(found["read_s"])),
        ("folded", "all of them folded", middle(found["read_s"])),
    ):
        cpu = middle(one["cpu_s"] for one in found[key])
        wall = middle(one["wall_s"] for one in found[key])
        rows.append((label, cpu, wall, floor, round(cpu / floor, 2), found[key][-1]["idle_rss_mib"]))
    header = ("start until trading", "CPU s", "wall s", "floor CPU s", "ratio", "memory MiB")
    table("Start, headless (floor: imports of the libraries; reading the rows)", header, rows)
