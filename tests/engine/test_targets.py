"""Declared intentions in a whole engine: what is sent for them, and what is not sent again."""

from __future__ import annotations

import json

import pytest

from engine.model import Side
from engine.orders_record import OrderRecord
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


def heard(rig: Rig) -> list[list[object]]:
    """Status, ref, lots, control."""
    found = json.loads(rig.engine.core.books.saved["own"])["heard"]
    return [[*order, reason.partition(":")[0]] for *order, reason in found]


def test_a_strategy_hears_once_that_what_it_intends_is_refused() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(9)
        assert heard(rig) == [["REJECTED", None, 9, "max_position"]]
        assert rig.engine.metrics.counters["refused"] > 5, "it is tried again as long as it is wanted"
        await rig.sleep(9)
        assert heard(rig)[1:] == [["REJECTED", None, 8, "max_position"]], "it has declared something else"

    own = {"module": "tests.engine.quiet:Hears", "name": "own", "symbols": ("CL",)}
    Rig.play(script, config={"strategies": (own,), "risk": {"max_position": 5}})


def test_a_strategy_hears_that_the_broker_rejected_what_it_intends() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(5)
        assert rig.position("CL") == 9 and heard(rig) == []
        rig.exchange.faults.arm("reject_new")
        await rig.sleep(10)
        (told,) = heard(rig)
        assert told[:3] == ["REJECTED", None, 1], "of the nine it wants eight by then"

    own = {"module": "tests.engine.quiet:Hears", "name": "own", "symbols": ("CL",)}
    Rig.play(script, config={"strategies": (own,)})


# Found by the simulation with a planted bug, seed 22: the report was not followed, and no alarm told of it.
def test_a_rejection_that_comes_before_the_strategies_start_is_followed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(5)
        rig.exchange.faults.arm("reject_new")
        strategies = rig.engine.strategies
        usual = strategies.targets.on_closed

        def before_the_start(record: OrderRecord) -> None:
            with monkeypatch.context() as patch:
                patch.setattr(strategies, "_hosts", {})
                usual(record)

        monkeypatch.setattr(strategies.targets, "on_closed", before_the_start)
        await rig.sleep(10)
        assert "target_held" in rig.alerts() and heard(rig) == []
        assert not rig.engine.metrics.counters.get("fact_errors")

    own = {"module": "tests.engine.quiet:Hears", "name": "own", "symbols": ("CL",)}
    Rig.play(script, config={"strategies": (own,)})
