"""Orders that the broker never knew: handed over as lost, or sent once more when that is right."""

from __future__ import annotations

from typing import Any

import pytest

from engine.control.commands import Kill
from engine.model import Side
from engine.records import LostOrder, SentAgain
from tests.engine.rig import Rig
from tests.recovery.kit import records, until

ORDERS: dict[str, Any] = {"answer_after": 1, "on_lost": "resubmit"}


def strategy(**fields: Any) -> dict[str, Any]:
    return {"module": "tests.recovery.strategies:Resting", "name": "resting", "symbols": ["ES"], **fields}


class Losing(Rig):
    """The first order that is sent never arrives."""

    def quote_all(self) -> None:
        if not hasattr(self, "_armed"):
            self._armed = True
            self.exchange.faults.arm("lose_request")
        super().quote_all()


def heard(rig: Rig) -> list[tuple[str, str]]:
    """What the strategy was told of its own order, by its own ref."""
    return [
        (str(f["told"]), str(f["id"]))
        for _, event, f in rig.logged
        if event == "heard" and f["mine"] == "True"
    ]


def arrived(rig: Rig) -> list[str | None]:
    return [o.order_id for o in rig.exchange.audit(rig.config.account).orders]


def test_by_default_the_strategy_is_told_and_nothing_is_sent() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(60)
        (lost,) = await records(rig, LostOrder)
        told, _ = heard(rig)[-1]
        assert told == "CANCELED" and arrived(rig) == []
        assert "lost_order" in rig.alerts() and lost.order_id == heard(rig)[-1][1]

    Losing.play(script, config={"orders": {"answer_after": 1}, "strategies": [strategy()]})


def test_where_it_is_configured_it_goes_again_under_a_new_id_and_the_same_ref() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(60)
        (lost,) = await records(rig, LostOrder)
        (again,) = await records(rig, SentAgain)
        assert again.lost == lost.order_id and arrived(rig) == [again.order_id]
        assert heard(rig)[-1] == ("WORKING", again.order_id)
        assert "CANCELED" not in [told for told, _ in heard(rig)], "to the strategy it is one order"
        old, new = (rig.engine.core.books.orders.get(i) for i in (lost.order_id, again.order_id))
        assert old is not None and new is not None
        assert (old.order.correlation, old.order.limit) == (new.order.correlation, new.order.limit)
        assert "resubmitted" in rig.alerts()

    Losing.play(script, config={"orders": ORDERS, "strategies": [strategy()]})


def test_it_can_still_be_cancelled_by_its_ref_after_that() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(90)
        (again,) = await records(rig, SentAgain)
        assert heard(rig)[-1] == ("CANCELED", again.order_id)
        assert not rig.exchange.books.open_orders(rig.config.account)

    one = strategy(params={"cancel_after": 60.0})
    Losing.play(script, config={"orders": ORDERS, "strategies": [one]})


def test_an_order_that_the_strategy_has_taken_back_is_not_sent_again() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(60)
        assert await records(rig, LostOrder) and not await records(rig, SentAgain)
        assert heard(rig)[-1][0] == "CANCELED" and arrived(rig) == []

    one = strategy(params={"cancel_after": 1.5})
    Losing.play(script, config={"orders": ORDERS, "strategies": [one]})


def test_positions_that_do_not_agree_keep_it_back_until_it_is_too_late() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("drop_report", 1)
        rig.exchange.manual_trade(rig.config.account, "CL", Side.SELL, 2)
        await rig.sleep(90)
        assert rig.engine.core.books.halts.instrument("CL") is not None
        assert await records(rig, LostOrder) and not await records(rig, SentAgain)
        assert heard(rig)[-1][0] == "CANCELED"

    Losing.play(script, config={"orders": ORDERS, "strategies": [strategy()]})


def test_a_kill_meanwhile_keeps_it_back() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("drop_report", 1)
        rig.exchange.manual_trade(rig.config.account, "CL", Side.SELL, 2)
        await until(rig, lambda: "lost_order" in rig.alerts(), 60)
        await rig.sleep(5)
        assert heard(rig)[-1][0] == "UNKNOWN", "it waits for the views to agree"
        rig.engine.command(Kill(reason="drill"), "test")
        await rig.sleep(60)
        assert rig.engine.kill.progress.verdict.startswith("flat") and rig.engine.reconciler.agreed
        assert not await records(rig, SentAgain) and heard(rig)[-1][0] == "CANCELED"
        assert not [i for i in arrived(rig) if i is not None and i.startswith("resting")]

    config = {"orders": {**ORDERS, "resubmit_within": 600}, "strategies": [strategy()]}
    Losing.play(script, config=config)


@pytest.mark.parametrize("on_lost", ["hand_over", "resubmit"])
def test_what_serves_a_declared_position_comes_back_by_itself_and_once(on_lost: str) -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(60)
        assert rig.position() == rig.venue_position() == 2
        assert not await records(rig, SentAgain)

    one = {"module": "tests.recovery.strategies:Holding", "name": "holding", "symbols": ["ES"]}
    config = {"orders": {"answer_after": 1, "on_lost": on_lost}, "strategies": [one]}
    Losing.play(script, config=config)
