"""Ids of orders that left memory: runs of numbers know exactly what a dictionary knows."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ids import Ids, base36
from engine.orders_evicted import Evicted

NAMES = ("alpha", "be-ta", "manual")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            # A number is given out once, so its strategy follows from it.
            st.integers(0, 80).map(lambda n: (f"{NAMES[n % 3]}-ab1x-{base36(n)}", NAMES[n % 3])),
            st.integers(0, 40).map(lambda n: (f"alpha-cd2y-{base36(n)}", "alpha" if n % 4 else "beta")),
            st.sampled_from(
                [(i, "foreign") for i in ("foreign-B1", "foreign-7", "o1", "", "-", "a--", "a-b-C", "a-b-01")]
            ),
        ),
        max_size=120,
    )
)
def test_it_knows_what_a_dictionary_knows(added: list[tuple[str, str]]) -> None:
    ours, plain = Evicted(), dict[str, str]()
    for order_id, strategy in added:
        ours.add(order_id, strategy)
        plain[order_id] = strategy
    again = Evicted()
    again.put_back(ours.image())
    for one in (ours, again):
        assert len(one) == len(plain)
        for order_id in (
            *plain,
            *(f"{n}-ab1x-{base36(i)}" for i in range(82) for n in NAMES[i % 3 : i % 3 + 1]),
        ):
            assert one.get(order_id) == plain.get(order_id) and (order_id in one) == (order_id in plain)
        for stranger in ("alpha-zz9z-1", "gamma-ab1x-1", "alpha-ab1x-zz", "alpha-ab1x-", "x", "alpha-ab1x-A"):
            assert stranger not in one


def test_a_long_run_of_several_strategies_is_a_few_numbers() -> None:
    ids, evicted = Ids("ab1x", 3, "q7z"), Evicted()
    for n in range(50_000):
        name = NAMES[n % 3]
        evicted.add(ids.order_id(name), name)
    image = evicted.image()
    assert len(evicted) == 50_000 and not image.odd
    assert image.runs == {"ab1x3q7z": [1, 50_000]}
