"""Storms: too many rejections, too many errors, too many executions within a while."""

# ruff: noqa: ARG002 - all controls answer one signature, whatever part of it each needs
from __future__ import annotations

from engine.config import Action, RiskLimits
from engine.risk.ask import Ask
from engine.risk.bucket import EventWindow
from engine.risk.control import Control, Reading, Refusal, State, ns, warns
from engine.risk.view import RiskView


class Storm(Control):
    """Counts events in a sliding window by scope; once the count reaches its limit, opening orders wait until
    a person resets it. The trip is noted with the event itself, so that it cannot drain away unseen."""

    latches = True
    events = "events"

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[str, EventWindow] = {}
        self._tripped: dict[str, str] = {}
        self._bounds_of: RiskLimits | None = None
        self._bounds = (0, 0)
        """`bounds` by the limits `_bounds_of`."""

    def bounds(self, limits: RiskLimits) -> tuple[int, int]:
        """(count, window in ns)."""
        raise NotImplementedError

    def note(self, view: RiskView, scope: str, last: str) -> None:
        window = self._windows.setdefault(scope, EventWindow())
        mono = view.mono()
        cap, span = self.bounds(view.limits())
        window.add(mono)
        count = window.count(mono, span)
        if count >= cap and scope not in self._tripped:
            self._tripped[scope] = f"{count} {self.events} within {span / 1e9:g} s, last: {last}"
        self.touched[scope] = None

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        if not self._tripped:
            return None
        scope = ask.strategy if self.kind == "strategy" else ""
        why = self._tripped.get(scope)
        return None if why is None else self.refusal(f"{why}; find the cause, then reset {self.name}", scope)

    def reset(self, scope: str) -> None:
        self._tripped.pop(scope, None)
        if scope in self._windows:
            self._windows[scope].clear()

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits = view.limits()
        if limits is not self._bounds_of:
            self._bounds_of, self._bounds = limits, self.bounds(limits)
        cap, span = self._bounds
        window = self._windows.get(scope)
        count, due = 0, None
        if window is not None:
            count, due = window.count(view.mono(), span), window.oldest_leaves(span)
        why = self._tripped.get(scope, "")
        of = (count, due, why, limits)
        if (before := self.as_before(scope, of)) is not None:
            return before
        state: State = "WARN" if warns(count, cap, limits.warn_pct) else "ACTIVE"
        within = why or f"within {span / 1e9:g} s"
        reading = self.reading(limits, scope, "TRIPPED" if why else state, count, cap, "", within, due)
        return self.keep(scope, of, reading)


class RejectStorm(Storm):
    """Rejections by the broker, of all strategies together: they say that the session is in trouble."""

    name = "reject_storm"
    title = "Reject storm"
    quiet = True
    events = "rejections"

    def bounds(self, limits: RiskLimits) -> tuple[int, int]:
        return limits.reject_storm, ns(limits.reject_window)

    def action(self, limits: RiskLimits) -> Action:
        return limits.reject_action

    def on_reject(self, strategy: str, symbol: str, reason: str, view: RiskView) -> None:
        self.note(view, "", f"{strategy} {symbol}: {reason}")


class ErrorRate(Storm):
    """Errors of adapter, feed or strategies."""

    name = "error_rate"
    title = "Error rate"
    quiet = True
    events = "errors"

    def bounds(self, limits: RiskLimits) -> tuple[int, int]:
        return limits.error_storm, ns(limits.error_window)

    def action(self, limits: RiskLimits) -> Action:
        return limits.error_action

    def on_error(self, source: str, view: RiskView) -> None:
        self.note(view, "", source)


class Executions(Storm):
    """Executions of one strategy. A machine that trades without end (Knight, 2012) waits for a person."""

    name = "executions"
    title = "Executions"
    kind = "strategy"
    events = "executions"

    def bounds(self, limits: RiskLimits) -> tuple[int, int]:
        return limits.max_executions, ns(limits.execution_window)

    def action(self, limits: RiskLimits) -> Action:
        return limits.execution_action

    def on_fill(self, strategy: str, symbol: str, view: RiskView) -> None:
        self.note(view, strategy, symbol)
