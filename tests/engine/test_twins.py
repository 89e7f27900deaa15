"""Two live orders under one id of ours, as a replace may leave them: told of, counted, cancelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.control.commands import Cancel
from engine.model import NS, Order, OrderStatus, Replace, Side
from tests.engine.rig import START, Rig
from tests.engine.test_store_trouble import replayed


async def doubled(rig: Rig, limit: int) -> Order:
    """An order to sell at 24,020, and a second one of its id at `limit`."""
    ours, _ = rig.send(Side.SELL, 1, 24_020)
    await rig.sleep(0.1)
    rig.exchange.faults.arm("twin_replace")
    change = Replace(id="manual-change-1", order_id=ours.id, qty=1, limit=limit)
    assert rig.engine.replacer.replace(change) is None
    await rig.sleep(1)
    there = rig.exchange.books.open_orders(rig.config.account)
    assert [o.order_id for o in there] == [ours.id, ours.id]
    return ours


async def kept(rig: Rig, refusals: int, seconds: float) -> Order:
    """Two orders under one id; so many times the cancel of one is refused. So many seconds have passed."""
    ours = await doubled(rig, 24_100)
    rig.exchange.faults.arm("reject_cancel", refusals)
    await rig.sleep(seconds)
    return ours


@pytest.mark.parametrize("older", ["filled", "cancelled"])
def test_the_second_of_two_orders_under_one_id_is_counted_and_cancelled_when_the_first_is_over(
    older: str,
) -> None:
    """Seed 8333: a replace left two orders under one name, the older one was filled, and every picture of the
    other, which had nothing filled, read like an old one of the first. It was asked about for ever."""

    async def script(rig: Rig) -> None:
        ours = await doubled(rig, 24_100)
        if older == "filled":
            rig.move("ES", 24_030)
        else:
            assert (await rig.command(Cancel(order_id=ours.id))).ok
        await rig.sleep(0.5)
        orders = rig.engine.core.books.orders
        record = orders.get(ours.id)
        assert record is not None and record.life.is_closed
        (left,) = rig.exchange.books.open_orders(rig.config.account)
        assert left.order_id == ours.id
        counted: list[int] = []
        arrives = rig.adapter.cancel

        def cancel(order_id: str, broker_id: str | None) -> None:
            counted.append(orders.exposure("ES")[1])
            assert broker_id == left.broker_id
            arrives(order_id, broker_id)

        rig.adapter.cancel = cancel  # type: ignore[method-assign]
        await rig.sleep(12)
        assert counted == [1], "what it may trade counts until it is gone"
        assert rig.exchange.books.open_orders(rig.config.account) == [] and record.life.is_closed
        alerts = rig.engine.core.books.alerts
        assert alerts.standing("reopened", "ES") and not alerts.standing("status_differs", "ES")
        assert rig.position() == rig.venue_position() == -(older == "filled")
        assert orders.exposure("ES") == (0, 0) and rig.engine.reconciler.agreed

    Rig.play(script)


@pytest.mark.parametrize("limit", [24_020, 24_100], ids=["same terms", "other terms"])
def test_what_the_venue_works_twice_is_cancelled_and_a_person_is_told(limit: int) -> None:
    """Of two with the same price nothing was said at all, and one of them counted in no limit."""

    async def script(rig: Rig) -> None:
        ours = await doubled(rig, limit)
        await rig.sleep(25)
        assert rig.exchange.books.open_orders(rig.config.account) == []
        assert rig.status(ours) == "CANCELED" and rig.engine.core.books.orders.exposure("ES") == (0, 0)
        alerts = rig.engine.core.books.alerts
        (told,) = [a for a in alerts.rows() if a.code == "status_differs" and a.severity == "critical"]
        assert f"{ours.id} works 2 times at the venue, as X00000" in told.text and told.cleared
        assert rig.engine.reconciler.agreed

    Rig.play(script)


def test_a_second_order_that_no_cancel_reaches_is_told_of() -> None:
    async def script(rig: Rig) -> None:
        ours = await kept(rig, 100, 25)
        assert len(rig.exchange.books.open_orders(rig.config.account)) == 2
        alerts = rig.engine.core.books.alerts
        assert alerts.standing("status_differs", "ES"), alerts.rows()
        (told,) = [a for a in alerts.rows() if a.code == "status_differs" and a.severity == "critical"]
        assert ours.id in told.text and "X000001" in told.text and not told.cleared

    Rig.play(script)


def test_a_second_order_whose_name_the_venue_gave_another_is_told_of_for_as_long_as_it_works() -> None:
    """Seed 1732: no message can name it. Whenever it was listed its order was in doubt, and each answer about
    that told of the first one, so that no difference stood long enough to be told."""

    async def script(rig: Rig) -> None:
        ours = await doubled(rig, 24_100)
        rig.exchange.faults.arm("reuse_ids")
        rig.exchange.drop_link(rig.config.account, down_for=NS)
        await rig.sleep(4)
        other, refusal = rig.send(Side.BUY, 1, 23_990)
        assert refusal is None
        await rig.sleep(1)
        assert (await rig.command(Cancel(order_id=ours.id))).ok
        await rig.sleep(6)
        for _ in range(540):
            await rig.sleep(0.1)
            counted = rig.engine.core.books.orders.exposure("ES")
            assert counted == (1, 1), "it counts between the comparisons as well"
        record = rig.engine.core.books.orders.get(ours.id)
        assert record is not None and record.life.is_closed
        there = rig.exchange.books.open_orders(rig.config.account)
        assert [(o.order_id, o.broker_id) for o in there] == [(ours.id, "X000001"), (other.id, "X000001")]
        assert rig.status(other) == "WORKING", "the one that has its name now is left alone"
        alerts = rig.engine.core.books.alerts
        told = [a.text for a in alerts.rows() if a.code == "status_differs" and not a.cleared]
        assert (
            len(told) == 1 and f"order {ours.id}: CANCELED here, working at the broker as X000001" in told[0]
        )

    Rig.play(script)


def test_two_orders_under_one_id_count_both_until_lists_are_without_them() -> None:
    """The books followed one of the two, and the lots of the other were in no limit."""

    async def script(rig: Rig) -> None:
        ours = await kept(rig, 3, 5)
        orders = rig.engine.core.books.orders
        seen = []
        for _ in range(400):
            await rig.sleep(0.1)
            there = sum(o.leaves for o in rig.exchange.books.open_orders(rig.config.account))
            seen.append((there, orders.exposure("ES")[1]))
        assert all(counted >= there for there, counted in seen), seen
        assert (2, 2) in seen and seen[-1] == (0, 0)
        assert (await replayed(rig)).digest() == rig.engine.core.books.digest()
        assert rig.status(ours) == "CANCELED"

    Rig.play(script)


def test_one_list_without_it_is_no_proof_that_a_second_order_is_gone() -> None:
    async def script(rig: Rig) -> None:
        ours = await kept(rig, 100, 6)
        orders = rig.engine.core.books.orders
        assert orders.exposure("ES") == (0, 2)
        rig.exchange.faults.arm("partial_snapshot")
        await rig.sleep(5)
        assert orders.exposure("ES") == (0, 2) and rig.status(ours) != "CANCELED"

    Rig.play(script)


def test_two_orders_under_one_id_count_by_the_journal_too_and_not_for_ever_after_a_restart(
    tmp_path: Path,
) -> None:
    async def before(rig: Rig) -> str:
        ours = await kept(rig, 100, 6)
        assert (await replayed(rig)).orders.exposure("ES") == (0, 2)
        rig.exchange.faults.arm("drop_report", 2)
        for order in rig.exchange.books.open_orders(rig.config.account):
            rig.exchange.desk.end(order, OrderStatus.CANCELED, "gone", unsolicited=True)
        return ours.id

    async def after(rig: Rig) -> None:  # nobody hears of their end
        orders = rig.engine.core.books.orders
        await rig.sleep(20)
        assert orders.exposure("ES") == (0, 0)
        record = orders.get(ours)
        assert record is not None and record.life.is_closed and record.life.listed == ()

    keep = {"orders": {"on_stop": "keep"}}
    ours = Rig.play(before, directory=tmp_path, config=keep)
    Rig.play(after, directory=tmp_path, config=keep, start=START + 60 * NS)


def test_two_lists_without_it_are_proof_that_a_second_order_is_gone() -> None:
    """Of the second list nothing was made, and it counted for ever where nobody had told its end."""

    async def script(rig: Rig) -> None:
        await kept(rig, 100, 6)
        orders = rig.engine.core.books.orders
        assert orders.exposure("ES") == (0, 2)
        rig.exchange.faults.arm("drop_report")
        older, _ = rig.exchange.books.open_orders(rig.config.account)
        rig.exchange.desk.end(older, OrderStatus.CANCELED, "gone", unsolicited=True)
        await rig.sleep(5)
        assert orders.exposure("ES") == (0, 2), "one list may lack what works"
        await rig.sleep(5)
        assert orders.exposure("ES") == (0, 1)

    Rig.play(script)
