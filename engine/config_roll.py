"""Settings of rolling: how far from the touch its orders may trade, and how long they are waited for."""

from __future__ import annotations

from pydantic import Field

from engine.section import Section


class RollConfig(Section):
    """Rolling a futures position from one contract month to another."""

    within_ticks: int = Field(2, ge=0, le=1_000)
    """Ticks beyond the far touch at which both legs are priced unless the command says `within`: marketable
    limits, never market, because a market order fills at any price."""
    patience: float = Field(10.0, ge=0.5, le=3600)
    """Seconds that an order of either leg may take to fill before its rest is cancelled, because a position
    that is half in one month and half in the other needs a person, not more orders."""
