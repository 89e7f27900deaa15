"""The limits in force: versions, what a change changes, and the bounds of what a reload may widen."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, Literal

from engine.config import InstrumentLimits, RiskLimits
from engine.model import Value

Effect = Literal["wider", "tighter", "other"]

_SMALLER_IS_WIDER: Final = frozenset(
    {"spread_pause", "duplicate_window", "reject_window", "error_window", "execution_window"}
    | {"contract_warn_days", "contract_close_days"}
)
"""Settings that let more through the smaller they are; of all other numbers it is the larger that does."""
_ACTIONS: Final = ("refuse", "pause", "cancel", "kill")
"""From the mildest to the strictest."""
_FALLBACK: Final[dict[str, Callable[[RiskLimits], int | None]]] = {
    "max_position": lambda limits: limits.max_position,
    "max_order_qty": lambda limits: limits.max_order_qty,
    "collar_ticks": lambda _: None,
    "max_spread_ticks": lambda limits: limits.max_spread_ticks,
    "contract_close_days": lambda limits: limits.contract_close_days,
}
"""What holds for an instrument without a limit of its own; None where that cannot be compared."""


def wider(setting: str, before: object, after: object) -> bool:
    """Whether a setting lets more through than before; numbers, or actions from mild to strict."""
    if isinstance(before, str) and isinstance(after, str) and before in _ACTIONS and after in _ACTIONS:
        return _ACTIONS.index(after) < _ACTIONS.index(before)
    was, now = Decimal(str(before)), Decimal(str(after))
    return was != now and (now > was) is not (setting in _SMALLER_IS_WIDER)


class LimitsRefused(ValueError):
    """New limits that widen one of them further than a reload may; names the key and the remedy."""


class Change(Value, frozen=True):
    """One changed setting; `key` as in the configuration file below [risk]."""

    key: str
    old: str
    new: str
    effect: Effect

    @property
    def widened(self) -> bool:
        return self.effect == "wider"


def capped(limits: RiskLimits, cap: int | None) -> RiskLimits:
    """The limits with no position above `cap` lots in any instrument, and no order that could do more than
    turn such a position round."""
    if cap is None:
        return limits
    own = {
        symbol: one.model_copy(
            update={
                "max_position": None if one.max_position is None else min(one.max_position, cap),
                "max_order_qty": None if one.max_order_qty is None else min(one.max_order_qty, 2 * cap),
            }
        )
        for symbol, one in limits.instruments.items()
    }
    return limits.model_copy(
        update={
            "max_position": min(limits.max_position, cap),
            "max_order_qty": min(limits.max_order_qty, 2 * cap),
            "instruments": own,
        }
    )


class LimitsBook:
    """Holds the limits in force. `version` starts at 1 and counts the replacements that changed something.

    A reload may widen a number by a factor of `max_widening` at the most (None: no bound), because one zero
    too many is the commonest typing error and a limit that does not limit is the most expensive one. What
    is meant all the same takes a restart with the new configuration.
    """

    def __init__(
        self,
        limits: RiskLimits,
        version: int = 1,
        max_widening: int | None = 100,
        cap: int | None = None,
    ) -> None:
        """`cap`: lots that no position may exceed, whatever these and later limits say."""
        self._cap = cap
        self.file = limits
        """What the configuration says; `current` may have figures that were set while it ran."""
        self.current = capped(limits, cap)
        self.version = version
        self.changed_by = ""
        self._max_widening = max_widening
        self._bounding = max_widening

    def replace(self, new: RiskLimits, who: str) -> tuple[Change, ...]:
        """Puts new limits in force and tells what changed; empty where nothing did. Raises `LimitsRefused`
        and leaves the old ones in force where one of them is widened beyond the bound."""
        self.admit(new)
        changes = self.set(new, who)
        self.file = new
        return changes

    def admit(self, new: RiskLimits) -> None:
        """Raises `LimitsRefused` for a new file that widens a limit beyond the bound."""
        # What was set while it ran is no measure for what the file may widen.
        self._compared(capped(self.file, self._cap), capped(new, self._cap), self._max_widening)

    def set(self, new: RiskLimits, who: str) -> tuple[Change, ...]:
        """`replace` without bounds and without a change of the file's: for what is bounded by the file."""
        new = self.bounded(new)
        changes = self.compare_freely(new)
        if changes:
            self.current = new
            self.version += 1
            self.changed_by = who
        return changes

    def bounded(self, limits: RiskLimits) -> RiskLimits:
        """The limits as they would be in force: under the cap, if there is one."""
        return capped(limits, self._cap)

    def compare_freely(self, new: RiskLimits) -> tuple[Change, ...]:
        """What `set` would change."""
        return self._compared(self.current, self.bounded(new), None)

    def compare(self, new: RiskLimits) -> tuple[Change, ...]:
        """What would change against what is in force; raises where that is wider than the bound."""
        return self._compared(self.current, new, self._max_widening)

    def _compared(self, old: RiskLimits, new: RiskLimits, bound: int | None) -> tuple[Change, ...]:
        self._bounding = bound
        changes: list[Change] = []
        for key in RiskLimits.model_fields:
            before, after = getattr(old, key), getattr(new, key)
            if before == after:
                continue
            if key == "instruments":
                changes.extend(self._instruments(old, new))
            elif key == "max_gross_by_class":
                changes.extend(self._classes(before, after))
            elif key == "allowed":
                changes.append(Change(key, _shown(before), _shown(after), _allowed(before, after)))
            else:
                changes.append(self._change(key, key, before, after))
        return tuple(changes)

    def _change(self, key: str, setting: str, before: object, after: object) -> Change:
        effect: Effect = "other"
        if isinstance(before, str) and isinstance(after, str) and before in _ACTIONS and after in _ACTIONS:
            effect = "wider" if wider(setting, before, after) else "tighter"
        elif before is None or after is None:
            # No limit at all is the widest.
            effect = "wider" if after is None else "tighter"
        elif isinstance(before, int | float | Decimal) and isinstance(after, int | float | Decimal):
            effect = "wider" if wider(setting, before, after) else "tighter"
            if effect == "wider":
                self._bound(key, Decimal(str(before)), Decimal(str(after)))
        return Change(key, _shown(before), _shown(after), effect)

    def _bound(self, key: str, was: Decimal, now: Decimal) -> None:
        if self._bounding is None:
            return
        low, high = sorted((was, now))
        if low > 0 and high > low * self._bounding:
            raise LimitsRefused(
                f"risk.{key}: from {was} to {now} is wider by more than a factor of {self._bounding}; "
                "check the figure, and restart with the new configuration if you mean it"
            )

    def _instruments(self, old: RiskLimits, new: RiskLimits) -> list[Change]:
        changes: list[Change] = []
        nothing = InstrumentLimits()
        for symbol in sorted({*old.instruments, *new.instruments}):
            was = old.instruments.get(symbol, nothing)
            now = new.instruments.get(symbol, nothing)
            for key, fallback in _FALLBACK.items():
                before, after = getattr(was, key), getattr(now, key)
                if before == after:
                    continue
                name = f"instruments.{symbol}.{key}"
                old_effective = before if before is not None else fallback(old)
                new_effective = after if after is not None else fallback(new)
                if old_effective is None or new_effective is None:
                    # Ticks instead of percent, or the other way round: nobody can say which is wider.
                    effect: Effect = "wider"
                elif old_effective == new_effective:
                    effect = "other"
                else:
                    effect = self._change(name, key, old_effective, new_effective).effect
                changes.append(Change(name, _shown(before), _shown(after), effect))
        return changes

    def _classes(self, old: dict[str, Decimal], new: dict[str, Decimal]) -> list[Change]:
        return [
            self._change(f"max_gross_by_class.{name}", "max_gross_by_class", old.get(name), new.get(name))
            for name in sorted({*old, *new})
            if old.get(name) != new.get(name)
        ]


def _allowed(before: tuple[str, ...], after: tuple[str, ...]) -> Effect:
    if not after:
        return "wider"
    if not before:
        return "tighter"
    return "wider" if any(symbol not in before for symbol in after) else "tighter"


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(str(v) for v in value) or "all"
    return str(value)
