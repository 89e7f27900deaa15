"""The limits of a case: the one under test as the trader has it, all others too wide to speak."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from engine.config import RiskLimits

WIDE: Final[Mapping[str, Any]] = {
    "daily_loss_pct": Decimal(100),
    "daily_loss_amount": None,
    "max_position": 1_000_000,
    "order_rate": 100_000,
    "order_burst": 100_000,
    "cancel_rate": 100_000,
    "collar_pct": Decimal(50),
    "collar_ticks": 100_000,
    "margin_flatten_pct": Decimal("99.9"),
    "margin_target_pct": Decimal("99"),
    "max_spread_ticks": 1_000,
    "spread_pause": 1.0,
    "max_order_qty": 1_000_000,
    "max_order_notional": Decimal("1e15"),
    "allowed": (),
    "duplicate_window": 0.0,
    "max_working": 100_000,
    "max_gross": Decimal("1e15"),
    "max_net": Decimal("1e15"),
    "max_gross_by_class": {},
    "max_drawdown_pct": Decimal(100),
    "reject_storm": 10_000,
    "error_storm": 10_000,
    "stale_after": 5.0,
    "max_executions": 10_000_000,
    "instruments": {},
}


def limits_of(
    base: RiskLimits, keep: tuple[str, ...] = (), changes: Mapping[str, Any] | None = None
) -> RiskLimits:
    """`base` with everything wide but what is kept, and the changes on top. Actions, windows and pauses stay
    as the trader has them where they are kept or are no limits by themselves."""
    values = base.model_dump()
    values.update({key: value for key, value in WIDE.items() if key not in keep})
    values.update(changes or {})
    return RiskLimits.model_validate(values)
