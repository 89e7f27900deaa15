"""Several strategies, one position: pure functions from intentions to orders, and from fills back to each.

Nothing here keeps state or knows the broker. Positions and quantities are lots, prices ticks. All results
depend on the values alone, never on the order in which a mapping was filled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Final

from engine.model import NS, Quote, Side, Value

_MONEY_STEP: Final = Decimal("0.00000001")


# --- intent to order --------------------------------------------------------------------------------------


class Working(Value, frozen=True, kw_only=True):
    """An order towards an intended position that is not closed, in flight and UNKNOWN included."""

    id: str
    side: Side
    leaves: int
    limit: int | None = None
    cancelling: bool = False
    """A cancel was asked for and has no answer yet: it may still fill."""
    age: int = 0
    """ns since it was made."""


class Wanted(Value, frozen=True, kw_only=True):
    """An order to send: a limit that can trade at once. `reduces`: it cannot pass through flat."""

    side: Side
    qty: int
    limit: int
    reduces: bool


class Plan(Value, frozen=True, kw_only=True):
    """What to do now. `waiting` says why nothing is sent although the position is not there yet."""

    cancels: tuple[str, ...] = ()
    order: Wanted | None = None
    waiting: str = ""


def plan(
    target: int,
    executed: int,
    working: Sequence[Working],
    quote: Quote | None,
    *,
    through: int = 0,
    max_qty: int | None = None,
    reprice_after: int = 2 * NS,
    lowest: int | None = None,
) -> Plan:
    """The next step from the executed position to the target.

    It never sends more than what is missing once everything that is still alive on that side fills, cancels
    without an answer counted as alive. Orders on the wrong side, in excess, or left behind by the market for
    `reprice_after` ns are cancelled first; nothing is sent while one on the other side is alive, since the
    two could trade with each other. A position is brought to flat before it is turned, so that the reducing
    part passes where opening orders do not. One order at a time: `max_qty` caps it, the rest follows.

    `through`: ticks beyond the far touch at which it is priced; `lowest`: least price that is legal.
    """
    missing = target - executed
    side = Side.BUY if missing > 0 else Side.SELL
    right = [order for order in working if missing and order.side is side]
    wrong = [order for order in working if not missing or order.side is not side]
    touch = _far_touch(side, quote)
    cancels = [order.id for order in wrong if not order.cancelling]
    kept: list[Working] = []
    for order in right:
        if order.cancelling:
            continue
        if order.age >= reprice_after and _left_behind(order, touch):
            cancels.append(order.id)
        else:
            kept.append(order)
    over = sum(order.leaves for order in kept) - abs(missing)
    while over > 0:
        # The newest goes first: the oldest is the first in the venue's queue.
        order = kept.pop()
        cancels.append(order.id)
        over -= order.leaves
    asked = Plan(cancels=tuple(cancels))
    alive = sum(order.leaves for order in right)
    room = abs(missing) - alive
    if room <= 0:
        return asked
    if wrong:
        return Plan(cancels=asked.cancels, waiting="an order on the other side is not cancelled yet")
    reduces = executed * side.sign < 0
    if reduces:
        room = min(room, abs(executed) - alive)
        if room <= 0:
            return Plan(cancels=asked.cancels, waiting="the old position is closed first")
    if touch is None:
        return Plan(
            cancels=asked.cancels, waiting=f"no {'offer' if side is Side.BUY else 'bid'} to price against"
        )
    limit = touch + side.sign * through
    if lowest is not None:
        limit = max(limit, lowest)
    qty = room if max_qty is None else min(room, max_qty)
    return Plan(cancels=asked.cancels, order=Wanted(side=side, qty=qty, limit=limit, reduces=reduces))


def _far_touch(side: Side, quote: Quote | None) -> int | None:
    if quote is None:
        return None
    return quote.ask if side is Side.BUY else quote.bid


def _left_behind(order: Working, touch: int | None) -> bool:
    return order.limit is not None and touch is not None and (touch - order.limit) * order.side.sign > 0


# --- fill to strategy -------------------------------------------------------------------------------------


class Transfer(Value, frozen=True):
    """Lots that pass from one strategy to another inside the engine; nothing is sent."""

    buyer: str
    seller: str
    qty: int


def needs(side: Side, targets: Mapping[str, int], held: Mapping[str, int]) -> dict[str, int]:
    """What each strategy still has to buy (or sell) in one symbol; only those that have something to."""
    missing = {name: (target - held.get(name, 0)) * side.sign for name, target in sorted(targets.items())}
    return {name: lots for name, lots in missing.items() if lots > 0}


def cross(targets: Mapping[str, int], held: Mapping[str, int]) -> tuple[Transfer, ...]:
    """What strategies with opposite wishes in one symbol give one another, so that only the rest is sent.

    Each side takes part in proportion to its need. The caller books both halves at one price, so that
    the sum over strategies does not change.
    """
    buyers = needs(Side.BUY, targets, held)
    sellers = needs(Side.SELL, targets, held)
    both = min(sum(buyers.values()), sum(sellers.values()))
    if both == 0:
        return ()
    buying = attribute(both, buyers)
    transfers: list[Transfer] = []
    for seller, left in attribute(both, sellers).items():
        while left:
            buyer, open_lots = next(iter(buying.items()))
            qty = min(left, open_lots)
            transfers.append(Transfer(buyer, seller, qty))
            left -= qty
            if qty == open_lots:
                del buying[buyer]
            else:
                buying[buyer] = open_lots - qty
    return tuple(transfers)


def attribute(qty: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Divides `qty` lots in proportion to weights > 0: whole lots, their sum exactly `qty`.

    Each part differs from its exact share by less than a lot, and exceeds no weight while `qty` does not
    exceed their sum. Largest remainders get the odd lots, names decide between equal ones. Raises
    `ValueError` where there is no weight at all.
    """
    total = sum(weights.values())
    if qty < 0 or total <= 0 or any(weight < 0 for weight in weights.values()):
        raise ValueError(f"cannot divide {qty} lots over {dict(weights)}")
    names = sorted(weights)
    parts = {name: qty * weights[name] // total for name in names}
    odd = qty - sum(parts.values())
    for name in sorted(names, key=lambda name: (-(qty * weights[name] % total), name))[:odd]:
        parts[name] += 1
    return {name: part for name, part in parts.items() if part}


def share_fill(
    qty: int, side: Side, targets: Mapping[str, int], held: Mapping[str, int], behind: Mapping[str, int]
) -> dict[str, int]:
    """Whose lots a fill of an order towards the netted position are.

    First what each strategy still needs on that side now; what nobody needs any more (an intention changed
    while the order was out) goes to those that were behind the order when it was sent, by their needs then.
    """
    wanted = needs(side, targets, held)
    first = min(qty, sum(wanted.values()))
    parts = attribute(first, wanted) if first else {}
    if qty > first:
        for name, lots in attribute(qty - first, behind).items():
            parts[name] = parts.get(name, 0) + lots
    return dict(sorted(parts.items()))


def split_money(amount: Decimal, parts: Mapping[str, int]) -> dict[str, Decimal]:
    """Divides a fee in proportion to lots, exactly; the first by name takes what cannot be divided."""
    total = sum(parts.values())
    if total <= 0:
        raise ValueError(f"cannot divide {amount} over {dict(parts)}")
    if len(parts) == 1:
        return dict.fromkeys(parts, amount)
    names = sorted(parts)
    shares = {
        name: (amount * parts[name] / total).quantize(_MONEY_STEP, rounding=ROUND_DOWN) for name in names
    }
    shares[names[0]] += amount - sum(shares.values())
    return shares
