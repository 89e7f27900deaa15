"""What is alarmed of brackets that the engine works or looks after: a part that is missing or too much."""

from __future__ import annotations

from engine.core import Core
from engine.orders_groups import GroupAction, Overclosed, Release, Renew, Resize, Unprotected, leg
from engine.orders_record import OrderRecord


def tell(core: Core, parent: OrderRecord, action: GroupAction, problem: str) -> None:
    """Alarms what is wrong with the bracket of an entry. `problem`: why what was to be done is not sent."""
    entry = parent.order
    child = core.books.orders.get(action.order_id)
    match action:
        case Overclosed(qty=qty):
            code, severity = "overclosed", "critical"
            text = (
                f"stop and target of {entry.id} closed {qty} lots of {entry.symbol} more than it had "
                f"filled; look at the position, 'flatten {entry.symbol}' closes it"
            )
        case Unprotected(qty=qty):
            code, severity = "unprotected", "critical"
            text = f"{qty} lots of {entry.symbol} entered by {entry.id} have no stop"
        case Release(qty=qty) | Renew(qty=qty) | Resize(qty=qty) if child is not None:
            is_stop = leg(child).is_stop
            code, severity = ("unprotected", "critical") if is_stop else ("no_target", "warning")
            what = "stop" if is_stop else "target"
            text = f"the {what} for {qty} lots of {entry.symbol} entered by {entry.id} is not sent: "
            text += f"{problem}; it is tried again"
        case _:
            return
    core.alarm(severity, code, text, symbol=entry.symbol, correlation=entry.correlation)  # type: ignore[arg-type]
