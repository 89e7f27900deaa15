"""The link to an engine in another process: what it shows comes over its socket, on a thread of its own.

It finds an engine that was restarted, and nothing that it holds ever looks newer than it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from app.killline import KillLine
from engine.control import wire
from engine.control.client import terminal_name
from engine.control.commands import Answer, AnyCommand, Kill
from engine.control.frames import Frame, WrongBase, patched
from engine.control.link import AnswerSink, role_of
from engine.control.mark import build_mark
from engine.control.news import KEPT, Batch, Event, News, stream_of
from engine.control.questions import MAX_ASKED, AnyQuestion, ReplySink, decode_reply
from engine.control.replies import Declined
from engine.control.snapshot import ScreenRole, Snapshot
from engine.records import RunStarted, decode

FIRST_TRY: Final = 0.1
"""Seconds before a lost connection is tried again; doubled with each attempt that fails."""
LAST_TRY: Final = 2.0
"""Longest wait between two attempts, s."""
END_WITHIN: Final = 1.0
"""Seconds that the end waits for the goodbye to leave."""

READ_ONLY: Final = (
    "this screen is read-only: NOTHING was sent; use 'breakwater ctl', or attach without --read-only"
)
LOST: Final = (
    "the connection broke before the answer: what the engine did is not known; look before asking again"
)


_started: Final[msgspec.json.Decoder[RunStarted | None]] = msgspec.json.Decoder(RunStarted | None)


class SocketLink:
    """`engine.control.link.Link` over the socket of a state directory. `start` it, and `close` it.

    `rate`: frames a second at the most; `take_control`: from whoever is in control, once, at the first
    connection; `history`: so many of the newest events stay at hand. `clock`: the host's monotonic clock, s,
    which the engine's stamps are by.
    """

    def __init__(
        self,
        directory: Path,
        *,
        read_only: bool = False,
        take_control: bool = False,
        rate: float = 10.0,
        history: int = KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = wire.socket_path(directory)
        self._read_only = read_only
        self._take_control = take_control
        self._rate = rate
        self._clock = clock
        self._tty = terminal_name()
        self._held: tuple[Snapshot, float] | None = None
        self._seat = 0
        self._alive = True
        self._news = News(history)
        self._heard = threading.Condition()
        self.told = 0
        """Number of the newest event of which the engine has told, when it took this screen in."""
        self.started: RunStarted | None = None
        """How the engine's run began, and what its prices are ticks of; None: not known."""
        self._run = ""
        self._engine_told = 0
        """Number, in the engine's count, of the newest event that came."""
        self._request = 0
        self._pending: dict[int, AnswerSink] = {}
        self._asked: dict[int, ReplySink] = {}
        self._kills = None if read_only else KillLine(directory, self._tty)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._answered = threading.Event()
        self._refusal = ""
        self.outdated = ""
        """Why this screen and the engine, started anew from another build, cannot talk; empty: they can."""
        self._writer: asyncio.StreamWriter | None = None
        self._closing: asyncio.Event | None = None
        self._goodbye: str | None = None
        self._whole = False
        """Whether frames may be applied; False until a whole snapshot has come."""
        self._tried = FIRST_TRY
        self._thread = threading.Thread(target=self._work, name="link", daemon=True)

    # ---- the screen's side

    def start(self) -> None:
        """Begins to connect; returns at once."""
        self._thread.start()
        self._ready.wait()
        if self._kills is not None:
            self._kills.start()

    def attached(self, within: float) -> str:
        """Waits until the engine has taken this screen in, or has said why not: its reason, or an empty text
        (also where it has said nothing in time)."""
        self._answered.wait(within)
        return self._refusal

    def close(self, goodbye: str | None) -> None:
        """Ends. With a `goodbye` the engine knows that the screen went on purpose; with None it was lost."""
        if self._kills is not None:
            self._kills.close()
        self._goodbye = goodbye
        self._on_loop(self._end)
        self._thread.join(2 * END_WITHIN)

    def latest(self) -> Snapshot | None:
        held = self._held
        return None if held is None else held[0]

    def age(self) -> float:
        held = self._held
        return float("inf") if held is None else self._clock() - held[1]

    def alive(self) -> bool:
        return self._alive

    def news(self, after: int) -> Batch:
        return self._news.after(after)

    def listen(self, after: int, within: float) -> None:
        """Waits until there are news after this number, or for so many seconds."""
        with self._heard:
            self._heard.wait_for(lambda: self._news.last > after, within)

    def role(self) -> ScreenRole:
        return "read-only" if self._read_only else role_of(self.latest(), self._seat)

    def send(self, command: AnyCommand, who: str, answer: AnswerSink | None = None) -> None:  # noqa: ARG002
        """`who` is not sent: the engine takes the kernel's word for it."""
        sink = answer or (lambda _: None)
        if self._kills is None:
            sink(Answer(ok=False, text=READ_ONLY, data={"outcome": "not sent"}))
        elif isinstance(command, Kill):
            self._kills.send(command, sink)
        elif not self._on_loop(self._send, command, sink):
            sink(Answer(ok=False, text="this screen is closing", data={"outcome": "not sent"}))

    def ask(self, question: AnyQuestion, sink: ReplySink) -> None:
        if not self._on_loop(self._ask, question, sink):
            sink(Declined(text="not asked: this screen is closing"))

    # ---- on the link's thread

    def _on_loop(self, callback: Callable[..., object], *args: object) -> bool:
        """Has something run on the link's thread; False where that has ended."""
        if self._loop is None:
            return False
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            return False
        return True

    def _send(self, command: AnyCommand, sink: AnswerSink) -> None:
        if self._writer is None:
            text = "there is no connection to the engine"
            sink(Answer(ok=False, text=text, data={"outcome": "not sent"}))
            return
        self._request += 1
        self._pending[self._request] = sink
        self._write(wire.Do(id=self._request, command=command))

    def _ask(self, question: AnyQuestion, sink: ReplySink) -> None:
        if self._writer is None:
            sink(Declined(text="there is no connection to the engine"))
        elif len(self._asked) >= MAX_ASKED:
            sink(Declined(text=f"{MAX_ASKED} questions wait already; ask when one is answered"))
        else:
            self._request += 1
            self._asked[self._request] = sink
            self._write(wire.Query(id=self._request, question=question))

    def _write(self, message: wire.FromClient) -> None:
        if self._writer is not None:
            self._writer.write(wire.frame(wire.encode(message)))

    def _end(self) -> None:
        if self._goodbye is not None:
            self._write(wire.Goodbye(why=self._goodbye))
        if self._closing is not None:
            self._closing.set()

    def _work(self) -> None:
        try:
            asyncio.run(self._main())
        finally:  # also where it could not even begin: nobody waits for it, nothing looks alive
            self._alive = False
            self._ready.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        self._ready.set()
        end = asyncio.ensure_future(self._closing.wait())
        while not end.done():
            talk = asyncio.ensure_future(self._talk())
            await asyncio.wait((talk, end), return_when=asyncio.FIRST_COMPLETED)
            if end.done():
                await self._leave(talk)
                break
            if (error := talk.exception()) is not None:  # a message that nobody has thought of
                logging.getLogger("link").error("the connection failed", exc_info=error)
                self._alive = False
            self._broken()
            await asyncio.wait((end,), timeout=self._tried)
            self._tried = min(2 * self._tried, LAST_TRY)

    async def _leave(self, talk: asyncio.Task[None]) -> None:
        """The engine closes the connection once it has read the goodbye; without one nobody waits."""
        if self._goodbye is not None and self._writer is not None:
            await asyncio.wait((talk,), timeout=END_WITHIN)
        talk.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await talk
        self._broken()

    def _broken(self) -> None:
        self._writer = None
        self._whole = False
        pending, self._pending = self._pending, {}
        for sink in pending.values():
            sink(Answer(ok=False, text=LOST, data={"outcome": "unknown"}))
        asked, self._asked = self._asked, {}
        for waiting in asked.values():
            waiting(Declined(text="the connection broke before the answer; ask again"))

    async def _talk(self) -> None:
        """One connection, from its beginning to its end."""
        try:
            with wire.reachable(self._path) as address:
                reader, writer = await asyncio.open_unix_connection(address)
        except OSError:
            self._alive = False
            return
        deframer = wire.Deframer(wire.MAX_REPLY)
        try:
            hello = wire.Hello(version=wire.PROTOCOL, client="desk", tty=self._tty)
            attach = wire.Attach(
                id=0,
                mark=build_mark(),
                read_only=self._read_only,
                take_control=self._take_control,
                rate=self._rate,
                run=self._run,
                after=self._engine_told,
            )
            self._writer = writer
            self._write(hello)
            self._write(attach)
            while data := await reader.read(256 * 1024):
                for body in deframer.feed(data):
                    self._take(wire.decode_reply(body))
        except (OSError, wire.WireError, msgspec.DecodeError) as error:
            # It broke, or speaks otherwise than we do: the screen goes stale, and the next attempt follows.
            logging.getLogger("link").warning("the connection to %s ended: %r", self._path, error)
            self._alive = self._alive and self._whole
        finally:
            writer.close()

    def _take(self, message: wire.FromEngine) -> None:
        match message:
            case wire.Attached(seat=seat, run=run, last=last, started=started):
                self._seat, self._refusal = seat, ""
                self.told = max(self.told, last)
                self.started = _started.decode(started)
                self._answered.set()
                self._take_control = False  # once: whoever takes it over from us keeps it
                self._tried = FIRST_TRY
                if run != self._run:
                    self._run, self._engine_told = run, 0
            case wire.Whole(at=at, snapshot=body):
                self._show(wire.decode_topic("snapshot", body), at)
                self._whole = True
            case wire.Change(at=at, frame=frame):
                self._change(frame, at)
            case wire.Events(events=told, missed=missed):
                self._hear(told, missed)
            case wire.Reply(id=request, answer=answer):
                sink = self._pending.pop(request, None) if answer.final else self._pending.get(request)
                if sink is not None:
                    sink(answer)
            case wire.Problem(code="version", text=text):
                self.outdated = self._refusal = text
                self._answered.set()
            case wire.Problem(id=request, text=text):
                sink = self._pending.pop(request, None)
                if sink is not None:
                    sink(Answer(ok=False, text=text))
                elif not self._seat:
                    self._refusal = text
                    self._answered.set()
                else:
                    logging.getLogger("link").warning("the engine says: %s", text)
            case wire.Answered(id=request, reply=reply):
                asked = self._asked.pop(request, None)
                if asked is not None:
                    asked(decode_reply(bytes(reply)))
            case wire.Welcome() | wire.Picture():
                pass

    def _show(self, snapshot: Snapshot, at: float) -> None:
        self._held = (snapshot, at)
        self._alive = True

    def _change(self, frame: Frame, at: float) -> None:
        if not self._whole or self._held is None:
            return
        try:
            self._show(patched(self._held[0], frame), at)
        except (WrongBase, msgspec.DecodeError):
            self._whole = False
            self._write(wire.Again())

    def _hear(self, told: tuple[wire.Told, ...], missed: int) -> None:
        """Numbered on through all runs of the engine that this link has seen; what is missed leaves a gap."""
        number = self._news.last + missed
        for event in told:
            number += 1
            record = decode(event.kind, bytes(event.body))
            stream = stream_of(record)
            assert stream is not None
            self._news.put(Event(number, event.ts, stream, event.correlation, event.order_id, record))
            self._engine_told = event.seq
        with self._heard:
            self._heard.notify_all()
