"""The common form of a control: what it refuses, what it reads for the screen, how it stays shut in doubt.

A control is one small class. Before an order it `check`s, for the loop it `evaluate`s; both may raise: gate
and loop catch it, count it, and treat the control as unable to tell, so that opening orders are refused and
reducing ones pass. Gate and loop share the same instances, on the engine's thread.
"""

# ruff: noqa: ARG002 - all controls answer one signature, whatever part of it each needs
from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Final, Literal

from engine.config import Action, RiskLimits
from engine.control.snapshot import RiskRow
from engine.model import NS, Value
from engine.risk.ask import Ask
from engine.risk.view import RiskView

State = Literal["ACTIVE", "WARN", "TRIPPED", "UNKNOWN"]
ScopeKind = Literal["account", "symbol", "strategy", "class"]
Number = int | Decimal

_HUNDREDTH: Final = Decimal("0.01")
FAULT_SHOWN: Final = 10 * NS
"""How long a failed check keeps the control's line at UNKNOWN, ns."""


class Refusal(Value, frozen=True):
    """Why one control lets an order not pass, and what to do about it."""

    control: str
    text: str
    scope: str = ""
    unsure: bool = False
    """True where the control could not evaluate, so that it is doubt that refuses."""
    retry_at: int | None = None
    """Monotonic ns from which the same order may pass, where that is known."""


class Reading(Value, frozen=True):
    """The figure of one control in one scope. `used` and `limit` are exact; texts are made when drawn."""

    control: str
    title: str
    scope: str
    state: State
    action: Action
    used: Number | None = None
    limit: Number | None = None
    unit: str = ""
    detail: str = ""
    lot: Decimal | None = None
    """Where used and limit are lots: the size of one, in `unit`."""
    due: int | None = None
    """Monotonic ns at which the figure may change by time alone."""

    @property
    def ratio(self) -> float | None:
        """used / limit for a gauge; None where it cannot be evaluated."""
        if self.used is None or self.limit is None:
            # Without a figure a gauge says what the word says: an empty one beside TRIPPED would be misread.
            return None if self.state == "UNKNOWN" else float(self.state == "TRIPPED")
        if self.limit <= 0:
            return 1.0 if self.used > 0 else 0.0
        return float(self.used) / float(self.limit)

    @property
    def used_text(self) -> str:
        return self._text(self.used)

    @property
    def limit_text(self) -> str:
        return self._text(self.limit)

    def _text(self, value: Number | None) -> str:
        if value is not None and self.lot is not None:
            return counted(f"{value * self.lot:,f}", self.unit)
        return _text(value, self.unit)

    def row(self) -> RiskRow:
        """As the screen draws it."""
        return RiskRow(
            control=self.control,
            title=self.title,
            scope=self.scope,
            used=self.used_text,
            limit=self.limit_text,
            ratio=self.ratio,
            state=self.state,
            action=self.action,
            detail=self.detail,
        )


def _text(value: Number | None, unit: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, Decimal):
        places = value.as_tuple().exponent
        value = value.quantize(Decimal("0.01")) if isinstance(places, int) and places < -2 else value
        return counted(f"{value:,f}", unit)
    return counted(f"{value:,d}", unit)


def counted(number: str, unit: str) -> str:
    """A figure and its unit, ` contracts` or `%`; of one thing in the singular."""
    one = number == "1" and unit.endswith("s") and len(unit) > 2
    return number + (unit[:-1] if one else unit)


