"""Orders and changes as tests of the controls in a whole engine give them, and limits that are wide."""

from __future__ import annotations

from typing import Any

from engine.model import Replace
from tests.engine.rig import Rig

WIDE: dict[str, Any] = {
    "daily_loss_pct": 90,
    "max_drawdown_pct": 90,
    "max_gross": 10**9,
    "max_net": 10**9,
}


def refusal(rig: Rig, *args: Any, **fields: Any) -> str:
    """Which control refuses the order, empty where it passes; nothing may reach the exchange when refused."""
    before = len(rig.exchange.audit(rig.config.account).orders)
    _, refused = rig.send(*args, **fields)
    if refused is None:
        return ""
    assert len(rig.exchange.audit(rig.config.account).orders) == before
    return str(refused.control)


def change(rig: Rig, order: Any, qty: int, limit: int | None = None) -> Any:
    return rig.engine.replacer.replace(
        Replace(
            id=rig.engine.core.ids.order_id("manual"),
            order_id=order.id,
            qty=qty,
            limit=order.limit if limit is None else limit,
            stop=order.stop,
            correlation="",
            created=rig.clock.now(),
        )
    )


# -- reducing is judged against everything in flight
