"""An order placed elsewhere can be asked about by the broker's id."""

from __future__ import annotations

from engine.facts import OrderReport
from engine.model import OrderStatus, Side
from tests.engine.rig import Rig


def test_an_order_placed_elsewhere_is_found_by_the_brokers_id() -> None:
    """Found by seed 221 of the simulation: cancels of it were answered with its status, questions with
    "no such order", so a kill that met it could not end."""

    async def script(rig: Rig) -> None:
        account = rig.config.account
        broker_id = rig.exchange.foreign_order(account, "ES", Side.BUY, 2, limit=23_990)
        await rig.sleep(0.1)
        answer = await rig.adapter.query_order(f"foreign-{broker_id}", broker_id)
        assert isinstance(answer, OrderReport)
        assert (answer.order_id, answer.status, answer.leaves) == (
            f"foreign-{broker_id}",
            OrderStatus.WORKING,
            2,
        )

    Rig.play(script)
