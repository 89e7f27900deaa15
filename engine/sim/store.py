"""The journal's backend in a simulated run: its real SQL on a real SQLite file, with a disk that takes time.

A commit is asynchronous as in production: it is executed after one seeded delay and acknowledged after
another, so orders are under way to the store while the world goes on, and a crash may fall before the COMMIT,
between COMMIT and acknowledgement, or after both. The disk can be slow, busy, full, and fail with an I/O
error before or after the effect.
"""

from __future__ import annotations

import asyncio
import errno
import random
import sqlite3
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeVar

from engine.journal.connection import Batch, JournalConnection
from engine.journal.store import Done, Opener
from engine.model import NS
from engine.ports import Clock

T = TypeVar("T")


class Disk:
    """How the disk behaves now; shared by the stores of successive engines. Durations in ns.

    `committed` is told of every batch at the very moment of its COMMIT, before anybody may rely on it.
    """

    def __init__(self, rng: random.Random, now: Callable[[], int]) -> None:
        self.rng = rng
        self._now = now
        self.latency = 300_000
        """Mean time of a commit."""
        self.slow_until = 0
        """Up to this time of the world commits hang."""
        self.full = False
        self.busy = 0
        """So many of the next jobs find the database locked."""
        self.broken_before = 0
        """So many of the next commits fail with an I/O error and have no effect."""
        self.broken_after = 0
        """So many of the next commits take effect and report an I/O error all the same."""
        self.cut_before = 0
        """Power is cut just before the COMMIT of this number from now (1: the next); 0: not."""
        self.cut_after = 0
        """Power is cut just after the COMMIT of this number from now, before its acknowledgement."""
        self.cut: Callable[[], None] = lambda: None
        """Cuts the power."""
        self.committed: Callable[[Batch], None] = lambda _: None
        self.room: Callable[[], bool] = lambda: False
        """True where the reserve was given back, so that even a full disk takes a little."""

    def delay(self) -> int:
        """Time of one commit; a hanging disk answers when it hangs no more."""
        usual, most = int(self.rng.expovariate(1.0) * self.latency), 50 * self.latency
        hangs = self.slow_until - self._now() if self.slow_until else 0
        return max((usual if usual < most else most) + 1, hangs)

    def comes_to(self, cut: Literal["cut_before", "cut_after"]) -> bool:
        """Counts one commit; True where power is to be cut at it."""
        left: int = getattr(self, cut)
        if not left:
            return False
        setattr(self, cut, left - 1)
        return left == 1

    def refuse_full(self, batch: Batch) -> int:  # noqa: ARG002
        """What a write on a full disk ends with."""
        raise failure("database or disk is full", sqlite3.SQLITE_FULL)

    @property
    def no_room(self) -> bool:
        """Writes find no room; reads go on."""
        return self.full and not self.room()

    def fail_before(self) -> None:
        """Raises what SQLite would, where the disk is not well."""
        if self.busy > 0:
            self.busy -= 1
            raise failure("database is locked", sqlite3.SQLITE_BUSY)
        if self.broken_before > 0:
            self.broken_before -= 1
            raise failure("disk I/O error", sqlite3.SQLITE_IOERR)


def failure(text: str, code: int) -> sqlite3.OperationalError:
    """An error of SQLite's with its code."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


class LateStore:
    """`engine.journal.store.Store` over one connection: one job at a time, in order, each after its delay."""

    def __init__(self, connection: JournalConnection, clock: Clock, disk: Disk) -> None:
        self._connection = connection
        self._clock = clock
        self._disk = disk
        self._jobs: deque[Callable[[], None]] = deque()
        self._running = False

    @classmethod
    async def open(cls, opener: Opener, *, clock: Clock, disk: Disk) -> LateStore:
        if disk.full:
            raise OSError(errno.ENOSPC, "no space left on device")
        return cls(_unwatched(opener()), clock, disk)

    def write(self, batch: Batch, done: Done) -> None:
        self._enqueue(partial(self._commit, batch, done))

    async def run(self, job: Callable[[JournalConnection], T]) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._enqueue(partial(self._do, job, future))
        return await future

    async def reopen(self, opener: Opener) -> None:
        self._connection.shut()
        self._connection = _unwatched(opener())

    async def close(self, last: Callable[[JournalConnection], None]) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enqueue(partial(self._do, last, future, well=True))
        await future

    def abandon(self) -> None:
        """The process is gone: only the file's handles are let go, nothing is written."""
        self._jobs.clear()
        self._connection.shut()

    # -- one job at a time

    def _enqueue(self, job: Callable[[], None]) -> None:
        self._jobs.append(job)
        if not self._running:
            self._next()

    def _next(self) -> None:
        jobs = self._jobs
        self._running = bool(jobs)
        if jobs:
            self._clock.call_later(self._disk.delay(), jobs.popleft())

    def _commit(self, batch: Batch, done: Done) -> None:
        disk = self._disk
        if disk.comes_to("cut_before"):
            disk.cut()
            return
        try:
            disk.fail_before()
            ignored = disk.refuse_full(batch) if disk.no_room else self._connection.write(batch)
        except sqlite3.Error as error:
            self._later(done, 0, error)
            return
        disk.committed(batch)
        if disk.comes_to("cut_after"):
            disk.cut()
        elif disk.broken_after > 0:
            disk.broken_after -= 1
            self._later(done, 0, failure("disk I/O error", sqlite3.SQLITE_IOERR))
        else:
            self._later(done, ignored, None)

    def _do(
        self, job: Callable[[JournalConnection], Any], future: asyncio.Future[Any], *, well: bool = False
    ) -> None:
        try:
            if not well:
                self._disk.fail_before()
            if self._disk.no_room:
                self._connection.write = self._disk.refuse_full  # type: ignore[method-assign]
            try:
                result = job(self._connection)
            finally:
                self._connection.__dict__.pop("write", None)
        except Exception as error:  # noqa: BLE001 - the awaiting task gets it, as from a real thread
            self._later(_fail, future, error)
        else:
            self._later(_settle, future, result)

    def _later(self, tell: Callable[..., None], *answer: object) -> None:
        """The answer takes its way back to the loop; meanwhile the next job may begin."""

        def arrive() -> None:
            tell(*answer)
            self._next()

        self._clock.call_later(1 + self._disk.rng.randrange(NS // 20_000), arrive)


def _unwatched(connection: JournalConnection) -> JournalConnection:
    """Nobody takes a simulated engine's files away while it runs, and to look after them twice at every
    commit is a fortieth of the run; that it does is proven with real files (`tests/disk`)."""
    connection.watch = None
    return connection


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
