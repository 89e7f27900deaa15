"""The trading day: when it begins by the calendar, what its loss is measured from, its highest equity."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from engine.core import Core
from engine.model import NS
from engine.ports import QueryFailed
from engine.records import DayOpened, PeakSeen
from engine.risk.loop import RiskLoop
from engine.sessions import Calendar
from engine.view import EngineView

_PEAK_STEP: Final = Decimal("0.0005")
"""A new peak is journalled when it is this share above the last one noted."""
_DIFFERS: Final = Decimal("0.001")
"""Share of the equity by which the broker's figure may differ from ours at the turn of the day unnoticed."""
_APART: Final = 3
"""Readings in a row in which the broker's profit differs before it is alarmed: his figure comes later."""
_CHECK: Final = NS
"""How often the calendar is asked, ns."""


class Day:
    """Opens trading days. The boundary is that of the first instrument's calendar."""

    def __init__(self, core: Core, view: EngineView, risk: RiskLoop) -> None:
        self._core = core
        self._view = view
        self._risk = risk
        self._due = 0
        self._compared = 0
        self._apart = 0
        view.restart_peak(core.books.peak)

    def _calendar(self) -> Calendar | None:
        for market in self._core.markets.by_symbol.values():
            return market.calendar
        return None

    async def open_if_needed(self) -> None:
        """At start: opens the day unless the journal has it open already."""
        core = self._core
        calendar = self._calendar()
        if calendar is None:
            return
        today = calendar.trading_day(core.clock.now())
        day = core.books.day
        if day is not None and day.trading_day == today:
            return
        try:
            values = await core.adapter.account_values()
        except QueryFailed as error:
            core.alarm(
                "critical", "day", f"the day's opening equity is not known: {error}; no opening orders"
            )
            return
        self._view.set_account(values, core.clock.mono())
        if values.equity is None:
            core.alarm("critical", "day", "the broker gives no equity: the day's loss cannot be measured")
            return
        self._due = 0
        self.check()

    def check(self) -> None:
        """From the risk round: has a new trading day begun?

        Without equity, or without a price for what is held, the day stays as it was; where there is none yet
        the loss control cannot evaluate and opening orders are refused until there is.
        """
        core = self._core
        mono = core.clock.mono()
        if mono < self._due:
            return
        self._due = mono + _CHECK
        self._compare()
        calendar, day = self._calendar(), core.books.day
        if calendar is None:
            return
        today = calendar.trading_day(core.clock.now())
        # ISO dates compare as they follow one another: a clock that steps back never re-opens a day.
        if day is not None and today <= day.trading_day:
            return
        equity = self._equity()
        if equity is None or self._view.total_pnl() is None or (day is not None and self._waits()):
            return
        self._open(today, equity, "start" if day is None else "session")

    def _equity(self) -> Decimal | None:
        """What the account is worth: by the broker while his figure is fresh, since he alone knows of
        deposits, withdrawals and costs; else by what the day began with and our own profit."""
        core, values, own = self._core, self._view.account(), self._view.equity()
        if values is None or values.equity is None:
            return own
        if own is not None and abs(values.equity - own) > abs(own) * _DIFFERS:
            text = f"the broker's equity is {values.equity:,.2f}, by our executions it is {own:,.2f}"
            core.alarm("warning", "equity", f"{text}: a deposit, a withdrawal or costs; his figure counts")
        return values.equity

    def _waits(self) -> bool:
        """Whether a new measure of the day has to wait for the broker's, because what his day had lost before
        would count as lost in ours."""
        view, values = self._view, self._view.account()
        required = view.limits().broker_pnl == "required" and view.tells("day_pnl")
        return required and (values is None or values.day_pnl is None)

    def _compare(self) -> None:
        """Whether the broker's profit of the day is ours, at each new reading of his; his day may begin at
        another time than ours."""
        core, view, day = self._core, self._view, self._core.books.day
        if view.account_at == self._compared:
            return
        self._compared = view.account_at
        values, own = view.account(), view.day_pnl()
        if day is None or values is None or values.day_pnl is None or own is None:
            return
        before = day.broker_pnl or Decimal(0)
        apart = min(abs(values.day_pnl - own), abs(values.day_pnl - before - own))
        if apart <= view.limits().broker_pnl_difference:
            self._apart = 0
            core.clear_alarms("pnl")
            return
        self._apart += 1
        if self._apart == _APART:
            text = f"the day's profit is {values.day_pnl:,.2f} by the broker, {own:,.2f} by our executions"
            core.alarm("warning", "pnl", f"{text}: his day begins at another time, or one of us missed some")

    def open_now(self, why: str) -> str:
        """Measures the day's loss from now on (operator's reset); returns a problem or an empty text."""
        equity = self._equity() if self._view.equity() is not None else None
        day = self._core.books.day
        if self._waits():
            return "the broker's profit of the day is not known right now, and yours is measured beside it"
        if equity is None or day is None:
            return "equity is not known right now: a held position has no price, or the account was not read"
        self._open(day.trading_day, equity, why)
        return ""

    def _open(self, trading_day: str, equity: Decimal, why: str) -> None:
        core = self._core
        total, values = self._view.total_pnl(), self._view.account()
        core.commit(
            DayOpened(
                trading_day=trading_day,
                opening_equity=equity,
                baseline=total if total is not None else Decimal(0),
                strategies=self._parts(),
                why=why,
                # At the first start his whole day counts; what it held before a later day of ours does not.
                broker_pnl=None if values is None or why == "start" else values.day_pnl,
            )
        )
        self._view.restart_peak(equity)
        core.log("info", f"trading day {trading_day}: opening equity {equity:.2f}", component="day")

    def _parts(self) -> dict[str, Decimal]:
        names = sorted({s for p in self._core.books.positions for s in p.parts})
        out: dict[str, Decimal] = {}
        for name in names:
            pnl = self._view.strategy_pnl(name)
            if pnl is not None:
                out[name] = pnl + self._core.books.strategy_baseline.get(name, Decimal(0))
        return out

    def note_peak(self) -> None:
        """Journals a new highest equity once it is worth a row."""
        peak, noted = self._view.peak_equity(), self._core.books.peak
        if peak is not None and noted is not None and peak > noted + abs(noted) * _PEAK_STEP:
            self._core.commit(PeakSeen(equity=peak))
