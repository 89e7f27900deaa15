"""The controls in a whole engine when figures are missing, old or moving, and orders are in flight."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.facts import AccountValues
from engine.model import NS, Side
from engine.ports import QueryFailed
from tests.engine.rig import START, Rig
from tests.engine.risk_kit import WIDE, change, refusal


def test_two_reducing_orders_cannot_turn_the_position_together() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        rig.quoting = False
        await rig.sleep(8)  # stale: only what reduces passes
        assert refusal(rig, Side.SELL, 3, 24_040) == ""
        assert refusal(rig, Side.SELL, 3, 24_041) == "stale_data"
        assert refusal(rig, Side.SELL, 2, 24_042) == ""
        assert refusal(rig, Side.SELL, 1, 24_043) == "stale_data"
        assert refusal(rig, Side.BUY, 1, 23_990) == "stale_data"

    Rig.play(script)


def test_a_reducing_order_cannot_be_replaced_into_an_opening_one() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        order, refused = rig.send(Side.SELL, 5, 24_040)
        assert refused is None
        await rig.sleep(0.3)
        rig.quoting = False
        await rig.sleep(8)
        assert change(rig, order, 6) is not None
        assert change(rig, order, 4) is None
        await rig.sleep(0.5)
        (working,) = [o for o in rig.exchange.audit(rig.config.account).orders if not o.status.is_closed]
        assert working.qty - working.cum == 4

    Rig.play(script)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_maximum_position_at_its_boundary_with_replaces_in_flight(side: Side) -> None:
    async def script(rig: Rig) -> None:
        away = 23_990 if side is Side.BUY else 24_020
        order, refused = rig.send(side, 4, away)
        assert refused is None
        await rig.sleep(0.3)
        assert change(rig, order, 9) is None  # in flight: nine may be filled
        assert refusal(rig, side, 2, away - side.sign) == "max_position"
        assert refusal(rig, side, 1, away - side.sign) == ""
        assert change(rig, order, 10) is not None

    Rig.play(script, config={"risk": {"max_position": 10}})


def test_maximum_position_counts_unknown_and_foreign_orders() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.foreign_order(rig.config.account, "ES", Side.BUY, 4, limit=23_980)
        await rig.sleep(7)  # adopted
        rig.exchange.faults.set_ratios({"lose_request": 1.0, "query_lost": 1.0})
        lost, refused = rig.send(Side.BUY, 4, 23_990)
        assert refused is None
        await rig.sleep(8)
        assert rig.status(lost) == "UNKNOWN"
        rig.exchange.faults.clear()
        assert rig.engine.view.exposure("ES")[0] == 8
        assert refusal(rig, Side.BUY, 3, 23_985) == "max_position"

    Rig.play(script, config={"risk": {"max_position": 10}})


def test_members_of_an_oco_group_share_their_room_and_no_more() -> None:
    async def script(rig: Rig) -> None:
        for step in range(2):
            assert refusal(rig, Side.BUY, 6, 23_990 - step, oco="pair") == ""
        assert rig.engine.view.exposure("ES")[0] == 6
        assert refusal(rig, Side.BUY, 5, 23_980) == "max_position"
        assert refusal(rig, Side.BUY, 11, 23_980, oco="pair") == "max_position"
        assert refusal(rig, Side.BUY, 4, 23_980) == ""

    Rig.play(script, config={"risk": {"max_position": 10}})


# -- a control without its figures refuses what opens and lets reducing pass


@pytest.mark.parametrize("lacking", ["margin", "all"])
def test_without_account_figures_nothing_opens_and_reducing_passes(lacking: str) -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)

        async def values() -> AccountValues:
            if lacking == "all":
                raise QueryFailed("no figures")
            return AccountValues(
                as_of=rig.clock.now(), account="PAPER", currency="USD", equity=Decimal(10**6)
            )

        rig.adapter.account_values = values  # type: ignore[method-assign]
        await rig.sleep(25)
        assert rig.reading("margin").state == "UNKNOWN"
        assert refusal(rig, Side.BUY, 1) == "margin"
        order, refused = rig.send(Side.SELL, 5)
        assert refused is None, refused
        await rig.sleep(0.5)
        assert rig.status(order) == "FILLED"

    Rig.play(script)


def test_a_position_without_a_price_opens_nothing(tmp_path: Path) -> None:
    async def hold(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2, symbol="CL")

    async def blind(rig: Rig) -> None:
        assert rig.engine.view.total_pnl() is None
        assert refusal(rig, Side.BUY, 1) in ("daily_loss", "drawdown", "gross")
        assert rig.reading("daily_loss").state == "UNKNOWN"

    Rig.play(hold, directory=tmp_path)
    Rig.play(blind, directory=tmp_path, touch={"ES": (24_000, 24_001)})


@pytest.mark.parametrize(
    "name",
    sorted(
        {
            "stale_data",
            "spread",
            "price_sanity",
            "max_position",
            "daily_loss",
            "drawdown",
            "margin",
            "gross",
            "net",
            "order_notional",
            "max_working",
            "executions",
            "reject_storm",
            "error_rate",
            "order_rate",
            "self_match",
            "market_state",
            "duplicate",
            "trading_state",
            "contract_end",
            "instruments",
            "validity",
            "strategy_position",
            "class_gross",
            "order_qty",
            "risk_loop",
            "strategy_loss",
            "strategy_working",
        }
    ),
)
def test_a_control_that_fails_refuses_opening_orders_alone(name: str) -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        await rig.sleep(1)
        control = rig.engine.controls.by_name[name]

        def fails(*_: Any) -> None:
            raise ZeroDivisionError("no figure")

        control.check = fails  # type: ignore[method-assign, assignment]
        assert refusal(rig, Side.BUY, 1) == name
        order, refused = rig.send(Side.SELL, 2)
        assert refused is None, refused
        await rig.sleep(0.5)
        assert rig.status(order) == "FILLED"

    Rig.play(script)


# -- margin


def test_margin_is_reduced_again_when_the_market_goes_on_falling() -> None:
    """The first reduction ends at its target; the trip is not over, and the second rise must not be slept
    through because it was reported once."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 8)  # 120,000 of 140,000
        rig.move("ES", 24_000 - 110)
        await rig.sleep(15)
        assert rig.position() == 6
        rig.move("ES", 24_000 - 110 - 450)  # 6 × 450 × 12.50 = 33,750 less: 90,000 of 95,000
        await rig.sleep(15)
        used, equity = rig.engine.view.margin_used(), rig.engine.view.equity()
        assert used is not None and equity is not None
        assert used / equity <= Decimal("0.7"), (used, equity, rig.position())
        assert rig.position() > 0, "reduced, not closed"

    Rig.play(script, cash=140_000, config={"risk": WIDE})