class Control:
    """Base of all controls."""

    name: ClassVar[str]
    """Stable name, as in the journal and in `reset`."""
    title: ClassVar[str]
    """As on the screen."""
    kind: ClassVar[ScopeKind] = "account"
    """What `evaluate` is asked for: the account (scope ""), each symbol, strategy or asset class."""
    opening_only: ClassVar[bool] = True
    """True where only new risk is limited, so that orders which reduce are not even asked about."""
    on_flatten: ClassVar[bool] = False
    """True where even the flatten procedure's orders are checked."""
    again: ClassVar[bool] = False
    """True where an opening order is checked once more when it is stored and about to leave."""
    latches: ClassVar[bool] = False
    """True where a trip holds until a person resets it; see `holds_until_reset`."""
    follows_market: ClassVar[bool] = True
    """False where no figure of a symbol or the account follows quotes, prices or the market's state: it is
    evaluated where `booked_version` moved, and where time calls for it."""
    quiet: ClassVar[bool] = False
    """True where the figure depends on the control's own events and the limits alone, not on the books."""

    def __init__(self) -> None:
        self.holds: Final[dict[str, str]] = {}
        """Scopes in which opening orders wait for this control, with the reason; kept by the loop."""
        self.broken: Final[dict[str, str]] = {}
        """Scopes that the loop could not evaluate, with the error; kept by the loop."""
        self.touched: Final[dict[str, None]] = {}
        """Scopes that changed by an event of the control's own and must be evaluated at the next tick."""
        self._last: Final[dict[str, tuple[object, Reading]]] = {}
        """By scope: what the last reading followed from, and the reading."""
        self._action_of: RiskLimits | None = None
        self._action: Action = "refuse"
        """What a trip does by the limits `_action_of`."""
        self.refused = 0
        self.errors = 0
        self.last_refusal = ""
        self.fault = ""
        self.fault_until = 0

    # what a control says

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        """None lets the order pass as far as this control is concerned."""
        return None

    def approved(self, ask: Ask, view: RiskView) -> None:
        """The gate approved it: budgets are charged here, and nowhere else."""

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        """The figure in one scope. The default counts refusals, for controls that only look at orders."""
        detail = f"{self.refused_text}, last: {self.last_refusal}" if self.refused else ""
        return self.reading(view.limits(), scope, "ACTIVE", detail=detail)

    @property
    def refused_text(self) -> str:
        """How many orders it has refused."""
        return f"{self.refused:,} order{'' if self.refused == 1 else 's'} refused so far"

    def action(self, limits: RiskLimits) -> Action:
        """What a trip does."""
        return "refuse"

    def holds_until_reset(self, limits: RiskLimits) -> bool:
        """Whether a trip with these limits is latched."""
        return self.latches

    def reset(self, scope: str) -> None:
        """A person takes a trip back; what is remembered of it is forgotten."""

    # events that the engine tells

    def on_fill(self, strategy: str, symbol: str, view: RiskView) -> None: ...

    def on_reject(self, strategy: str, symbol: str, reason: str, view: RiskView) -> None: ...

    def on_error(self, source: str, view: RiskView) -> None: ...

    # helpers

    def refusal(self, text: str, scope: str = "", retry_at: int | None = None) -> Refusal:
        return Refusal(self.name, text, scope, False, retry_at)

    def unsure(self, ask: Ask, what: str, scope: str = "") -> Refusal | None:
        """The answer where something is missing: opening orders are refused, what takes risk away passes."""
        if ask.exempt:
            return None
        return Refusal(self.name, f"{what}; until then only orders that reduce pass", scope, True)

    def reading(
        self,
        limits: RiskLimits,
        scope: str,
        state: State,
        used: Number | None = None,
        limit: Number | None = None,
        unit: str = "",
        detail: str = "",
        due: int | None = None,
        lot: Decimal | None = None,
    ) -> Reading:
        if limits is not self._action_of:
            self._action_of, self._action = limits, self.action(limits)
        # By position: with all these names it takes twice as long.
        return Reading(self.name, self.title, scope, state, self._action, used, limit, unit, detail, lot, due)

    def as_before(self, scope: str, of: object) -> Reading | None:
        """The last reading in a scope, where it followed from the same: `of` must hold all that the reading
        depends on. Most rounds find most figures where they were."""
        last = self._last.get(scope)
        return last[1] if last is not None and last[0] == of else None

    def keep(self, scope: str, of: object, reading: Reading) -> Reading:
        """Keeps a reading for `as_before`."""
        self._last[scope] = (of, reading)
        return reading

    def scope_of(self, ask: Ask) -> str:
        """The scope of this control that an order belongs to."""
        match self.kind:
            case "symbol":
                return ask.symbol
            case "strategy":
                return ask.strategy
            case "class":
                return ask.instrument.asset_class if ask.instrument is not None else ""
            case _:
                return ""

    def hold_on(self, ask: Ask) -> str:
        """Why opening orders such as this one wait for this control; empty where they do not."""
        scope = self.scope_of(ask)
        if scope in self.holds:
            return f"{self.holds[scope]}; opening orders wait until it clears or is reset"
        if scope in self.broken:
            return f"cannot evaluate ({self.broken[scope]}); until then only orders that reduce pass"
        return ""

    def failed(self, error: Exception, mono: int, scope: str = "") -> str:
        """Counts an exception of this control; returns it as text."""
        self.errors += 1
        self.fault = f"{type(error).__name__}: {error}"
        self.fault_until = mono + FAULT_SHOWN
        self.touched[scope] = None
        return self.fault


def warns(used: Number, limit: Number, warn_pct: Decimal) -> bool:
    """True from `warn_pct` percent of a limit on; exact."""
    return used > 0 and used * 100 >= limit * warn_pct


def warns_from(limit: Number, warn_pct: Decimal) -> Decimal:
    """What is used from which on a limit warns, where it is above 0; exact."""
    return limit * warn_pct * _HUNDREDTH


def ns(seconds: float) -> int:
    """Seconds of a setting → ns."""
    return round(seconds * NS)
