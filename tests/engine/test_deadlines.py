"""In virtual time, where rounds that can find nothing new are left out, what falls due is done on time."""

from __future__ import annotations

from engine.model import NS, PartialFillPolicy, Side
from engine.records import Sent, Unanswered, decode
from tests.engine.rig import Rig

ROUND = NS // 100
"""Between two rounds of the chores, ns."""


async def first(rig: Rig, kind: type[Sent | Unanswered], what: str) -> int:
    """Engine time of the first row of this kind about such a request, ns."""
    await rig.journal.flush()
    async for row in rig.journal.rows():
        record = decode(row.kind, row.body)
        if isinstance(record, kind) and record.what == what:
            return row.ts
    raise AssertionError(f"no {kind.__name__} of a {what} was written")


def test_an_order_without_an_answer_is_asked_about_on_time_in_a_quiet_market() -> None:
    """Its time was held in engine time against the monotonic clock, and it waited for the next round that
    something else called for."""

    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("lose_request")
        rig.send(Side.BUY, 1, 23_990)
        rig.quoting = False
        await rig.sleep(9)
        waited = await first(rig, Unanswered, "submit") - await first(rig, Sent, "submit")
        assert 2.37 * NS <= waited <= 2.37 * NS + 2 * ROUND

    Rig.play(script, config={"orders": {"answer_after": 2.37}})


def test_the_rest_of_an_order_is_cancelled_on_time_in_a_quiet_market() -> None:
    async def script(rig: Rig) -> None:
        rig.sizes["ES"] = 2
        rig.quote_all()
        order, refusal = rig.send(
            Side.BUY,
            5,
            24_001,
            partial_fill=PartialFillPolicy.CANCEL_REMAINDER,
            remainder_after=int(2.37 * NS),
        )
        assert refusal is None
        rig.quoting = False
        await rig.sleep(9)
        filled = rig.engine.core.books.orders.get(order.id)
        assert filled is not None and rig.status(order) == "CANCELED"
        waited = await first(rig, Sent, "cancel") - filled.first_fill
        assert 2.37 * NS <= waited <= 2.37 * NS + 2 * ROUND

    Rig.play(script)
