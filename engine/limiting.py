"""Changing limits while the engine runs: from the file, or one by a person until the file is read again.

Both are versioned and journalled with who did it. A figure that was set stands in the place of the file's,
over restarts as well, until the file says something else for that key, is read again, or it is taken back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from engine.config import RiskLimits
from engine.control.commands import Answer, Reload, SetLimit
from engine.core import Core
from engine.intake import Told
from engine.model import Side
from engine.records import LimitsChanged
from engine.risk.inforce import InForce, Limits, figure
from engine.risk.limits import Change, LimitsBook, LimitsRefused
from engine.risk.loop import RiskLoop
from engine.risk.override import Override
from engine.risk.setting import BACK, key_of, keys_of, overlaid, put, shown, value_of, within_bounds
from engine.view import EngineView

_NAMED = 5
"""Working orders that a preview names."""


class LimitHooks(Protocol):
    """What this asks of the engine."""

    def reload_limits(self) -> RiskLimits:
        """Reads the configuration again. Raises with a text for a person when it is bad."""

    def limits_changed(self) -> None: ...


class LimitDesk:
    """Runs on the engine's thread."""

    def __init__(
        self, core: Core, limits: LimitsBook, risk: RiskLoop, view: EngineView, hooks: LimitHooks
    ) -> None:
        self._core = core
        self._limits = limits
        self._risk = risk
        self._view = view
        self._hooks = hooks

    def restore(self) -> None:
        """After a start: run-time figures that still hold are in force; of the others it is said."""
        books = self._core.books
        _, kept = overlaid(self._limits.file, books.overrides)
        if kept:
            self._hooks.limits_changed()
        dropped = [key for key in books.overrides if key not in kept]
        if dropped:
            rows = tuple((key, books.overrides[key].value, shown(self._limits.file, key)) for key in dropped)
            self._limits.version += 1
            self._commit("start", rows, kept, "")
            text = ", ".join(f"{key} {old} → {new or 'none'}" for key, old, new in rows)
            self._core.alarm("warning", "limits", f"the file has changed and holds now: {text}")

    def reload(self, command: Reload, who: str, correlation: str, reply: Told) -> None:
        """What lets more through is taken over only where the operator was shown just that."""
        core, limits = self._core, self._limits
        try:
            new = self._hooks.reload_limits()
            limits.admit(new)
        except Exception as error:  # noqa: BLE001 - any bad file leaves the old limits in force, and says so
            text = f"the old limits stay in force: {error}"
            core.alarm("warning", "reload", f"reload refused, {text}", correlation=correlation)
            reply(Answer(ok=False, text=text))
            return
        changes = limits.compare_freely(new)
        told = self._told(changes, self._now(), self._limits_of(new, {}))
        digest = hashlib.sha256(repr(changes).encode()).hexdigest()[:16]
        wider = any(change.widened for change in changes)
        if wider and not (command.widening and command.shown == digest):
            data = {"effect": "wider", "digest": digest, "changes": "\n".join(told)}
            text = "it would let more through"
            if command.shown:
                data["again"] = "yes"
                text = (
                    "file or limits have changed since they were shown, nothing is taken over; now it means"
                )
            reply(Answer(ok=False, text=f"{text}: {'; '.join(told)}", data=data))
            return
        limits.replace(new, who)
        core.clear_alarms("reload")
        if not changes and not core.books.overrides:
            reply(Answer(ok=True, text=f"nothing changed; limits are version {limits.version}"))
            return
        self._done(who, changes, told, {}, correlation, reply)

    def set(self, command: SetLimit, who: str, correlation: str, reply: Told) -> None:
        core, limits = self._core, self._limits
        instruments, overrides = core.books.instruments, dict(core.books.overrides)
        try:
            key = key_of(command.name, command.value, instruments)
            file = shown(limits.file, key)
            if command.value.lower() == BACK:
                # The name of a control may mean two settings: what was set of them is taken back.
                keys = [k for k in keys_of(command.name, instruments) if k in overrides]
                if not keys:
                    raise LimitsRefused(f"{key} is the file's already: {file or 'not given'}")
                key = keys[0]
                for taken in keys:
                    del overrides[taken]
            else:
                value = value_of(key, command.value, instruments)
                within_bounds(limits.file, put(limits.file, key, value), key)
                overrides[key] = Override(value, file, who)
            new, _ = overlaid(limits.file, overrides)
            changes = limits.compare_freely(new)
        except LimitsRefused as error:
            reply(Answer(ok=False, text=str(error)))
            return
        now, then = self._now(), self._limits_of(new, overrides)
        if command.preview:
            reply(self._meaning(key, now.of(key), then, new, changes))
            return
        told = self._told(changes, now, then) or (f"{self._title(key)} stays as it is",)
        note = self._note(key, then, new)
        limits.set(new, who)
        self._done(who, changes, (*told, note) if note else told, overrides, correlation, reply)

    def _now(self) -> Limits:
        """The limits in force, to be asked what holds."""
        return self._limits_of(self._limits.current, self._core.books.overrides)

    def _limits_of(self, limits: RiskLimits, overrides: Mapping[str, Override]) -> Limits:
        books = self._core.books
        return Limits(
            self._limits.bounded(limits),
            self._limits.file,
            overrides,
            books.instruments,
            books.config.currency,
            self._view.opening_equity(),
        )

    def _title(self, key: str) -> str:
        """The control and its instrument as on the screen, or the key where none shows it."""
        name, scope = watched_by(key)
        control = self._risk.controls.by_name.get(name)
        return f"{scope} {control.title}".lstrip() if control is not None else key

    def _told(self, changes: Sequence[Change], now: Limits, then: Limits) -> tuple[str, ...]:
        """What changes in force, a line for each; a setting that holds nowhere by its own name."""
        lines = []
        for change in changes:
            if change.key == "allowed" or change.key.startswith("max_gross_by_class."):
                lines.append(f"{change.key} {change.old} → {change.new}")
                continue
            before, after = now.of(change.key), then.of(change.key)
            if before.figure == after.figure:
                lines.append(f"{change.key} {change.old} → {change.new}; in force as before {after.figure}")
            else:
                lines.append(f"{self._title(change.key)} {before.figure} → {after.figure}")
        return tuple(dict.fromkeys(lines))

    def _note(self, key: str, then: Limits, new: RiskLimits) -> str:
        """Why what was asked for is not what holds, or not everywhere; empty where it is."""
        holds, asked = then.of(key), shown(new, key)
        if holds.key != key and asked:
            tighter = f"{holds.figure} ({holds.origin}) is tighter"
            return f"no effect now: {tighter}; this counts once that is above {then.worth(key, asked)}"
        if asked and shown(self._limits.bounded(new), key) != asked:
            return f"no effect beyond {holds.figure}: {holds.origin} is tighter"
        keeping = then.keeping(key)
        return f"{', '.join(keeping)} keep figures of their own" if keeping else ""

    def _figure(self, key: str, text: str) -> str:
        books = self._core.books
        return figure(key, text, books.instruments, books.config.currency)

    def _meaning(
        self, key: str, before: InForce, then: Limits, new: RiskLimits, changes: tuple[Change, ...]
    ) -> Answer:
        after = then.of(key)
        data = {
            "key": key,
            "title": self._title(key),
            "asked": self._figure(key, shown(new, key)),
            "before": before.figure,
            "before_from": before.origin,
            "after": after.figure,
            "after_from": after.origin,
            "file": self._figure(key, shown(self._limits.file, key)),
            "effect": changes[0].effect if changes else "none",
            **self._used(key),
        }
        if note := self._note(key, then, new):
            data["note"] = note
        exceeding = self._exceeding(key, shown(self._limits.bounded(new), key))
        if exceeding:
            named = ", ".join(exceeding[:_NAMED])
            more = len(exceeding) - _NAMED
            data["exceeding"] = named + (f" and {more} more" if more > 0 else "")
        same = before.figure == after.figure
        text = f"{data['title']}: {before.figure}" + (" stays" if same else f" → {after.figure}")
        return Answer(ok=True, text=text, data=data)

    def _used(self, key: str) -> dict[str, str]:
        """What the control that watches it reads now."""
        control, scope = watched_by(key)
        for reading in self._risk.readings():
            if (reading.control, reading.scope) == (control, scope):
                return {"used": reading.used_text, "state": reading.state}
        return {}

    def _exceeding(self, key: str, value: str) -> list[str]:
        """Working orders that would not pass under the new figure."""
        if not value:
            return []
        symbol, _, field = key.removeprefix("instruments.").rpartition(".")
        orders = self._core.books.orders.working(symbol or None)
        if field == "max_order_qty":
            return [r.order.id for r in orders if r.life.worst_leaves > int(value)]
        if field != "max_position":
            return []
        found = []
        for record in orders:
            position = self._view.position(record.order.symbol)
            buy, sell = self._view.exposure(record.order.symbol)
            worst = position + buy if record.order.side is Side.BUY else sell - position
            if worst > int(value):
                found.append(record.order.id)
        return found

    def _done(
        self,
        who: str,
        changes: tuple[Change, ...],
        told: Sequence[str],
        overrides: dict[str, Override],
        correlation: str,
        reply: Told,
    ) -> None:
        self._hooks.limits_changed()
        rows = tuple((c.key, c.old, c.new) for c in changes)
        self._commit(who, rows, overrides, correlation)
        version = self._limits.version
        text = "; ".join(told) or "nothing changed"
        if rows:
            told_as = f"limits version {version} by {who}: {text}"
            self._core.alarm("info", "limits", told_as, correlation=correlation)
        reply(Answer(ok=True, text=f"limits are version {version}: {text}", data={"version": str(version)}))

    def _commit(
        self, who: str, rows: tuple[tuple[str, str, str], ...], overrides: dict[str, Override], cause: str
    ) -> None:
        record = LimitsChanged(version=self._limits.version, who=who, changes=rows, overrides=overrides)
        self._core.commit(record, cause)


def watched_by(key: str) -> tuple[str, str]:
    """The control, and its scope, that a key below [risk] belongs to; empty where none shows it."""
    symbol, _, field = key.removeprefix("instruments.").rpartition(".")
    return _CONTROLS.get(field, ""), symbol


_CONTROLS = {
    "daily_loss_pct": "daily_loss",
    "daily_loss_amount": "daily_loss",
    "max_drawdown_pct": "drawdown",
    "margin_flatten_pct": "margin",
    "max_position": "max_position",
    "max_working": "max_working",
    "max_gross": "gross",
    "max_net": "net",
    "max_spread_ticks": "spread",
    "order_rate": "order_rate",
    "max_order_qty": "order_qty",
    "stale_after": "stale_data",
}
