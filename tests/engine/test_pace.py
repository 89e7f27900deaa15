"""The moment after a round of the risk loop: when it is calm."""

from __future__ import annotations

from engine.control.commands import Kill
from engine.model import Side
from tests.engine.rig import Rig


def test_it_is_calm_while_nobody_waits_for_anything() -> None:
    async def script(rig: Rig) -> None:
        pace = rig.engine.pace
        await rig.sleep(1)
        assert pace.calm()
        order, refusal = rig.send(Side.BUY, 1, limit=23_900)
        assert refusal is None and not pace.calm(), "it is on its way to the disk"
        await rig.sleep(1)
        assert rig.status(order) == "WORKING" and pace.calm(), "one that only works waits for nothing"
        rig.engine.intake.cancel(order.id)
        assert not pace.calm(), "the venue has not answered the cancel"
        await rig.sleep(1)
        assert pace.calm()
        rig.engine.command(Kill(reason="test"), "test")
        assert not pace.calm()
        await rig.sleep(60)
        assert not rig.engine.kill.running and pace.calm()

    Rig.play(script)


def test_it_is_not_calm_while_an_order_is_in_doubt() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("no_ack", 1)
        rig.exchange.faults.arm("query_lost", 1_000)
        order, _ = rig.send(Side.BUY, 1, limit=23_900)
        await rig.sleep(8)
        assert rig.status(order) == "UNKNOWN" and not rig.engine.pace.calm()

    Rig.play(script)
