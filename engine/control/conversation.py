"""One end of a connection on an asyncio loop: frames cut into messages, a few of them handled at a time.

What the other side sends is bounded: while its messages wait, nothing more is read from it; who sends only
nonsense is hung up on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from engine.control import wire
from engine.control.commands import Answer

MAX_MALFORMED: Final = 10
"""Messages that make no sense after which a client is dropped."""
PER_TURN: Final = 16
"""Messages of one client that are handled before everything else on the loop gets its turn."""


class Conversation(asyncio.Protocol):
    """The engine's side of one connection. Everything here runs on one loop and returns at once."""

    def __init__(self) -> None:
        self._deframer = wire.Deframer(wire.MAX_REQUEST)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[bytes] = deque()
        self._broken = ""
        self._malformed = 0
        self._drains = False
        """Whether a look at what waits is due on the loop."""

    # ---- what the kinds of connection do differently

    def take(self, request: wire.FromClient) -> None:
        """Handles one message."""
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        """True while what was handled last must end first; `drain` goes on then."""
        return False

    def count(self, what: str, text: str = "") -> None:
        """Counts something under a name, and reports it where there is a text."""
        raise NotImplementedError

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None

    def data_received(self, data: bytes) -> None:
        try:
            self._waiting.extend(self._deframer.feed(data))
        except wire.WireError as error:  # the length cannot be right: where the next frame starts is unknown
            self._broken = str(error)
        if not self._drains:
            self.drain()

    def drain(self) -> None:
        """Handles some of what has come. While more waits nothing further is read from this client."""
        self._drains = False
        for _ in range(min(PER_TURN, len(self._waiting))):
            if self.leaving:
                self._waiting.clear()
                return
            if self.busy:
                break
            self._take(self._waiting.popleft())
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._waiting:
            transport.pause_reading()
            if not self.busy:
                self._drains = True
                asyncio.get_running_loop().call_soon(self.drain)
        elif self._broken and self.busy:
            transport.pause_reading()  # nothing after this makes sense; what came before is answered first
        elif self._broken:
            self.count("malformed")
            self.problem(0, "too_large", self._broken)
            self.finish()
        else:
            transport.resume_reading()

    def _take(self, body: bytes) -> None:
        try:
            request = wire.decode_request(body)
        except wire.WireError as error:
            self.count("malformed")
            self._malformed += 1
            self.problem(0, "malformed", str(error))
            if self._malformed >= MAX_MALFORMED:
                self.finish()
            return
        self.take(request)

    # ---- sending

    def reply(self, request: int, given: Answer) -> None:
        """An answer to a command."""
        self.send(wire.encode(wire.Reply(id=request, answer=given)))

    def problem(self, request: int, code: wire.ProblemCode, text: str) -> None:
        """Says what is wrong with a message."""
        self.send(wire.encode(wire.Problem(id=request, code=code, text=text)))

    def send(self, body: bytes) -> None:
        """Sends without waiting; to a client that has left, nothing."""
        self.send_framed(wire.frame(body))

    def send_framed(self, framed: bytes) -> None:
        """As `send`, of what stands in its frame already."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(framed)

    @property
    def unsent(self) -> int:
        """Bytes that the client has not taken yet, beyond what the kernel holds for it."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    # ---- ending

    @property
    def leaving(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def finish(self) -> None:
        """Closes once what waits is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Closes at once."""
        if self._transport is not None:
            self._transport.abort()
