"""Comparing what was intended, what was executed and what the broker says: states in, findings out.

`reconcile` judges one reading, `Confirmer` remembers over readings. Neither acts. The reading is taken in the
order open orders, positions, executions: then every fill inside the position figure is among the executions
that follow.

How a difference of positions is judged, per symbol of the union of all views:

* executions that we do not have explain it (MISSING_FILL, MANUAL_TRADE, BUSTED_FILL, CORRECTED_FILL): those
  are the findings, there is no drift;
* else fills that may be on their way can explain it (orders in flight, executions younger than `settle`):
  IN_FLIGHT, or STALE_SNAPSHOT where the broker's figure is older than a fill of ours; nothing is concluded;
* else it is DRIFT.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.facts import ForeignOrder, OrderReport
from engine.model import ExecutionKey, OrderStatus
from engine.reconcile_confirm import Confirmer
from engine.reconcile_fills import Fills, judge_fills, signed
from engine.reconcile_types import (
    POLICY,
    Action,
    Finding,
    Kind,
    OwnOrder,
    ReconcileInput,
    SymbolView,
    agrees,
    severity_of,
)

__all__ = [
    "Action",
    "Confirmer",
    "Finding",
    "Kind",
    "OwnOrder",
    "ReconcileInput",
    "SymbolView",
    "agrees",
    "reconcile",
]


def reconcile(given: ReconcileInput) -> tuple[Finding, ...]:
    """All findings of one reading, in a fixed order whatever the order of the input. Never raises."""
    fills = Fills(given)
    found = [
        *_unreadable(given),
        *judge_fills(given, fills),
        *_judge_positions(given, fills),
        *_judge_orders(given, fills),
    ]
    return tuple(sorted(found, key=_order))


_RANK: Final = {kind: rank for rank, kind in enumerate(Kind)}


def _order(finding: Finding) -> tuple[object, ...]:
    key = finding.fill.key if finding.fill is not None else ExecutionKey("", "", "", "")
    return (
        finding.symbol,
        _RANK[finding.kind],
        finding.order_id,
        (key.venue, key.account, key.trading_day, key.exec_id),
        finding.text,
    )


def _unreadable(given: ReconcileInput) -> Iterator[Finding]:
    for what, answer in (
        ("positions", given.positions),
        ("open orders", given.open_orders),
        ("executions", given.executions),
    ):
        if answer is None:
            yield Finding(
                kind=Kind.UNREADABLE,
                severity="warning",
                action=Action.QUERY,
                text=f"the broker's {what} could not be read; nothing is concluded about them",
            )


# -- positions


class _Span:
    """A sum of which some parts may or may not count."""

    def __init__(self) -> None:
        self.low = 0
        self.high = 0

    def may(self, amount: int) -> None:
        self.low += min(amount, 0)
        self.high += max(amount, 0)

    def holds(self, amount: int) -> bool:
        return self.low <= amount <= self.high


def _judge_positions(given: ReconcileInput, fills: Fills) -> Iterator[Finding]:
    views = {view.symbol: view for view in sorted(given.symbols, key=_view_order)}
    read = given.positions
    broker: dict[str, int] = {}
    if read is not None:
        for position in read.positions:
            broker[position.symbol] = broker.get(position.symbol, 0) + position.qty
    ordered = {order.symbol for order in given.orders}
    names = {*views, *broker, *ordered, *(fill.symbol for fill in fills.missing)}
    for symbol in sorted(names):
        view = views.get(symbol) or SymbolView(symbol=symbol)
        if read is not None:
            yield from _judge_position(given, fills, view, broker.get(symbol, 0), read.as_of)
        yield from _judge_target(given, view)


def _judge_target(given: ReconcileInput, view: SymbolView) -> Iterator[Finding]:
    settled = not view.in_flight and view.last_report <= given.asked - given.settle
    if view.intended in (None, view.executed) or not settled:
        return
    if any(o.symbol == view.symbol and not o.status.is_closed and not o.held for o in given.orders):
        return
    yield Finding(
        kind=Kind.OFF_TARGET,
        severity="info",
        action=Action.NONE,
        text=f"{view.symbol}: intended {view.intended}, held {view.executed}, and no order works on it",
        symbol=view.symbol,
        executed=view.executed,
    )


def _view_order(view: SymbolView) -> tuple[object, ...]:
    return (view.symbol, view.executed, view.last_fill, view.last_report, view.in_flight)


def _recent(given: ReconcileInput, order: OwnOrder) -> bool:
    """True where the broker's answer may be older than what happened to the order last."""
    if order.held:  # nothing happened to it: that the broker speaks of it is news however old
        return False
    last = max(order.sent, order.last_report)
    return last == 0 or last > given.asked - given.settle


