"""What a lot of each contract needs in margin, by the broker's what-if, asked before an order that opens.

One figure per contract is kept and scaled to the order. While it is young (`risk.what_if_fresh`) an order
does not wait; else the broker is asked while the order is being stored, and it leaves only after the answer.
Nothing here blocks: a question is a task with a time-out of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from engine.config import RiskLimits
from engine.core import Core
from engine.model import NS, Side
from engine.ports import QueryFailed
from engine.waiting import within

_CENT: Final = Decimal("0.01")


@dataclass(slots=True)
class _Figure:
    per_lot: Decimal | None = None
    """Initial margin of one lot, account currency; None before the first answer."""
    at: int = 0
    """When it was told, monotonic ns."""
    failed: str = ""
    """Why the last question got no usable answer; empty after one that did."""


class Margins:
    """Figures by symbol. `limits` gives those in force."""

    def __init__(self, core: Core, limits: Callable[[], RiskLimits]) -> None:
        self._core = core
        self._limits = limits
        self._figures: dict[str, _Figure] = {}
        self._asking: dict[str, asyncio.Task[str]] = {}
        self._last_asked: dict[str, int] = {}
        self.version = 0
        """Changes with every answer."""

    # -- what is known

    def per_lot(self, symbol: str) -> Decimal | None:
        """The last figure, however old; None where the broker never told one."""
        figure = self._figures.get(symbol)
        return None if figure is None else figure.per_lot

    def doubt(self, symbol: str) -> str:
        """Why what one more lot needs is not known, for a short while after a question that failed; after
        that the next order asks again. Empty where nothing speaks against an order so far."""
        figure = self._figures.get(symbol)
        if figure is None or not figure.failed or not self._core.adapter.capabilities.what_if:
            return ""
        return self._problem(symbol, figure) if self._paused(symbol) else ""

    def _problem(self, symbol: str, figure: _Figure) -> str:
        """What a failure means: nothing, where the last figure may stand in."""
        usable = self._limits().what_if_fallback * NS
        if figure.per_lot is not None and self._core.clock.mono() - figure.at <= usable:
            return ""
        return f"the margin of {symbol} is not known: {figure.failed}"

    def _paused(self, symbol: str) -> bool:
        last = self._last_asked.get(symbol)
        pause = int(self._limits().what_if_within * NS)
        return last is not None and self._core.clock.mono() - last < 2 * pause

    # -- asking

    def question(self, symbol: str, side: Side, lots: int) -> asyncio.Task[str] | None:
        """Asks the broker what so many more lots would need, where the figure is not young enough. The task
        ends with why that is not known, empty where it is; None where no question is called for."""
        core = self._core
        if not core.adapter.capabilities.what_if:
            return None
        figure = self._figures.get(symbol)
        mono, fresh = core.clock.mono(), self._limits().what_if_fresh * NS
        if (
            figure is not None
            and figure.per_lot is not None
            and not figure.failed
            and mono - figure.at < fresh
        ):
            return None
        running = self._asking.get(symbol)
        if running is not None:
            return running
        self._last_asked[symbol] = mono
        task = asyncio.get_running_loop().create_task(self._ask(symbol, side, lots), name=f"what-if {symbol}")
        self._asking[symbol] = task
        task.add_done_callback(lambda _: self._asking.pop(symbol, None))
        return task

    def retry(self, symbol: str, side: Side) -> None:
        """An order was refused for want of a figure: asks again, for the next one, but not all the time."""
        if not self._paused(symbol):
            self.question(symbol, side, 1)

    def stop(self) -> None:
        for task in self._asking.values():
            task.cancel()

    async def _ask(self, symbol: str, side: Side, lots: int) -> str:
        core = self._core
        core.metrics.count("what_if")
        asked = core.clock.perf()
        failed = ""
        figure = self._figures.setdefault(symbol, _Figure())
        try:
            limit = int(self._limits().what_if_within * NS)
            needed = await within(core.clock, core.adapter.what_if(symbol, side, lots), limit)
            if needed < 0:
                raise QueryFailed(f"the broker says that {lots} more lots would need {needed}")
        except (QueryFailed, TimeoutError) as error:
            failed = f"its what-if failed: {error}"
        except Exception as error:  # noqa: BLE001 - whoever waits must be let go, and the order is refused
            failed = f"its what-if could not be read: {error!r}"
        else:
            core.metrics.stage("what-if", core.clock.perf() - asked)
            figure.per_lot, figure.at = (needed / lots).quantize(_CENT, ROUND_CEILING), core.clock.mono()
        figure.failed = failed
        self.version += 1
        if not failed:
            return ""
        core.metrics.count("what_if_failed")
        core.log("warning", f"{symbol}: {failed}", component="margin", symbol=symbol)
        return self._problem(symbol, figure)
