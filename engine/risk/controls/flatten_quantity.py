"""Flatten quantity: the flatten procedure may close what is there, and not one lot more."""

from __future__ import annotations

from engine.risk.ask import Ask, CannotTell
from engine.risk.control import Control, Refusal
from engine.risk.view import RiskView


class FlattenQuantity(Control):
    """The order and the procedure's other orders on that side must fit into the position as the broker or our
    executions have it, whichever is larger: the procedure closes what the broker shows, also after drift.
    Other people's orders on that side do not count here, or one UNKNOWN order could bar the way out; the
    procedure cancels them first and reads the position again at the end."""

    name = "flatten_qty"
    title = "Flatten quantity"
    quiet = True
    opening_only = False
    on_flatten = True

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        if not ask.flatten:
            return None
        if ask.blind is not None:
            raise CannotTell(f"positions cannot be read ({ask.blind})")
        buy, sell = view.flatten_exposure(ask.symbol)
        under_way = buy if ask.sign > 0 else sell
        if ask.standing is not None:
            under_way = max(0, under_way - ask.counted)
        there = max(-ask.sign * ask.position, -ask.sign * (ask.broker or 0), 0)
        room = there - under_way
        if ask.lots <= room:
            return None
        return self.refusal(
            f"{ask.lots} lots to close, but only {max(room, 0)} are there (executed {ask.position}, "
            f"broker {'unknown' if ask.broker is None else ask.broker}, {under_way} under way)",
            ask.symbol,
        )