def _may_fill(given: ReconcileInput, view: SymbolView, order: OwnOrder) -> bool:
    """True for an order whose fills may be on their way to us."""
    if _recent(given, order):
        return True
    if order.status.is_closed or order.held:
        return False
    return view.in_flight or order.pending or order.status in (OrderStatus.PENDING_NEW, OrderStatus.UNKNOWN)


def _judge_position(
    given: ReconcileInput, fills: Fills, view: SymbolView, broker: int, as_of: int
) -> Iterator[Finding]:
    symbol, executed = view.symbol, view.executed
    difference = broker - executed
    young = as_of - given.settle
    settled = 0
    reported = _Span()
    for fill in fills.missing:
        if fill.symbol != symbol:
            continue
        if fill.ts > young:
            reported.may(signed(fill))
        else:
            settled += signed(fill)
    for fill in fills.busted:
        if fill.symbol == symbol:
            reported.may(-signed(fill))
    for ours, fill in fills.corrected:
        reported.may(signed(fill) * (fill.symbol == symbol) - signed(ours) * (ours.symbol == symbol))
    unexplained = difference - settled
    if reported.holds(unexplained):
        return
    moving = [o for o in given.orders if o.symbol == symbol and _may_fill(given, view, o)]
    coming = _Span()
    coming.low, coming.high = reported.low, reported.high
    for order in moving:
        coming.may(order.side.sign * order.leaves)
    for fill in fills.have:
        if fill.symbol == symbol and fill.ts > young:
            coming.may(-signed(fill))
    last_known = given.executions.as_of if given.executions is not None else as_of
    behind = view.last_fill > as_of
    stay = POLICY[given.policy.on_drift]
    if given.executions is None and stay is Action.ADOPT:
        # What is adopted now would be booked a second time when the executions can be read.
        stay = Action.QUERY
    figures = f"{symbol}: the broker has {broker}, we have {executed}"
    if behind and (coming.holds(unexplained) or view.last_fill > last_known):
        kind, text = Kind.STALE_SNAPSHOT, "the broker's figure is older than our last fill"
    elif coming.holds(unexplained):
        orders = ", ".join(sorted(order.id for order in moving)) or "young executions"
        kind, text = Kind.IN_FLIGHT, f"fills on their way can explain it ({orders})"
    else:
        unread = " (executions could not be read)" if given.executions is None else ""
        yield Finding(
            kind=Kind.DRIFT,
            severity=severity_of(stay),
            action=stay,
            text=f"{figures}: {unexplained:+d} lots that nothing explains{unread}",
            symbol=symbol,
            executed=executed,
            broker=broker,
            unexplained=unexplained,
            if_it_stays=stay,
        )
        return
    yield Finding(
        kind=kind,
        severity="info",
        action=Action.QUERY if kind is Kind.STALE_SNAPSHOT else Action.NONE,
        text=f"{figures}; {text}",
        symbol=symbol,
        executed=executed,
        broker=broker,
        unexplained=unexplained,
        if_it_stays=stay,
    )


# -- orders


