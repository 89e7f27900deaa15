"""In whatever order reports come, both months together never hold more than the one held at the start."""

from __future__ import annotations

from hypothesis import event, given
from hypothesis import strategies as st

from engine.roll import Legs, decide, outcome

_EVENTS = st.sampled_from(
    ("close", "open", "cancelled", "rejected", "late_closing", "late_opening", "halt", "look")
)


class Model:
    """A venue that reports as it likes, and the driver's part: it does what `decide` says, at any time."""

    def __init__(self, lots: int) -> None:
        self.lots, self.why, self.over = lots, "", False
        self.closed = self.opened = self.opening = 0
        self.closing = lots
        self.cancel_closing = self.cancel_opening = False
        self.late_closing = self.late_opening = False
        self.orders = 0

    @property
    def legs(self) -> Legs:
        return Legs(self.closed, self.closing, self.opened, self.opening)

    def look(self) -> None:
        step = decide(
            self.lots, self.legs, self.why, late_closing=self.late_closing, late_opening=self.late_opening
        )
        self.why = self.why or step.why
        self.cancel_closing |= step.cancel_closing
        self.cancel_opening |= step.cancel_opening
        self.over = step.over
        if step.open:
            assert not self.why and not step.over, "nothing leaves once something has ended it"
            self.orders += 1
            self.opening += step.open
        if step.over:
            assert self.legs.still, "over means that nothing can execute any more"

    def take(self, what: str, n: int) -> None:
        match what:
            case "close":
                done = min(n, self.closing)
                self.closing, self.closed = self.closing - done, self.closed + done
            case "open":
                done = min(n, self.opening)
                self.opening, self.opened = self.opening - done, self.opened + done
            case "cancelled":
                if self.cancel_closing:
                    self.closing = 0
                if self.cancel_opening:
                    self.opening = 0
            case "rejected":
                if self.opening:
                    self.opening, self.why = 0, self.why or "the opening order is REJECTED"
            case "late_closing":
                self.late_closing = True
            case "late_opening":
                self.late_opening = self.opening > 0
            case "halt":
                self.why = self.why or "halted"

    def check(self) -> None:
        left = self.lots - self.closed
        assert left + self.opened <= self.lots, "more is held than at the start"
        assert left + self.opened + self.opening <= self.lots, "more may be held than at the start"
        assert self.closed + self.closing <= self.lots


@given(st.integers(1, 12), st.lists(st.tuples(_EVENTS, st.integers(1, 5)), max_size=60))
def test_no_order_of_reports_makes_more_risk(lots: int, events: list[tuple[str, int]]) -> None:
    model = Model(lots)
    for what, n in events:
        if model.over:
            break
        model.take(what, n)
        model.check()
        model.look()
        model.check()
    # Whatever was left out there is answered in the end, and then it is over, with numbers that add up.
    for _ in range(2 * lots + 4):
        if model.over:
            break
        model.late_closing = True
        for what in ("cancelled", "open", "look"):
            model.take(what, lots)
            model.look()
            model.check()
    assert model.over
    how = outcome(lots, model.legs)
    event(how)
    assert (how == "rolled") == (model.closed == model.opened == lots)
    assert (how == "half") == (model.closed != model.opened)


@given(st.integers(1, 5), st.integers(0, 8), st.integers(0, 5), st.integers(0, 8), st.integers(0, 5))
def test_from_any_state_nothing_is_opened_beyond_what_was_closed(
    lots: int, closed: int, closing: int, opened: int, opening: int
) -> None:
    """Also where executions were taken back, or came twice."""
    legs = Legs(closed, closing, opened, opening)
    step = decide(lots, legs, "", late_closing=False, late_opening=False)
    assert step.open >= 0
    assert not step.open or opened + opening + step.open <= closed <= lots
    assert not (step.over and step.open)
