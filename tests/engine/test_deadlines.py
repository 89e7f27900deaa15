"""In virtual time, where rounds that can find nothing new are left out, what falls due is done on time."""

from __future__ import annotations

from engine.model import NS, PartialFillPolicy, Side
from engine.records import ControlTripped, Sent, Unanswered, decode
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
        await rig.sleep(1)
        assert rig.status(order) == "PARTIAL_FILL"
        await rig.sleep(8)
        assert 0 < rig.position() < 5
        filled = rig.engine.core.books.orders.get(order.id)
        assert filled is not None and rig.status(order) == "CANCELED"
        waited = await first(rig, Sent, "cancel") - filled.first_fill
        assert 2.37 * NS <= waited <= 2.37 * NS + 2 * ROUND

    Rig.play(script)


def test_what_a_comparison_finds_is_judged_in_the_next_round_in_a_quiet_market() -> None:
    """Lots came to the account without an execution; what they broke tripped with a later quote."""

    async def script(rig: Rig) -> None:
        rig.quoting = False
        await rig.sleep(0.5)
        account = rig.config.account
        fill = rig.exchange.desk.make_fill(account, "ES", Side.BUY, 60, 24_000, None, None)
        rig.exchange.books.account(account).book(fill)
        positions = rig.engine.core.books.positions
        before = positions.confirmed
        while positions.confirmed == before:
            await rig.sleep(0.001)
        found = rig.clock.now()
        await rig.sleep(2)
        await rig.journal.flush()
        tripped = [
            row.ts
            async for row in rig.journal.rows()
            if isinstance(record := decode(row.kind, row.body), ControlTripped)
            and record.control == "max_position"
        ]
        assert len(tripped) == 1 and tripped[0] - found <= 2 * ROUND

    Rig.play(script, config={"reconcile": {"every": 1.0}})