def _judge_orders(given: ReconcileInput, fills: Fills) -> Iterator[Finding]:
    listed = given.open_orders
    if listed is None:
        return
    by_id = {order.id: order for order in given.orders}
    seen: set[str] = set()
    others: list[OrderReport | ForeignOrder] = []
    for told in listed.ours:
        own = by_id.get(told.order_id)
        if own is not None and _says_the_same(own, told):
            seen.add(own.id)
        else:
            others.append(told)
    others += listed.foreign
    # Broker ids come again: those of open orders, which stand first, count before those of closed ones.
    known = [order for order in reversed(given.orders) if others and order.broker_id is not None]
    by_broker = {order.broker_id: order for order in known}
    by_terms = {(order.broker_id, order.symbol, order.side): order for order in known}
    adopt = POLICY[given.policy.on_unknown_order]
    for report in others:
        if isinstance(report, ForeignOrder):
            order = by_terms.get((report.broker_id, report.symbol, report.side))
        else:
            order = by_id.get(report.order_id) or by_broker.get(report.broker_id or "")
        if order is not None:
            seen.add(order.id)
            differs = _differs(given, fills, order, report)
            if differs:
                yield Finding(
                    kind=Kind.STATUS_DIFFERS,
                    severity="warning",
                    action=Action.QUERY,
                    text=f"order {order.id}: {differs}",
                    symbol=order.symbol,
                    order_id=order.id,
                    report=report,
                )
        elif not report.status.is_closed:
            name = report.order_id if isinstance(report, OrderReport) else report.broker_id
            symbol = report.symbol if isinstance(report, ForeignOrder) else ""
            ours = isinstance(report, OrderReport)
            yield Finding(
                kind=Kind.UNKNOWN_ORDER,
                severity=severity_of(adopt),
                action=adopt,
                text=f"the broker has an open order {name} "
                + ("with an id of ours that is not open here" if ours else "that was placed elsewhere"),
                symbol=symbol,
                order_id=name,
                report=report,
            )
    for order in given.orders:
        if order.id in seen or order.status.is_closed or order.held or _recent(given, order):
            continue
        if order.cum + fills.missing_of(order.id) >= order.qty:
            continue  # it filled; the executions say so
        yield Finding(
            kind=Kind.LOST_ORDER,
            severity="warning",
            action=Action.QUERY,
            text=f"order {order.id} is {order.status} here and not among the broker's open orders",
            symbol=order.symbol,
            order_id=order.id,
        )


_SURE: Final = frozenset(OrderStatus) - {OrderStatus.PENDING_NEW, OrderStatus.UNKNOWN}


def _says_the_same(order: OwnOrder, report: OrderReport) -> bool:
    """True for nearly all of many thousand orders, of which no more need be asked then: `_differs` is silent
    of them whatever their times and the executions are."""
    return (
        order.status is report.status
        and order.cum == report.cum
        and order.qty == report.qty
        and order.limit == report.limit
        and order.stop == report.stop
        and order.status in _SURE
    )


def _differs(given: ReconcileInput, fills: Fills, order: OwnOrder, report: OrderReport | ForeignOrder) -> str:
    """How the broker's statement contradicts ours, empty where it does not (or may just be older)."""
    if _recent(given, order):
        return ""
    if order.status.is_closed != report.status.is_closed:
        return f"{order.status} here, {report.status} at the broker"
    if order.status.is_closed:
        return ""
    if order.status in (OrderStatus.PENDING_NEW, OrderStatus.UNKNOWN):
        return f"{order.status} here, {report.status} at the broker"
    if not order.cum <= report.cum <= order.cum + fills.missing_of(order.id):
        return f"{order.cum} lots filled here, {report.cum} at the broker"
    if order.pending:
        return ""
    if order.qty != report.qty:
        return f"{order.qty} lots here, {report.qty} at the broker"
    for name, ours, theirs in (("limit", order.limit, report.limit), ("stop", order.stop, report.stop)):
        if ours is not None and theirs is not None and ours != theirs:
            return f"{name} {ours} here, {theirs} at the broker (ticks)"
    return ""
