"""The journal: appends in order, group commit, and what happens when the store is slow, full or broken.

Numbers are given when a batch is formed, in the order of the appends, counted on from the last committed row.
A batch that failed therefore leaves no hole: its numbers are given again, and the chain of checksums holds.

When a commit fails, the whole batch fails and the state latches to FAILED until `recover` succeeds:

* records of ordinary kinds are refused (`StoreFailed`), so no order that opens risk can be sent; a refused
  replace never leaves either, but its row is kept: the books understood reports by it meanwhile;
* records of emergency kinds (facts, halts, kill steps, alerts …) are kept in memory and written by `recover`,
  or at once where a full disk was the cause and the ballast made room. What was booked in memory is never
  lost while the process lives, and its replay at the broker remains the second source;
* a flattening order is released to the wire with `Recorded.seq == 0`, its row owed: not being able to write
  must not stop the reduction of risk. The same holds when a commit has been under way for longer than
  `slow_after`.

All methods are for the engine's thread alone.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final

from engine.config import JournalConfig
from engine.journal.connection import Batch, JournalConnection, is_full, remedy
from engine.journal.entry import Entry, form
from engine.journal.errors import Corrupt, Displaced, StoreRefused
from engine.journal.files import MB, Ballast, Owed
from engine.journal.health import OnCommit, OnTrouble, StoreHealth, StoreState
from engine.journal.rows import Row
from engine.journal.store import Store
from engine.model import NS
from engine.ports import Clock

MAX_PENDING: Final = 100_000
"""Records that may wait behind a commit that hangs; beyond it ordinary kinds are refused."""
MAX_RETAINED: Final = 100_000
"""Emergency records that are kept in memory while the store is failed; more are counted as lost."""


class _Lane(Enum):
    OPEN = 0
    EMERGENCY = 1
    CLOSED = 2


def _put_back(put: Callable[[], None], opener: Callable[[], JournalConnection]) -> JournalConnection:
    put()
    return opener()


class Writer:
    """The queue in front of the store. `engine.journal.Journal` is what others use."""

    def __init__(
        self,
        path: Path,
        config: JournalConfig,
        clock: Clock,
        store: Store,
        ballast: Ballast,
        owed: Owed,
        tail: tuple[int, int],
        opener: Callable[[], JournalConnection],
        emergency: frozenset[str],
    ) -> None:
        self.path = path
        self.on_trouble: OnTrouble | None = None
        """Called once for each change of `state`, and once more when the reserve is used up."""
        self.on_commit: OnCommit | None = None
        """Called after each commit."""
        self.on_rows: Callable[[Sequence[Row]], object] | None = None
        """Handed the rows of each commit, once they are on disk."""
        self._config = config
        self._clock = clock
        self._store = store
        self._ballast = ballast
        self._owed = owed
        self._ballast_gone = False
        self._used_up = False
        self._opener = opener
        self._emergency = emergency
        self._slow_after = int(config.slow_after * NS)
        self._loop = asyncio.get_running_loop()
        self._seq, self._crc = tail
        self._state = StoreState.OK
        self._reason = ""
        self._lane = _Lane.OPEN
        self._queue: deque[Entry] = deque()
        self._batch: list[Entry] = []
        self._formed = Batch((), ())
        self._doubt: tuple[list[Entry], Batch] = ([], self._formed)
        self._began = 0
        self._began_perf = 0
        self._urgent: list[Entry] = []
        """Flattening orders that wait for their commit."""
        self._woken = False
        self._recovering = False
        self._closed = False
        self._retained: deque[Entry] = deque()
        self._waiting: list[asyncio.Future[None]] = []
        self._refused = self._lost = self._ahead = self._duplicates = 0
        self._unbroken = True

    def _take(self, entry: Entry) -> None:
        objection = self._objection(entry)
        if objection:
            self._refuse(entry, objection)
            if self._closed or not entry.emergency:
                return
        if self._lane is _Lane.CLOSED:
            self._retain(entry)
        else:
            self._queue.append(entry)
            if not self._woken and not self._batch:
                self._wake()

    def _objection(self, entry: Entry) -> str:
        """Why it is not taken now; empty where it is."""
        if self._closed:
            return "the journal is closed"
        if entry.emergency:
            return ""
        if self._lane is not _Lane.OPEN:
            return self._reason
        if len(self._queue) >= MAX_PENDING:
            return f"{MAX_PENDING} records wait for a commit that does not end"
        return ""

    def _refuse(self, entry: Entry, reason: str) -> None:
        """A replace is owed as a row from here on."""
        self._refused += 1
        self._unbroken = False
        entry.turn_away(reason)

    def _retain(self, entry: Entry) -> None:
        if entry.may_go_ahead:
            self._ahead += 1
            entry.go_ahead()
        entry.fail(self._reason)
        self._unbroken = False
        self._owed.mark()
        if len(self._retained) < MAX_RETAINED:
            self._retained.append(entry)
        else:
            self._lost += 1

    # -- group commit: an idle writer starts with the next turn of the loop, followers gather behind it

    def _wake(self) -> None:
        if not self._woken and not self._batch:
            self._woken = True
            self._loop.call_soon(self._commit_next)

    def _commit_next(self) -> None:
        self._woken = False
        queue, most = self._queue, self._config.max_batch
        if self._batch or not queue or self._lane is _Lane.CLOSED:
            return
        if len(queue) <= most:
            self._batch = list(queue)
            queue.clear()
        else:
            self._batch = [queue.popleft() for _ in range(most)]
        self._formed = form(self._batch, self._seq, self._crc)
        self._began = self._clock.mono()
        self._began_perf = self._clock.perf()
        self._store.write(self._formed, self._committed)

    def _committed(self, ignored: int, error: BaseException | None) -> None:
        batch, self._batch = self._batch, []
        if error is not None:
            self._fail(batch, error)
        else:
            took = self._clock.perf() - self._began_perf  # without what follows a record at once
            self._duplicates += ignored
            if self._state is StoreState.SLOW:
                self._change(StoreState.OK, "the commit that hung has ended")
            self._advance(batch, self._formed)
            if self.on_commit is not None:
                self.on_commit(took, len(batch))
        if self._urgent:
            self._urgent = [entry for entry in self._urgent if entry.may_go_ahead]
        if self._queue and self._lane is not _Lane.CLOSED:
            self._wake()
        else:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)

    def _advance(self, entries: list[Entry], formed: Batch) -> None:
        last = formed.rows[-1]
        self._seq, self._crc = last.seq, last.crc
        for entry, row in zip(entries, formed.rows, strict=True):
            if entry.told is not None:
                entry.settle(row.seq)
        if self.on_rows is not None:
            self.on_rows(formed.rows)

    # -- trouble

    def _fail(self, batch: list[Entry], error: BaseException) -> None:
        reason = self._describe(error)
        self._doubt = (batch, self._formed)
        used_up = self._lane is _Lane.EMERGENCY and not self._used_up
        if self._lane is _Lane.CLOSED:
            pass  # `_heal` waits for this batch: the space is its matter, and these rows go before its own
        elif self._make_room(error):
            reason += "; the reserve space was released for emergency records"
        else:
            self._lane = _Lane.CLOSED
            self._used_up |= used_up
        self._reason = reason
        queued, self._queue = self._queue, deque()
        later, self._retained = self._retained, deque()
        for entry in batch:
            if not entry.may_go_ahead:
                entry.fail(reason)
        for entry in (*batch, *queued):
            if not entry.emergency:
                self._refuse(entry, reason)
            if not entry.emergency:
                continue
            if self._lane is _Lane.EMERGENCY:
                self._queue.append(entry)
            else:
                self._retain(entry)
        self._retained.extend(later)
        self._change(StoreState.FAILED, reason, worse=used_up)

    @staticmethod
    def _describe(error: BaseException) -> str:
        return f"the journal cannot be written: {error}{remedy(error)}"

    def _make_room(self, error: BaseException) -> bool:
        """Gives the ballast back where space is what is missing, which lets emergency records through."""
        if not is_full(error) or not self._ballast.release():
            return False
        self._ballast_gone = True
        self._lane = _Lane.EMERGENCY
        return True

    def _change(self, state: StoreState, reason: str, *, worse: bool = False) -> None:
        changed = worse or state is not self._state
        self._state = state
        self._reason = "" if state is StoreState.OK else reason
        if changed and self.on_trouble is not None:
            self.on_trouble(state, reason)

    def poll(self, now: int) -> StoreState:
        """For the risk loop: notices a commit that takes too long. `now`: the clock's `mono`, ns."""
        if self._batch and now - self._began > self._slow_after:
            if self._state is StoreState.OK:
                self._change(
                    StoreState.SLOW,
                    f"a commit takes longer than {self._config.slow_after:g} s: the disk hangs; see what "
                    "keeps it busy",
                )
            for entry in self._urgent:
                if entry.may_go_ahead:
                    self._ahead += 1
                    entry.go_ahead()
            self._urgent.clear()
        return self._state

    async def recover(self) -> bool:
        """Tries to get a failed store going: probes it, opens it anew if need be, writes what is owed.

        True when ordinary records are accepted again. Cheap to call every few seconds while FAILED; a full
        disk counts as cured only when the ballast fits again.
        """
        if self._state is not StoreState.FAILED:
            return True
        if self._recovering or self._closed:
            return False
        self._recovering = True
        try:
            await self._heal()
        except (sqlite3.Error, OSError, StoreRefused) as error:
            self._reason = self._describe(error)
            if self._make_room(error):
                self._queue, self._retained = self._retained, deque()
                self._wake()
            return False
        finally:
            self._recovering = False
        self._lane = _Lane.OPEN
        self._used_up = False
        if not self._lost:
            self._owed.clear()
        self._change(StoreState.OK, "the journal can be written again")
        return True

    async def _heal(self) -> None:
        while self._ballast_gone:
            await self._store.run(lambda _: self._ballast.allocate())
            # A batch that failed in the same turn may have given it away again.
            self._ballast_gone = not self._ballast.held
        self._lane = _Lane.CLOSED
        await self._settled()
        self._retained.extendleft(reversed(self._queue))
        self._queue.clear()
        probe = Batch((), (), (("probe", str(self._clock.now())),))
        try:
            await self._store.run(lambda connection: connection.write(probe))
        except sqlite3.Error as error:
            if is_full(error):
                # A commit that reported an error may have landed; its rows must not be written again.
                self._accept(await self._store.run(JournalConnection.last_row))
                raise
            await self._store.reopen(await self._saved() if isinstance(error, Displaced) else self._opener)
        self._accept(await self._store.run(JournalConnection.last_row))
        while self._retained:
            count = min(len(self._retained), self._config.max_batch)
            owed = [self._retained[n] for n in range(count)]
            formed = form(owed, self._seq, self._crc)
            self._doubt = (owed, formed)
            ignored = await self._store.run(partial(JournalConnection.write, batch=formed))
            self._duplicates += ignored
            self._advance(owed, formed)
            for _ in owed:
                self._retained.popleft()

    async def _saved(self) -> Callable[[], JournalConnection]:
        """Opens anew with all that the present connection still has put in the place of lost files."""
        try:
            put = await self._store.run(partial(JournalConnection.save, path=self.path))
        except sqlite3.ProgrammingError:  # it was closed, in order: what it had is in the files
            return self._opener
        return partial(_put_back, put, self._opener)

    def _accept(self, found: tuple[int, int]) -> None:
        """Compares the last row on disk with ours: a commit that reported an error may have come through."""
        if found == (self._seq, self._crc):
            return
        entries, formed = self._doubt
        if not formed.rows or found != (formed.rows[-1].seq, formed.rows[-1].crc):
            raise Corrupt(self.path, f"its last row is {found[0]}, the one that was committed {self._seq}")
        landed = {id(entry) for entry in entries}
        self._retained = deque(entry for entry in self._retained if id(entry) not in landed)
        self._advance(entries, formed)

    # -- looking

    @property
    def left_owing(self) -> bool:
        """Whether an earlier run ended with emergency records in memory only, until `settle_owing`."""
        return self._owed.found

    @property
    def state(self) -> StoreState:
        return self._state

    @property
    def seq(self) -> int:
        """The last committed row."""
        return self._seq

    @property
    def min_free(self) -> int:
        """Bytes of the disk that others must leave to the rows."""
        return self._config.min_free_mb * MB

    @property
    def last(self) -> tuple[int, int] | None:
        """The last committed row (seq, checksum), where the rows up to it are exactly what this run has
        appended, in that order; None while anything waits, and for good once anything was refused or owed."""
        whole = self._unbroken and self._state is StoreState.OK and not self.pending
        return (self._seq, self._crc) if whole else None

    @property
    def pending(self) -> int:
        """Records that wait for a commit."""
        return len(self._queue) + len(self._batch)

    @property
    def trouble(self) -> str:
        """Why the state is not OK; empty while it is."""
        return self._reason

    def health(self) -> StoreHealth:
        return StoreHealth(
            state=self._state,
            reason=self._reason,
            seq=self._seq,
            pending=self.pending,
            retained=len(self._retained),
            refused=self._refused,
            lost=self._lost,
            ahead=self._ahead,
            duplicates=self._duplicates,
        )

    async def _settled(self) -> None:
        while self._batch or (self._queue and self._lane is not _Lane.CLOSED):
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(waiter)
            await waiter
