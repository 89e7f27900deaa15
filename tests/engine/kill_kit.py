"""What tests of the kill look at: its orders, what lives at the venue, and when cancels leave."""

from __future__ import annotations

from typing import Any

from tests.engine.rig import Rig

ROOMY: dict[str, Any] = {
    "order_rate": 5_000,
    "order_burst": 1_000,
    "max_position": 5_000,
    "max_gross": 10**10,
    "max_net": 10**10,
    "margin_flatten_pct": 100,
}


def flatten_orders(rig: Rig) -> list[Any]:
    return [
        o for o in rig.exchange.audit(rig.config.account).orders if (o.order_id or "").startswith("flatten-")
    ]


def live_at_venue(rig: Rig) -> list[str]:
    return [o.broker_id for o in rig.exchange.audit(rig.config.account).orders if not o.status.is_closed]


def hear_cancels(rig: Rig) -> list[int]:
    """Monotonic ns of every cancel that reaches the adapter's wire."""
    sent: list[int] = []
    through = rig.adapter.cancel

    def cancel(order_id: str, broker_id: str | None) -> None:
        through(order_id, broker_id)
        sent.append(rig.clock.mono())

    rig.adapter.cancel = cancel  # type: ignore[method-assign]
    return sent
