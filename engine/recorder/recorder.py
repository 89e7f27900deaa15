"""The state of the engine at any row of a journal, forward and back: the same fold as in the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from engine.books import Books
from engine.config import EngineConfig
from engine.journal.rows import Row
from engine.model import Instrument
from engine.recorder.tape import Tape
from engine.records import AnyRecord, decode


class Moment(NamedTuple):
    """Where the recorder stands: the row that was applied last (None: before the first) and the state."""

    row: Row | None
    record: AnyRecord | None
    books: Books


class Recorder:
    """Stands at one row of a tape. Forward it applies rows; back it folds anew from the beginning, because a
    state cannot be taken back. The state that it hands out is valid until it moves.

    `config` is what the books keep to (how many closed orders stay in memory); it does not change what is
    traded, held or halted.
    """

    def __init__(
        self,
        tape: Tape,
        config: EngineConfig,
        instruments: Iterable[Instrument] = (),
        *,
        visit: Callable[[Moment], object] | None = None,
        restart: Callable[[], object] | None = None,
    ) -> None:
        """`visit`: handed every moment on the way, going forward; `restart`: told when it begins anew."""
        self.tape = tape
        self._visit = visit
        self._restart = restart
        self._config = config
        self._instruments = tuple(instruments)
        self._books = Books(config, self._instruments)
        self._row: Row | None = None
        self._record: AnyRecord | None = None

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
            self._books = Books(self._config, self._instruments)
            self._row = self._record = None
            if self._restart is not None:
                self._restart()
        for row in self.tape.rows(self.seq, wanted):
            record = decode(row.kind, row.body)
            self._books.apply(record, row.ts)
            self._row, self._record = row, record
            if self._visit is not None:
                self._visit(self.moment())
        return self.moment()

    def at(self, ts: int) -> Moment:
        """The state at engine time `ts` (UTC ns)."""
        return self.seek(self.tape.at(ts))

    def step(self, rows: int) -> Moment:
        """So many rows forward, or back where negative."""
        return self.seek(self.seq + rows)