def test_margin_is_measured_by_the_lower_of_two_equities() -> None:
    """Money was withdrawn at the broker: our own sum does not know of it."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 8)  # 120,000 of 200,000
        real = rig.adapter.account_values

        async def less() -> AccountValues:
            values = await real()
            assert values.equity is not None
            return msgspec.structs.replace(values, equity=values.equity - 70_000)

        rig.adapter.account_values = less  # type: ignore[method-assign]
        await rig.sleep(12)
        assert rig.reading("margin").state == "TRIPPED"
        assert rig.position() == 6, "120,000 of 130,000 is 92 %; six lots are 69 %"

    Rig.play(script, cash=200_000, config={"risk": WIDE})


def test_a_new_day_opens_with_the_brokers_equity() -> None:
    midnight = START - START % (86_400 * NS) + 86_400 * NS

    async def script(rig: Rig) -> None:
        real = rig.adapter.account_values

        async def more() -> AccountValues:
            values = await real()
            assert values.equity is not None
            return msgspec.structs.replace(values, equity=values.equity + 500_000)

        rig.adapter.account_values = more  # type: ignore[method-assign]
        before = rig.engine.core.books.day
        await rig.sleep(40)
        day = rig.engine.core.books.day
        assert before is not None and day is not None and day.trading_day > before.trading_day
        assert day.opening_equity == before.opening_equity + 500_000
        assert rig.engine.view.day_pnl() == 0

    Rig.play(script, start=midnight - 20 * NS)
