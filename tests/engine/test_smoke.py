"""An order's way through the whole engine and back, and the kill that ends flat."""

from __future__ import annotations

from engine.control.commands import Kill
from engine.model import Side
from tests.engine.rig import Rig


def test_an_order_fills_and_the_three_views_agree() -> None:
    async def script(rig: Rig) -> None:
        order = await rig.fill(Side.BUY, 3)
        assert rig.status(order) == "FILLED"
        await rig.sleep(6)
        assert rig.position() == rig.venue_position() == 3
        assert rig.engine.reconciler.agreed
        rig.engine.publish()
        row = next(p for p in rig.snapshots[-1].positions if p.symbol == "ES")
        assert (row.executed, row.broker, row.diff, row.state) == (3, 3, 0, "agree")

    Rig.play(script)


def test_kill_ends_flat_with_proof_and_stays_latched() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        resting, _ = rig.send(Side.BUY, 2, 23_990)
        await rig.sleep(0.2)
        answer = await rig.command(Kill())
        assert answer.ok and answer.text.startswith("flat, confirmed twice by the broker at ")
        assert rig.position() == rig.venue_position() == 0
        assert rig.status(resting) == "CANCELED"
        _, refusal = rig.send(Side.BUY, 1)
        assert refusal is not None and "halted" in refusal.text

    Rig.play(script)
