"""What others do at the account: orders and trades of other clients and by hand."""

from __future__ import annotations

import pytest

from engine.facts import BrokerNotice, Executed, ForeignOrder
from engine.model import OrderStatus
from engine.ports import NotSent
from tests.conformance.benches.ib import IbBench
from tests.conformance.suite import B, S, of, refused
from tests.ib.kit import needs_library, play, reconnect, second_adapter, working

pytestmark = needs_library


def test_client_0_sees_orders_by_hand_at_once_and_cancels_them() -> None:
    async def script(bench: IbBench) -> None:
        early = bench.gateway.manual_order("ES", B, 1, limit=90)
        await bench.adapter.connect()
        late = bench.gateway.manual_order("ES", S, 2, limit=120)
        perms = {str(early.perm_id), str(late.perm_id)}
        await bench.until(lambda: {str(late.perm_id)} <= live(bench), "the one placed while connected")
        assert {f.broker_id for f in (await bench.adapter.open_orders()).foreign} == perms
        for perm in sorted(perms):
            bench.adapter.cancel("somebody-elses-1", perm)
        await bench.until(lambda: not live(bench), "the end of both")
        assert (await bench.adapter.open_orders()).foreign == ()
        assert {f.broker_id for f in of(bench, ForeignOrder) if f.status is OrderStatus.CANCELED} == perms
        await bench.drop()
        await reconnect(bench)
        assert refused(lambda: bench.adapter.cancel("somebody-elses-1", min(perms)))

    play(script, client_id=0, connect=False)


def live(bench: IbBench) -> set[str]:
    """Foreign orders whose last news is that they work."""
    last = {f.broker_id: f.status for f in of(bench, ForeignOrder)}
    return {perm for perm, status in last.items() if not status.is_closed}


def test_other_clients_see_orders_by_hand_when_they_ask_and_cannot_cancel_one() -> None:
    async def script(bench: IbBench) -> None:
        order = bench.gateway.manual_order("ES", S, 2, limit=120)
        await bench.settle()
        assert not of(bench, ForeignOrder)
        (seen,) = (await bench.adapter.open_orders()).foreign
        with pytest.raises(NotSent, match=r"only the placing client.*everything at once"):
            bench.adapter.cancel("somebody-elses-1", seen.broker_id)
        bench.adapter.cancel_everything()
        await bench.until(lambda: order.done, "its end")

    play(script)


def test_an_order_of_another_client_is_ours_by_name_and_cannot_be_touched() -> None:
    async def script(bench: IbBench) -> None:
        order_id = await working(bench)
        other, _ = second_adapter(bench, client_id=2)
        await other.connect()
        (listed,) = (await other.open_orders()).ours
        assert listed.order_id == order_id
        with pytest.raises(NotSent, match="client id 1"):
            other.cancel(order_id, listed.broker_id)
        await other.close()

    play(script)


def test_a_trade_by_hand_is_found_where_we_are_not_the_master_client() -> None:
    """Then TWS does not tell it, and the list of executions does."""

    async def script(bench: IbBench) -> None:
        await bench.manual_trade(S, 2)
        await bench.settle()
        assert not of(bench, Executed)
        (fill,) = (await bench.adapter.executions(0)).fills
        assert (fill.order_id, fill.side, fill.qty) == (None, S, 2)
        assert [p.qty for p in (await bench.adapter.positions()).positions] == [-2]

    play(script)


def test_what_is_held_in_a_contract_that_we_do_not_trade_is_shown() -> None:
    """The second month of ES is nobody's symbol here; its position is told under the exchange's name."""

    async def script(bench: IbBench) -> None:
        (later,) = [c for c in bench.gateway.contracts._by_id.values() if c.follows == "ES"]
        bench.exchange.manual_trade(bench.account, later.instrument.symbol, B, 2, 100)
        await bench.until(
            lambda: any(
                n.code == "execution" and later.local_symbol in n.text for n in of(bench, BrokerNotice)
            ),
            "the notice",
        )
        assert not of(bench, Executed)
        held = {p.symbol: p.qty for p in (await bench.adapter.positions()).positions}
        assert held == {later.local_symbol: 2}

    play(script, tws={"master_client": 1})
