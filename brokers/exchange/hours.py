"""The exchange's trading hours: each instrument's calendar, applied by timer and by the data's stamps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from engine.model import Instrument, MarketState
from engine.ports import Clock
from engine.sessions import calendar

_FAR: Final = 1 << 62


def calendar_day(instrument: Instrument, ts: int) -> str:
    """ISO date of the trading day by the instrument's calendar."""
    return calendar(instrument.calendar).trading_day(ts)


class Hours:
    """Sets the states that the calendars say.

    `due`: UTC ns of the next change of any instrument; whoever sees data of that time or later calls `roll`,
    so that in a replay the recording's stamps decide and not the pace of the machine.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        clock: Clock,
        set_state: Callable[[str, MarketState, int], None],
    ) -> None:
        self.due = _FAR
        self._clock = clock
        self._set_state = set_state
        self._calendars = [(i.symbol, calendar(i.calendar)) for i in instruments]
        self._next: dict[str, int] = {}

    def start(self) -> None:
        """Applies the states of this moment and follows the calendars from here on."""
        if self._next:
            return
        now = self._clock.now()
        for symbol, _ in self._calendars:
            self._next[symbol] = now
        self.roll(now)

    def roll(self, ts: int) -> None:
        """Applies all changes up to `ts`."""
        for symbol, hours in self._calendars:
            due = self._next[symbol]
            while due <= ts:
                self._set_state(symbol, hours.state(due), due)
                due = hours.next_change(due) or _FAR
            self._next[symbol] = due
        self.due = min(self._next.values(), default=_FAR)
        if self.due < _FAR:
            self._clock.call_later(max(self.due - self._clock.now(), 0), self._wake, self.due)

    def _wake(self, due: int) -> None:
        if self.due == due:
            self.roll(max(self._clock.now(), due))
