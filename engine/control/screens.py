"""Attached screens, served on a thread of their own: snapshots, frames and news out, commands in.

The engine's thread publishes and never waits: this one picks the newest snapshot up, works out what changed,
and sends it, only while somebody is attached. A screen that does not keep up is left out of frames and gets a
whole snapshot later; one that stands still is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

from engine.control import pieces, wire
from engine.control.commands import Answer, AnyCommand
from engine.control.conversation import Conversation
from engine.control.frames import delta
from engine.control.mark import build_mark
from engine.control.news import News
from engine.control.questions import MAX_ASKED, Answerer, AnyReply, encode
from engine.control.replies import Declined
from engine.control.snapshot import Snapshot
from engine.records import KINDS

MAX_SCREENS: Final = 8
"""Screens at a time."""
MAX_UNSENT: Final = 64 * 1024
"""Bytes that may wait for a screen; beyond it frames are left out and it gets a whole snapshot later."""
DROP_AFTER: Final = 5.0
"""Seconds for which a screen may not keep up before it is dropped."""
LOOK_EVERY: Final = 0.02
"""Seconds between two looks for a new snapshot."""
HANDED_OVER: Final = 4
"""Commands of a screen that may wait for their turn on the engine's thread; more are not read from it."""
EVENTS_AT_ONCE: Final = 500
"""Events in one message at the most."""


