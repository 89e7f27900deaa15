"""Protective orders whose size the venue does not bring to what was asked, though it works them.

After a replace a venue may have two live orders under one id of ours; changes go to one of them, which may be
dead by now, while the other works on with its old size (simulated seed 7392). What proves it: refusals by
somebody who lists the order as working all the same; changes that were confirmed under one name of the
venue's while a newer picture shows another name with another size; two names in one list of what works.
Nothing of this is in the journal: after a restart it is found out again.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from engine.core import Core
from engine.facts import AnyFact, Canceled, Expired, OpenOrders, OrderReport, Replaced, ReplaceRejected
from engine.lifecycle_types import OrderLife
from engine.model import NS, OrderStatus, Replace
from engine.orders_groups import Resize
from engine.orders_record import OrderRecord

PROOFS: Final = 2
"""Changes without effect, each after the venue was asked about the one before, until the order is cancelled
instead. One refusal may be a race; the second comes after a picture that was taken behind the first."""
ATTEMPTS: Final = 3
"""Cancels, or changes that did not come as far as an answer, at which a person is told."""
HELD_FOR: Final = 10 * NS
"""ns for which no other order takes the place of one that ended while another of its names may work."""

WRONG_SIZE: Final = "wrong_size"
"""Code of the alarm."""
_WORKS: Final = (OrderStatus.WORKING, OrderStatus.PARTIAL_FILL)


@dataclass(slots=True)
class Trouble:
    """What became of our changes of one order."""

    change: Replace | None = None
    """The last one, until it is known what became of it."""
    confirmed: Replaced | None = None
    refused: int = 0
    """Refusals in a row."""
    dead: int = 0
    """Those of them that called the order ended."""
    elsewhere: int = 0
    """Changes that were confirmed and did not touch the order that works under another name."""
    lost: int = 0
    """Changes in a row that never came to an answer, or never left."""
    pairs: int = 0
    """Lists in a row of what works in which the order was there under two names or more."""
    cancels: int = 0
    reason: str = ""
    """Why the last one failed, in the venue's words."""
    names: dict[str, None] = field(default_factory=dict)
    """The venue's names of the order under which it was seen working since the last confirmed change."""
    until: int = 0
    """Until when another order must not take its place, monotonic ns; 0: not asked yet."""


def live_names(listed: OpenOrders) -> dict[str, list[str]]:
    """The venue's names of what it works, by our ids; the name that it gave out last is last."""
    names: dict[str, list[str]] = {}
    for report in listed.ours:
        if report.leaves > 0 and report.broker_id:
            names.setdefault(report.order_id, []).append(report.broker_id)
    return names


