"""The control socket: takes commands and answers questions on the engine's loop, and never makes it wait.

Only the user that the engine runs as may speak (the kernel names the peer). What a client sends is bounded,
what it does not read is bounded, and a client that breaks either bound is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from engine.control import pieces, wire
from engine.control.commands import Answer, AnyCommand
from engine.control.conversation import Conversation
from engine.control.directory import private_directory
from engine.control.peer import peer_of, socket_holder
from engine.control.screens import MAX_SCREENS, Screens, Stage
from engine.control.snapshot import Snapshot

AnswerSink = Callable[[Answer], None]
CommandSink = Callable[[AnyCommand, str, AnswerSink], None]

MAX_CLIENTS: Final = 32
"""Clients at a time; one more takes the place of the one that has been silent longest, so that connections
which somebody forgot never keep a kill out."""
MAX_UNSENT: Final = 1024 * 1024
"""Bytes that may wait for a client before the next message; beyond it the client is dropped."""
HELLO_WITHIN: Final = 5.0
"""Seconds in which a client must say hello."""

CLOSE_WITHIN: Final = 0.5
"""Seconds that clients get at the end to read what waits for them."""


class AlreadyRunning(Exception):
    """Another engine listens in this state directory."""


class ControlServer:
    """Listens on `directory/control.sock` (0600 in 0700) from `start` to `close`.

    `snapshot` gives the newest picture (None before the first); `command` hands a command to the engine
    with who asked and where the answers go. Both are called on the loop that runs `start`, and must not
    block. Answers may come from any thread.
    """

    def __init__(
        self,
        directory: Path,
        *,
        snapshot: Callable[[], Snapshot | None],
        command: CommandSink,
        build: str = "",
        report: Callable[[str, str], None] | None = None,
        stage: Stage | None = None,
    ) -> None:
        """`report(event, text)`: told of refused peers, dropped clients and internal errors. `stage`: what
        screens are shown; None: none may attach."""
        self.path = wire.socket_path(directory)
        self.counters: dict[str, int] = {
            "connections": 0,
            "commands": 0,
            "questions": 0,
            "malformed": 0,
            "refused_peers": 0,
            "dropped_slow": 0,
            "dropped_other": 0,
            "errors": 0,
        }
        self._directory = directory
        self._snapshot = snapshot
        self._command = command
        self._build = build
        self._report = report or (lambda _event, _text: None)
        self.screens = None if stage is None else Screens(stage, self._report)
        """Those attached."""
        self._server: asyncio.Server | None = None
        self._inode: tuple[int, int] | None = None
        self._clients: dict[int, _Client] = {}
        self._empty = asyncio.Event()
        self._serial = 0
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="answers")
        """Where answers to questions are made: of thousands of rows they take milliseconds."""
        self._under_way: set[asyncio.Future[bytes]] = set()
        self._encoded: dict[wire.Topic, tuple[int, bytes]] = {}
        """By topic, of which snapshot; for the encoder's thread alone."""
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread = 0

    async def start(self) -> None:
        """Starts to listen. A socket that a dead process left is replaced.

        Raises `AlreadyRunning` where a live process listens, `UnsafeDirectory` where the directory is not
        ours. Two engines that start in the same instant are told apart by the journal's lock: open the
        journal first.
        """
        private_directory(self._directory)
        holder = socket_holder(self.path)
        if holder is not None:
            raise AlreadyRunning(
                f"process {holder} listens on {self.path}: an engine runs with this state directory. "
                "Look with 'breakwater attach', stop it with 'breakwater ctl shutdown', or choose "
                "another --state-dir"
            )
        listener = self._listener()
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self._server = await self.loop.create_unix_server(lambda: _Client(self), sock=listener)

    async def close(self) -> None:
        """Removes the socket, sends what waits for clients that read, drops the rest. May be repeated."""
        if self._server is not None:
            self._server.close()
            self._server = None
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # removed already, or never made
            found = self.path.stat()
            if (found.st_dev, found.st_ino) == self._inode:
                self.path.unlink()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=CLOSE_WITHIN)
        self._encoder.shutdown(wait=False, cancel_futures=True)
        if self.screens is not None:
            await self.screens.close(CLOSE_WITHIN)
        for client in list(self._clients.values()):
            client.finish()
        if self._clients:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), CLOSE_WITHIN)
        for client in list(self._clients.values()):
            client.drop("closing")

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    # ---- the socket

    def _listener(self) -> socket.socket:
        """Binds beside the final name and moves into place, so that nobody ever finds it half made."""
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            with wire.reachable(fresh) as address:
                listener.bind(address)
            fresh.chmod(0o600)
            listener.listen(MAX_CLIENTS)
            found = fresh.stat()
            self._inode = (found.st_dev, found.st_ino)
            fresh.replace(self.path)
        except BaseException:
            listener.close()
            fresh.unlink(missing_ok=True)
            raise
        return listener

    # ---- for the clients

    def joined(self, client: _Client) -> int:
        self._serial += 1
        self._clients[self._serial] = client
        self.counters["connections"] += 1
        return self._serial

    def left(self, serial: int) -> None:
        self._clients.pop(serial, None)
        if not self._clients:
            self._empty.set()

    def make_room(self) -> None:
        """Lets go of the client that has been silent longest, where too many are connected."""
        staying = [client for client in self._clients.values() if not client.leaving]
        if len(staying) <= MAX_CLIENTS:
            return
        silent = min(staying, key=lambda client: client.heard)
        silent.dismiss(f"{MAX_CLIENTS} clients are connected, and this one was silent longest; connect again")

    def count(self, what: str, text: str = "") -> None:
        self.counters[what] += 1
        if text:
            self._report(what, text)

    def welcome(self) -> wire.Welcome:
        now = self._snapshot()
        return wire.Welcome(
            version=wire.PROTOCOL,
            pid=os.getpid(),
            build=self._build,
            account=now.account if now else "",
            mode=now.mode if now else "",
        )

    def picture(self, ask: wire.Ask) -> asyncio.Future[bytes] | None:
        """The reply to a question, framed, from the picture that is the newest now; made on another thread.
        None where there is no picture yet."""
        now = self._snapshot()
        if now is None:
            return None
        assert self.loop is not None, "it serves"
        made = self.loop.run_in_executor(self._encoder, self._make, now, ask)
        self._under_way.add(made)
        made.add_done_callback(self._under_way.discard)
        return made

    def _make(self, now: Snapshot, ask: wire.Ask) -> bytes:
        """Each snapshot is encoded once per topic, however often it is asked for."""
        known = self._encoded.get(ask.topic)
        if known is None or known[0] != now.seq:
            known = (now.seq, pieces.encode(wire.topic_of(now, ask.topic)))
            self._encoded[ask.topic] = known
        return wire.frame(
            wire.encode(
                wire.Picture(id=ask.id, topic=ask.topic, seq=now.seq, ts=now.ts, data=wire.raw(known[1]))
            )
        )

    def hand_over(self, command: AnyCommand, who: str, answer: AnswerSink) -> None:
        self.count("commands")
        self._command(command, who, answer)


