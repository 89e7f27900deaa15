"""Whether engine, journal and venue agree once the faults are over, and whether the rest was told."""

from __future__ import annotations

from typing import NamedTuple

from engine.engine import Engine
from engine.journal import StoreState
from engine.model import OrderStatus
from engine.orders_record import OrderRecord
from engine.sim.host import InsideHost
from tests.sim.venue import Venue


class Difference(NamedTuple):
    """Something on which engine and venue do not agree."""

    symbol: str
    order: tuple[str, ...]
    """Ids of the order that it is about."""
    text: str


def differences(engine: Engine, venue: Venue) -> list[Difference]:
    """Orders, positions and executions, compared one by one."""
    out = list(_orders(engine, venue))
    books = engine.core.books
    held = venue.held()
    for symbol in sorted({*held, *(p.symbol for p in books.positions)}):
        ours = books.positions.qty(symbol)
        if ours != held.get(symbol, 0):
            text = f"position of {symbol}: {ours:+d} by the engine, {held.get(symbol, 0):+d} at the venue"
            out.append(Difference(symbol, (), text))
    return out


def _orders(engine: Engine, venue: Venue) -> list[Difference]:
    out: list[Difference] = []
    books = engine.core.books
    ours = {r.order.id: r for r in books.orders.working() if not r.foreign}
    foreign = {r.life.broker_id: r for r in books.orders.working() if r.foreign}
    seen: set[str] = set()
    for order in venue.books.open_orders(venue.name):
        ids = tuple(i for i in (order.order_id, order.broker_id) if i)
        record = ours.get(order.order_id or "") or foreign.get(order.broker_id)
        text = f"{order.order_id or 'foreign'} ({order.broker_id}) {order.side} {order.leaves} {order.symbol}"
        if record is None:
            out.append(Difference(order.symbol, ids, f"{text} works at the venue, not in the engine"))
            continue
        seen.add(record.order.id)
        leaves = record.life.qty - record.life.cum
        if leaves != order.leaves:
            out.append(Difference(order.symbol, ids, f"{text} at the venue, {leaves} left in the engine"))
        if record.life.status is OrderStatus.UNKNOWN:
            out.append(Difference(order.symbol, ids, f"{text} at the venue, UNKNOWN to the engine"))
    for record in [*ours.values(), *foreign.values()]:
        if record.held and _waits_rightly(record, ours):
            continue
        if record.order.id not in seen:
            # Of a child that cannot be released the alarm names the entry.
            entry = record.order.parent if record.held else None
            ids = tuple(i for i in (record.order.id, record.life.broker_id, entry) if i)
            text = f"{record.order.id} is {record.life.status} in the engine and does not work at the venue"
            out.append(Difference(record.order.symbol, ids, text))
    return out


def _waits_rightly(child: OrderRecord, ours: dict[str, OrderRecord]) -> bool:
    """A protective order that waits in the engine for the fills of an entry which is still open."""
    return child.order.parent in ours


LIES = frozenset({"unknown_order", "twin_replace", "restart_old", "reuse_ids"})
"""Faults under which the venue denies what it has, or the engine starts without what it knew."""


def unseen(engine: Engine, venue: Venue) -> str:
    """A live order of ours of which the engine counts too little; empty where there is none.

    What is executed by our books and what may still be must add up to what works at the venue at any moment:
    a report on its way moves lots from one to the other and never out of the sum.
    """
    orders = engine.core.books.orders
    for order in venue.books.open_orders(venue.name):
        # A flattening order may go ahead of its row, so that an engine which dies then does not know it.
        if not order.order_id or order.order_id.startswith("flatten-"):
            continue
        record = orders.get(order.order_id)
        counted = 0 if record is None else record.life.cum + record.life.worst_leaves
        works = order.cum + order.leaves
        if record is not None and record.life.cum + record.life.leaves >= works:
            venue.redone.discard(order.order_id)  # it has heard
        if counted < works and order.order_id not in venue.redone:
            status = "unknown" if record is None else f"{record.life.status}"
            text = f"{order.order_id} works at the venue, {order.cum} lots filled and {order.leaves} left"
            return f"{text}; the engine has it as {status} and counts {counted}"
    return ""


def beliefs(engine: Engine) -> list[str]:
    """Where a strategy that runs believes something else of its orders and positions than the engine."""
    out: list[str] = []
    books = engine.core.books
    for name, host in engine.strategies._hosts.items():
        assert isinstance(host, InsideHost)
        session = host.session
        if session is None or host.state not in ("running", "paused"):
            continue
        # Of a child that waits for its entry's fills a strategy hears when it is sent, or when it starts.
        waiting = {r.order.id for r in books.orders.working(strategy=name) if r.held}
        believed = {o.order_id or f"ref {o.ref}": o.status for o in session.open_orders(None)}
        actual = {r.order.id: r.life.status for r in books.orders.working(strategy=name) if not r.held}
        believed = {order_id: status for order_id, status in believed.items() if order_id not in waiting}
        if believed != actual:
            out.append(f"{name} believes in the orders {believed}, open are {actual}")
        for symbol in host.config.symbols:
            held = books.positions.strategy_qty(name, symbol)
            if session.position(symbol) != held:
                out.append(f"{name} believes in {session.position(symbol)} {symbol}, it holds {held}")
    return out


def untold(engine: Engine, found: list[Difference]) -> list[Difference]:
    """Those of which the operator does not know: no halt of their symbol, no alert that names them."""
    books = engine.core.books
    out = []
    alerts = books.alerts.rows(500)
    for difference in found:
        if difference.order:
            texts = [
                *(text for a in alerts for text in (a.text, *a.others)),
                *(halt.reason for halt in books.halts.all()),
            ]
            told = any(i in text for text in texts for i in difference.order)
        else:
            # A later trade that was booked may speak for one that was left to a person: seed 279.
            told = books.halts.instrument(difference.symbol) is not None or any(
                a.symbol == difference.symbol
                and (
                    a.code in ("drift", "manual_trade", "stale_snapshot")
                    or any("belongs to no order of ours" in text for text in a.others)
                )
                for a in alerts
            )
        if not told:
            out.append(difference)
    return out


def unwell(engine: Engine) -> str:
    """Why the engine itself has not come to rest; empty where it has."""
    journal = engine.core.journal
    if journal.state is not StoreState.OK:
        return f"the store is {journal.state}: {journal.trouble}"
    if not engine.core.link_up:
        return f"the link is down: {engine.core.link_text}"
    return ""
