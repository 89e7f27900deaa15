"""Where the flatten procedure prices its next order: through the far touch, further each time, bounded."""

from __future__ import annotations

from dataclasses import dataclass

from engine.config import KillConfig
from engine.kill_types import Touch
from engine.model import Instrument, MarketState, Side


@dataclass(slots=True)
class Escalation:
    """How far through the touch one symbol's next order goes, ticks."""

    through: int
    step: int
    first: int

    @classmethod
    def of(cls, config: KillConfig) -> Escalation:
        return cls(config.through_ticks, config.escalate_ticks, config.through_ticks)

    def unfilled(self) -> None:
        """The last order was not filled in time."""
        self.through += self.step

    def refused(self) -> None:
        """Gate or venue did not take the price: further away is worse. From the start again, then nearer."""
        self.through = self.first if self.through > self.first else 0


@dataclass(frozen=True, slots=True)
class Priced:
    """A limit in ticks, the far touch that it was priced from, and what held it back."""

    limit: int
    far: int
    note: str = ""
    bound: bool = False
    """True where no order can be priced any better: what waits in the queue keeps its place."""


def price(side: Side, touch: Touch, through: int, instrument: Instrument | None) -> Priced | str:
    """The next order's price, or why there cannot be one now."""
    if touch.state in (MarketState.HALTED, MarketState.CLOSED):
        return f"market is {touch.state}: waiting for it to open"
    note = ""
    far = touch.ask if side is Side.BUY else touch.bid
    if far is None:
        far = touch.last if touch.last is not None else (touch.bid if side is Side.BUY else touch.ask)
    if far is None:
        far = touch.paid
        note = "no quote and no trade: working from the price that we paid"
    if far is None:
        return "no price to flatten at: no quote, no trade and no price of our own"
    limit = far + side.sign * through
    if touch.sane is not None:
        limit = min(max(limit, touch.sane[0]), touch.sane[1])
    edge = touch.high_limit if side is Side.BUY else touch.low_limit
    bound = edge is not None and (limit - edge) * side.sign >= 0
    if bound and edge is not None:
        limit = edge
        note = f"priced at the venue's limit of the day, {edge} ticks"
    near = touch.low_limit if side is Side.BUY else touch.high_limit
    if near is not None and (limit - near) * side.sign < 0:
        limit = near
    if instrument is not None and not instrument.nonpositive_price:
        limit = max(limit, 1)
    return Priced(limit, far, note, bound)
