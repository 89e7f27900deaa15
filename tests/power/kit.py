"""Lives of a journal between power cuts: what it writes, what it acknowledged, and what is left of it."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.clock import RealClock
from engine.config import JournalConfig
from engine.journal import Journal, Row, StoreFailed, StoreState, connection
from engine.journal.files import Tail
from engine.model import ExecutionKey
from tests.effort import effort
from tests.power.disk import Disk, Op, Recording
from tests.power.vfs import Unavailable, tapped

NAME = "journal.db"
LIVES = int(os.environ.get("BREAKWATER_CUTS", effort(60, 1000)))
"""Lives that are led; each is cut some ten times."""


class Work:
    """What one journal was given over all its lives."""

    def __init__(self, bodies: list[str] | None = None) -> None:
        """`bodies`: what it holds already, from the first row on."""
        self.acknowledged = bodies or []
        """Of row n at n - 1."""
        self._attempts: dict[int, list[list[str]]] = {0: [self.acknowledged[:]]} if bodies else {}
        """Batches by the number of rows before them, whether or not they were acknowledged."""

    def attempt(self, before: int, bodies: list[str]) -> None:
        del self.acknowledged[before:]
        self._attempts.setdefault(before, []).append(bodies)

    def succeeded(self, bodies: list[str]) -> None:
        self.acknowledged += bodies

    def came_through(self, before: int, rows: int) -> None:
        """The newest batch after row `before` was reported as failed and is there all the same."""
        self.acknowledged += self._attempts[before][-1]
        assert len(self.acknowledged) == rows

    def explain(self, found: list[str], acknowledged: int) -> None:
        """Raises `Lost` where acknowledged rows are missing; fails for what nobody wrote, or half a batch."""
        place = 0
        while place < len(found):
            fitting = [b for b in self._attempts.get(place, ()) if b and found[place : place + len(b)] == b]
            assert fitting, f"row {place + 1} begins with no batch that was written: {found[place][:40]!r}"
            place += len(fitting[-1])
        if acknowledged > len(found):
            raise Lost(acknowledged - len(found))
        assert found[:acknowledged] == self.acknowledged[:acknowledged], "other rows than were acknowledged"


@dataclass(frozen=True)
class Shape:
    """How a life goes."""

    batches: tuple[int, int] = (3, 25)
    batch: int = 12
    body: int = 800
    close: bool = True
    checkpoint: int | None = None
    """Pages after which the WAL is taken over; None: as shipped."""
    inline: bool = True
    """On the calling thread; else on a thread of its own, as an engine in real time has it."""


@contextmanager
def recorded(folder: Path, recording: Recording) -> Iterator[None]:
    """All that goes to the journal's files passes the recording, the tail marker included."""
    patch = pytest.MonkeyPatch()
    write, close = Tail.write, Tail.close
    name = f"{NAME}.tail"

    def noted(tail: Tail, seq: int, crc: int) -> None:
        write(tail, seq, crc)
        recording.ops.append(Op("write", name, 0, (folder / name).read_bytes()))

    def closed(tail: Tail, *, sync: bool) -> None:
        close(tail, sync=False)  # the medium is the model's
        if sync:
            recording.ops.append(Op("sync", name))

    def written_anew(path: Path) -> None:
        if path.exists():
            recording.ops.append(Op("write", path.name, 0, path.read_bytes()))
            recording.ops.append(Op("sync", path.name))

    patch.setattr(connection, "write_anew", written_anew)
    patch.setattr(Tail, "write", noted)
    patch.setattr(Tail, "close", closed)
    try:
        with tapped(recording):
            yield
    except Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        patch.undo()


def files(folder: Path) -> dict[str, bytes]:
    """The files that a cut concerns."""
    return {f.name: f.read_bytes() for f in folder.iterdir() if not f.name.endswith(".lock")}


def lay_out(folder: Path, content: dict[str, bytes]) -> Path:
    """A directory as the next start finds it."""
    folder.mkdir()
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return folder


def config(durability: str) -> JournalConfig:
    return JournalConfig(min_free_mb=0, ballast_mb=0, durability=durability)  # type: ignore[arg-type]


