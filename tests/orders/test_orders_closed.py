"""The orders that have ended: the list of the newest is never behind what came and went."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from orders_kit import order

from engine.lifecycle_types import born
from engine.orders_closed import ClosedOrders
from engine.orders_record import OrderRecord

RECORDS = [
    OrderRecord(order(f"o{n}"), born(order(f"o{n}")), n, 0, foreign=False, held=False) for n in range(6)
]
STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 5)),
    st.tuples(st.just("discard"), st.integers(0, 5)),
    st.tuples(st.just("oldest"), st.just(0)),
    st.tuples(st.just("newest"), st.integers(0, 8)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_against_a_plain_list(script: list[tuple[str, int]]) -> None:
    closed, model = ClosedOrders(), list[OrderRecord]()
    for what, n in script:
        match what:
            case "add":
                closed.add(RECORDS[n])
                if RECORDS[n] not in model:
                    model.append(RECORDS[n])
            case "discard":
                closed.discard(RECORDS[n].id)
                model = [record for record in model if record is not RECORDS[n]]
            case "oldest" if model:
                assert closed.pop_oldest() is model.pop(0)
            case "newest":
                found = closed.newest(n)
                assert found == model[::-1][:n]
                found.clear()  # a list of its own: what its reader does to it changes nothing here
        assert len(closed) == len(model)
        assert closed.ids() == tuple(record.id for record in model)
    assert closed.newest(len(RECORDS)) == model[::-1]
