"""A strategy in virtual time: each step waits for the process's answer, so that a run repeats exactly."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence
from typing import Any, Final

from engine.model import Bar, Quote
from engine.strategy.host import StrategyHost
from engine.strategy.messages import (
    MAX_FRAME,
    NOTHING,
    Earlier,
    Malformed,
    Message,
    Splitter,
    frame,
    read_reply,
)
from engine.strategy.process import Process

_READ: Final = 1 << 16
_LOOK_EVERY: Final = 2_048
"""Steps between two looks at memory and stderr."""


class LockstepHost(StrategyHost):
    """Blocks the caller until the strategy has taken each batch; `flush` returns with its actions handed on.

    `answer_timeout`: seconds of host time after which a strategy that does not answer counts as hung. It
    guards a run against waiting for ever and takes no part in what the run decides.
    """

    def __init__(self, *args: Any, answer_timeout: float = 30.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._answer_timeout = self._patience = answer_timeout
        self._frames = Splitter(MAX_FRAME)
        self._stepping = False
        self._looks = 0

    def start(self, earlier: Earlier = NOTHING) -> None:
        self._begin()
        self._patience = self._answer_timeout
        self._frames = Splitter(MAX_FRAME)
        try:
            self._process = self._spawn(self._import_paths)
        except OSError as error:
            self._fail(f"cannot start its process: {error}")
            return
        self._process.link.setblocking(True)
        self._time_out(self._process.link, self._start_timeout)
        self._stepping = True
        try:
            self._exchange(
                self._start_message(earlier),
                self._start_timeout,
                f"did not get ready within {self._start_timeout:g} s",
            )
        finally:
            self._stepping = False
        if self._process is not None:
            self._time_out(self._process.link, self._answer_timeout)

    async def ended(self) -> None:
        """At once: `stop` and `kill` have waited for it."""

    def flush(self) -> None:
        if self._stepping:
            return
        self._stepping = True
        try:
            while self.live and (self._mail or (self._stopping and not self._stop_sent)):
                instruction = self._next_instruction()
                assert instruction is not None, "something waits"
                self._exchange(instruction, self._patience, f"hung: took no event for {self._patience:.1f} s")
        finally:
            self._stepping = False

    def step(self, events: Sequence[Quote | Bar | Any]) -> None:
        """Delivers market events of one stamp and flushes."""
        for event in events:
            if isinstance(event, Quote):
                self.quote(event)
            elif isinstance(event, Bar):
                self.bar(event)
            else:
                self.trade(event)
        self.flush()

    def stop(self, timeout: float, reason: str = "stop") -> None:
        if not self.live:
            return
        self._stopping = reason
        self._patience = min(timeout, self._answer_timeout)
        if self._process is not None:
            self._time_out(self._process.link, self._patience)
        self.flush()

    def _exchange(self, message: Message, timeout: float, complaint: str) -> None:
        process = self._process
        assert process is not None, "live without a process"
        self._busy = True
        deadline = time.monotonic() + timeout
        bodies: list[bytes] = []
        try:
            process.link.sendall(frame(message))
            while not bodies:
                data = process.link.recv(_READ)
                if not data:
                    raise ConnectionResetError
                bodies = self._frames.feed(data)
                if not bodies and time.monotonic() > deadline:
                    raise BlockingIOError
            reply = read_reply(bodies[0])
            if len(bodies) > 1:
                raise Malformed("two answers to one message")
        except (BlockingIOError, TimeoutError):
            self._fail(complaint)
        except Malformed as error:
            self._fail(f"broke the protocol: {error}")
        except OSError:
            process.wait(1.0)
            self._fail(process.death(self.config.cpu_seconds))
        else:
            self._answered(reply)
            self._looks += 1
            if self._looks % _LOOK_EVERY == 0 and self._process is not None:
                self._process.drain_errors()
                self._over_memory()

    @staticmethod
    def _time_out(link: socket.socket, seconds: float) -> None:
        """Time-outs in the kernel: unlike `settimeout` they cost no second system call for each read."""
        value = struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)

    def _release(self, process: Process, graceful: bool) -> None:
        if graceful and process.wait(2.0):
            process.close()
        else:
            process.end()
        if process.group is not None:
            try:
                process.group.remove()
            except OSError as error:
                self._out.on_log(self.name, "error", f"its control group stays: {error}", {})
