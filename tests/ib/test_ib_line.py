"""The line to TWS as it fails: lost, in doubt, cut in the middle of an order, slow, silent."""

from __future__ import annotations

import pytest

from engine.facts import (
    BrokerNotice,
    Canceled,
    Executed,
    Gap,
    LinkDown,
    LinkUp,
    OrderReport,
)
from engine.model import Replace
from engine.ports import NotSent, QueryFailed
from tests.conformance.benches.ib import IbBench
from tests.conformance.suite import (
    B,
    S,
    broker_id_of,
    fresh,
    live_at_venue,
    make,
    of,
    recorded,
    refused,
    submit,
    until_filled,
    until_seen,
)
from tests.ib.kit import needs_library, play, reconnect, working

pytestmark = needs_library


def test_while_tws_has_lost_ib_nothing_is_sent_and_nothing_is_missed() -> None:
    async def script(bench: IbBench) -> None:
        order_id = await working(bench)
        bench.gateway.lose_server()
        await bench.until(lambda: bool(of(bench, LinkDown)), "LinkDown")
        assert "1100" in of(bench, LinkDown)[0].reason
        assert refused(lambda: bench.adapter.submit(recorded(make(bench, B, 1, 98))))
        change = Replace(id=fresh("r"), order_id=order_id, qty=2, limit=98)
        assert refused(lambda: bench.adapter.replace(recorded(change)))
        with pytest.raises(QueryFailed):
            await bench.adapter.positions()
        with pytest.raises(NotSent, match="by itself"):
            await bench.adapter.connect()
        await bench.trade(98, 30, S)
        await bench.settle()
        assert not of(bench, Executed)
        bench.gateway.restore_server()
        await until_filled(bench, order_id, 2)
        kinds = [type(f) for f in bench.facts if isinstance(f, LinkUp | LinkDown | Gap)]
        assert kinds == [LinkUp, LinkDown, LinkUp, Gap]
        assert len(of(bench, Executed)) == 1

    play(script)


def test_a_fill_of_before_1102_is_told_while_in_doubt() -> None:
    async def script(bench: IbBench) -> None:
        order_id = await working(bench)
        bench.gateway.error(1100, "Connectivity between IB and TWS has been lost.")
        await bench.until(lambda: bool(of(bench, LinkDown)), "LinkDown")
        await bench.trade(98, 30, S)
        await until_filled(bench, order_id, 2)

    play(script)


def test_a_message_dropped_for_its_rate_forces_a_comparison() -> None:
    async def script(bench: IbBench) -> None:
        bench.gateway.error(100, "Max rate of messages per second has been exceeded")
        await bench.until(lambda: any("rate" in g.reason for g in of(bench, Gap)), "a Gap")

    play(script)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_line_that_dies_with_the_order(how: str, when: str) -> None:
    async def script(bench: IbBench) -> None:
        bench.gateway.script.cut_on("place_order", how, when)  # type: ignore[arg-type]
        order_id = await submit(bench, B, 2, 99)
        await bench.until(lambda: bool(of(bench, LinkDown)), "LinkDown")
        await reconnect(bench)
        there = await live_at_venue(bench, order_id)
        assert len(there) == (when == "after")
        answer = await bench.adapter.query_order(order_id, None)
        assert isinstance(answer, OrderReport) == (when == "after")

    play(script)


def test_bytes_that_dribble_make_whole_messages() -> None:
    async def script(bench: IbBench) -> None:
        bench.gateway.dribble = (7, 0.0005)
        order_id = await submit(bench, B, 2)
        await until_filled(bench, order_id, 2)

    play(script)


def test_a_hung_question_fails_and_the_next_is_whole() -> None:
    """The late end of a former answer must not end the next one early."""

    async def script(bench: IbBench) -> None:
        order_id = await working(bench)
        bench.hurry()
        bench.gateway.script.delay("open_order_end", 1.1)
        with pytest.raises(QueryFailed, match="no answer"):
            await bench.adapter.open_orders()
        await bench.calm()
        assert [o.order_id for o in (await bench.adapter.open_orders()).ours] == [order_id]

    play(script)


def test_an_order_that_ib_forgot_is_not_read_as_never_sent() -> None:
    async def script(bench: IbBench) -> None:
        order_id = await working(bench)
        broker_id = broker_id_of(bench, order_id)
        bench.gateway.restart(lose_orders=True)
        await bench.until(lambda: bool(of(bench, LinkDown)), "LinkDown")
        await reconnect(bench)
        with pytest.raises(QueryFailed, match="look in TWS"):
            await bench.adapter.query_order(order_id, broker_id)

    play(script)


def test_what_cannot_be_decoded_forces_a_comparison() -> None:
    async def script(bench: IbBench) -> None:
        (client,) = bench.gateway.clients.values()
        from brokers.loopback.tws.framing import join

        client._write(join(["11", "-1", "nonsense"]))
        await bench.until(lambda: any("could not be read" in g.reason for g in of(bench, Gap)), "a Gap")

    play(script)


@pytest.mark.parametrize("lost", [1, 2])
def test_half_a_bracket_that_the_line_left_in_tws_is_taken_back(lost: int) -> None:
    """It waits there untransmitted, and a click of somebody would send it without its stop."""

    async def script(bench: IbBench) -> None:
        entry = make(bench, B, 2, 99)
        target = make(bench, S, 2, 110, parent=entry.id, oco="g-1")
        stop = make(bench, S, 2, stop=90, parent=entry.id, oco="g-1")
        bench.gateway.script.cut_on("place_order", "rst", "after", skip=2 - lost)
        for order in (entry, target, stop):
            bench.adapter.submit(recorded(order))
        await bench.until(lambda: bool(of(bench, LinkDown)), "LinkDown")
        await reconnect(bench)
        await until_seen(bench, Canceled, entry.id)
        assert not bench.gateway.trading.book.open()
        assert any(n.code == "half a bracket" and entry.id in n.text for n in of(bench, BrokerNotice))

    play(script)


def test_a_whole_bracket_that_only_its_answers_were_lost_of_stays() -> None:
    async def script(bench: IbBench) -> None:
        entry = make(bench, B, 2, 99)
        stop = make(bench, S, 2, stop=90, parent=entry.id)
        bench.gateway.script.drop("open_order", times=4)
        bench.gateway.script.drop("order_status", times=4)
        for order in (entry, stop):
            bench.adapter.submit(recorded(order))
        await bench.settle()
        await bench.drop()
        bench.gateway.script.clear()
        await reconnect(bench)
        await bench.settle()
        assert {o.order_id for o in (await bench.adapter.open_orders()).ours} == {entry.id, stop.id}
        assert not of(bench, Canceled)

    play(script)
