"""Brackets that the engine works itself, where the venue cannot or is not to: protective orders are released
by the entry's fills, follow its size, cancel one another, and never hold more than their owner still holds.

So does a bracket of the venue's of which a protective order never came there: half of it may have left before
a crash or a lost line. Its entry is cancelled, and what it filled gets its protection from the engine. And so
does one of the venue's whose owner's position others made smaller (`engine.grouping_venue`).

What is to do comes from `engine.orders_groups`; this carries it out, once for each state, and again with
growing waits where gate, link or venue did not let it through. Which children wait and which are out is in
the journal; what was tried is not: after a restart everything is looked at once, and a stop that ended by
other hands is not sent again but alarmed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from engine.books import Applied
from engine.core import Core
from engine.facts import AnyFact, OpenOrders
from engine.grouping_alarms import tell
from engine.grouping_stuck import Stuck, live_names
from engine.grouping_tries import Part, Tries
from engine.grouping_venue import AtVenue, protectable
from engine.intake import Intake
from engine.kill import KillSwitch
from engine.lifecycle_types import OrderLife
from engine.model import Order, OrderStatus, Replace, Side
from engine.orders_groups import (
    TAKEN_PLACE,
    CancelLeg,
    DropLeg,
    GroupAction,
    Overclosed,
    Release,
    Renew,
    Resize,
    Unprotected,
    bracket_actions,
    ended_together,
    leg,
    open_lots,
)
from engine.orders_record import OrderRecord
from engine.records import SentAgain
from engine.replacing import Replacer
from engine.risk.gate import Refusal

_REMEMBERED: Final = 10_000
"""Children that ended and are remembered; more than ever work at a time."""


class Grouper:
    """Runs on the engine's thread, in plain synchronous code."""

    def __init__(
        self,
        core: Core,
        intake: Intake,
        replacer: Replacer,
        kill: KillSwitch,
        compare_soon: Callable[[], None] = lambda: None,
    ) -> None:
        self._core = core
        self._compare_soon = compare_soon
        self._stuck = Stuck(core)
        self._at_venue = AtVenue(core)
        self._intake = intake
        self._replacer = replacer
        self._kill = kill
        self._open: dict[str, tuple[str, str]] = {}
        """Entries with a bracket of ours that is not over: strategy and symbol."""
        self._taken: dict[str, None] = {}
        """Those of them whose bracket was the venue's alone, and outgrew the position or works twice."""
        self._tries = Tries()
        self._ours: dict[str, None] = {}
        """Children that we sent or cancelled ourselves: one that ended by that may be followed by another."""
        self._unwanted: dict[str, None] = {}
        """Orders that somebody else wanted cancelled."""
        self._gone: dict[str, None] = {}
        """Protective orders that the venue never knew, also by a comparison after that answer."""
        self._seen: dict[str, int] = {}
        self._put_off: dict[tuple[str, str], None] = {}
        """What a kill or flatten had in hand when it was to be looked at."""
        self._busy = False
        self._dirty: dict[tuple[str, str], None] = {}
        self.renamed: Callable[[str, str], None] = lambda *_: None
        """Told of the old and the new id of a child that waited since an earlier run, when it is sent."""
        self._later: dict[str, OrderRecord] | None = None
        """Orders that change while `at_once` holds; None: it does not."""
        follow = intake.taken_back
        intake.taken_back = lambda order_id: self._taken_back(order_id, follow)

    def restore(self) -> None:
        """After a start: everything that the journal has of open brackets."""
        orders = self._core.books.orders
        for record in (*orders.working(), *orders.recent_closed(_REMEMBERED)):
            parent_id = record.order.parent
            if parent_id is not None and not record.foreign and self._note(parent_id):
                self._stuck.restore(record)
        for parent_id in self._open:
            for order_id in ended_together(orders.children(parent_id)):
                _remember(self._ours, order_id)
        self._take_over()
        for key in dict.fromkeys(self._open.values()):
            self._review(*key)
        for symbol in self._core.books.instruments:
            self._stuck.settle(symbol)

    @property
    def watched(self) -> tuple[str, ...]:
        """Entries whose brackets are not over."""
        return tuple(self._open)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """What is booked meanwhile happened long ago: nothing is done or said between two steps of it."""
        later = self._later = {}
        try:
            yield
        finally:
            self._later = None
            for record in later.values():
                self.on_order(record)

    def on_fill(self, applied: Applied) -> None:
        if applied.record is not None:
            self.on_order(applied.record)

    def on_order(self, record: OrderRecord, fact: AnyFact | None = None) -> None:
        """An order changed: it may be an entry, or a child, of a bracket."""
        parent_id = record.order.parent or record.order.id
        if fact is not None and (record.order.emulated or record.order.parent in self._open):
            self._stuck.saw(record, fact)
        if self._later is not None:
            self._later[record.order.id] = record
            return
        children = self._core.books.orders.children(parent_id)
        if not children:
            return
        if self._note(parent_id):
            self._review(record.order.strategy, record.order.symbol)
            return
        parent = self._core.books.orders.get(parent_id)
        if parent is not None and not self._kill.covers(parent.order.symbol):
            # Worked by the venue: what is wrong with it is said all the same, but not what a kill takes away.
            held = protectable(self._core.books.positions, parent.order.strategy, parent.order.symbol)
            left = max(0, held * parent.order.side.sign)
            for action in bracket_actions(parent.life, [leg(c) for c in children], left):
                if isinstance(action, Unprotected):
                    tell(self._core, parent, action, "")

    def watch(self) -> None:
        """Looks at what has changed by other ways, and at what falls due. Called with the engine's chores."""
        self._take_over()
        if not self._open:
            return
        late, versions = self._tries.fall_due(self._core.clock.mono()), self._core.books.versions
        for strategy, symbol in dict.fromkeys(self._open.values()):
            version = versions.get(symbol, 0)
            waits = (strategy, symbol) in self._put_off and not self._kill.covers(symbol)
            if late or waits or self._seen.get(symbol) != version:
                self._review(strategy, symbol)
        self._seen = {symbol: versions.get(symbol, 0) for _, symbol in self._open.values()}

    def next_due(self) -> int | None:
        """When something is tried again, monotonic ns."""
        again, left = self._tries.next_due(), self._at_venue.next_due()
        if again is None or left is None:
            return left if again is None else again
        return min(again, left)

    def compared(self, agreed: bool, listed: OpenOrders) -> None:
        """After a comparison: of what the venue lists twice under one id of ours one is to go; where all
        views agree, what it did not know is certainly not there."""
        looked_at = [*self._open.items(), *self._at_venue.entries()]
        names = live_names(listed) if looked_at else {}
        for parent_id, owner in looked_at:
            for child in self._core.books.orders.children(parent_id):
                if self._stuck.listed(child, names.get(child.order.id, ())):
                    self._dirty[owner] = None
                    if parent_id not in self._open:  # the venue's own double: it does not see it as one
                        self._takes(parent_id, owner)
                        self._at_venue.forget(parent_id, owner[1])
        if self._dirty:
            self._review(*next(iter(self._dirty)))
        if not agreed:
            return
        self._stuck.agreed(names)
        orders = self._core.books.orders
        for parent_id in list(self._open):
            new = [c.order.id for c in orders.children(parent_id) if self._never_came(c)]
            if any(order_id not in self._gone for order_id in new):
                for order_id in new:
                    _remember(self._gone, order_id)
                self._review(*self._open[parent_id])

    def _note(self, parent_id: str) -> bool:
        """Takes note of an entry; False where its bracket is not ours to work."""
        orders = self._core.books.orders
        children = orders.children(parent_id)
        if not children:
            return False
        order, ours = children[0].order, parent_id in self._open
        ours = ours or any(c.order.emulated or self._never_came(c) for c in children)
        if ours:
            self._open[parent_id] = (order.strategy, order.symbol)
        parent = orders.get(parent_id)
        if ours or parent is None or all(_is_over(r.life) for r in (parent, *children)):
            self._at_venue.forget(parent_id, order.symbol)
        else:
            self._at_venue.note(parent_id, (order.strategy, order.symbol))
        return ours

    def _take_over(self) -> None:
        """From now on brackets of the venue's that others' orders leave too large are fitted here."""
        for parent_id, owner in self._at_venue.outgrown(self._kill.covers, self._open):
            self._takes(parent_id, owner)
        if self._dirty:
            self._review(*next(iter(self._dirty)))

    def _takes(self, parent_id: str, owner: tuple[str, str]) -> None:
        """What was the venue's to fit is ours from now on."""
        self._open[parent_id] = owner
        self._taken[parent_id] = self._dirty[owner] = None

    def _never_came(self, child: OrderRecord) -> bool:
        """A protective order that was the venue's to work and ended without ever being there."""
        life = child.life
        return (
            not child.order.emulated
            and life.is_closed
            and life.presumed
            and child.order.id not in self._unwanted
        )

    def _taken_back(self, order_id: str, follow: Callable[[str], None]) -> None:
        follow(order_id)
        _remember(self._unwanted, order_id)

    # -- one look

    def _review(self, strategy: str, symbol: str) -> None:
        """Looks at all brackets of an owner in a symbol. What is done here changes orders and leads here
        again: then it is looked at once more at the end, not in between."""
        self._dirty[strategy, symbol] = None
        if self._busy:
            return
        self._busy = True
        try:
            while self._dirty:
                key = next(iter(self._dirty))
                del self._dirty[key]
                self._review_once(*key)
        finally:
            self._busy = False

    def _review_once(self, strategy: str, symbol: str) -> None:
        if self._kill.covers(symbol):
            # It cancels what is there, and closes what is open. What is left then is looked at afterwards.
            self._put_off[strategy, symbol] = None
            return
        self._put_off.pop((strategy, symbol), None)
        orders = self._core.books.orders
        held = protectable(self._core.books.positions, strategy, symbol)
        left = {Side.BUY: max(0, held), Side.SELL: max(0, -held)}
        for parent_id in [p for p, key in self._open.items() if key == (strategy, symbol)]:
            parent, children = orders.get(parent_id), orders.children(parent_id)
            if parent is None:
                # The run died between storing the children and storing their entry.
                for child in children:
                    self._intake.drop(child, "its entry was never stored")
                self._forget(parent_id)
                continue
            legs, side = [leg(c) for c in children], parent.order.side
            renewable = {c.order.id for c in children if self._may_follow(c)}
            self._take_back(parent, children)
            actions = bracket_actions(parent.life, legs, left[side], renewable)
            actions += self._stuck.twins(children, {action.order_id for action in actions})
            left[side] -= open_lots(parent.life, legs, left[side])
            for action in self._no_doubles(parent, children, actions):
                self._carry_out(parent, action)
            self._stuck.fitted(children, {action.order_id for action in actions})
            waits = any(not isinstance(action, Unprotected | Overclosed) for action in actions)
            waits |= bool(actions) and any(self._never_came(c) for c in children)  # until all views agree
            if not waits and _is_over(parent.life) and all(_is_over(c.life) for c in children):
                self._forget(parent_id)

    def _take_back(self, parent: OrderRecord, children: list[OrderRecord]) -> None:
        """Cancels an entry that works and of whose stops the venue has none."""
        life, stops = parent.life, [c for c in children if leg(c).is_stop]
        lacks = any(self._never_came(c) for c in stops) and all(c.life.is_closed for c in stops)
        if (
            not lacks
            or life.is_closed
            or life.pending_cancel
            or not self._may_try(parent.order.id, "entry", 0)
        ):
            return
        entry = parent.order
        problem = self._intake.send_cancel(entry.id, entry.correlation)
        text = f"the stop of {entry.id} never came to the broker; the entry is taken back"
        self._core.alarm(
            "critical",
            "half_bracket",
            f"{text}, which did not succeed: {problem}; it is tried again" if problem else text,
            symbol=entry.symbol,
            correlation=entry.correlation,
        )

    def _may_follow(self, child: OrderRecord) -> bool:
        """Whether another one may take the place of a child that ended: it filled, or ended by our own doing,
        or certainly never left; but not where anybody else wanted it gone, or the venue refused it."""
        life, order_id = child.life, child.order.id
        if not life.is_closed or order_id in self._unwanted:
            return False
        if self._never_came(child):
            return life.status is OrderStatus.REJECTED or order_id in self._gone
        ours = order_id in self._ours
        if life.status is OrderStatus.REJECTED:
            return ours and life.presumed
        return life.status is OrderStatus.FILLED or ours

    def _forget(self, parent_id: str) -> None:
        self._open.pop(parent_id, None)
        self._taken.pop(parent_id, None)
        children = self._core.books.orders.children(parent_id)
        self._stuck.fitted(children, ())
        for child in children:
            self._stuck.forget(child.order.id)
        self._tries.forget(parent_id)

    # -- what is done

    def _carry_out(self, parent: OrderRecord, action: GroupAction) -> None:
        if isinstance(action, Unprotected | Overclosed):
            tell(self._core, parent, action, "")
            return
        child = self._core.books.orders.get(action.order_id)
        if child is None:
            return
        if isinstance(action, DropLeg):
            self._intake.drop(child, action.reason)
            return
        ours = child.order.emulated or parent.order.id in self._taken
        if not (ours or _is_over(parent.life)) and isinstance(action, Resize | CancelLeg):
            return  # the venue fits its own to what the entry fills
        if isinstance(action, Resize) and self._stuck.is_stuck(child, action.qty):
            self._in_place_of_a_change(parent, child, action)
            return
        qty = action.qty if isinstance(action, Release | Renew | Resize) else 0
        part: Part = "stop" if leg(child).is_stop else "target"
        if isinstance(action, CancelLeg) and action.reason == TAKEN_PLACE:
            part = "old"
        if not self._may_try(parent.order.id, part, qty):
            return
        problem = ""
        grows = qty > (0 if child.held or child.life.is_closed else child.life.qty)
        match action:
            case Release() | Renew():
                order = self._made(child, qty, new=isinstance(action, Renew))
                _remember(self._ours, order.id)
                problem = _text(self._intake.submit(order))
            case Resize():
                change = self._change(child, qty)
                self._stuck.asks(change, child.life)
                problem = _text(self._replacer.replace(change))
                if problem:
                    self._stuck.fails(child.order.id, problem)
                if not (problem and grows):  # of what does not even leave to grow, the alarm below tells
                    self._stuck.tell(child, qty)
            case CancelLeg():
                _remember(self._ours, child.order.id)
                problem = self._intake.send_cancel(child.order.id, child.order.correlation)
        if problem and grows:
            tell(self._core, parent, action, problem)
        elif grows:
            code = "unprotected" if leg(child).is_stop else "no_target"
            self._core.clear_alarms(code, parent.order.symbol)

    # -- what no change reaches

    def _in_place_of_a_change(self, parent: OrderRecord, child: OrderRecord, action: Resize) -> None:
        """Cancels an order of which the venue changes no size, by the name under which it was seen working
        last; another one follows once it is gone."""
        if not self._may_try(parent.order.id, "stop" if leg(child).is_stop else "target", 0):
            return
        order_id = child.order.id
        _remember(self._ours, order_id)
        self._stuck.cancels(order_id)
        self._core.story("warning", f"{self._stuck.why(child, action.qty)}; it is cancelled", order_id)
        self._intake.send_cancel(order_id, child.order.correlation)
        self._stuck.tell(child, action.qty)

    def _no_doubles(
        self, parent: OrderRecord, children: list[OrderRecord], actions: tuple[GroupAction, ...]
    ) -> list[GroupAction]:
        """The actions without another order in the place of one that may work on under another name."""
        kept: list[GroupAction] = []
        for action in actions:
            until = 0
            if isinstance(action, Renew | Unprotected):
                targets = {c.order.id for c in children if not leg(c).is_stop}
                part: Part = "target" if action.order_id in targets else "stop"
                alike = [c for c in children if (c.order.id in targets) is (part == "target")]
                until = max(self._stuck.hold(c) for c in alike)
            if until:
                self._tries.look_at(parent.order.id, part, until)
                self._compare_soon()
            else:
                kept.append(action)
        return kept

    def _may_try(self, parent_id: str, part: Part, qty: int) -> bool:
        return self._tries.may_try(parent_id, part, qty, self._core.clock.mono())

    def _made(self, child: OrderRecord, qty: int, *, new: bool) -> Order:
        core, order = self._core, child.current()
        alone = {s for s, part in core.books.positions.get(order.symbol).parts.items() if part.qty}
        made: Order = msgspec.structs.replace(
            order,
            id=core.ids.order_id(order.strategy) if new else order.id,
            qty=qty,
            created=core.clock.now(),
            emulated=True,
            # The venue looks at the account's position: where others hold of it too, it may be another's.
            reduce_only=core.adapter.capabilities.reduce_only and alone <= {order.strategy},
        )
        if core.ids.gave(made.id) or self._intake.objection(made) is not None:
            return made
        # What waits since an earlier run may wait in an older copy of the state, and the venue have had it.
        again: Order = msgspec.structs.replace(made, id=core.ids.order_id(order.strategy))
        core.commit(SentAgain(lost=made.id, order_id=again.id), made.correlation, again.id)
        self.renamed(made.id, again.id)
        return again

    def _change(self, child: OrderRecord, qty: int) -> Replace:
        life = child.life
        return Replace(
            id=self._core.ids.order_id(child.order.strategy),
            order_id=child.order.id,
            qty=qty,
            limit=life.limit,
            stop=life.stop,
            correlation=child.order.correlation,
            created=self._core.clock.now(),
        )


def _is_over(life: OrderLife) -> bool:
    return life.is_closed and not life.missing


def _text(refusal: Refusal | None) -> str:
    return "" if refusal is None else f"refused by {refusal.control}: {refusal.text}"


def _remember(known: dict[str, None], order_id: str) -> None:
    known[order_id] = None
    if len(known) > _REMEMBERED:
        del known[next(iter(known))]
