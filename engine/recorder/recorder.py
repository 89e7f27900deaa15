"""The state of the engine at any row of a journal, forward and back: the same fold as in the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from engine.books import Books
from engine.config import EngineConfig
from engine.journal.rows import Row
from engine.model import Instrument
from engine.recorder.checkpoints import Checkpoints
from engine.recorder.tape import Tape
from engine.records import AnyRecord, decode


class Moment(NamedTuple):
    """Where the recorder stands: the row that was applied last (None: before the first) and the state."""

    row: Row | None
    record: AnyRecord | None
    books: Books


class Companion(Protocol):
    """Something that is followed beside the books: what a reader wants to know and the books do not hold. It
    must be picklable."""

    def follow(self, moment: Moment) -> None:
        """One further row."""


class Recorder:
    """Stands at one row of a tape. Forward it applies rows; back it folds anew, from the last kept state or
    from the beginning, because a state cannot be taken back. The state that it hands out is valid until it
    moves.

    `config` is what the books keep to (how many closed orders stay in memory); it does not change what is
    traded, held or halted.
    """

    def __init__(
        self,
        tape: Tape,
        config: EngineConfig,
        instruments: Iterable[Instrument] = (),
        *,
        companion: Callable[[], Companion] | None = None,
        checkpoints: Checkpoints | None = None,
        visit: Callable[[Moment], object] | None = None,
    ) -> None:
        """`companion` makes a fresh one for each fold; without `checkpoints` no states are kept; `visit` is
        handed each moment on the way."""
        self.tape = tape
        self._config = config
        self._instruments = tuple(instruments)
        self._make = companion
        self._visit = visit
        self._checkpoints = checkpoints
        self._restart()

    def _restart(self) -> None:
        self._books = Books(self._config, self._instruments)
        self._row: Row | None = None
        self._record: AnyRecord | None = None
        self.companion: Companion | None = self._make() if self._make is not None else None

    @property
    def seq(self) -> int:
        """Number of the row that was applied last; 0 before the first."""
        return 0 if self._row is None else self._row.seq

    def moment(self) -> Moment:
        """Where it stands now."""
        return Moment(self._row, self._record, self._books)

    def seek(self, seq: int) -> Moment:
        """The state after row `seq`, held within the tape. Raises `Corrupt` where a row before it is bad; the
        state up to that row can still be sought."""
        wanted = max(0, min(seq, self.tape.last))
        if wanted < self.seq:
            self._go_back(wanted)
        for row in self.tape.rows(self.seq, wanted):
            record = decode(row.kind, row.body)
            self._books.apply(record, row.ts)
            self._row, self._record = row, record
            if self.companion is not None:
                self.companion.follow(self.moment())
            if self._visit is not None:
                self._visit(self.moment())
            if self._checkpoints is not None and self._checkpoints.due(row.seq):
                self._checkpoints.keep(row.seq, (row, record, self._books, self.companion))
        return self.moment()

    def _go_back(self, wanted: int) -> None:
        kept = self._checkpoints.before(wanted) if self._checkpoints is not None else None
        if kept is None:
            self._restart()
        else:
            self._row, self._record, self._books, self.companion = kept

    def at(self, ts: int) -> Moment:
        """The state at engine time `ts` (UTC ns)."""
        return self.seek(self.tape.at(ts))

    def step(self, rows: int) -> Moment:
        """So many rows forward, or back where negative."""
        return self.seek(self.seq + rows)
