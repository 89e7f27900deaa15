"""Declared intentions in a whole engine: what is sent for them, and what is not sent again."""

from __future__ import annotations

from engine.model import Side
from engine.records import Intended
from engine.targets import Cause
from tests.engine.rig import Rig


def want(rig: Rig, strategy: str, lots: int) -> None:
    rig.engine.core.commit(Intended(strategy=strategy, symbol="ES", lots=lots))
    rig.engine.strategies.targets.intend("ES", Cause(rig.engine.core.ids.correlation()))


def arrived(rig: Rig) -> int:
    """Orders that reached the venue, refused ones included."""
    counters = rig.engine.metrics.counters
    return counters.get("orders", 0) - counters.get("refused", 0)


def test_a_rejected_order_towards_a_target_is_not_sent_again_until_something_else_is_wanted() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("reject_new")
        want(rig, "ada", 3)
        await rig.sleep(30)
        assert arrived(rig) == 1 and rig.position() == 0
        assert {"rejected", "target_held"} <= set(rig.alerts())
        want(rig, "ada", 2)
        await rig.sleep(2)
        assert arrived(rig) == 2 and rig.position() == 2

    Rig.play(script)


def test_a_rejected_order_that_closes_is_tried_again_after_a_while() -> None:
    async def script(rig: Rig) -> None:
        want(rig, "ada", 3)
        await rig.sleep(2)
        rig.exchange.faults.arm("reject_new")
        want(rig, "ada", 0)
        await rig.sleep(8)
        assert arrived(rig) == 2 and rig.position() == 3 and "target_held" in rig.alerts()
        await rig.sleep(4)
        assert arrived(rig) == 3 and rig.position() == 0

    Rig.play(script)


def test_opposite_wishes_meet_inside_and_only_the_rest_is_sent() -> None:
    async def script(rig: Rig) -> None:
        want(rig, "ada", 3)
        await rig.sleep(2)
        rig.engine.core.commit(Intended(strategy="bo", symbol="ES", lots=2))
        want(rig, "ada", 0)
        await rig.sleep(2)
        positions = rig.engine.core.books.positions
        assert [positions.strategy_qty(name, "ES") for name in ("ada", "bo")] == [0, 2]
        assert rig.position() == rig.venue_position() == 2
        fills = rig.exchange.audit(rig.config.account).executions
        assert [(f.side, f.qty) for f in fills] == [(Side.BUY, 3), (Side.SELL, 1)]

    Rig.play(script)
