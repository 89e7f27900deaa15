"""Which strategies that failed are started again, when, and which no more: the policy `restart` of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from engine.config_strategy import StrategyConfig
from engine.core import Core
from engine.model import NS
from engine.ports import TimerHandle

LONGEST: Final = 60 * NS
"""Longest wait before a restart, ns."""
_LOOK_AGAIN: Final = NS // 2
"""ns between two looks whether what it left is closed."""


class Restarts:
    """`start(name)` starts one; `give_up(name, why)` is told of one that stays stopped after all."""

    def __init__(self, core: Core, start: Callable[[str], None], give_up: Callable[[str, str], None]) -> None:
        self._core = core
        self._start = start
        self._give_up = give_up
        self._times: dict[str, deque[int]] = {}
        self._waiting: dict[str, TimerHandle] = {}
        self.counts: dict[str, int] = {}
        """Restarts in this run, by strategy."""

    def plan(self, config: StrategyConfig) -> tuple[bool, str]:
        """Whether one that has failed is started again, and what to say of it."""
        if config.restart == "never":
            return False, ""
        if self._core.books.halts.account() is not None:
            return False, "not started again: the account is halted"
        now, window = self._core.clock.mono(), int(config.restart_window * NS)
        times = self._times.setdefault(config.name, deque())
        while times and now - times[0] > window:
            times.popleft()
        if len(times) >= config.restart_max:
            return False, f"not started again: {len(times)} restarts within {config.restart_window:g} s"
        wait = min(int(config.restart_delay * NS) << len(times), LONGEST)
        times.append(now)
        self._waiting[config.name] = self._core.clock.call_later(wait, self._due, config)
        return True, f"it is started again in {wait / NS:g} s ({len(times)} of {config.restart_max})"

    def waits(self, name: str) -> bool:
        return name in self._waiting

    def cancel(self, name: str) -> bool:
        """It is not started again by itself; False where it would not have been."""
        handle = self._waiting.pop(name, None)
        if handle is not None:
            handle.cancel()
        return handle is not None

    def cancel_all(self) -> None:
        for name in list(self._waiting):
            self.cancel(name)

    def _due(self, config: StrategyConfig) -> None:
        core, name = self._core, config.name
        del self._waiting[name]
        halt = core.books.halts.account() or core.books.halts.strategy(name)
        if halt is not None:
            self._give_up(name, f"not started again: {halt.reason}")
            return
        if config.on_stop == "flatten" and not self._closed(config):
            # What it left is being closed; a start now would call that off.
            self._waiting[name] = core.clock.call_later(_LOOK_AGAIN, self._due, config)
            return
        self.counts[name] = self.counts.get(name, 0) + 1
        core.metrics.count("strategy_restarts")
        core.log("warning", f"strategy {name} is started again", component="strategy", status="RESTART")
        self._start(name)

    def _closed(self, config: StrategyConfig) -> bool:
        books = self._core.books
        if any(True for _ in books.orders.working(strategy=config.name)):
            return False
        return not any(books.positions.strategy_qty(config.name, symbol) for symbol in config.symbols)
