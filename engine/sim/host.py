"""A strategy inside a simulated run: its real runtime and the real messages, without a process of its own.

What goes to the strategy and what comes back is encoded and decoded as on the socket; an answer takes a
seeded time, during which quotes are conflated as they are in front of a busy process. It can hang and die.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from engine.model import NS
from engine.ports import TimerHandle
from engine.strategy.host import StrategyHost
from engine.strategy.messages import (
    NOTHING,
    Batch,
    Earlier,
    Message,
    Start,
    Stop,
    body_of,
    read_instruction,
    read_reply,
)
from engine.strategy.process import Process
from engine.strategy.runtime import Runtime
from engine.strategy.session import Session

_LONGEST: Final = NS // 4
"""Most that a strategy takes for an answer, ns."""


class Inside:
    """What befalls the strategies of a run; shared by all hosts."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.think = NS // 1_000
        """Mean time that a strategy needs for an answer, ns."""
        self.hang: set[str] = set()
        """Strategies that do not answer their next message."""
        self.die: set[str] = set()
        """Strategies whose process ends at their next message."""


class InsideHost(StrategyHost):
    """`StrategyHost` over a `Runtime` in this process."""

    _conflates = True

    def __init__(self, *args: Any, inside: Inside, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._inside = inside
        self._runtime: Runtime | None = None
        self._watch: TimerHandle | None = None
        self._lives = 0

    @property
    def session(self) -> Session | None:
        """What the strategy knows and believes; None while none runs."""
        return None if self._runtime is None else self._runtime.session

    def start(self, earlier: Earlier = NOTHING) -> None:
        self._begin()
        self._lives += 1
        message = read_instruction(body_of(self._start_message(earlier)))
        assert isinstance(message, Start)
        runtime = self._runtime = Runtime(message)
        self._later(self._step, runtime, runtime.start, 0)

    def flush(self) -> None:
        if (
            self._busy
            or not (self._mail.waiting or self._stopping)
            or not self.live
            or self.state == "starting"
        ):
            return
        instruction = self._next_instruction()
        runtime = self._runtime
        if instruction is None or runtime is None:
            return
        self._busy = True
        if self.name in self._inside.die:
            self._inside.die.discard(self.name)
            self._later(self._fail, "killed by SIGKILL (not by the engine)")
            return
        if self.name in self._inside.hang:
            self._inside.hang.discard(self.name)
            timeout = int(self.config.hang_timeout * NS)
            text = f"hung: took no event for {self.config.hang_timeout:.1f} s"
            self._watch = self._clock.call_later(timeout, self._fail, text)
            return
        message = read_instruction(body_of(instruction))
        if isinstance(message, Batch):
            self._later(self._step, runtime, runtime.take, message)
        elif isinstance(message, Stop):
            self._later(self._step, runtime, runtime.stop, message)

    def stop(self, timeout: float, reason: str = "stop") -> None:
        if not self.live or self._stopping:
            return
        self._stopping = reason
        if self.state == "starting":
            self._end("stopped", reason)
            return
        late = f"{reason}; did not end within {timeout:g} s and was killed"
        self._clock.call_later(int(timeout * NS), self.kill, late)
        self.flush()

    async def ended(self) -> None:
        while self.live:
            await self._clock.sleep(NS // 100)

    def _later(self, act: Callable[..., None], *args: Any) -> None:
        life = self._lives
        delay = int(self._inside.rng.expovariate(1.0) * self._inside.think)

        def arrive() -> None:
            if life == self._lives and self.live:
                act(*args)
                self.flush()

        self._clock.call_later(1 + (delay if delay < _LONGEST else _LONGEST), arrive)

    def _step(self, runtime: Runtime, work: Callable[[Any], Message], given: Any) -> None:
        try:
            reply = work(given)
        except Exception as error:  # noqa: BLE001 - the author's code; told as its process would tell it
            reply = runtime.failure(error, self.config.memory_mb)
        self._answered(read_reply(body_of(reply)))

    def _end(self, *args: Any, **kwargs: Any) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._runtime = None
        super()._end(*args, **kwargs)

    def _release(self, process: Process, graceful: bool) -> None:  # noqa: ARG002
        raise AssertionError("a strategy inside the run has no process")
