"""What breaks other systems at IB, played by the loopback gateway through the real client library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from brokers.ib import raw
from engine.config_link import MaintenanceWindow
from engine.facts import (
    Acknowledged,
    BrokerNotice,
    Canceled,
    CancelRejected,
    Executed,
    Gap,
    OrderReport,
    Rejected,
    Replaced,
    ReplaceRejected,
    Suspended,
)
from engine.model import OrderStatus, Replace
from engine.ports import NotSent
from tests.conformance.benches.ib import IbBench
from tests.conformance.suite import (
    B,
    S,
    cancel,
    filled,
    fresh,
    live_at_venue,
    make,
    of,
    recorded,
    refused,
    replace,
    submit,
    until_filled,
    until_seen,
)
from tests.ib.kit import needs_library, play, reconnect, second_adapter, working

pytestmark = needs_library


def number_of(bench: IbBench, order_id: str) -> int:
    ticket = bench.ib._tickets.by_ref(order_id)
    assert ticket is not None
    return ticket.number


async def status_of(bench: IbBench, order_id: str) -> OrderStatus:
    answer = await bench.adapter.query_order(order_id, None)
    assert isinstance(answer, OrderReport)
    return answer.status


# -- no code ends an order by itself


@pytest.mark.parametrize("code", [399, 2109, 2137, 10349, 12345])
def test_a_message_about_a_working_order_leaves_it(code: int) -> None:
    """10349 on a working order is read as a cancel by both libraries, and made others resend 15 orders."""

    async def script(bench: IbBench) -> None:
        order_id = await working(bench)
        bench.gateway.error(
            code, "Order TIF was set to DAY based on order preset.", number_of(bench, order_id)
        )
        await bench.until(
            lambda: any(n.code == str(code) and order_id in n.text for n in of(bench, BrokerNotice)),
            "the message",
        )
        await bench.settle()
        assert not of(bench, Canceled) and not of(bench, Rejected)
        assert await status_of(bench, order_id) is OrderStatus.WORKING

    play(script)


@pytest.mark.parametrize("code", [104, 105, 110, 135, 201, 321, 329, 2102, 10147, 10326])
def test_a_refused_change_leaves_the_order_at_its_old_terms(code: int) -> None:
    async def script(bench: IbBench) -> None:
        order_id = await working(bench)
        bench.gateway.script.refuse("place_order", code, "the change was refused")
        name = await replace(bench, order_id, 5, 98)
        told = await until_seen(bench, ReplaceRejected, order_id)
        assert told.replace_id == name and f"[IB {code}]" in told.reason
        (there,) = await live_at_venue(bench, order_id)
        assert (there.qty, there.limit) == (2, 99)
        assert not of(bench, Canceled) and not of(bench, Rejected)

    play(script)


@pytest.mark.parametrize("code", [161, 10147, 10148])
def test_a_refused_cancel_says_nothing_of_the_order(code: int) -> None:
    async def script(bench: IbBench) -> None:
        order_id = await working(bench)
        bench.gateway.script.refuse("cancel_order", code, "cannot be cancelled, state: Cancelled")
        await cancel(bench, order_id)
        await until_seen(bench, CancelRejected, order_id)
        await bench.settle()
        assert not of(bench, Canceled)
        assert await status_of(bench, order_id) is OrderStatus.WORKING

    play(script)


def test_a_message_after_the_fill_leaves_it_filled() -> None:
    async def script(bench: IbBench) -> None:
        order_id = await submit(bench, B, 2)
        await until_filled(bench, order_id, 2)
        bench.gateway.error(2109, "Outside of RTH", number_of(bench, order_id))
        await bench.settle()
        assert await status_of(bench, order_id) is OrderStatus.FILLED

    play(script)


def test_a_refused_new_order_is_rejected_when_ib_does_not_list_it() -> None:
    """Read-only API: there is no order, and one library shows it as active."""

    async def script(bench: IbBench) -> None:
        order_id = await submit(bench, B, 2, 99)
        told = await until_seen(bench, Rejected, order_id)
        assert "Read-Only" in told.reason and not of(bench, Acknowledged)

    play(script, tws={"read_only": True})


def test_a_refusal_of_an_order_that_is_there_all_the_same_rejects_nothing() -> None:
    async def script(bench: IbBench) -> None:
        bench.gateway.script.hold("open_order")
        bench.gateway.script.hold("order_status")
        order_id = await submit(bench, B, 2, 99)
        bench.gateway.error(201, "Order rejected - reason: none of it is true", number_of(bench, order_id))
        bench.gateway.script.release()
        bench.gateway.script.clear()
        await until_seen(bench, Acknowledged, order_id)
        await bench.settle()
        assert not of(bench, Rejected)
        assert await status_of(bench, order_id) is OrderStatus.WORKING

    play(script)


@pytest.mark.parametrize("name", ["Inactive", "Cancelled"])
def test_what_the_venue_refuses_is_rejected_under_either_status(name: str) -> None:
    async def script(bench: IbBench) -> None:
        await bench.arm("reject_new")
        order_id = await submit(bench, B, 2, 99)
        told = await until_seen(bench, Rejected, order_id)
        assert "[IB 201]" in told.reason
        await bench.settle()
        assert len(of(bench, Rejected)) == 1 and not of(bench, Canceled)

    play(script, tws={"rejected_as": name})


def test_inactive_is_held_and_counts_until_it_is_gone() -> None:
    async def script(bench: IbBench) -> None:
        order_id = await working(bench)
        (order,) = bench.gateway.trading.book.open()
        order.status = "Inactive"
        bench.gateway.reports.announce(order)
        await until_seen(bench, Suspended, order_id)
        assert any(n.code == "inactive" for n in of(bench, BrokerNotice))
        assert not of(bench, Rejected) and not of(bench, Canceled)
        assert await status_of(bench, order_id) is OrderStatus.WORKING

    play(script)


# -- who an order is


def test_an_order_of_an_earlier_run_is_known_by_its_reference() -> None:
    async def script(bench: IbBench) -> None:
        order_id = await working(bench)
        await bench.adapter.close()
        later, facts = second_adapter(bench)
        await later.connect()
        (listed,) = (await later.open_orders()).ours
        assert (listed.order_id, listed.limit) == (order_id, 99)
        later.replace(recorded(Replace(id=fresh("r"), order_id=order_id, qty=3, limit=98)))
        await bench.until(lambda: any(isinstance(f, Replaced) for f in facts), "the replace")
        await bench.trade(97, 30, S)
        await bench.until(lambda: any(isinstance(f, Executed) for f in facts), "the fill")
        (fill,) = [f.fill for f in facts if isinstance(f, Executed)]
        assert (fill.order_id, fill.qty, fill.price) == (order_id, 3, 98)
        await later.close()

    play(script)


def test_numbers_are_never_used_twice(tmp_path: Path) -> None:
    """After orders that were lost with the line TWS offers the same numbers again."""

    async def script(bench: IbBench) -> None:
        first = number_of(bench, await working(bench))
        await bench.adapter.close()
        bench.gateway.reissue_ids(1)
        later, facts = second_adapter(bench, mark=tmp_path / "ib.json")
        await later.connect()
        order = make(bench, S, 1, 105)
        later.submit(recorded(order))
        await bench.until(lambda: any(isinstance(f, Acknowledged) for f in facts), "the acknowledgement")
        ticket = later._tickets.by_ref(order.id)
        assert ticket is not None and ticket.number > first
        await later.close()

    play(script, mark=tmp_path / "ib.json")


def test_a_client_id_in_use_fails_at_once_and_says_so() -> None:
    async def script(bench: IbBench) -> None:
        twin, _ = second_adapter(bench, answer_within=30.0)
        before = bench.clock.mono()
        with pytest.raises(NotSent, match=r"client id 1.*326"):
            await twin.connect()
        assert bench.clock.mono() - before < 5_000_000_000
        await bench.adapter.probe()

    play(script)


def test_a_twin_is_an_alarm_and_is_not_changed() -> None:
    async def script(bench: IbBench) -> None:
        order_id = await working(bench)
        await bench.arm("twin_replace")
        await replace(bench, order_id, 2, 98)
        await bench.until(lambda: any("second permanent id" in g.reason for g in of(bench, Gap)), "the alarm")
        change = Replace(id=fresh("r"), order_id=order_id, qty=2, limit=97)
        assert refused(lambda: bench.adapter.replace(recorded(change)))

    play(script)


# -- executions and commissions


def test_a_commission_may_come_before_its_execution() -> None:
    async def script(bench: IbBench) -> None:
        bench.gateway.script.overtake("execution", 4)
        order_id = await submit(bench, B, 2)
        await until_filled(bench, order_id, 2)
        (fact,) = of(bench, Executed, order_id)
        assert fact.fill.fee > 0

    play(script)


def test_the_journal_is_told_which_contract_it_is() -> None:
    async def script(bench: IbBench) -> None:
        texts = [n.text for n in of(bench, BrokerNotice) if n.code == "contract"]
        assert len(texts) == 2 and all("last trading day" in t and "number" in t for t in texts)
        await bench.drop()
        await reconnect(bench)
        assert len([n for n in of(bench, BrokerNotice) if n.code == "contract"]) == 2

    play(script)


def test_a_price_that_may_be_revised_is_said() -> None:
    """Server version 178; what one library does not hear of is played into the adapter."""

    async def script(bench: IbBench) -> None:
        heard: list[raw.Raw] = []
        take = bench.ib._executions.take
        bench.ib._executions.take = lambda e, *a, **k: (heard.append(e), take(e, *a, **k))[1]  # type: ignore[method-assign]
        await until_filled(bench, await submit(bench, B, 2), 2)
        (execution,) = [e for e in heard if isinstance(e, raw.Execution)]
        wire = bench.ib._wire
        assert wire is not None
        bench.ib._take(wire, execution._replace(revised=True))
        await bench.settle()
        assert any(n.code == "price revision" for n in of(bench, BrokerNotice))
        assert filled(bench, of(bench, Executed)[0].fill.order_id or "") == 2

    play(script)


def test_filled_without_executions_makes_it_ask() -> None:
    async def script(bench: IbBench) -> None:
        order_id = await working(bench)
        bench.gateway.script.drop("execution")
        await bench.trade(98, 30, S)
        await until_filled(bench, order_id, 2)

    play(script)


# -- sending


def test_of_a_bracket_only_the_last_is_transmitted() -> None:
    async def script(bench: IbBench) -> None:
        entry = make(bench, B, 2, 99)
        target = make(bench, S, 2, 110, parent=entry.id, oco="g-1")
        stop = make(bench, S, 2, stop=90, parent=entry.id, oco="g-1")
        for order in (entry, target, stop):
            bench.adapter.submit(recorded(order))
        await until_seen(bench, Acknowledged, entry.id)
        flags = {o.request()["orderRef"]: o.request()["transmit"] for o in bench.gateway.trading.book.open()}
        assert flags == {entry.id: False, target.id: False, stop.id: True}
        parents = {
            o.request()["orderRef"]: o.request()["parentId"] for o in bench.gateway.trading.book.open()
        }
        assert parents[target.id] == parents[stop.id] == number_of(bench, entry.id)

    play(script)


def test_of_a_bracket_that_the_engine_works_ib_is_told_nothing() -> None:
    """Its parent may have filled long ago, and a group would cancel what the engine still wants."""

    async def script(bench: IbBench) -> None:
        entry = await submit(bench, B, 2)
        await until_filled(bench, entry, 2)
        child = make(bench, S, 2, 110, parent=entry, oco="g-1", emulated=True)
        stray = make(bench, S, 2, stop=90, parent="manual-never-1", oco="g-1", emulated=True)
        for order in (child, stray):
            bench.adapter.submit(recorded(order))
            await until_seen(bench, Acknowledged, order.id)
        asked = [o.request() for o in bench.gateway.trading.book.open()]
        assert [(a["parentId"], a["ocaGroup"], a["transmit"]) for a in asked] == [(0, "", True)] * 2

    play(script)


def test_an_order_that_was_changed_down_to_what_is_filled_is_done() -> None:
    """Found by a storm: TWS may go on listing it as Submitted with nothing left."""

    async def script(bench: IbBench) -> None:
        order_id = await submit(bench, B, 15, 101)
        await until_filled(bench, order_id, 10)
        await replace(bench, order_id, 10, 101)
        await until_seen(bench, Replaced, order_id)
        await bench.settle()
        (order,) = [o for o in bench.gateway.trading.book._orders.values() if o.cum]
        order.done, order.status = False, "Submitted"
        assert (await bench.adapter.open_orders()).ours == ()
        assert await status_of(bench, order_id) is OrderStatus.FILLED

    play(script)


def test_no_more_orders_at_work_than_ib_takes() -> None:
    async def script(bench: IbBench) -> None:
        resting = [await working(bench, limit=90) for _ in range(3)]
        assert refused(lambda: bench.adapter.submit(recorded(make(bench, B, 1, 90))))
        assert not refused(lambda: bench.adapter.submit(recorded(make(bench, S, 1, 110))))
        await cancel(bench, resting[0])
        await until_seen(bench, Canceled, resting[0])
        await working(bench, limit=90)

    play(script, max_active=3)


def test_in_a_quiet_window_only_cancels_go() -> None:
    async def script(bench: IbBench) -> None:
        order_id = await working(bench)
        begin = datetime.fromtimestamp(bench.clock.now() // 1_000_000_000 - 120, UTC)
        window = MaintenanceWindow(
            zone="UTC", begin=f"{begin:%H:%M}", end=f"{begin + timedelta(minutes=30):%H:%M}"
        )
        bench.ib._outgoing._config = bench.ib.config.model_copy(update={"quiet": (window,)})
        with pytest.raises(NotSent, match="quiet window"):
            bench.adapter.submit(recorded(make(bench, B, 1, 99)))
        with pytest.raises(NotSent, match="quiet window"):
            bench.adapter.replace(recorded(Replace(id=fresh("r"), order_id=order_id, qty=1, limit=99)))
        await cancel(bench, order_id)
        await until_seen(bench, Canceled, order_id)

    play(script)


def test_nothing_waits_in_the_librarys_own_queue() -> None:
    async def script(bench: IbBench) -> None:
        taken = 0
        for _ in range(60):
            order = make(bench, B, 1, 90)
            taken += not refused(lambda order=order: bench.adapter.submit(recorded(order)))  # type: ignore[misc]
        await bench.until(lambda: len(of(bench, Acknowledged)) == taken, "all acknowledgements")
        wire = bench.ib._wire
        assert wire is not None and not wire._client._msgQ and 0 < taken < 45

    play(script)


def test_an_order_always_names_account_and_time_in_force() -> None:
    async def script(bench: IbBench) -> None:
        await working(bench)
        (order,) = bench.gateway.trading.book.open()
        asked = order.request()
        assert (asked["account"], asked["tif"]) == (bench.account, "DAY")
        assert not [n for n in of(bench, BrokerNotice) if n.code == "10349"]

    play(script, tws={"accounts": ("DU1234567", "DU7654321")})


def test_global_cancel_reaches_everybodys_orders() -> None:
    async def script(bench: IbBench) -> None:
        await working(bench)
        await bench.foreign_order(S, 1, 120)
        await bench.settle()
        bench.ib.cancel_everything()
        await bench.until(lambda: bool(of(bench, Canceled)), "our cancel")
        answer = await bench.adapter.open_orders()
        assert answer.ours == answer.foreign == ()

    play(script)


def test_a_fill_beyond_the_cancel_is_told_after_it() -> None:
    async def script(bench: IbBench) -> None:
        order_id = await working(bench, qty=4)
        await bench.arm("fill_after_cancel")
        await cancel(bench, order_id)
        told = await until_seen(bench, Canceled, order_id)
        await bench.until(lambda: filled(bench, order_id) > 0, "the late fill")
        assert told.cum in (0, None)

    play(script)
