"""What the desk's command line knows of the engine while a line is typed."""

from __future__ import annotations

from app.desk import themes
from app.desk.view.orders import is_working
from app.grammar.tokens import Context
from engine.control.snapshot import Snapshot


def context(snapshot: Snapshot | None, zone: str) -> Context:
    """Names and the time of a snapshot; without one nothing is known, and the engine judges names."""
    if snapshot is None:
        return Context(zone=zone, themes=themes.names())
    return Context(
        symbols=tuple(position.symbol for position in snapshot.positions),
        orders=tuple(order.id for order in snapshot.orders if is_working(order)),
        strategies=tuple(strategy.name for strategy in snapshot.strategies),
        controls=tuple(dict.fromkeys(row.control for row in snapshot.risk)),
        themes=themes.names(),
        alerts=tuple(alert.id for alert in snapshot.alerts if not alert.acknowledged),
        now=snapshot.ts,
        zone=zone,
    )
