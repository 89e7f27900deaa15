"""Bugs of ids given out again and of orders from elsewhere that a simulated run brought to light.

The seed is that of the run when it was found; what a seed draws changes with the simulation, the case stays.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from brokers.exchange.messages import Cancel, New
from engine.control.commands import Claim, Kill
from engine.ids import Ids, draw_mark
from engine.model import Order, OrderType, Replace, Side
from engine.sim.invariants import Broken
from engine.sim.options import Options
from tests.engine.rig import Rig
from tests.engine.test_store_trouble import replayed
from tests.sim.setting import ACCOUNT
from tests.sim.world import World


def test_an_execution_that_arrives_before_the_order_from_elsewhere_is_counted_as_its() -> None:
    """Seed 5100, shuffled: the fill of an order placed elsewhere overtook the news of the order. The order
    then lacked the fill for ever, stayed UNKNOWN, and a kill waited for it without end."""

    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("delay_report")
        broker_id = rig.exchange.foreign_order(rig.config.account, "ES", Side.BUY, 2, limit=24_001)
        await rig.sleep(10)
        record = rig.engine.core.books.orders.get(f"foreign-{broker_id}")
        assert record is not None and record.life.cum == 2 and record.life.is_closed, record
        assert rig.position() == rig.venue_position() == 2
        assert not rig.engine.core.books.orders.working()
        assert (await replayed(rig)).digest() == rig.engine.core.books.digest()

    Rig.play(script)


def test_an_engine_on_an_older_journal_gives_no_id_out_again() -> None:
    """Worlds of restarts on older state: the runs were counted anew from the copy, and with them the ids."""
    rng = random.Random(5)
    first, again = (Ids("x7q2", 4, draw_mark(rng)) for _ in range(2))
    assert not {first.order_id("a") for _ in range(50)} & {again.order_id("a") for _ in range(50)}
    assert len(Ids("x7q2", 36**3 - 1, draw_mark(rng)).order_id("s" * 12)) < 30


def test_a_broker_id_given_out_again_leads_no_fill_and_no_report_astray() -> None:
    """Seeds 367 and 496: after a reconnect the venue gave ids out again. The fill of an order from elsewhere
    went to ours that had its id by then, and an order from elsewhere re-opened ours that had had its id."""

    async def script(rig: Rig) -> None:
        account = rig.config.account
        first = rig.exchange.foreign_order(account, "CL", Side.BUY, 1, limit=6_990)
        await rig.sleep(0.1)
        rig.exchange.books.counters.order -= 1
        ours, refusal = rig.send(Side.SELL, 1, 24_020)
        assert refusal is None
        await rig.sleep(0.1)
        record = rig.engine.core.books.orders.get(ours.id)
        assert record is not None and record.life.broker_id == first
        rig.move("CL", 6_980)
        await rig.sleep(8)
        foreign = rig.engine.core.books.orders.get(f"foreign-{first}")
        assert foreign is not None and foreign.life.is_closed and foreign.life.cum == 1, foreign
        assert rig.status(ours) == "WORKING"
        rig.engine.intake.cancel(ours.id)
        await rig.sleep(0.5)
        rig.exchange.books.counters.order -= 1
        again = rig.exchange.foreign_order(account, "CL", Side.SELL, 1, limit=7_050)
        assert again == first
        await rig.sleep(30)
        assert rig.status(ours) == "CANCELED"
        assert [r.foreign for r in rig.engine.core.books.orders.working()] == [True]
        assert rig.engine.reconciler.agreed

    Rig.play(script)


def test_a_late_fill_of_an_order_from_elsewhere_is_not_ours_though_ours_has_its_id() -> None:
    """Seed 1017: the fill of an order from elsewhere was lost and read later, when ours of its symbol and
    side had its broker id. Ours got it, and the other one stayed UNKNOWN, and a kill waited without end."""

    async def script(rig: Rig) -> None:
        account = rig.config.account
        first = rig.exchange.foreign_order(account, "CL", Side.BUY, 1, limit=6_990)
        await rig.sleep(0.1)
        rig.exchange.faults.arm("drop_report")
        rig.move("CL", 6_980)
        rig.exchange.books.counters.order -= 1
        ours, refusal = rig.send(Side.BUY, 1, 6_950, symbol="CL")
        assert refusal is None
        await rig.sleep(0.1)
        record = rig.engine.core.books.orders.get(ours.id)
        assert record is not None and record.life.broker_id == first and rig.position("CL") == 0
        await rig.sleep(15)
        foreign = rig.engine.core.books.orders.get(f"foreign-{first}")
        assert rig.position("CL") == 1
        assert foreign is not None and foreign.life.is_closed, foreign
        assert (rig.status(ours), record.life.cum) == ("WORKING", 0)

    Rig.play(script, config={"reconcile": {"on_manual_trade": "adopt"}})


def test_a_cancel_reaches_the_order_that_shares_its_id_of_the_broker() -> None:
    """Seeds 2485 and 3967: an order from elsewhere got the broker id of a working one of ours. Our cancels
    named that id and met the other order, cancelled by then, and a kill waited for ours without end."""

    async def script(rig: Rig) -> None:
        ours, refusal = rig.send(Side.SELL, 1, 24_020)
        assert refusal is None
        await rig.sleep(0.1)
        rig.exchange.books.counters.order -= 1
        other = rig.exchange.foreign_order(rig.config.account, "CL", Side.SELL, 1, limit=7_050)
        record = rig.engine.core.books.orders.get(ours.id)
        assert record is not None and record.life.broker_id == other
        await rig.sleep(0.1)
        rig.engine.intake.cancel(f"foreign-{other}")
        await rig.sleep(1)
        assert rig.status(ours) == "WORKING", "the other one went, and only that"
        answer = await rig.command(Kill(reason="test"), wait=60)
        assert answer.ok, answer.text
        assert rig.status(ours) == "CANCELED"

    Rig.play(script)


def test_a_kill_sees_an_order_from_elsewhere_that_has_the_id_of_one_of_ours() -> None:
    """Beside seed 2485: it was held for ours, was never cancelled, and the kill never ended."""

    async def script(rig: Rig) -> None:
        rig.send(Side.SELL, 1, 24_020)
        await rig.sleep(0.1)
        rig.exchange.faults.arm("drop_report")
        rig.exchange.books.counters.order -= 1
        rig.exchange.foreign_order(rig.config.account, "CL", Side.SELL, 1, limit=7_050)
        await rig.sleep(0.01)
        answer = await rig.command(Kill(reason="test"), wait=60)
        assert answer.ok, answer.text
        assert not rig.exchange.books.open_orders(rig.config.account)

    Rig.play(script, config={"reconcile": {"every": 1000.0, "on_unknown_order": "warn"}})


@pytest.mark.parametrize("policy", ["warn", "halt"])
def test_a_missed_fill_of_an_order_that_was_taken_in_is_its_fill(policy: str) -> None:
    """Seed 1496: the order was taken in from elsewhere and filled unseen. The comparison took the fill for a
    trade by hand, under the policy for those; with "warn" the order stayed UNKNOWN and a kill never ended."""

    async def script(rig: Rig) -> None:
        name = rig.exchange.foreign_order(rig.config.account, "CL", Side.BUY, 2, limit=6_990)
        await rig.sleep(0.1)
        rig.exchange.faults.arm("drop_report", 2)
        rig.move("CL", 6_980)
        await rig.sleep(20)
        record = rig.engine.core.books.orders.get(f"foreign-{name}")
        assert record is not None and record.life.status == "FILLED" and record.life.cum == 2
        assert rig.position("CL") == rig.venue_position("CL") == 2
        assert rig.engine.reconciler.agreed and not rig.engine.core.books.halts.all()

    Rig.play(script, config={"reconcile": {"on_manual_trade": policy}})


def test_one_order_from_elsewhere_is_not_taken_in_twice() -> None:
    """Beside seed 3967: ours got the id of one from elsewhere, and each later look at that made it anew."""

    async def script(rig: Rig) -> None:
        account = rig.config.account
        first = rig.exchange.foreign_order(account, "CL", Side.BUY, 1, limit=6_950)
        await rig.sleep(0.1)
        rig.exchange.books.counters.order -= 1
        ours, _ = rig.send(Side.SELL, 1, 24_020)
        await rig.sleep(0.1)
        record = rig.engine.core.books.orders.get(ours.id)
        assert record is not None and record.life.broker_id == first
        moved = next(o for o in rig.exchange.books.open_orders(account) if o.order_id is None)
        moved.limit = 6_940  # by whoever placed it, and not told
        await rig.sleep(20)
        names = [r.order.id for r in rig.engine.core.books.orders.working()]
        assert names == [f"foreign-{first}", ours.id]
        assert (await rig.command(Claim(broker_id=first, strategy="manual"))).ok

    Rig.play(script)


@pytest.mark.parametrize("side", [Side.SELL, Side.BUY])
def test_an_order_from_elsewhere_with_the_id_and_symbol_of_one_of_ours_is_another_order(side: Side) -> None:
    """Seeds 6792 and 9893: the venue gave the id out again, on the same symbol. The news were taken for ours,
    the cancel named the other one, and the kill never ended; or the two answers, each about one of them, made
    it end and come back to life thousands of times."""

    async def script(rig: Rig) -> None:
        ours, _ = rig.send(Side.SELL, 3, 24_020)
        await rig.sleep(0.1)
        rig.exchange.books.counters.order -= 1
        if side is Side.BUY:  # it fills unseen: only the list of executions tells of it
            rig.exchange.faults.arm("drop_report", 3)
        name = rig.exchange.foreign_order(rig.config.account, "ES", side, 2, limit=24_010)
        await rig.sleep(10)
        record = rig.engine.core.books.orders.get(ours.id)
        assert record is not None and record.life.broker_id == name
        assert (record.life.status, record.life.qty, record.life.limit) == ("WORKING", 3, 24_020)
        rows = rig.engine.core.journal.seq
        answer = await rig.command(Kill(reason="test"), wait=60)
        assert answer.ok, answer.text
        assert not rig.exchange.books.open_orders(rig.config.account)
        assert not rig.venue_position("ES")
        assert rig.engine.core.journal.seq - rows < 200

    Rig.play(script, config={"reconcile": {"on_unknown_order": "warn", "on_manual_trade": "adopt"}})


def test_a_kill_reaches_the_older_of_two_orders_whose_id_another_of_ours_had() -> None:
    """Seed 1164: a replace left two orders under one name of ours, and the id of the older one had been given
    out before. Cancels and questions named it by our name alone, met the newer one, which was over, and the
    kill never ended."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 1, symbol="CL")
        rig.exchange.books.counters.order -= 1
        ours, _ = rig.send(Side.SELL, 3, 24_020)
        await rig.sleep(0.1)
        record = rig.engine.core.books.orders.get(ours.id)
        assert record is not None
        shared = record.life.broker_id
        rig.exchange.faults.arm("twin_replace")
        change = Replace(id="manual-change-1", order_id=ours.id, qty=1, limit=24_020)
        assert rig.engine.replacer.replace(change) is None
        await rig.sleep(4)  # a comparison sees both, the next one would have them cancelled
        both = rig.exchange.books.open_orders(rig.config.account)
        assert [o.order_id for o in both] == [ours.id] * 2 and shared in [o.broker_id for o in both]
        answer = await rig.command(Kill(reason="test"), wait=30)
        assert answer.ok, answer.text
        assert not rig.exchange.books.open_orders(rig.config.account)

    Rig.play(script)


def test_no_order_arrives_a_second_time_not_even_after_a_lost_history(tmp_path: Path) -> None:
    """Seed 931: on an older state of the machine the stop and target of a bracket waited that the venue had
    had and cancelled with the session: they were sent under their old ids, which a venue may refuse."""
    world = World(Options.draw(931, 1.0, "fifo"), tmp_path)
    broken: list[Broken] = []
    venue = world.exchange
    venue.failed = broken.append
    venue.doubles = False
    session = venue.open_session(ACCOUNT, lambda _: None)
    orders = [
        Order(
            id=i,
            strategy="dice",
            account=ACCOUNT,
            symbol="ES",
            side=Side.BUY,
            qty=1,
            type=OrderType.LIMIT,
            limit=23_000,
        )
        for i in ("a", "b")
    ]
    for order in orders:
        world.durable.add(order.id)
        venue.handle(session, New(order))
    venue.forget_the_past()
    venue.handle(session, Cancel(order_id="a"))
    assert not broken
    for order in orders:
        venue.handle(session, New(order))
    assert [b.rule for b in broken] == ["resent", "resent"]
    world.loop.close()