class _Client(Conversation):
    """One connection, on the engine's loop."""

    def __init__(self, server: ControlServer) -> None:
        super().__init__()
        self._server = server
        self._serial = 0
        self._who = ""
        self._greeted = False
        self._answering = False
        self._hello_timer: asyncio.TimerHandle | None = None
        self.heard = 0.0
        """When it last sent something, by the loop's clock."""

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._serial = self._server.joined(self)
        sock: socket.socket = transport.get_extra_info("socket")
        pid, uid = peer_of(sock)
        if uid != os.geteuid():
            self.count("refused_peers", f"uid {uid} (pid {pid}) knocked at the control socket")
            self.abort()
            return
        self._who = f"{_user_name(uid)} uid={uid} pid={pid}"
        loop = asyncio.get_running_loop()
        self.heard = loop.time()
        self._server.make_room()
        self._hello_timer = loop.call_later(HELLO_WITHIN, self.drop, "no hello came")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._hello_timer is not None:
            self._hello_timer.cancel()
        self._server.left(self._serial)

    def data_received(self, data: bytes) -> None:
        self.heard = asyncio.get_running_loop().time()
        super().data_received(data)

    # ---- messages

    def count(self, what: str, text: str = "") -> None:
        self._server.count(what, text)

    def take(self, request: wire.FromClient) -> None:
        match request:
            case wire.Hello():
                self._greet(request)
            case wire.Ask() | wire.Do() | wire.Attach() if not self._greeted:
                self.problem(request.id, "hello", "the first message must be hello")
                self.finish()
            case wire.Ask():
                self._answer_question(request)
            case wire.Do():
                self._take_command(request)
            case wire.Attach():
                self._attach(request)
            case _:
                self.problem(0, "hello", "only a screen may say that: attach first")
                self.finish()

    def _greet(self, hello: wire.Hello) -> None:
        if self._hello_timer is not None:
            self._hello_timer.cancel()
        if hello.version != wire.PROTOCOL:
            self.problem(
                0,
                "version",
                f"this engine speaks version {wire.PROTOCOL}, the client {hello.version}; "
                "run both from the same installation",
            )
            self.finish()
            return
        self._greeted = True
        if place := _plain(hello.tty):
            name, _, rest = self._who.partition(" ")
            self._who = f"{name.partition('@')[0]}@{place} {rest}"
        self.send(wire.encode(self._server.welcome()))

    def _answer_question(self, ask: wire.Ask) -> None:
        self.count("questions")
        reply = self._server.picture(ask)
        if reply is None:
            self.problem(ask.id, "no_snapshot", "the engine is starting and has no picture of itself yet")
        else:
            self._answering = True
            reply.add_done_callback(partial(self._made, ask.id))

    def _made(self, request: int, reply: asyncio.Future[bytes]) -> None:
        self._answering = False
        if reply.cancelled():
            self.problem(request, "internal", "the engine has stopped")
        elif (error := reply.exception()) is not None:
            self.count("errors", f"an answer could not be made: {error!r}")
            self.problem(request, "internal", f"the engine failed on this question: {error!r}")
        else:
            self.send_framed(reply.result())
        if not self._drains:
            self.drain()

    @property
    def busy(self) -> bool:
        """While an answer is being made: what the client says next is answered after it."""
        return self._answering

    def _take_command(self, request: wire.Do) -> None:
        def answer(given: Answer) -> None:
            if threading.get_ident() == self._server.thread:
                self.reply(request.id, given)
            elif self._server.loop is not None:
                self._server.loop.call_soon_threadsafe(self.reply, request.id, given)

        try:
            self._server.hand_over(request.command, self._who, answer)
        except Exception as error:  # noqa: BLE001 - an error in one command must not end the socket for all
            self.count("errors", f"{type(request.command).__name__}: {error!r}")
            self.problem(request.id, "internal", f"the engine failed on this command: {error!r}")

    def _attach(self, request: wire.Attach) -> None:
        """The connection goes to the screens' thread, with all that was read of it and not handled."""
        screens, transport = self._server.screens, self._transport
        if screens is None or transport is None:
            self.problem(request.id, "no_screens", "this engine serves no screens")
            return
        if request.mark != screens.mark:
            text = "this screen is of another build than the engine; run both from the same installation"
            self.problem(request.id, "version", text)
            self.finish()
            return
        if screens.closed:
            self.finish()  # as all connections are at the end: no word of places that are taken
            return
        if self.unsent or screens.full:
            self.problem(request.id, "busy", f"{MAX_SCREENS} screens are attached; close one of them")
            self.finish()
            return
        transport.pause_reading()
        sock: socket.socket = transport.get_extra_info("socket").dup()
        rest = b"".join(map(wire.frame, self._waiting)) + self._deframer.rest()
        self._waiting.clear()
        self.abort()
        screens.adopt(sock, self._who, request, rest)

    # ---- sending and ending

    def send_framed(self, framed: bytes) -> None:
        if self.leaving:
            return  # the client left; what it asked for goes on without it
        if self.unsent > MAX_UNSENT:
            self.count("dropped_slow", f"{self._who} does not read; dropped")
            self.abort()
            return
        super().send_framed(framed)

    def dismiss(self, why: str) -> None:
        """Says why, and closes."""
        self.count("dropped_other", f"{self._who}: {why}")
        self.problem(0, "busy", why)
        self.finish()

    def drop(self, reason: str) -> None:
        """Closes at once."""
        if not self.leaving:
            self.count("dropped_other", f"{self._who}: {reason}; dropped")
        self.abort()


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid{uid}"


def _plain(text: str) -> str:
    """A client's own words, made harmless for logs and screens."""
    return "".join(c for c in text if c.isascii() and (c.isalnum() or c in "/._-"))[:32]
