"""What the members of brackets and OCO groups need, as pure functions: states in, actions out.

Today the venue carries the actions out, and an order in a group is refused where it cannot (`engine.intake`):
of the answers only `Unprotected` is acted upon, by an alarm. The others are what an engine that manages
groups itself has to do.

Pure and repeatable: asked again after every change of a member it answers with what is still to do, nothing
once all is done. What is in doubt or unanswered is left alone until it is answered; a cancel is always safe.

A bracket's children together never hold more than their parent has filled and they themselves have not closed
yet; the members of an OCO group never more than the largest of them asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.lifecycle_types import OrderLife
from engine.model import Order, OrderStatus, OrderType, Purpose, Value
from engine.orders_record import OrderRecord

_RESIZABLE = frozenset({OrderStatus.WORKING, OrderStatus.PARTIAL_FILL})


class Leg(Value, frozen=True, kw_only=True):
    """One member. `life` None: a bracket's child that was not sent yet."""

    order: Order
    life: OrderLife | None


class GroupAction(Value, frozen=True, kw_only=True):
    """Something to do about one order."""

    order_id: str


class Release(GroupAction, frozen=True, kw_only=True):
    """Send a held child with this quantity, lots."""

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


def leg(record: OrderRecord) -> Leg:
    """A member as the order book has it."""
    return Leg(order=record.order, life=None if record.held else record.life)


def bracket_actions(parent: OrderLife, children: Sequence[Leg]) -> tuple[GroupAction, ...]:
    """What a bracket's children need, given what their entry order has filled (busts included)."""
    closed_out = sum(c.life.cum for c in children if c.life is not None)
    entered = parent.cum
    done = parent.is_closed and not parent.missing
    actions: list[GroupAction] = []
    for child in children:
        if child.life is None:
            open_lots = entered - closed_out
            if open_lots > 0:
                actions.append(Release(order_id=child.order.id, qty=open_lots))
            elif done:
                reason = "nothing to protect" if entered else "the entry ended without a fill"
                actions.append(DropLeg(order_id=child.order.id, reason=reason))
            continue
        siblings = closed_out - child.life.cum
        actions += _fit(child.order.id, child.life, entered - siblings)
    if entered > closed_out:
        actions += _bare(children, entered - closed_out)
    return tuple(actions)


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
            actions += _fit(member.order.id, life, member.order.qty - siblings)
    return tuple(actions)


def _fit(order_id: str, life: OrderLife, total: int) -> list[GroupAction]:
    """Brings a member to a total quantity, if it is not on its way there."""
    if life.is_closed or life.pending_cancel:
        return []
    if total <= life.cum:
        return [CancelLeg(order_id=order_id, reason="another of its group filled")]
    asked = life.replaces[-1].qty if life.replaces else life.qty
    if asked == total or life.status not in _RESIZABLE:
        return []
    return [Resize(order_id=order_id, qty=total)]


def _bare(children: Sequence[Leg], open_lots: int) -> list[GroupAction]:
    stops = [c for c in children if c.order.type in (OrderType.STOP, OrderType.STOP_LIMIT)]
    if not stops or any(c.life is None or not c.life.is_closed for c in stops):
        return []
    return [Unprotected(order_id=stops[0].order.parent or stops[0].order.id, qty=open_lots)]


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
                tif=entry.tif,
                expire=entry.expire,
                purpose=Purpose.PROTECT,
                parent=entry.id,
                oco=f"oco-{entry.id}",
                created=entry.created,
                correlation=entry.correlation,
            )
        )
    return children
