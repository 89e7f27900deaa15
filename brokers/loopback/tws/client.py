"""One client's line: handshake, requests by name, pacing, and everything that is sent to it."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Final

from brokers.loopback.tws import times
from brokers.loopback.tws.framing import GREETING, MIN_VERSION, Unframer, WireError, join, split
from brokers.loopback.tws.layout import Values
from brokers.loopback.tws.market import Live, Ticks
from brokers.loopback.tws.messages import REPLY, read_request, write
from brokers.loopback.tws.recording import Direction, Entry
from brokers.loopback.tws.script import How
from engine.model import NS

if TYPE_CHECKING:
    from brokers.loopback.tws.contracts import Listed
    from brokers.loopback.tws.gateway import Gateway

_OFFER: Final = re.compile(rb"v(\d+)(?:\.\.(\d+))?(?: .*)?", re.DOTALL)
_ORDERS: Final = frozenset({"place_order", "cancel_order", "global_cancel"})
_IDS: Final = ("orderId", "reqId")
_log = logging.getLogger(__name__)

_CHUNK: Final = 65_536
MAX_BACKLOG: Final = 64 * 1024 * 1024
"""Bytes that may wait for a client that does not read; then it is cut off."""


class Client:
    """One accepted connection and its subscriptions."""

    def __init__(self, gateway: Gateway, number: int, writer: asyncio.StreamWriter) -> None:
        self.client_id = -1
        self.version = 0
        self.binds = False
        self.positions = False
        self.account = ""
        """Account whose updates (message 6) it gets."""
        self.data_type = 1
        self.multis: dict[int, tuple[str, str]] = {}
        self.summaries: dict[int, list[str]] = {}
        self.pnls: dict[int, tuple[str, Listed | None]] = {}
        self.ticks: dict[int, Ticks] = {}
        self.tick_by_tick: dict[int, tuple[Listed, int]] = {}
        self.bars: dict[int, Live] = {}
        self.silent = gateway.mute
        """Nothing goes out any more and nothing that comes in counts, while the socket stays open."""
        self.requests: deque[str] = deque(maxlen=10_000)
        """Names of the latest requests, in order."""
        self._gateway = gateway
        self._number = number
        self._writer = writer
        self._gone = False
        self._sent: deque[int] = deque()
        self._strikes = 0
        self._dribble = bytearray()
        self._buffer = bytearray()

    # -- coming in

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Until the client leaves, breaks the protocol, or is cut off."""
        gateway = self._gateway
        try:
            if not await self._handshake(reader):
                return
            unframer = Unframer()
            while not self._gone and (data := await reader.read(65_536)):
                for body in unframer.feed(data):
                    if not self._gone and not self.silent:
                        self._take(split(body))
        except WireError as error:
            gateway.problem(f"client {self.client_id}: {error}")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # it left without a word
        except Exception as error:
            gateway.problem(f"client {self.client_id}: the gateway failed: {error!r}")
            raise
        finally:
            self._note("close")
            self._flush()
            self._gone = True
            gateway.left(self)
            self._writer.close()

    async def _handshake(self, reader: asyncio.StreamReader) -> bool:
        if await reader.readexactly(4) != GREETING:
            raise WireError("the client does not begin with API; it speaks a protocol older than v100")
        (size,) = struct.unpack(">I", await reader.readexactly(4))
        offer = await reader.readexactly(min(size, 1024))
        match = _OFFER.fullmatch(offer)
        if match is None:
            raise WireError(f"the client offers {offer!r}, not a range of versions")
        lowest, highest = int(match[1]), int(match[2] or match[1])
        version = min(highest, self._gateway.config.max_version)
        if version < max(lowest, MIN_VERSION):
            raise WireError(
                f"the client speaks versions {lowest} to {highest}, the gateway {MIN_VERSION} to "
                f"{self._gateway.config.max_version}"
            )
        self.version = version
        now = times.stamp(self._gateway.clock.now(), self._gateway.config.zone)
        self._note("open", note=now)
        if not self.silent:
            self._write(join([str(version), now]))
        return True

    def _take(self, texts: list[str]) -> None:
        gateway = self._gateway
        self._note("in", tuple(texts))
        try:
            message, values = read_request(texts, self.version)
        except WireError as error:
            gateway.problem(f"client {self.client_id}: {error}")
            self.error(-1, 320, f"Error reading request: {error}")
            if gateway.config.strict:
                self.cut("fin")
            return
        if (self.client_id < 0) is not (message.name == "start_api"):
            raise WireError(f"{message.name} came {'before' if self.client_id < 0 else 'after'} start_api")
        self.requests.append(message.name)
        if self._too_fast():
            return
        if missing := [n for n in _IDS if n in values and values[n] is None]:
            self.error(-1, 321, f"Error validating request: {missing[0]} is missing")
            return
        rule = gateway.script.incoming(message.name)
        if rule is None:
            self._act(message.name, values, texts[1:])
        elif rule.kind == "refuse":
            self.error(_subject(values), rule.code, rule.text)
            if self.client_id < 0:
                self.cut("fin")
        elif rule.kind == "cut":
            if rule.when == "after":  # its effect stays, its answers are lost
                self.silent = True
                self._act(message.name, values, texts[1:])
            self.cut(rule.how)

    def _act(self, name: str, values: Values, raw: list[str]) -> None:
        gateway = self._gateway
        if name == "start_api":
            self._start(values)
            return
        if name in _ORDERS and not gateway.server_up:
            if gateway.config.orders_while_cut == "refuse":
                self.error(values.get("orderId", -1), 504, "Not connected")
            else:
                gateway.when_restored(lambda: self._do(name, values, raw))
            return
        self._do(name, values, raw)

    def _do(self, name: str, values: Values, raw: list[str]) -> None:
        self._gateway.handle(self, name, values, raw)

    def _start(self, values: Values) -> None:
        gateway = self._gateway
        if values["clientId"] is None or values["clientId"] < 0:
            raise WireError(f"a client id must be 0 or above, not {values['clientId']}")
        if values["clientId"] in gateway.clients:
            text = "Unable to connect as the client id is already in use. Retry with a unique client id."
            self.error(-1, 326, text)
            self.cut("fin")
            return
        self.client_id = values["clientId"]
        gateway.clients[self.client_id] = self
        self.send("accounts", {"accounts": ",".join(gateway.config.accounts)})
        self.send("next_valid_id", {"orderId": gateway.trading.book.next_valid_id(self.client_id)})
        for code, text in gateway.greetings():
            self.error(-1, code, text)

    def _too_fast(self) -> bool:
        """Counts a message; True where it is over the limit: it is dropped with error 100."""
        limit, now, sent = self._gateway.config.rate_limit, self._gateway.clock.mono(), self._sent
        while sent and sent[0] <= now - NS:
            sent.popleft()
        if len(sent) < limit:
            sent.append(now)
            return False
        self._strikes += 1
        self.error(-1, 100, f"Max rate of messages per second has been exceeded: max={limit}")
        if self._strikes >= self._gateway.config.rate_strikes * limit:
            self.cut("fin")
        return True

    # -- going out

    def send(self, name: str, values: Values) -> None:
        """Sends a message, unless the script has something else in mind."""
        if self._gone or self.silent:
            return
        body = write(REPLY[name], values, self.version)
        script = self._gateway.script
        if script.idle:
            self._put(body)
        else:
            script.outgoing(self, name, _subject(values), lambda: self._put(body))

    def error(self, subject: int, code: int, text: str) -> None:
        """Message 4; `subject`: order id, request id, or −1."""
        self.send("error", {"id": subject, "code": code, "text": text, "advanced": ""})

    def cut(self, how: How) -> None:
        """Ends the line: with a FIN after what is written, or with a RST at once."""
        self._flush()
        self._gone = True
        if how == "fin":
            self._writer.close()
            return
        line = self._writer.get_extra_info("socket")
        if line is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def _put(self, body: bytes) -> None:
        if self._gone or self.silent:
            return
        if self._gateway.recorder is not None:
            self._note("out", tuple(split(body[4:])))
        self._write(body)

    def _write(self, body: bytes) -> None:
        if self._writer.is_closing():
            return
        if self._gateway.dribble is not None or self._dribble:
            self._flush()
            idle = not self._dribble
            self._dribble += body
            if idle:
                self._drip()
            return
        if not self._buffer:
            self._gateway.clock.call_soon(self._flush)
        self._buffer += body
        if len(self._buffer) > _CHUNK:
            self._flush()

    def _flush(self) -> None:
        """Hands what was said in one turn of the loop to the socket at once, as one write."""
        if not self._buffer or self._writer.is_closing():
            return
        self._writer.write(bytes(self._buffer))
        self._buffer.clear()
        if self._writer.transport.get_write_buffer_size() > MAX_BACKLOG:
            self._gateway.problem(f"client {self.client_id} does not read; it is cut off")
            self.cut("rst")

    def _drip(self) -> None:
        """A few bytes at a time."""
        size, pause = self._gateway.dribble or (len(self._dribble), 0.0)
        if self._gone or self._writer.is_closing():
            self._dribble.clear()
            return
        self._writer.write(bytes(self._dribble[:size]))
        del self._dribble[:size]
        if self._dribble:
            self._gateway.clock.call_later(round(pause * NS), self._drip)

    def _note(self, way: Direction, texts: tuple[str, ...] = (), note: str = "") -> None:
        recorder = self._gateway.recorder
        if recorder is not None:
            now = self._gateway.clock.now()
            version = self.version if way == "open" else 0
            recorder.note(Entry(ts=now, line=self._number, way=way, fields=texts, version=version, note=note))


def _subject(values: Values) -> int:
    """The id that an error about a message would carry."""
    for name in _IDS:
        if values.get(name) is not None:
            return int(values[name])
    return -1
