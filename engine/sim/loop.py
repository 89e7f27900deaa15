"""An asyncio event loop in virtual time: it never waits, it jumps to the next timer.

Everything runs on the calling thread in one fixed order (ready callbacks first in, first out; timers by
time, then by order of creation), so the same inputs give the same run. Sockets, subprocesses and foreign
threads are refused; `run_in_executor` runs its function at once.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from heapq import heappop, heappush
from typing import Any, TypeVar

import msgspec

from engine.clock import perf_ns
from engine.model import NS
from engine.ports import TimerHandle

T = TypeVar("T")


class DeadLoop(RuntimeError):
    """Nothing is ready, no timer is set, and the awaited future is not done: it never will be."""


class Callback(msgspec.Struct, eq=False):
    """A callback that waits, and the handle to call it off. Small, and made by compiled code: a run makes
    these all the time."""

    callback: Callable[..., object] | None
    """None when it was called off."""
    args: tuple[Any, ...]
    context: contextvars.Context

    def cancel(self) -> None:
        self.callback = None
        self.args = ()

    def cancelled(self) -> bool:
        return self.callback is None


class VirtualLoop(asyncio.AbstractEventLoop):
    """Virtual time in whole nanoseconds from `start` (UTC ns).

    `poll`, when given, is called every `poll_every` steps of real work: the place to look at the outside
    (a stop signal, a screen's commands) without touching virtual time.
    """

    def __init__(self, start: int, poll: Callable[[], None] | None = None, poll_every: int = 512) -> None:
        self._now = start
        self._ready: deque[Callback] = deque()
        self._timers: list[tuple[int, int, Callback]] = []
        self._count = 0
        self._stopping = False
        self._running = False
        self._closed = False
        self._thread = threading.get_ident()
        self._poll = poll
        self._poll_every = poll_every
        self._asyncgens: list[Any] = []
        self.lateness = 0
        """Largest delay of a simulated process's timers, ns. Changes take effect for timers that are set
        afterwards."""
        self.errors: list[dict[str, Any]] = []
        """Contexts of callbacks that raised; the caller must look at them."""

    # -- time

    @property
    def now_ns(self) -> int:
        return self._now

    def time(self) -> float:
        return self._now / NS

    # -- callbacks

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Callback:
        handle = Callback(callback, args, copy_context() if context is None else context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Callback:
        if threading.get_ident() != self._thread:
            raise RuntimeError("a foreign thread reached into virtual time; hand the work in through poll")
        return self.call_soon(callback, *args, context=context)

    def call_at_ns(
        self,
        when: int,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Callback:
        if self.lateness:
            when = self._delayed(when)
        handle = Callback(callback, args, copy_context() if context is None else context)
        self._count = count = self._count + 1
        heappush(self._timers, (when if when > self._now else self._now, count, handle))
        return handle

    def call_after_ns(self, delay: int, callback: Callable[..., object], *args: Any) -> Callback:
        """As `call_at_ns`, in so many ns from now; at once where they are none."""
        return self.call_at_ns(self._now + delay, callback, *args)

    def _delayed(self, when: int) -> int:
        """When a timer that is set for `when` goes off on a loop with `lateness`."""
        return when

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Callback:
        return self.call_at_ns(round(when * NS), callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Callback:
        return self.call_at_ns(self._now + round(delay * NS), callback, *args, context=context)

    # -- running

    def _step(self) -> None:
        if not self._ready:
            self._advance()
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            callback = handle.callback
            if callback is not None:
                try:
                    handle.context.run(callback, *handle.args)
                except BaseException as error:  # noqa: BLE001 - see `_raised`
                    self._raised(callback, error)

    def _raised(self, callback: Callable[..., object], error: BaseException) -> None:
        """As asyncio does it: the loop's handler gets what a callback raises, but for what ends a process."""
        if isinstance(error, SystemExit | KeyboardInterrupt):
            raise error
        what = getattr(callback, "__qualname__", "") or repr(callback)
        self.call_exception_handler({"message": f"Exception in callback {what}", "exception": error})

    def _advance(self) -> None:
        """Jumps to the next timers. Raises `DeadLoop` where there are none."""
        timers = self._timers
        while timers:
            when, _, handle = heappop(timers)
            if handle.callback is None:
                continue
            if when > self._now:
                self._now = when
            self._due(handle, when)
            return
        raise DeadLoop("virtual time has nothing left to do")

    def _due(self, first: Callback, when: int) -> None:
        """What goes off at one time: all of it comes before whatever the first of it may call for."""
        timers, ready = self._timers, self._ready
        ready.append(first)
        while timers and timers[0][0] <= when:
            handle = heappop(timers)[2]
            if handle.callback is not None:
                ready.append(handle)

    def run_forever(self) -> None:
        if self._running:
            raise RuntimeError("this loop runs already")
        self._running = True
        self._thread = threading.get_ident()
        hooks = sys.get_asyncgen_hooks()
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            self._run()
        finally:
            self._stopping = False
            self._running = False
            asyncio._set_running_loop(before)
            sys.set_asyncgen_hooks(*hooks)

    def _run(self) -> None:
        """Step by step until `stop`."""
        poll, step = self._poll, self._step
        countdown = self._poll_every
        while not self._stopping:
            step()
            if poll is not None:
                countdown -= 1
                if countdown <= 0:
                    countdown = self._poll_every
                    poll()

    def run_until_complete(self, future: Generator[Any, None, T] | Coroutine[Any, Any, T] | Any) -> T:
        task: asyncio.Future[T] = asyncio.ensure_future(future, loop=self)  # type: ignore[arg-type]
        task.add_done_callback(self._stop_callback)
        try:
            self.run_forever()
        finally:
            task.remove_done_callback(self._stop_callback)
        return task.result()

    def _stop_callback(self, _: asyncio.Future[Any]) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopping = True

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True
        self._ready.clear()
        self._timers.clear()

    async def shutdown_asyncgens(self) -> None:
        return None

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002
        return None

    # -- futures and tasks

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None, **_: Any) -> Any:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override] # noqa: ARG002
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - the awaiting task gets it, as from a real executor
            future.set_exception(error)
        return future

    # -- errors

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        raise NotImplementedError("virtual time has no debug mode")

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.default_exception_handler(context)


class VirtualClock:
    """`engine.ports.Clock` over a `VirtualLoop`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._origin = loop.now_ns
        self.call_later: Callable[..., TimerHandle] = loop.call_after_ns
        self.call_soon: Callable[..., TimerHandle] = loop.call_soon

    def begin_at(self, ts: int) -> None:
        """Jumps to `ts` (UTC ns) before the run starts. Raises `ValueError` for a time that has passed."""
        if ts < self._loop._now:
            raise ValueError("virtual time never goes back")
        self._loop._now = ts

    def now(self) -> int:
        return self._loop._now

    def mono(self) -> int:
        return self._loop._now - self._origin

    def perf(self) -> int:
        return perf_ns()

    def offset(self) -> int:
        return 0

    async def sleep(self, delay: int) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        handle = self._loop.call_at_ns(self._loop._now + max(delay, 0), _wake, future)
        try:
            await future
        finally:
            handle.cancel()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
