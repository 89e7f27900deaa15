"""The independent risk loop: every round it looks at what changed, and trips, clears and latches.

`RiskLoop.tick` is plain synchronous code without side effects outside the controls; what follows from its
events (refuse, pause, cancel, kill) is the engine's business. A figure is worked out anew only where the
view's version of its symbol, strategy or account moved, where its control was touched by an event, or where
time alone may have changed it; so an idle round costs a few comparisons.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from engine.config import Action, RiskLimits
from engine.model import Value
from engine.risk import words
from engine.risk.control import Control, Reading, ScopeKind
from engine.risk.controls import ControlSet
from engine.risk.view import RiskView

_NEVER: Final = 1 << 62
"""Mono at which what time alone does not change falls due."""


class RiskEvent(Value, frozen=True, kw_only=True):
    """Base of what a round may report. `scope`: empty for the account, else symbol, strategy or class."""

    control: str
    title: str
    scope: str
    detail: str


class Breach(RiskEvent, frozen=True, kw_only=True):
    """A control tripped; reported once for each trip, with the action configured for it."""

    action: Action
    kind: ScopeKind
    latched: bool
    """True where it holds until a person resets it."""

    @property
    def text(self) -> str:
        """What is wrong (`detail`) and what follows, for alert and log."""
        then = words.then(self.control, self.kind, self.scope, self.action, latched=self.latched)
        return f"{self.detail}; {then}"


class Cleared(RiskEvent, frozen=True, kw_only=True):
    """A control that does not latch is back within its limit."""


class Doubt(RiskEvent, frozen=True, kw_only=True):
    """A control cannot evaluate (data missing, or it failed); opening orders are refused until it can."""


class _Place:
    """One control in one scope."""

    __slots__ = ("broken", "control", "holds", "reading", "scope")

    def __init__(self, control: Control, scope: str) -> None:
        self.control = control
        self.scope = scope
        # At hand: a round asks for them of every control, and each control is of another class.
        self.holds, self.broken = control.holds, control.broken
        self.reading: Reading | None = None


class _Group:
    """The places that share one version: a symbol, a strategy, or the account."""

    __slots__ = ("due", "places", "version")

    def __init__(self, controls: Sequence[Control], scope: str) -> None:
        self.version = -1
        self.due = _NEVER
        """Earliest mono at which time alone may change a figure."""
        self.places = {c.name: _Place(c, scope) for c in controls}


class RiskLoop:
    """Keeps the reading of every control in every scope."""

    def __init__(self, controls: ControlSet) -> None:
        self.controls = controls
        kinds: tuple[ScopeKind, ...] = ("account", "symbol", "strategy", "class")
        self._kinds = {kind: tuple(c for c in controls.all if c.kind == kind) for kind in kinds}
        loud = [c for c in self._kinds["account"] if not c.quiet]
        self._account = _Group([c for c in loud if c.follows_market], "")
        self._orders = _Group([c for c in loud if not c.follows_market], "")
        """Of the account what orders and halts alone decide."""
        self._quiet = _Group([c for c in self._kinds["account"] if c.quiet], "")
        self._of_market = [c for c in self._kinds["symbol"] if c.follows_market]
        self._of_books = [c for c in self._kinds["symbol"] if not c.follows_market]
        self._symbols: dict[str, _Group] = {}
        self._booked: dict[str, _Group] = {}
        """By symbol what follows no quotes: the same symbols as in `_symbols`."""
        self._strategies: dict[str, _Group] = {}
        self._classes: dict[str, _Group] = {}
        self._limits_version: int | None = None
        self._limits: RiskLimits | None = None
        self._all_touched = tuple(c.touched for c in controls.all)
        self._events: list[RiskEvent] = []
        self._stamp: object = None
        """Of the view in the last round that looked at anything."""
        self._due = _NEVER
        """Earliest mono at which time alone may bring something new, as of that round."""
        self.rounds = 0
        self.evaluations = 0

    # -- a round

    def tick(self, view: RiskView) -> Sequence[RiskEvent]:
        """One round. Raises only where the view itself fails; a failing control is counted and in doubt."""
        self.rounds += 1
        mono = view.mono()
        stamp = view.stamp()
        if stamp == self._stamp and mono < self._due and not self._any_touched():
            return ()  # most rounds: nothing moved, and nothing falls due
        self._stamp = None  # of a round that fails nothing is known
        version = view.limits_version()
        if version != self._limits_version:
            self._limits_version = version
            self._limits = view.limits()
            self._forget_versions(view)
        dropped = False
        symbols, groups = view.symbols(), self._symbols
        for symbol in symbols:
            group = groups.get(symbol)
            if group is None:
                group = groups[symbol] = _Group(self._of_market, symbol)
                self._booked[symbol] = _Group(self._of_books, symbol)
            now, booked = view.version(symbol), self._booked[symbol]
            if now != group.version and (held := view.booked_version(symbol)) != booked.version:
                booked.version = held
                self._evaluate(booked, view, mono)
            elif mono >= booked.due:
                self._evaluate(booked, view, mono)
            if now != group.version or mono >= group.due:
                group.version = now
                self._evaluate(group, view, mono)
        if len(symbols) != len(groups):
            self._drop(groups, symbols)
            self._drop(self._booked, symbols)
            dropped = True
        configured, groups = view.strategies(), self._strategies
        for name in configured:
            group = groups.get(name)
            if group is None:
                group = groups[name] = _Group(self._kinds["strategy"], name)
            now = view.strategy_version(name)
            if now != group.version or mono >= group.due:
                group.version = now
                self._evaluate(group, view, mono)
        if len(configured) != len(groups):
            for name, group in groups.items():
                if mono >= group.due and name not in configured:
                    self._overdue(group, view, mono)
        group = self._orders
        now = view.booked_version("")
        if now != group.version or mono >= group.due:
            group.version = now
            self._evaluate(group, view, mono)
        group = self._account
        now = view.account_version()
        if dropped or now != group.version or mono >= group.due:
            group.version = now
            self._evaluate(group, view, mono)
            for other in self._classes.values():
                self._evaluate(other, view, mono)
        group = self._quiet
        if group.version < 0 or mono >= group.due:
            group.version = 0
            self._evaluate(group, view, mono)
        if self._any_touched():
            for control in self.controls.all:
                if control.touched:
                    self._touched(control, view, mono)
        self._stamp, self._due = stamp, self._earliest()
        if not self._events:
            return ()
        events = tuple(self._events)
        self._events.clear()
        return events

    def _forget_versions(self, view: RiskView) -> None:
        """New limits: every figure is stale, and other asset classes may have limits now."""
        self._account.version = self._orders.version = self._quiet.version = -1
        for group in (*self._symbols.values(), *self._booked.values(), *self._strategies.values()):
            group.version = -1
        wanted = sorted(view.limits().max_gross_by_class)
        self._drop(self._classes, wanted)
        for name in wanted:
            self._classes.setdefault(name, _Group(self._kinds["class"], name))

    def _drop(self, groups: dict[str, _Group], keep: Sequence[str]) -> None:
        kept = dict.fromkeys(keep)
        for scope in [s for s in groups if s not in kept]:
            for place in groups.pop(scope).places.values():
                reading = place.reading
                if reading is not None and reading.state == "TRIPPED" and not place.control.latches:
                    self._leave(place)
                place.control.broken.pop(scope, None)

    def _touched(self, control: Control, view: RiskView, mono: int) -> None:
        groups = self._groups(control)
        scopes = list(control.touched)
        control.touched.clear()
        for scope in scopes:
            group = groups.get(scope)
            if group is None:
                if control.kind != "strategy" or not scope:
                    continue
                # Orders by hand and netted ones have no configuration, but their executions count as well.
                group = groups[scope] = _Group(self._kinds["strategy"], scope)
            due = self._look((group.places[control.name],), view, mono)
            if due < group.due:
                group.due = due

    def _overdue(self, group: _Group, view: RiskView, mono: int) -> None:
        """Owners without a configuration, whose orders by hand or netted were counted: what was touched is
        looked at again when its time has come. Left alone, it would call for a round at once for ever."""
        due = _NEVER
        for place in group.places.values():
            if place.reading is not None and place.reading.due is not None:
                if place.reading.due <= mono:
                    self._look((place,), view, mono)
                if place.reading.due is not None:
                    due = min(due, place.reading.due)
        group.due = due

    def _groups(self, control: Control) -> dict[str, _Group]:
        match control.kind:
            case "symbol":
                return self._symbols if control.follows_market else self._booked
            case "strategy":
                return self._strategies
            case "class":
                return self._classes
            case _:
                loud = self._account if control.follows_market else self._orders
                return {"": self._quiet if control.quiet else loud}

    def _evaluate(self, group: _Group, view: RiskView, mono: int) -> None:
        group.due = self._look(group.places.values(), view, mono)

    # -- controls in their scopes

    def _look(self, places: Collection[_Place], view: RiskView, mono: int) -> int:
        """Works these figures out anew. Returns the earliest mono at which time alone may change one."""
        due = _NEVER
        self.evaluations += len(places)
        for place in places:
            control, before = place.control, place.reading
            try:
                reading: Reading | None = control.evaluate(view, place.scope)
            except Exception as error:  # noqa: BLE001 - one control that fails must not stop the others
                reading = None
                self._failed(place, error, mono)
            if place.holds or place.broken or control.fault or before is None or reading is None:
                self._judge(place, reading, view, mono)
                reading = place.reading
            elif reading is not before:
                # Most figures are what they were, or where they were: of controls without trouble.
                if reading.state == before.state and reading.action == before.action:
                    place.reading = reading
                else:
                    self._judge(place, reading, view, mono)
            if reading is not None and reading.due is not None and reading.due < due:
                due = reading.due
        return due

    def _failed(self, place: _Place, error: Exception, mono: int) -> None:
        """Its control raised; there is no figure."""
        control, scope = place.control, place.scope
        control.broken[scope] = control.failed(error, mono, scope)
        control.touched.pop(scope, None)

    def _judge(self, place: _Place, reading: Reading | None, view: RiskView, mono: int) -> None:
        """What follows from the figure that was evaluated; None where that failed."""
        control, scope = place.control, place.scope
        if reading is None:
            reading = self._broken(place, control.broken[scope], mono)
        else:
            control.broken.pop(scope, None)
            if control.fault:
                if mono < control.fault_until and reading.state != "TRIPPED":
                    reading = self._broken(place, control.fault, control.fault_until)
                elif mono >= control.fault_until:
                    control.fault = ""
        before = place.reading
        if reading is before and scope not in control.holds:
            return
        if scope in control.holds and reading.state != "TRIPPED" and control.holds_until_reset(view.limits()):
            reading = _as_tripped(reading, control.holds[scope])
        place.reading = reading
        held = scope in control.holds and reading.state != "TRIPPED"
        if before is None or held or (before.state, before.action) != (reading.state, reading.action):
            self._transition(place, before, reading, view)

    @staticmethod
    def _broken(place: _Place, error: str, again: int) -> Reading:
        """The line of a control that fails: tried again at every round, or when its fault is forgotten."""
        before, control = place.reading, place.control
        return Reading(
            control=control.name,
            title=control.title,
            scope=place.scope,
            state="UNKNOWN",
            action=before.action if before is not None else "refuse",
            limit=before.limit if before is not None else None,
            unit=before.unit if before is not None else "",
            lot=before.lot if before is not None else None,
            detail=f"cannot evaluate: {error} ({control.errors} errors)",
            due=again,
        )

    def _transition(self, place: _Place, before: Reading | None, now: Reading, view: RiskView) -> None:
        control, scope = place.control, place.scope
        if now.state == "TRIPPED":
            known = before is None or before.state != "TRIPPED" or before.action == now.action
            if scope in control.holds and known:
                return
            latched = control.holds_until_reset(view.limits())
            wrong = words.wrong(now)
            if latched or now.action != "refuse":
                control.holds[scope] = wrong
            self._events.append(
                Breach(
                    control=control.name,
                    title=control.title,
                    scope=scope,
                    detail=wrong,
                    action=now.action,
                    kind=control.kind,
                    latched=latched,
                )
            )
            return
        if scope in control.holds or (before is not None and before.state == "TRIPPED"):
            self._leave(place)
        if now.state == "UNKNOWN" and (before is None or before.state != "UNKNOWN"):
            self._events.append(
                Doubt(control=control.name, title=control.title, scope=scope, detail=now.detail)
            )

    def _leave(self, place: _Place) -> None:
        control, scope = place.control, place.scope
        control.holds.pop(scope, None)
        self._events.append(Cleared(control=control.name, title=control.title, scope=scope, detail=""))

    # -- for the engine and the screen

    def fail(self, error: Exception) -> Breach | None:
        """A round failed as a whole: latches a critical breach; None where it is latched already."""
        health = self.controls.health
        what = f"{type(error).__name__}: {error}"
        if not health.fail(what):
            return None
        wrong = f"The risk loop failed: {what}"
        health.holds[""] = wrong
        health.touched[""] = None
        return Breach(
            control=health.name,
            title=health.title,
            scope="",
            detail=wrong,
            action="kill",
            kind=health.kind,
            latched=True,
        )

    def readings(self) -> tuple[Reading, ...]:
        """All figures as of the last round, in the order of the controls, then by scope."""
        found: list[Reading] = []
        for control in self.controls.all:
            groups = self._groups(control)
            for scope in sorted(groups):
                reading = groups[scope].places[control.name].reading
                if reading is not None:
                    found.append(reading)
        return tuple(found)

    def reset(self, control: str, scope: str = "") -> bool:
        """A person takes trips of a control back, in one scope or in all of them (empty). What is still
        beyond its limit trips again in the next round. False where nothing was tripped, or no control has
        the name.
        """
        chosen = self.controls.by_name.get(control)
        if chosen is None:
            return False
        groups = self._groups(chosen)
        done = False
        for one in [scope] if scope else sorted({*groups, *chosen.holds}):
            held = chosen.holds.pop(one, None) is not None
            group = groups.get(one)
            place = group.places[control] if group is not None else None
            tripped = place is not None and place.reading is not None and place.reading.state == "TRIPPED"
            if held or tripped:
                done = True
                chosen.reset(one)
                chosen.touched[one] = None
                if place is not None:
                    place.reading = None
        return done

    def restore(self, control: str, scope: str, detail: str) -> bool:
        """After a restart: a trip that had latched before still holds. No event is made of it. False where no
        control has the name."""
        chosen = self.controls.by_name.get(control)
        if chosen is None:
            return False
        chosen.holds[scope] = detail or "tripped before the restart"
        chosen.touched[scope] = None
        return True

    def holds(self) -> tuple[tuple[str, str, str, str], ...]:
        """(control, scope, what is wrong, what follows) of everything that holds opening orders back."""
        return tuple(
            (control.name, scope, control.holds[scope], self._until(control, scope))
            for control in self.controls.all
            for scope in sorted(control.holds)
        )

    def _until(self, control: Control, scope: str) -> str:
        latched = self._limits is None or control.holds_until_reset(self._limits)
        return words.then(control.name, control.kind, scope, "pause", latched=latched)

    def next_deadline(self, view: RiskView) -> int | None:
        """Earliest mono at which a round may find something new by time alone; now where a control was
        touched; None where only a change can bring something new."""
        if self._any_touched():
            return view.mono()
        due = self._earliest() if self._stamp is None else self._due
        return due if due < _NEVER else None

    def _any_touched(self) -> bool:
        return any(self._all_touched)

    def _earliest(self) -> int:
        due = min(self._account.due, self._orders.due, self._quiet.due)
        for groups in (self._symbols, self._booked, self._strategies, self._classes):
            for group in groups.values():
                if group.due < due:
                    due = group.due
        return due


def _as_tripped(reading: Reading, why: str) -> Reading:
    """The figure is back within its limit, or unknown, but the trip holds until reset."""
    return Reading(
        control=reading.control,
        title=reading.title,
        scope=reading.scope,
        state="TRIPPED",
        action=reading.action,
        used=reading.used,
        limit=reading.limit,
        unit=reading.unit,
        lot=reading.lot,
        detail=f"held until reset: {why}",
        due=reading.due,
    )
