"""What the members of brackets need, as pure functions: states in, actions out.

Where the venue works a bracket only `Unprotected` is acted upon, by an alarm; where the engine does
(`engine.grouping`), it carries out all of them.

Pure and repeatable: asked again after every change of a member it answers with what is still to do, nothing
once all is done. What is in doubt or unanswered is left alone until it is answered; a cancel is always safe.

A bracket's children together never hold more than their parent has filled and they themselves have not closed
yet; the members of an OCO group never more than the largest of them asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import Final

from engine.lifecycle_types import OrderLife
from engine.model import Order, OrderStatus, OrderType, Purpose, Side, TimeInForce, Value
from engine.orders_record import OrderRecord

RESIZABLE: Final = frozenset({OrderStatus.WORKING, OrderStatus.PARTIAL_FILL})
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_LASTS: Final = {
    TimeInForce.IOC: TimeInForce.DAY,
    TimeInForce.FOK: TimeInForce.DAY,
    TimeInForce.GTD: TimeInForce.GTC,
}
"""Time in force of a child whose entry's own would take the protection away again."""


TAKEN_PLACE: Final = "another took its place"
"""Why a child is cancelled that works, or works again, beside a newer one of its kind."""


class Leg(Value, frozen=True, kw_only=True):
    """One member. `life` None: a bracket's child that was not sent yet."""

    order: Order
    life: OrderLife | None

    @property
    def is_stop(self) -> bool:
        return self.order.type in _STOPS

    @property
    def ended(self) -> bool:
        return self.life is not None and self.life.is_closed


class GroupAction(Value, frozen=True, kw_only=True):
    """Something to do about one order."""

    order_id: str


class Release(GroupAction, frozen=True, kw_only=True):
    """Send a held child with this quantity, lots."""

    qty: int


class Renew(GroupAction, frozen=True, kw_only=True):
    """Send a new child like this one, which has done its part, with this quantity, lots."""

    qty: int


class Resize(GroupAction, frozen=True, kw_only=True):
    """Replace a working order to this total quantity, lots; prices stay."""

    qty: int


class CancelLeg(GroupAction, frozen=True, kw_only=True):
    """Cancel a member for which nothing is left to do."""

    reason: str


class DropLeg(GroupAction, frozen=True, kw_only=True):
    """Forget a held child: its parent ended without a fill."""

    reason: str


class Unprotected(GroupAction, frozen=True, kw_only=True):
    """Alarm: the entry filled, every stop of its bracket has ended, and `qty` lots are still open."""

    qty: int


class Overclosed(GroupAction, frozen=True, kw_only=True):
    """Alarm: the children of this entry have closed `qty` lots more than it had filled."""

    qty: int


def leg(record: OrderRecord) -> Leg:
    """A member as the order book has it."""
    return Leg(order=record.order, life=None if record.held else record.life)


def open_lots(parent: OrderLife, children: Sequence[Leg], cap: int | None = None) -> int:
    """What the entry has filled and its children have not closed; at most `cap`, what its owner holds."""
    left = parent.cum - _closed_out(children)
    return max(0, left if cap is None else min(left, cap))


def served(parent: OrderLife, children: Sequence[Leg]) -> bool:
    """A bracket that has done its part: the entry is over or being cancelled, and of what it filled its
    children have left nothing open. That a venue ends what works of it then is its way, no news."""
    over = parent.is_closed or parent.pending_cancel
    return over and not parent.missing and open_lots(parent, children) == 0


def _closed_out(children: Sequence[Leg]) -> int:
    lots = 0
    for child in children:
        if child.life is not None:
            lots += child.life.cum
    return lots


def bracket_actions(
    parent: OrderLife,
    children: Sequence[Leg],
    cap: int | None = None,
    renewable: Collection[str] | None = None,
) -> tuple[GroupAction, ...]:
    """What a bracket's children need, given what their entry order has filled (busts included).

    `cap`: lots that the owner still holds on the entry's side, which no child may exceed; None: not asked.
    `renewable`: children that ended and may be followed by another one; None: none may.
    """
    closed_out = _closed_out(children)
    lots = open_lots(parent, children, cap)
    done = parent.is_closed and not parent.missing
    actions: list[GroupAction] = []
    followed = _followed(children)
    for child in children:
        if child.life is None:
            if lots > 0:
                actions.append(Release(order_id=child.order.id, qty=lots))
            elif done:
                reason = "nothing to protect" if parent.cum else "the entry ended without a fill"
                actions.append(DropLeg(order_id=child.order.id, reason=reason))
            continue
        if child.order.id in followed:
            actions += _fit(child.order.id, child.life, 0, TAKEN_PLACE)
            continue
        gone = "another of its group filled" if closed_out > child.life.cum else "nothing is left to protect"
        actions += _fit(child.order.id, child.life, child.life.cum + lots, gone)
    if lots > 0:
        actions += _missing(children, lots, renewable)
    if closed_out > parent.cum and children:
        entry = children[0].order.parent or children[0].order.id
        actions.append(Overclosed(order_id=entry, qty=closed_out - parent.cum))
    return tuple(actions)


