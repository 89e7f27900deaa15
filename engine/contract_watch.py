"""Alarms for contracts that end soon, once a day each, and more loudly for what is still held."""

from __future__ import annotations

from typing import Final

from engine.core import Core
from engine.model import NS
from engine.risk.controls.contract_end import closes_at, told, warns_at
from engine.view import EngineView

_CHECK: Final = 60 * NS


class ContractWatch:
    """Runs on the engine's thread, from the chores."""

    def __init__(self, core: Core, view: EngineView) -> None:
        self._core = core
        self._view = view
        self._due = 0
        self._told: dict[str, str] = {}

    def check(self) -> None:
        """Looks once a minute; what was told is told again when the days left have changed."""
        core = self._core
        mono = core.clock.mono()
        if mono < self._due:
            return
        self._due = mono + _CHECK
        limits, now = self._view.limits(), core.clock.now()
        for symbol, instrument in core.books.instruments.items():
            warns, closes = warns_at(limits, instrument), closes_at(limits, instrument)
            if warns is None or closes is None or now < warns:
                continue
            held = core.books.positions.qty(symbol)
            inside = now >= closes
            text = f"{symbol}: {told(instrument, now)}; "
            if inside and held:
                text += f"{instrument.size(held):+f} are held: roll or close before it is delivered or closed"
            elif inside:
                text += "only orders that reduce pass; trade the next contract"
            else:
                text += "roll or close in time"
            if self._told.get(symbol) != text:
                self._told[symbol] = text
                core.alarm("critical" if inside and held else "warning", "contract_end", text, symbol=symbol)
