"""Cases 120 to 123: the venue's message limit, kept on our side, with cancels first."""

from __future__ import annotations

from engine.facts import Acknowledged, Canceled, Rejected
from tests.conformance.suite import (
    B,
    Bench,
    at_venue,
    broker_id_of,
    case,
    make,
    of,
    recorded,
    refused,
    submit,
    until_seen,
)


def fill_the_lane(bench: Bench) -> list[str]:
    """Hands over orders until the adapter refuses; the ids of those that it took."""
    limit = bench.adapter.capabilities.message_limit
    assert limit is not None, "an adapter states the venue's message limit"
    taken: list[str] = []
    for _ in range(limit + 1):
        order = make(bench, B, 1, 90)
        if refused(lambda order=order: bench.adapter.submit(recorded(order))):  # type: ignore[misc]
            return taken
        taken.append(order.id)
    raise AssertionError(f"it took more than {limit} messages in one second")


@case(120, "pacing")
async def the_limit_is_kept_here(bench: Bench) -> None:
    """Given more orders than the venue takes in a second, when they are handed over, then the adapter refuses
    the rest and the venue none."""
    taken = fill_the_lane(bench)
    await bench.until(lambda: all(of(bench, Acknowledged, o) for o in taken), "all acknowledgements")
    assert not of(bench, Rejected)


@case(121, "pacing")
async def what_was_refused_is_not_sent_later(bench: Bench) -> None:
    """Given an order that was refused because its lane is full, when the second is over, then it has not been
    sent."""
    taken = fill_the_lane(bench)
    late = make(bench, B, 1, 89)
    assert refused(lambda: bench.adapter.submit(recorded(late)))
    await bench.until(lambda: all(of(bench, Acknowledged, o) for o in taken), "all acknowledgements")
    await bench.settle()
    assert not await at_venue(bench, late.id)
    assert len((await bench.truth()).orders) == len(taken)


@case(122, "pacing")
async def cancels_have_a_lane_of_their_own(bench: Bench) -> None:
    """Given a lane for orders that is full, when a resting order is cancelled, then the cancel goes at
    once."""
    resting = await submit(bench, B, 1, 99)
    await until_seen(bench, Acknowledged, resting)
    fill_the_lane(bench)
    bench.adapter.cancel(resting, broker_id_of(bench, resting))
    await until_seen(bench, Canceled, resting)


@case(123, "pacing")
async def the_lane_empties(bench: Bench) -> None:
    """Given a lane that is full, when a second has passed, then orders go again."""
    fill_the_lane(bench)
    order = make(bench, B, 1, 91)
    await bench.until(lambda: not refused(lambda: bench.adapter.submit(recorded(order))), "a free lane")
    await until_seen(bench, Acknowledged, order.id)