def _followed(children: Sequence[Leg]) -> set[str]:
    """Children beside which a newer one of their kind works, so that they would close the same lots again."""
    found: set[str] = set()
    for is_stop in (False, True):
        live = [c for c in children if c.is_stop is is_stop and c.life is not None and not c.life.is_closed]
        newest = live[-1].life if live else None
        if newest is not None and newest.status in RESIZABLE and not newest.pending_cancel:
            found |= {c.order.id for c in live[:-1]}
    return found


def ended_together(children: Sequence[OrderRecord]) -> list[str]:
    """Of a bracket's children those that filled, and those that ended no sooner than another one filled: by
    their bracket, and by nobody who wanted them gone. After a start nothing else tells."""
    filled = [c for c in children if c.life.cum and c.first_fill]
    return [
        child.order.id
        for child in children
        if child in filled or any(child.closed >= other.first_fill for other in filled)
    ]


def _missing(
    children: Sequence[Leg], lots: int, renewable: Collection[str] | None
) -> list[Renew | Unprotected]:
    """What to do about a stop or a target of which none is left while lots are open."""
    actions: list[Renew | Unprotected] = []
    for is_stop in (False, True):
        legs = [c for c in children if c.is_stop is is_stop]
        if not legs or not all(c.ended for c in legs):
            continue
        newest = legs[-1].order
        if renewable is not None and all(c.order.id in renewable for c in legs):
            actions.append(Renew(order_id=newest.id, qty=lots))
        elif is_stop:
            actions.append(Unprotected(order_id=newest.parent or newest.id, qty=lots))
    return actions


def oco_actions(members: Sequence[Leg]) -> tuple[GroupAction, ...]:
    """What the members of an OCO group need: each lot that one fills leaves the others."""
    filled = sum(m.life.cum for m in members if m.life is not None)
    actions: list[GroupAction] = []
    for member in members:
        life = member.life
        if life is None:
            if filled >= member.order.qty:
                actions.append(DropLeg(order_id=member.order.id, reason="another of its group filled"))
            continue
        siblings = filled - life.cum
        if siblings:
            left = member.order.qty - siblings
            actions += _fit(member.order.id, life, left, "another of its group filled")
    return tuple(actions)


def _fit(order_id: str, life: OrderLife, total: int, gone: str) -> list[GroupAction]:
    """Brings a member to a total quantity, unless something about it is unanswered: of two changes on their
    way nobody knows which arrives last."""
    if life.is_closed or life.pending_cancel:
        return []
    if total <= life.cum:
        return [CancelLeg(order_id=order_id, reason=gone)]
    if life.replaces or life.qty == total or life.status not in RESIZABLE:
        return []
    return [Resize(order_id=order_id, qty=total)]


def in_order(
    side: Side,
    entry: int | None,
    profit: int | None,
    loss: int | None,
    price: Callable[[int], object] | None = None,
) -> str:
    """What is wrong with a bracket's levels (ticks): the names of two that stand on the wrong side of one
    another, in words; empty where nothing is. `price` makes a person's price of ticks."""
    if profit is None and loss is None:
        return ""
    levels = [("stop_loss", loss), ("limit", entry), ("take_profit", profit)]
    given = [(name, level) for name, level in levels if level is not None]
    for (low_name, low), (high_name, high) in pairwise(given):
        if (high - low) * side.sign <= 0:
            words = "above" if side is Side.BUY else "below"
            if price is not None:
                names = {"stop_loss": "stop", "limit": "the entry's price", "take_profit": "target"}
                pair = f"{names[high_name]} {price(high)} must be {words} {names[low_name]} {price(low)}"
                return f"{pair} to {side.name.lower()}"
            return f"{high_name} {high} must be {words} {low_name} {low} (ticks) for a {side.name.lower()}"
    return ""


def bracket(
    entry: Order, take_profit: int | None, stop_loss: int | None, new_id: Callable[[], str]
) -> list[Order]:
    """The protective orders of an entry: a limit at `take_profit` and a stop at `stop_loss`, in ticks, of the
    entry's size, one cancelling the other; the entry's fills release them."""
    children = []
    for price, is_stop in ((take_profit, False), (stop_loss, True)):
        if price is None:
            continue
        children.append(
            Order(
                id=new_id(),
                strategy=entry.strategy,
                account=entry.account,
                symbol=entry.symbol,
                side=entry.side.opposite,
                qty=entry.qty,
                type=OrderType.STOP if is_stop else OrderType.LIMIT,
                limit=None if is_stop else price,
                stop=price if is_stop else None,
                tif=_LASTS.get(entry.tif, entry.tif),
                purpose=Purpose.PROTECT,
                parent=entry.id,
                oco=f"oco-{entry.id}",
                created=entry.created,
                correlation=entry.correlation,
            )
        )
    return children
