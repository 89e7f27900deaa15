"""What the strategy tests share: instruments, clocks, a sink that remembers, strategies written to files."""

from __future__ import annotations

import asyncio
import heapq
import os
import textwrap
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.config import StrategyConfig
from engine.model import NS, Instrument, Quote, Trade
from engine.strategy.host import StrategyHost
from engine.strategy.lockstep import LockstepHost
from engine.strategy.reports import Acted

GOLD = Instrument(
    symbol="GCM3",
    venue="SIM",
    asset_class="metal",
    tick=Decimal("0.1"),
    multiplier=Decimal(100),
    fee=Decimal(2),
)
INDEX = Instrument(
    symbol="ESH4", venue="SIM", asset_class="index", tick=Decimal("0.25"), multiplier=Decimal(50)
)
INSTRUMENTS = {"GCM3": GOLD, "ESH4": INDEX}
DAY = 1_682_899_200 * NS
"""2023-05-01 00:00 UTC."""


class _Handle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: int = DAY) -> None:
        self._now = now
        self._soon: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._later: list[tuple[int, int, _Handle, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0

    def now(self) -> int:
        return self._now

    def mono(self) -> int:
        return self._now

    def perf(self) -> int:
        return time.perf_counter_ns()

    def call_soon(self, callback: Callable[..., object], *args: Any) -> _Handle:
        self._soon.append((callback, args))
        return _Handle()

    def call_later(self, delay: int, callback: Callable[..., object], *args: Any) -> _Handle:
        handle = _Handle()
        self._count += 1
        heapq.heappush(self._later, (self._now + delay, self._count, handle, callback, args))
        return handle

    async def sleep(self, delay: int) -> None:
        raise NotImplementedError

    def run(self) -> None:
        """Calls what is due now."""
        while self._soon or (self._later and self._later[0][0] <= self._now):
            if self._soon:
                callback, args = self._soon.popleft()
                callback(*args)
                continue
            _, _, handle, callback, args = heapq.heappop(self._later)
            if not handle.cancelled:
                callback(*args)

    def to(self, now: int) -> None:
        """Moves on to `now`, calling on the way what becomes due."""
        self.run()
        while self._later and self._later[0][0] <= now:
            self._now = max(self._now, self._later[0][0])
            self.run()
        self._now = now


class LoopClock:
    """The running loop's clock, from `DAY` on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._zero = self._loop.time()

    def now(self) -> int:
        return DAY + self.mono()

    def mono(self) -> int:
        return int((self._loop.time() - self._zero) * NS)

    def perf(self) -> int:
        return time.perf_counter_ns()

    def call_soon(self, callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        return self._loop.call_soon(callback, *args)

    def call_later(self, delay: int, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        return self._loop.call_later(delay / NS, callback, *args)

    async def sleep(self, delay: int) -> None:
        await asyncio.sleep(delay / NS)


class Remembers:
    """A sink that keeps everything and can be waited for."""

    def __init__(self) -> None:
        self.acted: list[Acted] = []
        self.states: list[tuple[str, str]] = []
        self.logs: list[tuple[str, str]] = []
        self.saved: list[str] = []
        self.then: Callable[[Sequence[Acted]], None] | None = None
        self._changed: asyncio.Event | None = None

    def on_actions(self, name: str, acted: Sequence[Acted]) -> None:
        self.acted.extend(acted)
        if self.then is not None:
            self.then(acted)
        self._tell()

    def on_state(self, name: str, state: str, reason: str) -> None:
        self.states.append((state, reason))
        self._tell()

    def on_saved(self, name: str, saved: str) -> None:
        self.saved.append(saved)
        self._tell()

    def on_log(self, name: str, level: str, text: str, fields: Mapping[str, str]) -> None:
        self.logs.append((level, text))
        self._tell()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.set()

    async def until(self, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        self._changed = asyncio.Event()
        async with asyncio.timeout(timeout):
            while not condition():
                await self._changed.wait()
                self._changed.clear()

    async def state(self, host: StrategyHost, *states: str) -> None:
        await self.until(lambda: host.state in states)

    @property
    def actions(self) -> list[Any]:
        return [item.action for item in self.acted]


def write_strategy(folder: Path, body: str, name: str = "tried") -> str:
    """A module with a strategy class `Tried` whose methods are `body`; returns what `module` takes."""
    head = (
        "import os, sys, time, random, math\nfrom decimal import Decimal\nfrom engine.strategy.api import *\n"
    )
    code = f"{head}\nclass Tried(Strategy):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"
    (folder / f"{name}.py").write_text(code)
    return f"{name}:Tried"


def config(module: str, **changes: Any) -> StrategyConfig:
    return StrategyConfig(**{"module": module, "name": "tried", "symbols": ("GCM3",)} | changes)


class Rig:
    """Starts strategies in lockstep from the text of their methods."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = HandClock()
        self.sink = Remembers()
        self.hosts: list[LockstepHost] = []

    def host(
        self, body: str, start: bool = True, seed: int = 0, timeout: float = 10.0, **changes: Any
    ) -> LockstepHost:
        module = write_strategy(self.folder, body)
        host = LockstepHost(
            config(module, **changes),
            INSTRUMENTS,
            self.clock,
            self.sink,
            seed=seed,
            import_paths=[str(self.folder)],
            answer_timeout=timeout,
        )
        self.hosts.append(host)
        if start:
            host.start()
        return host


def pid_of(host: StrategyHost) -> int:
    pid = host.status().pid
    assert pid is not None
    return pid


def wait_until(condition: Callable[[], bool]) -> None:
    """Polls what has no event to wait for, such as another process's state."""
    for _ in range(1_500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come about within 30 s")


def quote(bid: int = 19_957, ask: int | None = None, ts: int = DAY, symbol: str = "GCM3") -> Quote:
    return Quote(symbol, ts, bid, 5, bid + 1 if ask is None else ask, 5)


def trade(price: int = 19_957, ts: int = DAY, symbol: str = "GCM3") -> Trade:
    return Trade(symbol, ts, price, 1)


def alive(pid: int) -> bool:
    """True while the process exists and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
