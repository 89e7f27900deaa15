"""The other end of the control socket: a plain blocking client for `ctl`, `doctor` and scripts."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from engine.control import wire
from engine.control.commands import Answer, AnyCommand

CONNECT_WITHIN: Final = 3.0
"""Seconds to connect and be welcomed."""
ANSWER_WITHIN: Final = 10.0
"""Seconds to wait for a reply by default."""

_TIMEVAL: Final = struct.Struct("@ll")


class Unreachable(Exception):
    """No engine answers: none runs, or it does not let us in, or it is stuck. The text says which."""


class Refused(Exception):
    """The engine did not take the request; `code` is that of `wire.Problem`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class NoAnswer(Exception):
    """The engine took a command, and its last answer did not come in time. What it did is not known."""


class ControlClient:
    """A connection to the engine of one state directory. Not for use by several threads at once."""

    def __init__(self, directory: Path, *, name: str = "ctl", tty: str | None = None) -> None:
        self.path = wire.socket_path(directory)
        self._name = name
        self._tty = terminal_name() if tty is None else tty
        self._sock: socket.socket | None = None
        self._deframer = wire.Deframer(wire.MAX_REPLY)
        self._ready: list[wire.FromEngine] = []
        self._id = 0
        self._commands: set[int] = set()
        self.welcome: wire.Welcome | None = None

    def __enter__(self) -> ControlClient:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self, within: float = CONNECT_WITHIN) -> wire.Welcome:
        """Connects and agrees on the version. Raises `Unreachable` with the remedy."""
        deadline = time.monotonic() + within
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Blocking, with the kernel's own time-out: a socket that does not block is refused at once where
            # other clients wait to be accepted, and that is not yet a stuck engine.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(*_seconds_and_us(within)))
            with wire.reachable(self.path) as address:
                sock.connect(address)
        except OSError as error:
            sock.close()
            raise Unreachable(self._why_not(error, within)) from error
        self._sock = sock
        self._send(wire.Hello(version=wire.PROTOCOL, client=self._name, tty=self._tty))
        try:
            reply = self.receive(deadline - time.monotonic())
        except Unreachable:
            self.close()
            raise
        if isinstance(reply, wire.Problem):
            self.close()
            raise Unreachable(reply.text)
        if not isinstance(reply, wire.Welcome):
            self.close()
            raise Unreachable(
                f"{self.path} exists and no engine answers within {within:g} s: it is stuck or gone. "
                "Act at the broker directly, then stop the process"
            )
        self.welcome = reply
        return reply

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    # ---- one request, one answer

    def ask_raw(self, topic: wire.Topic, within: float = ANSWER_WITHIN) -> bytes:
        """The JSON of a topic. Raises `Refused` (the engine has no picture yet) or `Unreachable`."""
        return bytes(self._picture(topic, within).data)

    def _picture(self, topic: wire.Topic, within: float) -> wire.Picture:
        picture = self._await(self.start_ask(topic), within)
        if not isinstance(picture, wire.Picture):
            raise Unreachable(f"the engine did not answer '{topic}' within {within:g} s: it is stuck")
        return picture

    def ask(self, topic: wire.Topic, within: float = ANSWER_WITHIN) -> Any:
        """A topic as its rows, see `wire.TOPIC_TYPES`."""
        return self.ask_as_of(topic, within)[0]

    def ask_as_of(self, topic: wire.Topic, within: float = ANSWER_WITHIN) -> tuple[Any, int]:
        """A topic as its rows, and the engine time that they are of, UTC ns."""
        picture = self._picture(topic, within)
        try:
            return wire.decode_topic(topic, picture.data), picture.ts
        except wire.WireError as error:
            raise Unreachable(
                f"the engine is of another build ({error}); run both from one installation"
            ) from error

    def command(
        self,
        command: AnyCommand,
        within: float = ANSWER_WITHIN,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """Sends a command and answers its last answer; earlier ones go to `on_answer`.

        Raises `Refused`, `Unreachable`, or `NoAnswer` when it was sent and its end is not known.
        """
        request = self.start(command)
        deadline = time.monotonic() + within
        while True:
            reply = self._await(request, deadline - time.monotonic())
            if not isinstance(reply, wire.Reply):
                raise NoAnswer(
                    f"the engine has the command and did not report its end within {within:g} s; "
                    "look with 'breakwater ctl status' before asking again"
                )
            if reply.answer.final:
                return reply.answer
            if on_answer is not None:
                on_answer(reply.answer)

    # ---- several at a time

    def start(self, command: AnyCommand) -> int:
        """Sends a command; its answers come from `receive` as `wire.Reply` with this id."""
        self._id += 1
        self._commands.add(self._id)
        self._send(wire.Do(id=self._id, command=command))
        return self._id

    def start_ask(self, topic: wire.Topic) -> int:
        """Sends a question; its reply comes from `receive` as `wire.Picture` with this id."""
        self._id += 1
        self._send(wire.Ask(id=self._id, topic=topic))
        return self._id

    def receive(self, within: float) -> wire.FromEngine | None:
        """The next message of the engine; None when none came in `within` seconds.

        Raises `Unreachable` when the connection is lost."""
        deadline = time.monotonic() + within
        while not self._ready:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            sock = self._connected()
            sock.settimeout(left)
            try:
                data = sock.recv(256 * 1024)
            except TimeoutError:
                return None
            except OSError as error:
                raise Unreachable(f"the connection to the engine broke: {error.strerror}") from error
            if not data:
                raise Unreachable("the engine closed the connection: it stopped, or it does not know us")
            try:
                self._ready.extend(wire.decode_reply(body) for body in self._deframer.feed(data))
            except wire.WireError as error:
                raise Unreachable(
                    f"what answers at {self.path} speaks another protocol ({error}); "
                    "run both from the same installation"
                ) from error
        return self._ready.pop(0)

    def _await(self, request: int, within: float) -> wire.FromEngine | None:
        """The next message for one request. Answers to other commands wait for `receive`; replies to
        questions that were given up are dropped."""
        deadline = time.monotonic() + within
        kept: list[wire.FromEngine] = []
        try:
            while True:
                message = self.receive(deadline - time.monotonic())
                if isinstance(message, wire.Problem) and message.id in (0, request):
                    raise Refused(message.code, message.text)
                if message is None or (isinstance(message, wire.Addressed) and message.id == request):
                    return message
                if isinstance(message, wire.Addressed) and message.id in self._commands:
                    kept.append(message)
        finally:
            self._ready[:0] = kept

    def _why_not(self, error: OSError, within: float) -> str:
        """What a failed connect means, and what to do."""
        match error:
            case FileNotFoundError():
                return (
                    f"no engine runs here: {self.path} does not exist; start one with 'breakwater headless' "
                    "or 'breakwater desk', or name its --state-dir"
                )
            case ConnectionRefusedError():
                return (
                    f"the engine of {self.path} is gone without having closed its socket; start it again, "
                    "it recovers from its journal. Until then act at the broker directly"
                )
            case PermissionError():
                return f"{self.path} belongs to another user; run this as the engine's user"
            case TimeoutError() | BlockingIOError():
                return (
                    f"{self.path} exists and nothing accepts within {within:g} s: the engine is stuck. "
                    "Act at the broker directly, then stop the process"
                )
            case _:
                return f"{self.path}: {error.strerror}; name the engine's --state-dir"

    def _send(self, message: wire.FromClient) -> None:
        sock = self._connected()
        sock.settimeout(CONNECT_WITHIN)
        try:
            sock.sendall(wire.frame(wire.encode(message)))
        except TimeoutError as error:
            raise Unreachable("the engine takes nothing any more: it is stuck") from error
        except OSError as error:
            raise Unreachable(f"the connection to the engine broke: {error.strerror}") from error

    def _connected(self) -> socket.socket:
        if self._sock is None:
            raise Unreachable("not connected")
        return self._sock


def _seconds_and_us(seconds: float) -> tuple[int, int]:
    """As the kernel takes a time-out; never 0, which would mean none."""
    whole = int(seconds)
    return whole, max(1, int((seconds - whole) * 1e6))


def terminal_name() -> str:
    """The terminal that this process sits at, such as `pts/3`; empty without one."""
    for fd in (0, 1, 2):
        try:
            return os.ttyname(fd).removeprefix("/dev/")
        except OSError:
            continue
    return ""
