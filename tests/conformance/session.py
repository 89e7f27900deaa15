"""Cases 1 to 9: opening and closing a session, and what may pass it."""

from __future__ import annotations

import msgspec

from engine.facts import Acknowledged, LinkUp, require_readable
from engine.ports import QueryFailed
from tests.conformance.suite import (
    B,
    Bench,
    cancel,
    case,
    make,
    of,
    recorded,
    refused,
    submit,
    until_filled,
    until_seen,
)


@case(1, "session")
async def link_up_is_first(bench: Bench) -> None:
    """Given an adapter that was bound, when it connects, then LinkUp is the first fact."""
    assert isinstance(bench.facts[0], LinkUp)


@case(2, "session")
async def nothing_from_within_a_call(bench: Bench) -> None:
    """Given a session, when requests are handed over, then no fact is delivered before the call returns."""
    before = len(bench.facts)
    order = make(bench, B, 1)
    bench.adapter.submit(recorded(order))
    assert len(bench.facts) == before
    await until_filled(bench, order.id, 1)


@case(3, "session")
async def only_recorded_orders_are_sent(bench: Bench) -> None:
    """Given a request that the journal has not vouched for, when it is handed over, then it is refused as a
    programming error and the venue never sees it."""
    for request in (make(bench, B, 1), None, object()):
        try:
            bench.adapter.submit(request)  # type: ignore[arg-type]
        except TypeError:
            continue
        raise AssertionError("an order that is not recorded went out")
    await bench.settle()
    assert (await bench.truth()).orders == ()


@case(4, "session")
async def a_second_connect_changes_nothing(bench: Bench) -> None:
    """Given a session that stands, when connect is called again, then the session is left alone."""
    await bench.adapter.connect()
    await bench.settle()
    assert len(of(bench, LinkUp)) == 1
    await bench.adapter.probe()


@case(5, "session")
async def a_closed_session_can_be_opened_again(bench: Bench) -> None:
    """Given a session that we closed, when an order is handed over, then nothing leaves; and when connect is
    called, then it works again."""
    await bench.adapter.close()
    await bench.settle()
    order = make(bench, B, 1)
    assert refused(lambda: bench.adapter.submit(recorded(order)))
    await bench.adapter.connect()
    await bench.until(lambda: len(of(bench, LinkUp)) == 2, "a second LinkUp")
    assert (await bench.adapter.open_orders()).ours == ()
    assert (await bench.truth()).orders == ()


@case(6, "session")
async def facts_go_to_one_place(bench: Bench) -> None:
    """Given an adapter that was bound, when it is bound again, then it refuses, because facts would be
    split."""
    try:
        bench.adapter.bind(lambda fact: None)
    except RuntimeError:
        return
    raise AssertionError("an adapter was bound twice")


@case(7, "session")
async def a_heartbeat_tells_a_live_line_from_a_dead_one(bench: Bench) -> None:
    """Given a session, when the venue answers, then probe returns; and when the line is down, then it raises
    QueryFailed."""
    await bench.adapter.probe()
    await bench.drop()
    try:
        await bench.adapter.probe()
    except QueryFailed:
        return
    raise AssertionError("a line that is down answered a heartbeat")


@case(8, "session")
async def a_closed_adapter_answers_nothing(bench: Bench) -> None:
    """Given a session that we closed, when a question is asked, then it fails and is never answered with
    something empty."""
    await bench.adapter.close()
    adapter = bench.adapter
    for ask in (adapter.positions, adapter.open_orders, adapter.account_values):
        try:
            await ask()
        except QueryFailed:
            continue
        raise AssertionError("a closed adapter answered")


@case(9, "session")
async def facts_survive_the_journal(bench: Bench) -> None:
    """Given a day with fills, cancels and answers, when its facts are written to the journal, then each can
    be read back unchanged."""
    await until_filled(bench, await submit(bench, B, 2), 2)
    resting = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, resting)
    await cancel(bench, resting)
    assert len(bench.facts) >= 5
    for fact in bench.facts:
        require_readable(fact)
        assert msgspec.json.decode(msgspec.json.encode(fact), type=type(fact)) == fact
