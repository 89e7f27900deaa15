"""The venue's own dead-man's switch: armed while it can only help, not where it would take protection away.

Such a switch cancels every order of the account when nobody renews it, protective stops among them. A
position that relies on one would lose it in the moment in which nobody looks after it; so the switch is armed
only while no stop works at the venue, and disarmed before one leaves.
"""

from __future__ import annotations

from typing import Final, Literal

from engine.core import Core
from engine.model import NS, Order, OrderType, Purpose
from engine.ports import NotSent
from engine.records import Sent

Word = Literal["OFF", "ARMED", "UNSAFE", "NOT ARMED", "NOT AVAILABLE"]

_STOPS: Final = (OrderType.STOP, OrderType.STOP_LIMIT)


class DeadMan:
    """Runs on the engine's thread; `look` comes some times a second."""

    def __init__(self, core: Core, seconds: float) -> None:
        """`seconds`: after which the venue acts; 0: the switch is not used."""
        self._core = core
        self._after = int(seconds * NS)
        self._concerned = self._after > 0 or core.books.armed
        """This run uses the switch, or one that was killed left it armed, and this one's orders to it."""
        self._due = 0
        self._epoch = -1
        self._known: bool | None = None
        """Whether the venue's switch is armed; None: what was asked of it may not have arrived."""
        self.word: Word = "OFF"
        self.text = ""

    def look(self, mono: int) -> None:
        """Renews it when that is due, and disarms it as soon as a stop works at the venue, or where an
        earlier run left it armed and this one does not use it."""
        core = self._core
        if not core.adapter.capabilities.dead_man:
            self.word, self.text = "NOT AVAILABLE", f"{core.adapter.name} has none: orders stay"
            return
        if not self._concerned:
            return
        self._new_link()
        if not self._after:
            self._leftover()
        elif stop := self._relied_on():
            self._disarm(f"{stop} protects at the venue, which would cancel it")
        elif mono >= self._due or self._known is not True:
            self._arm(mono)

    def ahead(self, order: Order) -> None:
        """An order is about to leave. Before a stop the switch is disarmed, over the same link: at no moment
        would the venue take the stop for an engine that dies."""
        if self._concerned and self._core.adapter.capabilities.dead_man and _protects(order):
            self._new_link()
            self._disarm(f"{order.id} protects at the venue, which would cancel it")

    def _new_link(self) -> None:
        """What was asked over another link may not have arrived."""
        if self._core.link_epoch != self._epoch:
            self._epoch, self._due, self._known = self._core.link_epoch, 0, None

    def stop(self) -> bool:
        """The engine ends as planned: what it leaves at the venue is meant to stay. True where the venue was
        told so a moment ago."""
        # One that could not be renewed a moment ago is still armed there.
        armed = self._known is not False and self._core.adapter.capabilities.dead_man
        if not armed or not self._concerned:
            return False
        self._concerned = False
        return self._ask(None)

    def _relied_on(self) -> str:
        """A stop that works at the venue, ours or anybody's; empty: there is none."""
        for record in self._core.books.orders.working():
            if not record.held and _protects(record.order):
                return record.order.id
        return ""

    def _leftover(self) -> None:
        """A run that was killed with the switch armed has left it so: over each link it is disarmed."""
        if self._known is not False:
            self._disarm("an earlier run left it armed: the venue would cancel every order, stops too")
        if self._known is False and self.word != "OFF":
            self.word, self.text = "OFF", "an earlier run left it armed: it is disarmed"
            self._core.log("warning", self.text, component="engine", status="DISARMED")

    def _arm(self, mono: int) -> None:
        if self._ask(self._after):
            self._due = mono + self._after // 3
            self.word, self.text = "ARMED", f"the venue cancels all after {self._after / NS:g} s without us"

    def _disarm(self, why: str) -> None:
        if self._known is not False and not self._ask(None):
            why += f"; it was not told yet: {self.text}"
            if self._core.link_up:  # else the link's own alarm stands, and it is told first of all
                self._core.alarm("critical", "venue_switch", f"the venue's switch may be armed: {why}")
        self.word, self.text = "UNSAFE", why

    def _ask(self, after: int | None) -> bool:
        """Tells the venue; the journal knows when that changes what the next run would find there."""
        core, arms = self._core, after is not None
        if arms:
            self._note("arm")
        try:
            core.adapter.arm_dead_man(after)
        except NotSent as problem:
            self.word, self.text = "NOT ARMED", str(problem)
            return False
        self._known = arms
        if not arms:
            self._note("disarm")
            core.clear_alarms("venue_switch")
        return True

    def _note(self, what: Literal["arm", "disarm"]) -> None:
        """The journal knows when that changes what another run would find at the venue."""
        if self._core.books.armed is not (what == "arm"):
            self._core.commit(Sent(order_id="", what=what))


def _protects(order: Order) -> bool:
    return order.purpose is Purpose.PROTECT or order.type in _STOPS