class Attendance(Protocol):
    """Who comes and goes, see `engine.control.seats`; for the engine's thread."""

    def join(self, who: str, *, read_only: bool = False, take: bool = False) -> int: ...

    def leave(self, seat: int, *, goodbye: bool, how: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """What screens are shown, and where their commands go. `newest`, from any thread: the newest snapshot and
    when it was published, by the host's monotonic clock in seconds; `command` with the screen's seat and
    `answer` for the engine's thread; `run` tells this run's news from another's."""

    newest: Callable[[], tuple[Snapshot, float] | None]
    news: News
    command: Callable[[AnyCommand, str, Callable[[Answer], None], int], None]
    answer: Answerer
    seats: Attendance
    run: str


class Screens:
    """See the module. `adopt` and `close` are for the engine's thread."""

    def __init__(self, stage: Stage, report: Callable[[str, str], None]) -> None:
        self.stage = stage
        self.mark = build_mark()
        """That of this build; screens must have the same."""
        self.counters: dict[str, int] = dict.fromkeys(
            ("attached", "frames", "wholes", "skipped", "events", "dropped_slow", "malformed", "errors"), 0
        )
        self._report = report
        self._screens: set[_Screen] = set()
        self._expected = 0
        self._closed = False
        self._engine: asyncio.AbstractEventLoop | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._looking = False
        self._coming: set[asyncio.Task[None]] = set()
        self._encoded: dict[int | None, bytes] = {}
        self._encoded_for: Snapshot | None = None

    @property
    def full(self) -> bool:
        """Whether no more may attach."""
        return self._expected >= MAX_SCREENS

    @property
    def closed(self) -> bool:
        """Whether the end has begun."""
        return self._closed

    # ---- on the engine's thread

    def adopt(self, sock: socket.socket, who: str, request: wire.Attach, rest: bytes) -> None:
        """Takes over a greeted connection; `rest` was read from it already."""
        self._engine = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._run, args=(self._loop,), name="screens", daemon=True)
            self._thread.start()
        self._expected += 1
        seat = self.stage.seats.join(who, read_only=request.read_only, take=request.take_control)
        self._loop.call_soon_threadsafe(self._come, sock, who, request, seat, rest)

    async def close(self, within: float) -> None:
        """Sends the last snapshot to those who read, and lets go of all."""
        self._closed = True
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        self._loop = None
        loop.call_soon_threadsafe(self._finish, within)
        with ThreadPoolExecutor(1) as waiting:
            await asyncio.get_running_loop().run_in_executor(waiting, thread.join, 2 * within)

    def _gone(self, seat: int, goodbye: bool, how: str) -> None:
        self._expected -= 1
        self.stage.seats.leave(seat, goodbye=goodbye, how=how)

    # ---- on the screens' thread

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.close()

    def on_engine(self, callback: Callable[..., object], *args: object) -> None:
        """Has something run on the engine's thread; once that has ended, nothing."""
        assert self._engine is not None
        with contextlib.suppress(RuntimeError):
            self._engine.call_soon_threadsafe(callback, *args)

    def on_screens(self, callback: Callable[..., object], *args: object) -> None:
        """Has something run on the screens' thread; once that has ended, nothing."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(callback, *args)

    def _come(self, sock: socket.socket, who: str, request: wire.Attach, seat: int, rest: bytes) -> None:
        task = asyncio.get_running_loop().create_task(
            self._connect(sock, _Screen(self, who, request, seat), rest)
        )
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _connect(self, sock: socket.socket, screen: _Screen, rest: bytes) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: screen, sock)
        except OSError as error:
            sock.close()
            self.left(screen, f"it was gone before it was served: {error.strerror}")
            return
        if rest:
            screen.data_received(rest)

    def joined(self, screen: _Screen) -> None:
        self._screens.add(screen)
        self.counters["attached"] += 1
        if not self._looking:
            self._looking = True
            self._look()

    def left(self, screen: _Screen, how: str) -> None:
        self._screens.discard(screen)
        self.on_engine(self._gone, screen.seat, screen.goodbye, how)

    def count(self, what: str, text: str = "") -> None:
        self.counters[what] += 1
        if text:
            self.on_engine(self._report, what, text)

    def _look(self) -> None:
        """Shows everybody what is new, again and again while anybody is there."""
        if not self._screens:
            self._looking = False
            self._encoded.clear()
            self._encoded_for = None
            return
        loop = asyncio.get_running_loop()
        try:
            newest = self.stage.newest()
            for screen in list(self._screens):
                screen.show(newest, loop.time())
        except Exception as error:  # noqa: BLE001 - one picture that cannot be sent must not end all screens
            self.count("errors", f"a frame could not be made: {error!r}")
        loop.call_later(LOOK_EVERY, self._look)

    def encoded(self, base: Snapshot | None, newest: Snapshot, at: float) -> bytes:
        """The message that leads from one snapshot to the newest; made once, however many are shown it."""
        if self._encoded_for is not newest:
            self._encoded.clear()
            self._encoded_for = newest
        key = None if base is None else base.seq
        known = self._encoded.get(key)
        if known is None:
            if base is None:
                message: wire.FromEngine = wire.Whole(at=at, snapshot=wire.raw(pieces.encode(newest)))
            else:
                message = wire.Change(at=at, frame=delta(base, newest))
            known = self._encoded[key] = wire.encode(message)
        return known

    def _finish(self, within: float) -> None:
        loop = asyncio.get_running_loop()
        newest = self.stage.newest()
        deadline = loop.time() + within

        def ended() -> None:
            for screen in list(self._screens):  # also one that has only just come
                if not screen.leaving:
                    screen.show(newest, float("inf"))
                    screen.bid("the engine has stopped")
            if (self._screens or self._coming) and loop.time() < deadline:
                loop.call_later(LOOK_EVERY, ended)
                return
            for screen in list(self._screens):
                screen.abort()
            for task in list(self._coming):
                task.cancel()
            loop.call_soon(loop.stop)

        ended()


class _Screen(Conversation):
    """One attached screen, on the screens' loop."""

    def __init__(self, screens: Screens, who: str, request: wire.Attach, seat: int) -> None:
        super().__init__()
        self._screens = screens
        self._who = who
        self._request = request
        self.seat = seat
        self.goodbye = False
        self._why = "its connection ended without a goodbye"
        self._interval = 1 / min(max(request.rate, 1.0), 1 / LOOK_EVERY)
        self._due = 0.0
        self._base: Snapshot | None = None
        """What it shows; None: it needs a whole snapshot."""
        self._told = request.after if request.run == screens.stage.run else 0
        self._blocked: float | None = None
        self._handed = 0
        """Commands that wait for the engine's thread."""
        self._asked: deque[wire.Query] = deque()
        """Questions that the engine has not answered yet; it has the first."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        stage = self._screens.stage
        began = stage.news.started
        attached = wire.Attached(
            id=self._request.id,
            seat=self.seat,
            run=stage.run,
            last=stage.news.last,
            started=wire.raw(wire.encode(began)),
        )
        self.send(wire.encode(attached))
        self._screens.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._screens.left(self, self._why)

    def count(self, what: str, text: str = "") -> None:
        self._screens.count(what, text)

    # ---- out

    def show(self, newest: tuple[Snapshot, float] | None, now: float) -> None:
        """Sends what this screen has not had yet, if it keeps up."""
        if self.leaving:
            return
        if self.unsent > MAX_UNSENT:
            if self._blocked is None:
                self._blocked = now
            elif now - self._blocked >= DROP_AFTER:
                self._why = f"it did not read for {DROP_AFTER:g} s and was dropped"
                self.count("dropped_slow", f"{self._who}: {self._why}")
                self.abort()
                return
            if self._base is not None:
                self.count("skipped")
            self._base = None
            return
        self._blocked = None
        self._tell()
        if newest is None or newest[0] is self._base or now < self._due:
            return
        snapshot, at = newest
        self.count("wholes" if self._base is None else "frames")
        self.send(self._screens.encoded(self._base, snapshot, at))
        self._base = snapshot
        self._due = now + self._interval - LOOK_EVERY / 2

    def _tell(self) -> None:
        """Sends the news; what the history has no longer is told as missed."""
        batch = self._screens.stage.news.after(self._told, EVENTS_AT_ONCE)
        if not batch.events:
            return
        told = tuple(
            wire.Told(
                seq=event.seq,
                ts=event.ts,
                kind=KINDS[type(event.record)],
                body=wire.raw(wire.encode(event.record)),
                correlation=event.correlation,
                order_id=event.order_id,
            )
            for event in batch.events
        )
        self._told = told[-1].seq
        self._screens.counters["events"] += len(told)
        self.send(wire.encode(wire.Events(events=told, missed=batch.missed)))

    def bid(self, why: str) -> None:
        """Ends in order, once what waits is sent."""
        self.goodbye, self._why = True, why
        self.finish()

    # ---- in

    def take(self, request: wire.FromClient) -> None:
        match request:
            case wire.Do():
                self._handed += 1
                self._screens.on_engine(self._command, request)
            case wire.Query():
                self._ask(request)
            case wire.Again():
                self._base = None
            case wire.Goodbye(why=why):
                self.bid(why or "closed by its operator")
            case wire.Ask():
                self.problem(request.id, "malformed", "a screen is shown everything: it asks for no topics")
            case wire.Hello() | wire.Attach():
                self.problem(0, "malformed", "this connection is attached already")

    def _ask(self, request: wire.Query) -> None:
        """One question of a screen at a time: between two, everything else on the engine's thread gets its
        turn."""
        if len(self._asked) >= MAX_ASKED:
            self._answered(request.id, Declined(text=f"{MAX_ASKED} questions wait already"))
            return
        self._asked.append(request)
        if len(self._asked) == 1:
            self._ask_first()

    def _ask_first(self) -> None:
        def sink(reply: AnyReply) -> None:
            self._screens.on_screens(self._replied, reply)

        self._screens.on_engine(self._screens.stage.answer, self._asked[0].question, sink)

    def _replied(self, reply: AnyReply) -> None:
        self._answered(self._asked.popleft().id, reply)
        if self._asked and not self.leaving:
            self._ask_first()

    def _answered(self, request: int, reply: AnyReply) -> None:
        if self.unsent > MAX_UNSENT:
            reply = Declined(text="this screen does not keep up with what it is sent")
        self.send(wire.encode(wire.Answered(id=request, reply=wire.raw(encode(reply)))))

    def _command(self, request: wire.Do) -> None:
        """On the engine's thread."""

        def answer(given: Answer) -> None:
            self._screens.on_screens(self.reply, request.id, given)

        try:
            self._screens.stage.command(request.command, self._who, answer, self.seat)
        except Exception as error:  # noqa: BLE001 - an error in one command must not end the socket for all
            self._screens.on_screens(self.count, "errors", f"{type(request.command).__name__}: {error!r}")
            answer(Answer(ok=False, text=f"the engine failed on this command: {error!r}"))
        self._screens.on_screens(self._taken)

    def _taken(self) -> None:
        """The engine has had a command: the next may follow."""
        self._handed -= 1
        if (self._waiting or self._broken) and not self._drains:
            self.drain()

    @property
    def busy(self) -> bool:
        return self._handed >= HANDED_OVER
