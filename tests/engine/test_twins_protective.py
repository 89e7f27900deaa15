"""Two live protective orders under one id of ours, of a bracket that the venue works: one of them goes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.control.commands import Modify
from engine.model import OrderType
from tests.engine.rig import Rig
from tests.engine.test_brackets import at_venue, enter, records


@pytest.mark.parametrize("which", ["stop", "target"])
def test_of_a_protective_order_that_the_venue_works_twice_one_is_cancelled_and_one_stays(which: str) -> None:
    """Brackets of the engine's were looked at, plain orders too; these were nobody's, and both stops would
    have closed the same lots, so that the second one opened a position the other way round."""

    async def script(rig: Rig) -> None:
        await enter(rig)
        type_ = OrderType.STOP if which == "stop" else OrderType.LIMIT
        (child,) = [r for r in records(rig) if r.order.type is type_]
        rig.exchange.faults.arm("twin_replace")
        terms = {"stop": Decimal("5996.00")} if which == "stop" else {"limit": Decimal("6003.50")}
        answer = await rig.command(Modify(order_id=child.order.id, **terms))
        assert answer.ok, answer.text
        await rig.sleep(1)
        kind = "STP" if which == "stop" else "LMT"
        assert at_venue(rig).count((kind, 2)) == 2, at_venue(rig)
        await rig.sleep(40)
        assert at_venue(rig) == [("LMT", 2), ("STP", 2)]
        assert rig.engine.reconciler.agreed
        rig.move("ES", 23_970)
        await rig.sleep(2)
        assert (rig.position(), rig.venue_position(), at_venue(rig)) == (0, 0, [])

    Rig.play(script)
