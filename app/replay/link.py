"""The flight recorder as a link: a desk looks at a moment of a journal as it would look at an engine.

A thread of its own owns the journal and folds it; the desk's thread only says where it wants to stand, and
never waits. Nothing is commanded, and nothing is written.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from app.replay import picture
from app.replay.index import Index
from app.replay.moments import parse_time
from engine.answers_story import effects_of, story_told
from engine.config import EngineConfig
from engine.control.commands import Answer, AnyCommand
from engine.control.link import AnswerSink
from engine.control.news import Batch
from engine.control.questions import (
    MAX_LINES,
    AnyQuestion,
    AnyReply,
    DayOf,
    LogTail,
    MarketOf,
    ReplySink,
    RowsOf,
    StoryOf,
)
from engine.control.replies import Declined, RowsTold, StoryLine
from engine.control.snapshot import ScreenRole, Snapshot
from engine.journal.errors import Corrupt
from engine.model import NS, Instrument
from engine.recorder import Moment, Recorder, Tape, open_tape, tell
from engine.recorder.checkpoints import Checkpoints
from engine.recorder.words import Words
from engine.records import RunStarted, decode

REFUSED: Final = (
    "this is a recording: it can be looked at, and nothing can be ordered, cancelled or changed in it"
)
SPEEDS: Final = (0.0, 1.0, 10.0, 60.0, 600.0)
"""Through which the play key goes."""
_TICK: Final = 0.1
"""Seconds between two pictures while it plays."""
_PROGRESS: Final = 1.0
"""Seconds between two pictures while the journal is read."""

Configured = Callable[[Tape], tuple[EngineConfig, Sequence[Instrument]]]
"""What the books keep to, and what the journal says of its instruments."""


class ReplayLink:
    """`engine.control.link.Link` over a journal, with the recorder's own keys: `step`, `event`, `jump`,
    `play`. `clock` is a monotonic clock in seconds. Close it when the desk has ended."""

    def __init__(
        self,
        path: Path,
        configured: Configured,
        *,
        begin: Callable[[Tape], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`begin`: number of the row to stand at first; without it the last."""
        self.path = path
        self.failure: BaseException | None = None
        """Why there is no recording, once `ready` is set."""
        self.ready = threading.Event()
        """Set when the journal has been read, or could not be."""
        self._configured = configured
        self._begin = begin
        self._clock = clock
        self._index = Index()
        self._snapshot: Snapshot | None = None
        self._seq = 0
        self._target: int | None = None
        self._questions: deque[tuple[AnyQuestion, ReplySink]] = deque()
        self._wake = threading.Event()
        self._over = ""
        self._note = ""
        self._speed = 0.0
        self._played = 0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._tape: Tape
        self._recorder: Recorder
        self._words = Words()

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; what is still asked is declined."""
        self._over = self._over or "the recording was closed"
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(5)
        self._decline_all()

    # -- Link

    def latest(self) -> Snapshot | None:
        return self._snapshot

    def age(self) -> float:
        """A moment that is gone grows no older."""
        return 0.0

    def alive(self) -> bool:
        return not self._over

    def role(self) -> ScreenRole:
        """Nobody else looks; what is commanded is refused by `send`, in words."""
        return "control"

    def news(self, after: int) -> Batch:  # noqa: ARG002
        """Nothing happens any more."""
        return Batch(())

    started: RunStarted | None = None

    def send(self, command: AnyCommand, who: str, answer: AnswerSink | None = None) -> None:  # noqa: ARG002
        if answer is not None:
            answer(Answer(ok=False, text=REFUSED))

    def ask(self, question: AnyQuestion, sink: ReplySink) -> None:
        self._questions.append((question, sink))
        self._wake.set()
        if self._over:
            self._decline_all()

    # -- the recorder's keys, from the desk's thread

    def step(self, rows: int) -> str:
        """So many rows forward, or back; returns what to say of it, empty where there is nothing."""
        return self._go(self._here + rows)

    def event(self, direction: int) -> str:
        """To the next fill, alarm, halt or kill, or to the one before."""
        found = self._index.event(self._here, direction)
        if found is None:
            return f"there is no fill, alarm, halt or kill {'after' if direction > 0 else 'before'} this"
        return self._go(found.seq)

    def jump(self, text: str, zone: str = "UTC") -> str:
        """To a time as a person writes it who reads times of this zone, or to a row (`#412`)."""
        if text.startswith("#") and text[1:].isdigit():
            return self._go(int(text[1:]))
        try:
            ts = parse_time(text, self._tape, ZoneInfo(zone))
        except ValueError as error:
            return str(error)
        said = self._go(self._index.at(ts))
        if not said or ts >= self._tape.begins:
            return said
        first = datetime.fromtimestamp(self._tape.begins // NS, ZoneInfo(zone))
        return f"the journal begins at {first:%Y-%m-%d %H:%M:%S} ({zone})"

    def play(self) -> str:
        """Faster, then it stands again."""
        place = (SPEEDS.index(self._speed) + 1) % len(SPEEDS)
        self._speed = SPEEDS[place]
        self._played = self._index.time(self._here)
        self._wake.set()
        return f"plays at {self._speed:g} times its pace" if self._speed else "stands"

    @property
    def _here(self) -> int:
        """Where it stands, or is on its way to."""
        target = self._target
        return target if target is not None else self._recorder.seq

    def _go(self, seq: int) -> str:
        if not self.ready.is_set():
            return "the journal is still being read"
        wanted = max(self._index.first, min(seq, self._index.last))
        self._speed = 0.0
        self._target = wanted
        self._wake.set()
        return "" if wanted == seq else f"the journal has rows {self._index.first} to {self._index.last}"

    # -- the recorder's thread

    def _run(self) -> None:
        try:
            with open_tape(self.path) as tape:
                self._read(tape)
                self.ready.set()
                while not self._over:
                    self._turn()
        except BaseException as error:  # noqa: BLE001 - told by whoever waits for `ready`, and by the desk
            self.failure = error
            self._over = self._over or f"the journal cannot be read: {error}"
        finally:
            self.ready.set()
            self._decline_all()

    def _read(self, tape: Tape) -> None:
        """One pass over the whole journal, for the index; then to where it is to stand."""
        self._tape = tape
        config, instruments = self._configured(tape)
        self._words = Words(instruments)
        self._told_at = self._clock()

        def visit(moment: Moment) -> None:
            self._index.take(moment)
            now = self._clock()
            if now - self._told_at >= _PROGRESS and not self.ready.is_set():
                self._told_at = now
                self._publish("the journal is being read")

        self._recorder = Recorder(
            tape,
            config,
            instruments,
            companion=picture.Follower,
            checkpoints=Checkpoints(),
            visit=visit,
        )
        try:
            self._recorder.seek(tape.last)
        except Corrupt as error:
            self._note = (
                f"the journal is damaged: {error.details}; what comes before row {error.first_bad} is good"
            )
        if tape.live:
            copy = "a copy, taken when it was opened; the engine itself runs on"
            self._note = f"{self._note}; {copy}" if self._note else copy
        begin = self._index.last if self._begin is None else self._begin(tape)
        self._recorder.seek(max(0, min(begin, self._index.last)))
        self._publish()

    def _turn(self) -> None:
        """What waits: questions first, then where to stand."""
        self._wake.wait(_TICK if self._speed else None)
        self._wake.clear()
        while self._questions:
            question, sink = self._questions.popleft()
            sink(self._answered(question))
        if self._speed:
            self._played += int(self._speed * _TICK * NS)
            self._target = self._index.at(self._played)
            if self._target >= self._index.last:
                self._speed = 0.0
        target = self._target
        if target is not None and target != self._recorder.seq:
            self._recorder.seek(target)
            self._publish()
        if self._target == target:
            self._target = None

    @property
    def _follower(self) -> picture.Follower:
        follower = self._recorder.companion
        assert isinstance(follower, picture.Follower)
        return follower

    def _publish(self, what: str = "") -> None:
        self._seq += 1
        moment = self._recorder.moment()
        what = what or self._what(moment)
        self._snapshot = picture.snapshot(
            moment, self._follower, self._index, what, str(self.path), self._seq, self._note
        )

    def _what(self, moment: Moment) -> str:
        if moment.row is None or moment.record is None:
            return ""
        return self._words.record(moment.record, self._index.symbols.get(moment.row.order_id, ""))

    # -- answers

    def _answered(self, question: AnyQuestion) -> AnyReply:
        moment = self._recorder.moment()
        try:
            match question:
                case RowsOf():
                    return self._rows(question)
                case StoryOf(ident=ident):
                    story = tell(self._tape, ident)
                    if story is None:
                        return Declined(text=f"nothing in the journal has the id '{ident}'")
                    return story_told(
                        story, self._words, effects_of(story, moment.books.positions, self._words)
                    )
                case DayOf():
                    return picture.day(moment, self._index)
                case MarketOf(symbol=symbol, bars=bars):
                    return picture.market(moment, self._follower, symbol, bars=bars > 0)
                case LogTail():
                    return Declined(text="a journal holds no log: look into log/breakwater.jsonl beside it")
        except Exception as error:  # noqa: BLE001 - one question must not end the recording
            return Declined(text=f"this question failed: {error!r}")

    def _rows(self, question: RowsOf) -> RowsTold:
        here, first = self._recorder.seq, self._index.first
        begin = max(first - 1, here - 1 - min(max(question.before, 0), MAX_LINES // 2))
        end = min(self._index.last, here + min(max(question.after, 0), MAX_LINES // 2))
        lines = []
        before = start = 0
        for row in self._tape.rows(begin, end):
            start, before = start or row.ts, before or row.ts
            record = decode(row.kind, row.body)
            lines.append(
                StoryLine(
                    row=row.seq,
                    ts=row.ts,
                    since=row.ts - start,
                    gap=row.ts - before,
                    kind=row.kind,
                    order_id=row.order_id,
                    correlation=row.correlation,
                    text=self._words.record(record, self._index.symbols.get(row.order_id, "")),
                )
            )
            before = row.ts
        return RowsTold(
            at=here,
            ts=self._index.time(here),
            last=self._index.last,
            begins=self._index.time(first),
            ends=self._index.time(self._index.last),
            path=str(self.path),
            speed=self._speed,
            rows=tuple(lines),
            events=self._index.thinned(),
            note=self._note,
        )

    def _decline_all(self) -> None:
        while True:
            try:
                _, sink = self._questions.popleft()
            except IndexError:
                return
            sink(Declined(text=self._over))
