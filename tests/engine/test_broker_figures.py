"""Figures of the account that some brokers tell: profit of the day and excess liquidity, beside our own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec

from engine.control.commands import Reset
from engine.facts import AccountValues
from engine.model import Side
from engine.ports import Figure
from tests.engine.rig import Rig

TOLD: frozenset[Figure] = frozenset({"day_pnl", "excess_liquidity"})


def told(rig: Rig, **figures: Any) -> None:
    """What the broker says from now on, in the place of what the paper exchange says."""

    async def account_values() -> AccountValues:
        return msgspec.structs.replace(await rig.adapter_values(), **figures)

    rig.engine._links.account_values = account_values  # type: ignore[method-assign]
    rig.engine.view.figures = lambda: TOLD


def play(script: Callable[[Rig], Awaitable[None]], **risk: Any) -> None:
    async def run(rig: Rig) -> None:
        values = rig.engine._links.account_values
        rig.adapter_values = values  # type: ignore[attr-defined]
        await script(rig)

    Rig.play(run, config={"risk": risk, "reconcile": {"every": 1.0}})


def test_the_brokers_loss_alone_kills() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        told(rig, day_pnl=Decimal(-20_000), excess_liquidity=Decimal(900_000))
        await rig.sleep(20)
        assert rig.reading("daily_loss").state == "TRIPPED"
        assert rig.engine.core.books.halts.account() is not None and rig.venue_position() == 0

    play(script)


def test_a_figure_that_is_not_told_is_not_zero() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        told(rig, day_pnl=None, excess_liquidity=Decimal(900_000))
        await rig.sleep(2)
        _, refusal = rig.send(Side.BUY, 1)
        assert refusal is not None and refusal.control == "daily_loss" and refusal.unsure
        told(rig, day_pnl=Decimal(0), excess_liquidity=None)
        await rig.sleep(2)
        _, refusal = rig.send(Side.BUY, 1)
        assert refusal is not None and refusal.control == "margin" and refusal.unsure
        await rig.fill(Side.SELL, 2)

    play(script)


def test_little_excess_liquidity_is_margin_in_use() -> None:
    """Whatever initial margin says: what the broker counts as free is what is free."""

    async def script(rig: Rig) -> None:
        told(rig, day_pnl=Decimal(0), excess_liquidity=Decimal(120_000))
        await rig.sleep(2)
        assert rig.engine.view.margin_used() == 880_000
        _, refusal = rig.send(Side.BUY, 5)
        assert refusal is not None and refusal.control == "margin"
        assert rig.reading("margin").state == "WARN"

    play(script)


def test_a_difference_that_stays_is_alarmed_and_clears() -> None:
    async def script(rig: Rig) -> None:
        told(rig, day_pnl=Decimal(-700), excess_liquidity=Decimal(900_000))
        await rig.sleep(1.5)
        assert not standing(rig)
        await rig.sleep(5)
        assert standing(rig)
        told(rig, day_pnl=Decimal(-300), excess_liquidity=Decimal(900_000))
        await rig.sleep(3)
        assert not standing(rig)

    play(script, broker_pnl_difference=500)


def standing(rig: Rig) -> list[int]:
    return rig.engine.core.books.alerts.standing("pnl")


def test_after_a_reset_of_the_days_loss_what_the_broker_lost_before_does_not_count() -> None:
    async def script(rig: Rig) -> None:
        told(rig, day_pnl=None, excess_liquidity=Decimal(900_000))
        await rig.sleep(2)
        refused = await rig.command(Reset(scope="day_loss"))
        assert not refused.ok and "broker's profit of the day" in refused.text
        told(rig, day_pnl=Decimal(-15_000), excess_liquidity=Decimal(900_000))
        await rig.sleep(2)
        answer = await rig.command(Reset(scope="day_loss"))
        assert answer.ok, answer.text
        assert rig.engine.view.broker_day_pnl() == 0
        told(rig, day_pnl=Decimal(-15_400), excess_liquidity=Decimal(900_000))
        await rig.sleep(2)
        assert rig.engine.view.broker_day_pnl() == -400
        told(rig, day_pnl=Decimal(10), excess_liquidity=Decimal(900_000))  # his new day
        await rig.sleep(2)
        assert rig.engine.view.broker_day_pnl() == 15_010 and rig.reading("daily_loss").used == 0

    play(script)
