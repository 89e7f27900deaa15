"""Which strategies that failed are started again, when, and which no more: the policy `restart` of each.

Restarts are records, so that they count over restarts of the engine as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.books import Books
from engine.config_strategy import StrategyConfig
from engine.core import Core
from engine.model import NS
from engine.ports import TimerHandle
from engine.records import StrategyRestarted

LONGEST: Final = 60 * NS
"""Longest wait before a restart, ns."""
_LOOK_AGAIN: Final = NS // 2
"""ns between two looks whether what it left is closed."""
DAY: Final = 86_400 * NS


def restarts(books: Books, name: str, span: int, now: int) -> int:
    """How often a strategy was started again by itself in the `span` ns up to `now` (UTC ns), in whatever
    run of the engine; no more than are remembered."""
    return sum(now - ts <= span for ts in books.restarts.get(name, ()))


class Restarts:
    """`start(name)` starts one; `give_up(name, why)` is told of one that stays stopped after all."""

    def __init__(self, core: Core, start: Callable[[str], None], give_up: Callable[[str, str], None]) -> None:
        self._core = core
        self._start = start
        self._give_up = give_up
        self._waiting: dict[str, TimerHandle] = {}

    def plan(self, config: StrategyConfig) -> tuple[bool, str]:
        """Whether one that has failed is started again, and what to say of it."""
        if config.restart == "never":
            return False, ""
        if self._core.books.halts.account() is not None:
            return False, "not started again: the account is halted"
        times = restarts(
            self._core.books, config.name, int(config.restart_window * NS), self._core.clock.now()
        )
        if times >= config.restart_max:
            return (
                False,
                f"not started again: {times} restart{'s'[: times != 1]} within {config.restart_window:g} s",
            )
        wait = min(int(config.restart_delay * NS) << times, LONGEST)
        self._waiting[config.name] = self._core.clock.call_later(wait, self._due, config)
        return True, f"starts again in {wait / NS:g} s ({times + 1} of {config.restart_max})"

    def begin(self, config: StrategyConfig) -> None:
        """It starts with the engine. One that was to be started again when the last run ended is, by that."""
        last = self._core.books.strategies.get(config.name)
        if last is not None and last.state == "failed" and config.restart != "never":
            self._count(config.name)

    def _count(self, name: str) -> None:
        self._core.commit(StrategyRestarted(name=name))
        self._core.metrics.count("strategy_restarts")

    def lately(self, config: StrategyConfig) -> int:
        """Restarts within a day, or within its `restart_window` where that is longer."""
        span = max(DAY, int(config.restart_window * NS))
        return restarts(self._core.books, config.name, span, self._core.clock.now())

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
        self._count(name)
        core.log("warning", f"strategy {name} is started again", component="strategy", status="RESTART")
        self._start(name)

    def _closed(self, config: StrategyConfig) -> bool:
        books = self._core.books
        if any(True for _ in books.orders.working(strategy=config.name)):
            return False
        return not any(books.positions.strategy_qty(config.name, symbol) for symbol in config.symbols)
