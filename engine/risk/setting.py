"""Limits that are set while the engine runs: names and figures as a person types them, as keys and values
below [risk], within what the file allows.

A run-time figure stands in the place of the file's until the file is read again, or it is taken back. It may
be wider than the file's by `run_time_factor` at the most; what is meant to be wider belongs into the file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pydantic import ValidationError

from engine.config import InstrumentLimits, RiskLimits
from engine.model import Instrument, OffGrid
from engine.risk.limits import LimitsRefused, wider
from engine.risk.override import Override

_BY_CONTROL: Final[Mapping[str, tuple[str, str]]] = {
    "daily_loss": ("daily_loss_pct", "daily_loss_amount"),
    "drawdown": ("max_drawdown_pct", ""),
    "margin": ("margin_flatten_pct", ""),
    "price_sanity": ("collar_pct", "collar_ticks"),
    "max_position": ("", "max_position"),
    "order_qty": ("", "max_order_qty"),
    "order_notional": ("", "max_order_notional"),
    "order_rate": ("", "order_rate"),
    "max_working": ("", "max_working"),
    "spread": ("", "max_spread_ticks"),
    "gross": ("", "max_gross"),
    "net": ("", "max_net"),
    "stale_data": ("", "stale_after"),
    "contract_end": ("", "contract_close_days"),
    "duplicate": ("", "duplicate_window"),
    "reject_storm": ("", "reject_storm"),
    "error_rate": ("", "error_storm"),
    "executions": ("", "max_executions"),
}
"""By control: the setting in percent, and the one in its own unit."""
_FIXED: Final = frozenset({"allowed", "instruments", "max_gross_by_class", "run_time_factor"})
"""What only the file says."""
BACK: Final = "file"
"""The value that takes a run-time figure back."""


def known(instruments: Collection[str]) -> list[str]:
    """Names that `key_of` takes."""
    return sorted({*_BY_CONTROL, *instruments})


def key_of(name: str, value: str, instruments: Collection[str]) -> str:
    """The key below [risk]: `ES` is the position limit of ES, `ES.max_order_qty` another of its limits,
    `daily_loss` the setting in percent or in money by the value's `%`, and any key its own. Raises
    `LimitsRefused` for what is none."""
    symbol, dot, own = name.partition(".")
    if name in instruments:
        return f"instruments.{name}.max_position"
    if dot and symbol in instruments:
        own = {"order_qty": "max_order_qty", "spread": "max_spread_ticks"}.get(own, own)
        if own in InstrumentLimits.model_fields:
            return f"instruments.{symbol}.{own}"
        raise LimitsRefused(f"{symbol} has no limit {own}; it has {', '.join(InstrumentLimits.model_fields)}")
    percent, plain = _BY_CONTROL.get(name, ("", ""))
    if percent or plain:
        key = percent if value.endswith("%") or not plain else plain
        if not key:
            raise LimitsRefused(f"the limit of {name} is no percentage; give a plain number")
        return key
    if name in RiskLimits.model_fields and name not in _FIXED:
        return name
    if name in _FIXED:
        raise LimitsRefused(f"{name} is changed in the file only; edit it and reload")
    raise LimitsRefused(f"there is no limit {name}; known are {', '.join(known(instruments))}")


def keys_of(name: str, instruments: Collection[str]) -> tuple[str, ...]:
    """All keys that a name may mean, as `key_of`."""
    both = tuple(key for key in _BY_CONTROL.get(name, ()) if key)
    return both if both and name not in instruments else (key_of(name, "", instruments),)


def value_of(key: str, text: str, instruments: Mapping[str, Instrument]) -> str:
    """The figure as the file would say it: contracts become lots. Raises `LimitsRefused`."""
    text = text.removesuffix("%")
    parts = key.split(".")
    if not key.endswith("_action"):
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            raise LimitsRefused(f"{text} is no figure for {key}; give a number, or {BACK}")
        if parts[0] == "instruments" and parts[-1] in ("max_position", "max_order_qty"):
            try:
                return str(instruments[".".join(parts[1:-1])].to_lots(number))
            except OffGrid as error:
                raise LimitsRefused(str(error)) from None
    return text


def shown(limits: RiskLimits, key: str) -> str:
    """What these limits say for a key, as the file would write it; empty where it is not given."""
    value = _target(limits, key)[1]
    return "" if value is None else str(value)


def _target(limits: RiskLimits, key: str) -> tuple[str, Any]:
    """The field's name and its value; of an instrument that has no limits of its own, None."""
    if not key.startswith("instruments."):
        return key, getattr(limits, key)
    symbol, _, field = key.removeprefix("instruments.").rpartition(".")
    own = limits.instruments.get(symbol)
    return field, None if own is None else getattr(own, field)


def put(limits: RiskLimits, key: str, value: str) -> RiskLimits:
    """The limits with one key at another figure. Raises `LimitsRefused` for one out of range."""
    tree = limits.model_dump()
    if key.startswith("instruments."):
        symbol, _, field = key.removeprefix("instruments.").rpartition(".")
        tree["instruments"].setdefault(symbol, {})[field] = value
    else:
        tree[key] = value
    try:
        return RiskLimits.model_validate(tree, strict=False)
    except ValidationError as error:
        found = error.errors()[0]
        raise LimitsRefused(f"risk.{key}: {value}: {found['msg']}") from None


def overlaid(file: RiskLimits, overrides: Mapping[str, Override]) -> tuple[RiskLimits, dict[str, Override]]:
    """The file's limits with run-time figures in their places, and those of them that still hold: one whose
    key was changed in the file, or is out of its bounds by now, does not."""
    limits, kept = file, {}
    for key, override in overrides.items():
        try:
            if shown(file, key) != override.file:
                continue
            limits = within_bounds(file, put(limits, key, override.value), key)
        except (LimitsRefused, AttributeError):
            continue  # a key that this version does not have, or a tighter bound in the file
        kept[key] = override
    return limits, kept


def within_bounds(file: RiskLimits, new: RiskLimits, key: str) -> RiskLimits:
    """The new limits. Raises `LimitsRefused` where the key is wider than the file allows at run time."""
    field, asked = _target(new, key)
    before = _target(file, key)[1]
    if before is None and key.startswith("instruments.") and hasattr(file, field):
        before = getattr(file, field)
    if before is None or asked is None or not wider(field, before, asked):
        return new
    if isinstance(asked, str):
        raise LimitsRefused(
            f"risk.{key}: {asked} is milder than the file's {before}; that belongs into the file"
        )
    was, now = Decimal(str(before)), Decimal(str(asked))
    low, high = sorted((was, now))
    if high > low * file.run_time_factor:
        raise LimitsRefused(
            f"risk.{key}: {now} is wider than the file's {was} by more than run_time_factor "
            f"({file.run_time_factor}); change the file and reload if you mean it"
        )
    return new
