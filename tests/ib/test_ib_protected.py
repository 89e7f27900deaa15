"""Market orders that IB works as limit orders (market with protection): they stay ours until their end."""

from __future__ import annotations

import pytest

from engine.facts import BrokerNotice, Canceled, Restated
from engine.model import Replace
from engine.ports import NotSent
from tests.conformance.benches.ib import IbBench
from tests.conformance.suite import (
    B,
    broker_id_of,
    fresh,
    live_at_venue,
    of,
    recorded,
    submit,
    until_filled,
    until_seen,
)
from tests.ib.kit import needs_library, play, reconnect, second_adapter

pytestmark = needs_library
SHOWN = pytest.mark.parametrize("shown", ["MKT PRT", "LMT"])


async def protected(bench: IbBench) -> str:
    """A market order for 15 of which 10 traded at 101; the rest works there with a limit."""
    await bench.arm("protect")
    order_id = await submit(bench, B, 15)
    await until_filled(bench, order_id, 10)
    await until_seen(bench, Restated, order_id)
    return order_id


@SHOWN
def test_a_protected_market_order_is_told_with_its_limit_and_why(shown: str) -> None:
    async def script(bench: IbBench) -> None:
        order_id = await protected(bench)
        (told,) = of(bench, Restated, order_id)
        assert (told.limit, told.reason) == (101, "IB works it as a limit order")
        assert any(n.code == "2161" and order_id in n.text for n in of(bench, BrokerNotice))
        change = Replace(id=fresh("r"), order_id=order_id, qty=12, limit=101)
        with pytest.raises(NotSent, match="as a limit order and takes no change"):
            bench.adapter.replace(recorded(change))
        bench.adapter.cancel(order_id, broker_id_of(bench, order_id))
        assert (await until_seen(bench, Canceled, order_id)).cum == 10
        assert not await live_at_venue(bench, order_id)

    play(script, tws={"protected_as": shown})


@SHOWN
def test_one_whose_first_report_shows_the_limit_already_is_told_with_it(shown: str) -> None:
    """The reports before it were lost."""

    async def script(bench: IbBench) -> None:
        bench.gateway.script.drop("open_order")
        bench.gateway.script.drop("order_status")
        order_id = await protected(bench)
        assert of(bench, Restated, order_id)[0].limit == 101

    play(script, tws={"protected_as": shown})


@SHOWN
def test_after_a_lost_line_and_in_a_new_run_the_rest_is_listed_and_cancelled(shown: str) -> None:
    async def script(bench: IbBench) -> None:
        order_id = await protected(bench)
        await bench.drop()
        await reconnect(bench)
        assert [(o.order_id, o.limit, o.leaves) for o in (await bench.adapter.open_orders()).ours] == [
            (order_id, 101, 5)
        ]
        await bench.adapter.close()
        other, facts = second_adapter(bench)
        try:
            await other.connect()
            (seen,) = (await other.open_orders()).ours
            assert (seen.order_id, seen.limit, seen.cum, seen.leaves) == (order_id, 101, 10, 5)
            other.cancel(order_id, seen.broker_id)
            await bench.until(lambda: any(isinstance(f, Canceled) for f in facts), "Canceled")
        finally:
            await other.close()

    play(script, tws={"protected_as": shown})
