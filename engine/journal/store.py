"""Where the connection lives: on aiosqlite's thread, or on the calling thread for virtual time.

Both run the same code of `connection`; they differ only in the thread, so what is proven of one holds for the
other.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, TypeVar

import aiosqlite

from engine.journal.connection import Batch, JournalConnection

T = TypeVar("T")
_CLOSED: Final = "the journal's connection is closed"
Opener = Callable[[], JournalConnection]
Done = Callable[[int, BaseException | None], None]
"""Told how a commit ended, on the loop: keys that were there already, or the error."""


class Store(Protocol):
    """What the journal needs of a backend. At most one `write` is under way at a time."""

    def write(self, batch: Batch, done: Done) -> None:
        """Commits a batch and calls `done` once, perhaps before returning."""

    async def run(self, job: Callable[[JournalConnection], T]) -> T:
        """Runs a job on the connection's thread, after what was handed over before."""

    async def reopen(self, opener: Opener) -> None:
        """Lets go of a connection that is no good any more and opens a new one. May raise `StoreRefused`."""

    async def close(self, last: Callable[[JournalConnection], None]) -> None:
        """Runs the last job, which closes the connection."""


StoreOpener = Callable[[Opener], Awaitable[Store]]
"""Makes a backend around the connection that the opener gives. May raise `StoreRefused`."""


class InlineStore:
    """sqlite3 on the calling thread: for virtual time, where nothing may depend on a thread's pace."""

    def __init__(self, connection: JournalConnection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, opener: Opener) -> InlineStore:
        return cls(opener())

    def write(self, batch: Batch, done: Done) -> None:
        try:
            ignored = self._connection.write(batch)
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody may be told that it is stored
            done(0, error)
        else:
            done(ignored, None)

    async def run(self, job: Callable[[JournalConnection], T]) -> T:
        return job(self._connection)

    async def reopen(self, opener: Opener) -> None:
        self._connection.shut()
        self._connection = opener()

    async def close(self, last: Callable[[JournalConnection], None]) -> None:
        last(self._connection)


class AioStore:
    """aiosqlite: the connection has a thread of its own, so a slow disk holds up its own commits only."""

    def __init__(self, proxy: aiosqlite.Connection, connection: JournalConnection) -> None:
        self._proxy = proxy
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._open = True

    @classmethod
    async def open(cls, opener: Opener) -> AioStore:
        return cls(*await cls._connect(opener))

    @staticmethod
    async def _connect(opener: Opener) -> tuple[aiosqlite.Connection, JournalConnection]:
        opened: list[JournalConnection] = []
        failed: list[BaseException] = []

        def connect() -> sqlite3.Connection:
            # aiosqlite does not end its thread in order when the connector raises, so it never does.
            try:
                opened.append(opener())
            except BaseException as error:  # noqa: BLE001 - raised again below, on the caller's side
                failed.append(error)
                return sqlite3.connect(":memory:")
            return opened[0]

        connection = aiosqlite.Connection(connect, iter_chunk_size=1)
        # An engine that ends without closing must not be held up by this thread, or a disk that hangs in it:
        # what is not acknowledged by then was never promised.
        thread = getattr(connection, "_thread", None)
        if isinstance(thread, threading.Thread):
            thread.daemon = True
        proxy = await connection
        if failed:
            await proxy.close()
            raise failed[0]
        return proxy, opened[0]

    def write(self, batch: Batch, done: Done) -> None:
        """Hands the batch over in this very turn of the loop, and hears of its end in the one in which the
        thread's answer comes: a task would add a turn before and another one behind, for every order.

        What is noted beside the database follows when the answer has been heard: a thread that works on
        would have the loop, awake, wait for the interpreter. It goes into aiosqlite's queue without a future,
        which the thread allows for: else each commit would wake the loop a second time, for a result that
        nobody reads."""
        tell = self._loop.call_soon_threadsafe
        connection = self._connection

        def commit() -> None:
            try:
                ignored = connection.put(batch)
            except Exception as error:  # noqa: BLE001 - whatever it was, nobody may be told that it is stored
                tell(done, 0, error)
            else:
                tell(heard, ignored)

        def heard(ignored: int) -> None:
            done(ignored, None)
            self._proxy._tx.put_nowait((None, partial(connection.witness, batch)))

        if not self._open:
            done(0, sqlite3.ProgrammingError(_CLOSED))
            return
        self._proxy._tx.put_nowait((None, commit))

    async def run(self, job: Callable[[JournalConnection], T]) -> T:
        if not self._open:
            raise sqlite3.ProgrammingError(_CLOSED)
        result: list[T] = []
        self._connection.jobs.append(lambda connection: result.append(job(connection)))
        await self._proxy.commit()
        return result[0]

    async def reopen(self, opener: Opener) -> None:
        if self._open:
            await self._let_go(JournalConnection.shut)
        self._proxy, self._connection = await self._connect(opener)
        self._open = True

    async def close(self, last: Callable[[JournalConnection], None]) -> None:
        await self._let_go(last)

    async def _let_go(self, last: Callable[[JournalConnection], None]) -> None:
        try:
            await self.run(last)
        finally:
            self._open = False
            await self._proxy.close()