class Stuck:
    """Runs on the engine's thread; says what is stuck, and tells a person where that does not end well."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._known: dict[str, Trouble] = {}
        self._told: dict[str, None] = {}
        """Orders of which a person was told."""

    def restore(self, record: OrderRecord) -> None:
        """After a start: an order that the alarm which stands may be about."""
        if self._core.books.alerts.standing(WRONG_SIZE, record.order.symbol):
            self._told[record.order.id] = None

    def asks(self, change: Replace, life: OrderLife) -> None:
        """A change of the order is asked for. The one before it is over: no two are under way at once."""
        trouble = self._known.setdefault(change.order_id, Trouble())
        before = trouble.change
        if before is not None and before.id not in life.answered:
            trouble.lost += 1
            trouble.reason = trouble.reason or "changes of it stay without an answer"
        trouble.change, trouble.confirmed = change, None

    def fails(self, order_id: str, reason: str) -> None:
        """The change did not get past the gate."""
        trouble = self._known[order_id]
        trouble.change, trouble.reason = None, reason
        trouble.lost += 1

    def cancels(self, order_id: str) -> None:
        """A cancel in place of a change is about to leave."""
        self._known[order_id].cancels += 1

    def saw(self, record: OrderRecord, fact: AnyFact) -> None:
        """A report about a protective order."""
        trouble = self._known.get(record.order.id)
        if trouble is None:
            if not isinstance(fact, OrderReport):
                return
            trouble = self._known[record.order.id] = Trouble()
        match fact:
            case ReplaceRejected():
                self._refused(trouble, fact)
            case Replaced():
                if trouble.change is not None and fact.replace_id == trouble.change.id:
                    trouble.refused = trouble.dead = trouble.lost = 0
                    trouble.change, trouble.confirmed = None, fact
                trouble.names = {fact.broker_id: None} if fact.broker_id else {}
            case OrderReport() if fact.status in _WORKS:
                self._pictured(trouble, fact)
            case Canceled() | Expired() | OrderReport() if fact.broker_id:
                trouble.names.pop(fact.broker_id, None)
            case _:
                pass

    @staticmethod
    def _refused(trouble: Trouble, fact: ReplaceRejected) -> None:
        if fact.broker_id and fact.status is not None and fact.status.is_closed:
            trouble.names.pop(fact.broker_id, None)
        change = trouble.change
        if change is None or fact.replace_id not in (change.id, None):
            return
        trouble.change = None
        trouble.refused += 1
        trouble.dead += fact.status is not None and fact.status.is_closed
        trouble.reason = fact.reason

    @staticmethod
    def _pictured(trouble: Trouble, fact: OrderReport) -> None:
        if fact.broker_id:
            trouble.names[fact.broker_id] = None
        done = trouble.confirmed
        if done is None or not fact.broker_id or not done.broker_id:
            return
        if fact.broker_id != done.broker_id and fact.ts > done.ts and fact.qty != done.qty:
            trouble.confirmed = None  # each change counts once
            trouble.elsewhere += 1
            trouble.reason = f"its changes reach {done.broker_id} alone"

    def is_stuck(self, child: OrderRecord, qty: int) -> bool:
        """Whether the order, which is to have this total quantity, is to be cancelled and another one to take
        its place: no change reaches it.

        A change that the venue refuses for reasons of its own is cause enough only where the order is too
        large, which is dangerous; one that is too small protects in part until it can grow.
        """
        trouble = self._known.get(child.order.id)
        if trouble is None:
            return False
        refused = trouble.refused if qty < child.life.qty else 0
        proofs = (trouble.dead, trouble.elsewhere, trouble.pairs, refused)
        return max(proofs) >= PROOFS

    def listed(self, child: OrderRecord, names: Sequence[str]) -> bool:
        """The venue lists what works, the order by these names of its own. True where one of several has to
        go: each of them would close the same lots."""
        trouble = self._known.get(child.order.id)
        if len(names) < 2:
            if trouble is not None:
                trouble.pairs = 0
            return False
        if trouble is None:
            trouble = self._known[child.order.id] = Trouble()
        trouble.pairs += 1
        trouble.names = dict.fromkeys(names)
        trouble.reason = f"it works {len(names)} times, as {', '.join(names)}"
        return trouble.pairs >= PROOFS

    def twins(self, children: Iterable[OrderRecord], wanting: Container[str]) -> tuple[Resize, ...]:
        """What to do about orders that work several times and need nothing else; `wanting`: the others."""
        found = []
        for child in children:
            trouble, life = self._known.get(child.order.id), child.life
            doubled = trouble is not None and trouble.pairs >= PROOFS and child.order.id not in wanting
            if doubled and life.status in _WORKS and not (life.replaces or life.pending_cancel):
                found.append(Resize(order_id=child.order.id, qty=life.qty))
        return tuple(found)

    def why(self, child: OrderRecord, qty: int) -> str:
        """Why the order is cancelled in place of a change to this total quantity."""
        trouble = self._known[child.order.id]
        if trouble.pairs >= PROOFS:
            return f"the venue works it more than once: {', '.join(trouble.names)}"
        return f"the venue works {child.life.qty} lots and makes no {qty} of them"

    def hold(self, record: OrderRecord) -> int:
        """Monotonic ns until which nothing may take the place of an ended order, since the venue was seen to
        work it under another name as well; 0: it is gone."""
        trouble = self._known.get(record.order.id)
        if trouble is None or not trouble.cancels or trouble.names.keys() <= {record.life.broker_id}:
            return 0
        now = self._core.clock.mono()
        if not trouble.until:
            trouble.until = now + HELD_FOR
        return trouble.until if now < trouble.until else 0

    def agreed(self, names: Mapping[str, Sequence[str]]) -> None:
        """All views agree: what is not listed does not work. `names`: the venue's, by our ids, of what is;
        one that has just ended here may be among them without a difference being found yet."""
        for order_id, trouble in self._known.items():
            if trouble.until:
                trouble.names = dict.fromkeys(names.get(order_id, ()))

    def forget(self, order_id: str) -> None:
        self._known.pop(order_id, None)
        self._told.pop(order_id, None)

    # -- what a person hears

    def tell(self, child: OrderRecord, qty: int) -> None:
        """Alarms a protective order that stays too large, or too small, whatever is tried; once for each.
        `qty`: the total that it is to have, lots."""
        core, order, life = self._core, child.order, child.life
        trouble = self._known.get(order.id)
        if trouble is None:
            return
        if max(trouble.cancels, trouble.lost, trouble.refused, trouble.pairs - 1) < ATTEMPTS:
            return
        if order.id in self._told:
            return
        self._told[order.id] = None
        works, wanted = core.size(order.symbol, life.leaves), core.size(order.symbol, max(0, qty - life.cum))
        tried = "changes and cancels" if trouble.cancels else "changes"
        name = f" (its {life.broker_id})" if life.broker_id else ""
        text = f"{order.id} works {works} where {wanted} are to be protected; {tried} of it fail "
        text += f"({trouble.reason}) and are tried again; cancel it at the broker{name}, or "
        text += f"'flatten {order.symbol}' closes all"
        core.alarm(
            "critical",
            WRONG_SIZE,
            text,
            symbol=order.symbol,
            correlation=order.correlation,
            order_id=order.id,
        )

    def fitted(self, children: Iterable[OrderRecord], wanting: Container[str]) -> None:
        """What was told of is over once the order has ended, or works with the right size. `wanting`: those
        about which something is still to be done."""
        for child in children:
            life, order_id = child.life, child.order.id
            trouble = self._known.get(order_id)
            if order_id not in self._told or order_id in wanting or (trouble is not None and trouble.pairs):
                continue
            if life.is_closed or (life.status in _WORKS and not (life.replaces or life.pending_cancel)):
                self.forget(order_id)
                self.settle(child.order.symbol)

    def settle(self, symbol: str) -> None:
        """Ends the alarm where it is about no order any more."""
        told = map(self._core.books.orders.get, self._told)
        if not any(record is not None and record.order.symbol == symbol for record in told):
            self._core.clear_alarms(WRONG_SIZE, symbol)
