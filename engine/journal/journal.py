"""The journal as the engine holds it: open, append, record, read back, back up, close."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from engine.config import JournalConfig
from engine.journal import schema
from engine.journal.checking import UNREADABLE
from engine.journal.connection import JournalConnection, open_connection, read_keys, refusal
from engine.journal.copies import Copy
from engine.journal.entry import Body, Entry
from engine.journal.errors import StoreFailed
from engine.journal.files import (
    WAL_LENGTH,
    Ballast,
    InstanceLock,
    Owed,
    beside,
    lengthen,
    make_directory,
)
from engine.journal.health import OnCommit, OnTrouble, StoreState
from engine.journal.rows import Row
from engine.journal.store import AioStore, InlineStore, Store, StoreOpener
from engine.journal.writer import Writer
from engine.model import ExecutionKey, Order, Purpose, Replace
from engine.ports import Clock
from engine.sending import Approved, Recorded

T = TypeVar("T", Order, Replace)
Stored = Recorded[T] | StoreFailed
"""How the storing of an approved request ended."""


def _resolve(future: asyncio.Future[int], end: int | StoreFailed) -> None:
    if future.done():
        return
    if isinstance(end, StoreFailed):
        future.set_exception(end)
        future.exception()  # marks it as looked at; who awaits it still gets the error
    else:
        future.set_result(end)


class Journal(Writer):
    """One journal, opened by one engine. Make it with `Journal.open`; for the engine's thread alone.

    What happens in trouble is described in `engine.journal.writer`.
    """

    _lock: InstanceLock

    @classmethod
    async def open(
        cls,
        path: Path,
        config: JournalConfig,
        *,
        inline: bool,
        clock: Clock,
        emergency: frozenset[str] = frozenset(),
        on_trouble: OnTrouble | None = None,
        on_commit: OnCommit | None = None,
        opener: StoreOpener | None = None,
    ) -> Journal:
        """Opens or makes a journal, verified row by row. Raises a `StoreRefused` that says what to do.

        `inline` commits on the calling thread (virtual time); else aiosqlite's thread does; `opener` puts
        another backend in the place of both. `emergency`: kinds that are kept, and taken from the reserve,
        when the store fails.
        """
        make_directory(path)
        lock = InstanceLock.exclusive(path)
        try:
            opening = partial(open_connection, path, durability=config.durability, now=clock.now())
            first = partial(opening, min_free_mb=config.min_free_mb)
            opener = opener or (InlineStore.open if inline else AioStore.open)
            store: Store = await opener(first)
            ballast = Ballast(path, config.ballast_mb)
            try:
                await store.run(lambda _: ballast.allocate())
                if config.durability == "power" and isinstance(store, AioStore):
                    await store.run(lambda _: lengthen(beside(path, "-wal"), WAL_LENGTH))
                owed = Owed(path)
                tail = await store.run(JournalConnection.last_row)
            except BaseException as error:
                await store.close(JournalConnection.shut)
                if isinstance(error, UNREADABLE):
                    raise refusal(path, error) from error
                raise
        except BaseException:
            lock.release()
            raise
        again = partial(opening, min_free_mb=0, again=True)
        journal = cls(path, config, clock, store, ballast, owed, tail, again, emergency)
        journal._lock = lock
        journal.on_trouble = on_trouble
        journal.on_commit = on_commit
        return journal

    # -- writing

    def append(
        self,
        kind: str,
        body: Body,
        *,
        ts: int,
        correlation: str = "",
        order_id: str = "",
        key: ExecutionKey | None = None,
    ) -> asyncio.Future[int]:
        """Queues a record; the future gives its seq after COMMIT, or `StoreFailed`.

        `key` puts an execution into the table of unique executions; one that is there already is counted and
        changes nothing else. Raises `ValueError` for what no row can hold.
        """
        future: asyncio.Future[int] = self._loop.create_future()
        told = partial(_resolve, future)
        self._take(Entry(kind, body, ts, correlation, order_id, key, kind in self._emergency, told))
        return future

    def append_nowait(
        self,
        kind: str,
        body: Body,
        *,
        ts: int,
        correlation: str = "",
        order_id: str = "",
        key: ExecutionKey | None = None,
    ) -> None:
        """Like `append` for a record that nobody waits for; a refusal is counted in `health`."""
        self._take(Entry(kind, body, ts, correlation, order_id, key, kind in self._emergency, None))

    def record(
        self,
        approved: Approved[T],
        kind: str,
        told: Callable[[Stored[T]], None],
        *,
        ts: int,
        correlation: str = "",
    ) -> None:
        """Stores an approved order or replace and hands over the proof that lets it be sent.

        `told` gets it in the turn of the loop in which COMMIT is heard of, or, never before this returns,
        `StoreFailed` where it could not be stored; flattening orders (`Purpose.FLATTEN`) never fail. Of a
        replace that was refused the row follows all the same, for what was made of reports while it waited.
        """
        request: Order | Replace = approved.request
        flatten = isinstance(request, Order) and request.purpose is Purpose.FLATTEN
        order_id = request.id if isinstance(request, Order) else request.order_id
        entry = Entry(
            kind,
            request,
            ts,
            correlation or request.correlation,
            order_id,
            None,
            flatten,
            told,
            approved=approved,
            stays=isinstance(request, Replace),
        )
        self._take(entry)
        if entry.may_go_ahead:
            self._urgent.append(entry)

    # -- reading

    async def rows(self, after: int = 0, *, chunk: int = 2_000) -> AsyncIterator[Row]:
        """Committed rows with seq > `after`, in order, read in chunks."""
        async for lines in self.chunks(after, chunk=chunk):
            for line in lines:
                yield Row._make(line)

    async def chunks(self, after: int = 0, *, chunk: int = 2_000) -> AsyncIterator[list[Any]]:
        """The same as lists of plain tuples in the order of `Row`'s fields, for who takes very many."""
        while True:
            try:
                found: list[Any] = await self._store.run(
                    lambda connection, after=after: connection.execute(  # type: ignore[misc]
                        schema.SELECT_ROWS, (after, chunk)
                    ).fetchall()
                )
            except UNREADABLE as error:
                raise refusal(self.path, error) from error
            if found:
                yield found
            if len(found) < chunk:
                return
            after = found[-1][0]

    async def about(self, ident: str, *, kind: str = "", chunk: int = 4_000) -> list[Row]:
        """Committed rows with this order id or correlation id, or of this kind, in their order.

        There is no index for it: all rows are looked through, in steps between commits.
        """
        found: list[Row] = []
        upto = self._seq
        for after in range(0, upto, chunk):
            wanted = (after, min(after + chunk, upto), ident, ident, kind)
            try:
                lines: list[Any] = await self._store.run(
                    lambda connection, wanted=wanted: connection.execute(  # type: ignore[misc]
                        schema.SELECT_ABOUT, wanted
                    ).fetchall()
                )
            except UNREADABLE as error:
                raise refusal(self.path, error) from error
            found += [Row(*line) for line in lines]
        return found

    async def checksum_of(self, seq: int) -> int | None:
        """The checksum of a committed row, which is one over all rows before it; None where it is not."""
        found: Any = await self._store.run(
            lambda connection: connection.execute(schema.SELECT_CRC, (seq,)).fetchone()
        )
        return None if found is None else int(found[0])

    async def known_keys(self) -> dict[ExecutionKey, int]:
        """All executions ever stored, with the seq of their row, in order of seq."""
        lines = await self._store.run(read_keys)
        return {ExecutionKey(*line[:4]): line[4] for line in lines}

    async def meta(self) -> dict[str, str]:
        """The file's own notes (when it was opened and the like)."""
        return dict(
            await self._store.run(lambda connection: connection.execute(schema.SELECT_META).fetchall())
        )

    async def backup_to(self, dest: Path) -> int:
        """Copies all committed rows to a new file while trading goes on; returns the seq of the last one.

        Works in small steps between commits. Raises `FileExistsError`, or `StoreFailed`.
        """
        upto, after = self._seq, 0
        copy = Copy(dest)
        try:
            while after < upto:
                after = await self._store.run(partial(copy.take, after=after, upto=upto))
            await self._store.run(lambda _: copy.finish(upto))
        except (sqlite3.Error, OSError) as error:
            raise StoreFailed(f"the backup to {dest} failed: {error}") from error
        finally:
            copy.discard()
        return upto

    async def settle_owing(self) -> None:
        """Takes the mark of an earlier run away, once all that was appended because of it is on disk.

        Raises `StoreFailed`, and leaves it, where it is not.
        """
        await self.flush()
        self._owed.clear()

    # -- ending

    async def flush(self) -> None:
        """Waits until nothing waits for a commit. Raises `StoreFailed` where records are owed or refused."""
        await self._settled()
        if self._state is StoreState.FAILED:
            raise StoreFailed(self._reason)

    async def close(self) -> int:
        """Commits what waits, empties the WAL into the database, lets go of the lock.

        Returns the number of emergency records that could not be stored (0: nothing is owed).
        """
        if self._closed:
            return len(self._retained)
        await self._settled()
        if self._state is StoreState.FAILED:
            await self.recover()
        self._closed = True
        try:
            await self._store.close(JournalConnection.finish)
        except sqlite3.Error as error:
            # The rows are committed; what stays in the WAL is taken over at the next start.
            if self.on_trouble is not None:
                self.on_trouble(self._state, f"the journal was not closed in order: {error}")
        finally:
            self._owed.close()
            self._lock.release()
        return len(self._retained) + self._lost
