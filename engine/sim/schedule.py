"""The simulation's event loop: virtual time with seeded schedules, processes that stall and die, and a trace.

Two schedules. `fifo` runs what is ready in the order in which it became ready, as asyncio promises; what a
seed varies are latencies and how late timers are, so every interleaving is legal and a failure is a bug.
`shuffle` runs what is ready in a random order, more than asyncio allows; it finds hidden assumptions.

A *process* is a name in the context of whatever runs: all that an engine starts carries it. It can be killed
(nothing of it runs any more, nothing is cleaned up) and stalled (nothing of it runs before a time).
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import inspect
import random
from array import array
from collections.abc import Callable
from contextvars import copy_context
from heapq import heappop, heappush
from typing import Any, Final, Literal

from engine.model import NS
from engine.ports import TimerHandle
from engine.sim.loop import Callback, DeadLoop, VirtualLoop

Policy = Literal["fifo", "shuffle"]

_AWAITS: Final = 20
"""How often a coroutine may wait on its way out."""
_NOTED: Final = 1_000
"""So many notes at the most wait to be mixed into the trace."""
_TASKS: Final = 50
"""So many tasks more than were still running when they were looked at last wait to be looked at again."""
PATROL: Final = 50
"""Callbacks between two calls of `SimLoop.patrol`."""
PROCESS: Final[contextvars.ContextVar[str]] = contextvars.ContextVar("simulated_process", default="")
"""Which simulated process the running code belongs to; empty: the world outside the engine."""


class SimLoop(VirtualLoop):
    """`rng` decides the order (shuffle) and the lateness of timers; the same seed gives the same trace."""

    def __init__(self, start: int, rng: random.Random, policy: Policy = "fifo") -> None:
        super().__init__(start)
        self._rng = rng
        self._shuffle = policy == "shuffle"
        self.steps = 0
        """Callbacks run so far."""
        self.after: list[Callable[[], None]] = []
        """Called once, as soon as the callback is over that puts them here: before anything else runs."""
        self.patrol: Callable[[], None] = lambda: None
        """Called after every `PATROL` callbacks."""
        self.failed: Callable[[dict[str, Any]], None] = self.errors.append
        """Told what a callback raised."""
        self._digest = hashlib.blake2b(digest_size=16)
        self._noted: list[str] = []
        """What is still to be mixed into the digest: many at once cost a fraction of one by one."""
        self._times = array("q")
        """So are the times at which something ran, ns."""
        self._stalled: dict[str, int] = {}
        self._dead: set[str] = set()
        self._tasks: list[asyncio.Task[Any]] = []
        """Held while they run: one of a dead process must not be finalised in the middle of a run."""
        self._sift = _TASKS
        """At so many the ones that are done are let go."""

    # -- processes

    def stall(self, process: str, until: int) -> None:
        """Nothing of this process runs before `until` (loop time, ns)."""
        self._stalled[process] = max(until, self._stalled.get(process, 0))

    def kill(self, process: str) -> None:
        """Nothing of this process runs any more, as after SIGKILL: no handler, no `finally`."""
        self._dead.add(process)
        self._stalled.pop(process, None)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None, **_: Any) -> Any:
        task = super().create_task(coro, name=name, context=context)
        self._tasks.append(task)
        if len(self._tasks) >= self._sift:
            self.let_go()
        return task

    def let_go(self) -> None:
        """Tasks that are done are held no longer: of one that failed and that nobody looked at, `failed` is
        told now."""
        self._tasks = [task for task in self._tasks if not task.done()]
        self._sift = 2 * len(self._tasks) + _TASKS

    def close(self) -> None:
        """Drops everything; what dead processes left behind is closed without a word."""
        super().close()
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                _bury(task.get_coro())
        self._tasks.clear()

    # -- time

    def call_after_ns(self, delay: int, callback: Callable[..., object], *args: Any) -> Callback:
        """As `call_at_ns`, in so many ns from now; at once where they are none."""
        when = self._now
        if delay > 0:
            when += delay
            if self.lateness and PROCESS.get():
                when = self._delayed(when)
        handle = Callback(callback, args, copy_context())
        self._count = count = self._count + 1
        heappush(self._timers, (when, count, handle))
        return handle

    def _delayed(self, when: int) -> int:
        if when > self._now and PROCESS.get():
            # Mostly punctual, now and then very late: as timers are on a busy host.
            late = self._rng.random()
            when += int(self.lateness * late * late * late)
        return when

    # -- the trace

    def note(self, text: str) -> None:
        """Mixes something that happened into the trace."""
        self._noted.append(text)

    def trace(self) -> str:
        """Hash over all that ran and all that was noted, in order."""
        self._mix()
        return self._digest.hexdigest()

    def _mix(self) -> None:
        self._noted.append("")
        self._digest.update("\n".join(self._noted).encode())
        self._noted.clear()
        self._digest.update(self._times.tobytes())
        del self._times[:]

    # -- errors

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.failed(context)

    # -- running

    def _run(self) -> None:
        # All in one body and from local names: this is run a hundred times in a simulated second.
        ready, timers, noted, after = self._ready, self._timers, self._noted, self.after
        times = self._times
        dead, stalled, shuffle = self._dead, self._stalled, self._shuffle
        batch = 0
        while not self._stopping:
            if ready:
                if shuffle:
                    if not batch:
                        batch = self._mix_up()
                    batch -= 1
                handle = ready.popleft()
            else:
                if not timers:
                    raise DeadLoop("virtual time has nothing left to do")
                when, _, handle = heappop(timers)
                if handle.callback is None:
                    continue
                if when > self._now:
                    self._now = when
                times.append(when)
                if len(noted) > _NOTED:
                    self._mix()
                if timers and timers[0][0] <= when:
                    self._due(handle, when)
                    continue
            callback = handle.callback
            if callback is None:
                continue
            if dead and handle.context.get(PROCESS, "") in dead:
                continue
            if stalled and self._waits(handle):
                continue
            self.steps = steps = self.steps + 1
            label = getattr(callback, "__qualname__", None)
            noted.append(label if label is not None else type(callback).__name__)
            try:
                handle.context.run(callback, *handle.args)
            except BaseException as error:  # noqa: BLE001 - see `_raised`
                self._raised(callback, error)
            if after:
                looks = after.copy()
                after.clear()
                for look in looks:
                    look()
            if not steps % PATROL:
                self.patrol()

    def _mix_up(self) -> int:
        """Puts what is ready into a random order. Returns how many that are."""
        ready = self._ready
        batch = list(ready)
        self._rng.shuffle(batch)
        ready.clear()
        ready.extend(batch)
        return len(batch)

    def _waits(self, handle: Callback) -> bool:
        """Whether its process is stalled: then its turn comes when the process goes on."""
        process = handle.context.get(PROCESS, "")
        until = self._stalled.get(process)
        if until is None:
            return False
        if until > self._now:
            self._count += 1
            heappush(self._timers, (until, self._count, handle))
            return True
        del self._stalled[process]
        return False


def _bury(coro: object) -> None:
    """Ends a coroutine that no loop will resume, here and not by the garbage collector in the middle of
    another run. What it does on its way out is of no interest: of a process that died nothing happens."""
    if not inspect.iscoroutine(coro):
        return
    for _ in range(_AWAITS):
        if inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED:
            return
        try:
            coro.close()
        except Exception:  # noqa: BLE001 - it waits once more, or finds its loop closed
            continue


class SimClock:
    """`engine.ports.Clock` of one simulated process, with the semantics of the real one.

    Engine time begins at the host's wall clock and follows the monotonic clock from there; `offset` shows
    where the wall clock has gone meanwhile. `wall` gives the wall clock's error against true time, ns.
    """

    def __init__(self, loop: SimLoop, wall: Callable[[], int]) -> None:
        self._loop = loop
        self._wall = wall
        self._origin = loop.now_ns
        self._start = self._origin + wall()
        self.call_later: Callable[..., TimerHandle] = loop.call_after_ns
        self.call_soon: Callable[..., TimerHandle] = loop.call_soon

    def begin_at(self, ts: int) -> None:
        """Engine time is `ts` (UTC ns) now."""
        self._start = ts - self.mono()

    def now(self) -> int:
        return self._start + self._loop._now - self._origin

    def mono(self) -> int:
        return self._loop._now - self._origin

    def perf(self) -> int:
        """Virtual too: a simulated run must not even measure the host."""
        return self._loop._now - self._origin

    def offset(self) -> int:
        return self._loop._now + self._wall() - self.now()

    async def sleep(self, delay: int) -> None:
        await asyncio.sleep(max(delay, 0) / NS)
