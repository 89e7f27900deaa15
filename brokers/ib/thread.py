"""The thread on which the client library lives, with an event loop of its own, and the way out of it.

The engine's thread never decodes. What comes in is handed over without loss and in order; ticks conflate: of
each subscription only the latest waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from brokers.ib.raw import Raw, Ticks

T = TypeVar("T")

AT_ONCE: Final = 200
"""Facts that the engine takes in one turn of its loop; the rest waits for the next, so that a storm of facts
does not hold up its timers."""


class LibraryThread:
    """One for the process: the library keeps an event loop from its import on, so there must be one only."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="interactive-brokers", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def soon(self, call: Callable[..., object], *arguments: Any) -> None:
        """Calls there, in the order in which it was asked to; from any thread."""
        self._loop.call_soon_threadsafe(call, *arguments)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine there and waits for it here; cancelled with the caller."""
        started: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return await asyncio.wrap_future(started)


_lock: Final = threading.Lock()
_the_thread: LibraryThread | None = None


def library_thread() -> LibraryThread:
    """The process's thread for the library, started when it is first asked for."""
    global _the_thread
    with _lock:
        if _the_thread is None:
            _the_thread = LibraryThread()
        return _the_thread


class Inbox:
    """From the library's thread to the engine's. `take` and `take_ticks` are called on the engine's loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        take: Callable[[Raw], None],
        take_ticks: Callable[[Ticks], None],
    ) -> None:
        self._loop = loop
        self._take = take
        self._take_ticks = take_ticks
        self._facts: deque[Raw] = deque()
        self._ticks: dict[int, Ticks] = {}
        self._lock = threading.Lock()
        self._woken = False
        self.conflated = 0
        """Ticks that a later one replaced before the engine had looked."""

    # -- on the library's thread

    def put(self, raw: Raw) -> None:
        self._facts.append(raw)
        self._wake()

    def put_ticks(self, ticks: Ticks) -> None:
        with self._lock:
            former = self._ticks.get(ticks.req_id)
            if former is not None:
                self.conflated += 1
                ticks = ticks._replace(prints=ticks.prints + former.prints)
            self._ticks[ticks.req_id] = ticks
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._woken:
                return
            self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # the engine's loop is closed: nobody is left to be told
            self._facts.clear()

    # -- on the engine's

    def _drain(self) -> None:
        with self._lock:
            self._woken = False
            ticks, self._ticks = self._ticks, {}
        for _ in range(AT_ONCE):
            if not self._facts:
                break
            self._take(self._facts.popleft())
        for latest in ticks.values():
            self._take_ticks(latest)
        if self._facts:
            self._wake()
