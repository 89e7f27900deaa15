"""Which figure of a limit holds, where it comes from, and which other bound is tighter than the one set.

A limit may be given twice (daily loss in percent and in money, the account's figure and an instrument's own),
and what a person sets is then not always what holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from engine.config import InstrumentLimits, RiskLimits
from engine.model import Instrument, Value
from engine.risk.control import counted
from engine.risk.controls.daily_loss import loss_limit
from engine.risk.override import Override
from engine.risk.setting import shown

_MONEY: Final = frozenset(
    {"daily_loss_amount", "broker_pnl_difference", "max_order_notional", "max_gross", "max_net"}
)
_LOTS: Final = frozenset({"max_position", "max_order_qty"})
_UNITS: Final[Mapping[str, str]] = {
    "order_rate": "messages/s",
    "order_burst": "messages",
    "cancel_rate": "messages/s",
    "collar_ticks": "ticks",
    "max_spread_ticks": "ticks",
    "max_working": "orders",
    "reject_storm": "rejections",
    "error_storm": "errors",
    "max_executions": "executions",
    "contract_warn_days": "days",
    "contract_close_days": "days",
}
_SECONDS: Final = ("stale_after", "spread_pause", "_window", "what_if_")
"""How settings in seconds begin or end."""


class InForce(Value, frozen=True):
    """What holds. `figure` with its unit, `origin` where it comes from, `key` the setting that gives it."""

    figure: str
    origin: str
    key: str


def unit_of(key: str, instruments: Mapping[str, Instrument], currency: str) -> str:
    """What a setting is counted in, as written behind its figure; empty for a word."""
    symbol, field = _parts(key)
    if field in _LOTS:
        instrument = instruments.get(symbol)
        if instrument is None:
            return " lots"
        return f" {instrument.unit}"
    if field in _MONEY or key.startswith("max_gross_by_class."):
        return f" {currency}"
    if field.endswith("_pct"):
        return " %"
    if any(field.startswith(part) or field.endswith(part) for part in _SECONDS):
        return " s"
    return f" {_UNITS[field]}" if field in _UNITS else ""


def figure(key: str, text: str, instruments: Mapping[str, Instrument], currency: str) -> str:
    """A setting's figure as a person reads it: lots as contracts or coins, money with its currency."""
    if not text:
        return "no limit of its own"
    symbol, field = _parts(key)
    unit = unit_of(key, instruments, currency)
    if not unit:
        return text
    number = Decimal(text)
    if field in _LOTS and symbol in instruments:
        number = instruments[symbol].size(int(number))
    return counted(f"{number:,f}", unit)


class Limits:
    """The limits of one moment, to be asked which figure holds: those in force, or those that would be."""

    def __init__(
        self,
        limits: RiskLimits,
        file: RiskLimits,
        overrides: Mapping[str, Override],
        instruments: Mapping[str, Instrument],
        currency: str,
        opening: Decimal | None,
    ) -> None:
        """`limits` under the stage's cap; `opening`: equity at the day's beginning, account currency."""
        self._limits = limits
        self._file = file
        self._overrides = overrides
        self._instruments = instruments
        self._currency = currency
        self._opening = opening

    def of(self, key: str) -> InForce:
        """What holds where this setting is looked for."""
        symbol, field = _parts(key)
        if field in ("daily_loss_pct", "daily_loss_amount"):
            return self._loss()
        if symbol and not shown(self._limits, key) and hasattr(self._limits, field):
            return self._given(field, key)
        return self._given(key, key)

    def worth(self, key: str, text: str) -> str:
        """A setting's figure, a percentage of the opening equity with its worth in money."""
        said = figure(key, text, self._instruments, self._currency)
        if key != "daily_loss_pct" or self._opening is None:
            return said
        return f"{said} = {self._opening * Decimal(text) / 100:,.2f} {self._currency}"

    def keeping(self, key: str) -> list[str]:
        """Instruments with a figure of their own, for which the account's setting does not count."""
        if key not in InstrumentLimits.model_fields:
            return []
        return sorted(
            symbol for symbol, own in self._limits.instruments.items() if getattr(own, key) is not None
        )

    def _loss(self) -> InForce:
        percent, amount = self._limits.daily_loss_pct, self._limits.daily_loss_amount
        holds = loss_limit(self._limits, self._opening)
        if holds is None:
            text = f"{percent:f} % of the opening equity, which is not known yet"
            return InForce(text, self._from("daily_loss_pct"), "daily_loss_pct")
        money = f"{holds:,.2f} {self._currency}"
        if holds == amount:
            key = "daily_loss_amount"
            return InForce(money, f"{key}, {self._from(key)}", key)
        origin = f"{percent:f} % of the opening equity, {self._from('daily_loss_pct')}"
        return InForce(money, origin, "daily_loss_pct")

    def _given(self, key: str, asked: str) -> InForce:
        text = shown(self._limits, key)
        # In the unit of what was asked for: an instrument's contracts, though the figure is the account's.
        said = figure(asked, text, self._instruments, self._currency) if text else "no limit"
        origin = self._from(key)
        if key != asked:
            origin = f"the account's {key}, {origin}"
        return InForce(said, origin, key)

    def _from(self, key: str) -> str:
        set_by = self._overrides.get(key)
        wanted = set_by.value if set_by is not None else shown(self._file, key)
        if wanted and shown(self._limits, key) != wanted:
            return "the cap of the stage"
        if set_by is not None:
            return f"set at run time by {set_by.who}" if set_by.who else "set at run time"
        return "from the file" if _given_in(self._file, key) else "default"


def _parts(key: str) -> tuple[str, str]:
    """(symbol, field); the symbol is empty for a setting of the account."""
    symbol, _, field = key.removeprefix("instruments.").rpartition(".")
    return (symbol, field) if key.startswith("instruments.") else ("", key)


def _given_in(file: RiskLimits, key: str) -> bool:
    symbol, field = _parts(key)
    section: RiskLimits | InstrumentLimits | None = file.instruments.get(symbol) if symbol else file
    return section is not None and field in section.model_fields_set