async def opened(folder: Path, durability: str = "power", *, inline: bool = True) -> Journal:
    clock = RealClock(asyncio.get_running_loop())
    return await Journal.open(folder / NAME, config(durability), inline=inline, clock=clock)


async def read(journal: Journal) -> list[Row]:
    return [row async for row in journal.rows()]


def live(
    folder: Path,
    rng: random.Random,
    work: Work,
    shape: Shape,
    recording: Recording,
    durability: str = "power",
) -> None:
    """One life: opens, appends batch after batch, noting what is acknowledged, and perhaps closes."""

    async def script() -> None:
        journal = await opened(folder, durability, inline=shape.inline)
        assert journal.seq == len(work.acknowledged)
        pages = shape.checkpoint
        if pages is not None:
            await journal._store.run(lambda c: c.execute(f"PRAGMA wal_autocheckpoint={pages}").fetchall())
        for _ in range(rng.randint(*shape.batches)):
            await batch(journal, rng, work, shape, recording)
        if shape.close:
            await journal.close()
        else:
            await journal._store.close(lambda c: c.shut())
            journal._lock.release()

    with recorded(folder, recording):
        asyncio.run(script())


async def batch(journal: Journal, rng: random.Random, work: Work, shape: Shape, recording: Recording) -> bool:
    """Appends some rows at once and notes their acknowledgement; False where they failed."""
    futures, bodies = [], []
    first = journal.seq
    for n in range(first + 1, first + 1 + rng.randint(1, shape.batch)):
        body = f"row {n} " + "x" * rng.randrange(shape.body if rng.random() < 0.95 else 12 * shape.body)
        bodies.append(body)
        key = ExecutionKey("SIM", "PAPER", "2026-11-20", f"x{n}") if n % 3 == 0 else None
        futures.append(journal.append("note", body, ts=n, order_id=f"o-{n}", key=key))
    work.attempt(first, bodies)
    results = await asyncio.gather(*futures, return_exceptions=True)
    if any(isinstance(r, StoreFailed) for r in results):
        assert all(isinstance(r, StoreFailed) for r in results), "half a batch was acknowledged"
        assert journal.state is StoreState.FAILED
        return False
    assert results == list(range(first + 1, first + 1 + len(bodies)))
    work.succeeded(bodies)
    recording.ack(len(work.acknowledged))
    return True


def cut(start: dict[str, bytes], ops: list[Op], at: int, rng: random.Random) -> tuple[dict[str, bytes], int]:
    """The power goes before operation `at`: what is left, and the last row acknowledged by then."""
    disk = Disk(start)
    for op in ops[:at]:
        disk.apply(op)
    return disk.after_cut(rng), disk.acknowledged


def check(folder: Path, work: Work, acknowledged: int, recording: Recording) -> list[str]:
    """Opens as the engine would after the power is back; the bodies of the rows found.

    Raises a `StoreRefused` where the journal refuses, `Lost` where acknowledged rows are missing, and fails
    where it gives what it was not given.
    """

    async def script() -> list[str]:
        journal = await opened(folder)
        try:
            rows = await read(journal)
            keys = await journal.known_keys()
        finally:
            await journal.close()
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        assert list(keys.values()) == [n for n in range(1, len(rows) + 1) if n % 3 == 0]
        return [row.body for row in rows]

    with recorded(folder, recording):
        found = asyncio.run(script())
    work.explain(found, acknowledged)
    return found


def places(ops: list[Op], rng: random.Random, count: int) -> list[int]:
    """Where to cut: anywhere, right after acknowledgements, and around the database's own pages."""
    acks = [n + 1 for n, op in enumerate(ops) if op.kind == "ack"]
    pages = [n for n, op in enumerate(ops) if op.name == "journal.db" or op.kind in ("truncate", "delete")]
    found = []
    for n in range(count):
        pool = (acks, pages, ())[n % 3]
        found.append(rng.choice(pool) if pool else rng.randint(0, len(ops)))
    return found


def told(name: str, tally: Counter[str]) -> None:
    print(f"{name}: " + ", ".join(f"{count} {what}" for what, count in sorted(tally.items())))


class Lost(Exception):
    """Acknowledged rows are gone, and nothing told of it. `args[0]`: how many."""
