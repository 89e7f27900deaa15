"""Executed positions against a reckoning in fractions: average price, realised profit, fees, parts, busts."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import ExecutionKey, Fill, Side
from engine.positions import MICRO, Holding, PositionBook

STRATEGIES = ("ada", "bo", "cy")


class Reckoned(NamedTuple):
    """A position by average cost, in fractions of a tick-lot."""

    qty: int = 0
    cost: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)

    def after(self, signed: int, price: int) -> Reckoned:
        qty, cost, realised = self
        closing = min(abs(signed), abs(qty)) if qty * signed < 0 else 0
        if closing:
            part = cost * closing / abs(qty)
            realised += (1 if qty > 0 else -1) * closing * price - part
            cost -= part
        opening = abs(signed) - closing
        cost += (1 if signed > 0 else -1) * opening * price
        return Reckoned(qty + signed, cost, realised)


class Step(NamedTuple):
    kind: str
    """fill, transfer, adjust, bust or correct"""
    side: Side
    qty: int
    price: int
    fee: Decimal
    which: int


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["fill"] * 6 + ["transfer", "adjust", "bust", "correct"]),
        st.sampled_from(list(Side)),
        st.integers(1, 9),
        st.integers(-50, 50),
        st.decimals("-1", "5", places=2),
        st.integers(0, 1000),
    ),
    max_size=30,
)


def fill(n: int, step: Step) -> Fill:
    key = ExecutionKey("V", "A", "2026-01-07", str(n))
    return Fill(key=key, symbol="CL", side=step.side, qty=step.qty, price=step.price, ts=n, fee=step.fee)


def split(step: Step) -> tuple[tuple[str, int], ...]:
    """A fill's lots over one or two strategies."""
    first = STRATEGIES[step.which % 3]
    if step.qty < 2 or step.which % 2:
        return ((first, step.qty),)
    return ((first, step.qty - 1), (STRATEGIES[(step.which + 1) % 3], 1))


def check(book: PositionBook, told: dict[int, tuple[str, Step]]) -> None:
    """The book is what those bookings that stand make of it, in their order."""
    position = book.get("CL")
    account, fees = Reckoned(), Decimal(0)
    for kind, step in told.values():
        if kind != "transfer":
            account = account.after(step.side.sign * step.qty, step.price)
        if kind == "fill":
            fees += step.fee
    held = position.held
    assert (held.qty, held.fees) == (account.qty, fees)
    slack = Fraction(len(told) + 1, MICRO)
    assert abs(Fraction(held.realised_micro, MICRO) - account.realised) <= slack
    if held.qty:
        average = held.average
        assert average is not None
        assert abs(Fraction(average) * held.qty - account.cost) <= slack + Fraction(1, 10**9)
    else:
        assert held.average is None and held.cost == 0
    parts: list[Holding] = list(position.parts.values())
    assert sum(p.qty for p in parts) == held.qty
    assert sum(p.cash for p in parts) == held.cash, "no money is made or lost by sharing out"
    assert sum((p.fees for p in parts), Decimal(0)) == held.fees


@given(STEPS)
def test_whatever_is_booked_taken_back_or_corrected(steps: list[Step]) -> None:
    book, told = PositionBook(), dict[int, tuple[str, Step]]()
    names: dict[int, int] = {}
    """The number under which an execution is booked now, by the place that it took."""
    for n, step in enumerate(steps):
        fills = [k for k, (kind, _) in told.items() if kind == "fill"]
        if step.kind == "fill":
            book.book(fill(n, step), split(step))
            told[n], names[n] = ("fill", step), n
        elif step.kind == "transfer":
            seller, buyer = STRATEGIES[step.which % 3], STRATEGIES[(step.which + 1) % 3]
            book.transfer("CL", seller, buyer, step.qty, step.price)
            told[n] = ("transfer", step)
        elif step.kind == "adjust":
            book.adjust("CL", step.side.sign * step.qty, step.price, "elsewhere")
            told[n] = ("adjust", step)
        elif fills:
            place = fills[step.which % len(fills)]
            key = fill(names[place], told[place][1]).key
            if step.kind == "bust":
                assert book.bust("CL", key) and not book.bust("CL", key)
                del told[place]
            else:
                assert book.correct(key, "CL", fill(n, step), split(step))
                told[place], names[place] = ("fill", step), n
        check(book, told)


@pytest.mark.parametrize("price", [-37, 0, 5])
def test_through_flat_the_average_is_that_of_what_is_left(price: int) -> None:
    held = Holding()
    held.add(3, 10, Decimal(0))
    held.add(-5, price, Decimal(0))
    assert (held.qty, held.average) == (-2, price)
    assert held.realised_micro == 3 * (price - 10) * MICRO
