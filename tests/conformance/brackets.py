"""Cases 70 to 76: an entry with its target and stop, and orders that cancel one another."""

from __future__ import annotations

from engine.facts import Acknowledged, Canceled, Executed, OrderFact, Rejected
from tests.conformance.suite import (
    B,
    Bench,
    S,
    cancel,
    case,
    filled,
    live_at_venue,
    make,
    of,
    recorded,
    submit,
    until_filled,
    until_seen,
)


async def bracket(bench: Bench, qty: int = 2, limit: int = 99) -> tuple[str, str, str]:
    """A buy at `limit` with a target at 110 and a stop at 90, handed over in one go."""
    entry = make(bench, B, qty, limit)
    target = make(bench, S, qty, 110, parent=entry.id, oco=f"g-{entry.id}")
    stop = make(bench, S, qty, stop=90, parent=entry.id, oco=f"g-{entry.id}")
    for order in (entry, target, stop):
        bench.adapter.submit(recorded(order))
    await until_seen(bench, Acknowledged, entry.id)
    for child in (target.id, stop.id):
        await bench.until(lambda child=child: bool(of(bench, OrderFact, child)), f"word of {child}")  # type: ignore[misc]
    return entry.id, target.id, stop.id


def over(bench: Bench, order_id: str) -> bool:
    return bool(of(bench, Canceled, order_id) or of(bench, Rejected, order_id))


@case(70, "brackets", shows="brackets")
async def the_target_fills_and_the_stop_goes(bench: Bench) -> None:
    """Given a bracket whose entry filled, when the target fills, then the stop is cancelled without our
    asking."""
    entry, target, stop = await bracket(bench)
    await bench.trade(98, 30, S)
    await until_filled(bench, entry, 2)
    await bench.trade(111, 5, B)
    await until_filled(bench, target, 2)
    assert (await until_seen(bench, Canceled, stop)).unsolicited
    assert not filled(bench, stop)


@case(71, "brackets")
async def children_wait_for_the_entry(bench: Bench) -> None:
    """Given a bracket whose entry rests, when the market trades through the target, then no child fills."""
    entry, target, stop = await bracket(bench)
    await bench.trade(111, 5, B)
    await bench.settle()
    assert not any(filled(bench, o) for o in (entry, target, stop))
    assert await live_at_venue(bench, target) and await live_at_venue(bench, stop)


@case(72, "brackets")
async def children_go_with_the_entry(bench: Bench) -> None:
    """Given a bracket whose entry rests, when the entry is cancelled, then its children end too."""
    entry, target, stop = await bracket(bench)
    await cancel(bench, entry)
    await until_seen(bench, Canceled, entry)
    await bench.until(lambda: over(bench, target) and over(bench, stop), "the children's end")
    assert (await bench.adapter.open_orders()).ours == ()


@case(73, "brackets")
async def the_stop_fills_and_the_target_goes(bench: Bench) -> None:
    """Given a bracket whose entry filled, when the stop fills, then the target is cancelled."""
    entry, target, stop = await bracket(bench)
    await bench.trade(98, 30, S)
    await until_filled(bench, entry, 2)
    await bench.quote(88, 20, 89, 10)
    await bench.trade(90, 1, S)
    await until_filled(bench, stop, 2)
    await until_seen(bench, Canceled, target)
    assert {p.symbol: p.qty for p in (await bench.adapter.positions()).positions} == {}


@case(74, "brackets", shows="one cancels other")
async def one_cancels_the_other(bench: Bench) -> None:
    """Given two orders of one group, when one fills, then the other is cancelled."""
    first = await submit(bench, B, 2, 99, oco="pair-74")
    second = await submit(bench, B, 2, 98, oco="pair-74")
    await until_seen(bench, Acknowledged, second)
    await bench.trade(98, 24, S)
    await until_filled(bench, first, 2)
    await until_seen(bench, Canceled, second)
    assert not filled(bench, second)


@case(75, "brackets")
async def protection_never_exceeds_the_entry(bench: Bench) -> None:
    """Given an entry of which a part is filled, when the stop's price trades, then the children sell no more
    than was bought."""
    entry, target, stop = await bracket(bench, qty=15, limit=101)
    await until_filled(bench, entry, 10)
    await bench.trade(90, 1, S)
    await bench.settle()
    sold = filled(bench, target) + filled(bench, stop)
    assert sold <= filled(bench, entry)


@case(76, "brackets")
async def a_refused_child_is_told(bench: Bench) -> None:
    """Given an entry that rests, when its stop is refused, then Rejected names the stop, so that the missing
    protection is seen."""
    entry = make(bench, B, 2, 99)
    bench.adapter.submit(recorded(entry))
    await until_seen(bench, Acknowledged, entry.id)
    await bench.arm("reject_new")
    stop = await submit(bench, S, 2, stop=90, parent=entry.id, oco=f"g-{entry.id}")
    assert (await until_seen(bench, Rejected, stop)).reason
    assert await live_at_venue(bench, entry.id) and not of(bench, Executed)
