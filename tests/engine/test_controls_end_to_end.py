"""Every control is seen to trip through the paper exchange: the order refused, or the kill proven flat."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine.control.commands import Flatten, Reset
from engine.model import NS, OrderType, Side, TimeInForce
from engine.risk.controls.contract_end import DAY
from tests.engine.rig import CL, ES, HALTED, RESERVED, START, Rig


def limits(**risk: Any) -> dict[str, Any]:
    return {"risk": risk}


def refusal_of(rig: Rig, *args: Any, **fields: Any) -> str:
    """Which control refuses the order; nothing may reach the exchange."""
    before = len(rig.exchange.audit(rig.config.account).orders)
    _, refusal = rig.send(*args, **fields)
    assert refusal is not None, "the order passed"
    assert len(rig.exchange.audit(rig.config.account).orders) == before
    return refusal.control


async def flat_by_kill(rig: Rig, within: float = 30.0) -> None:
    """A kill has begun by itself and ends with proof."""
    waited = 0.0
    while not rig.engine.kill.progress.verdict and waited < within:
        await rig.sleep(0.5)
        waited += 0.5
    assert rig.engine.kill.progress.verdict.startswith("flat, confirmed twice"), rig.engine.kill.progress
    assert rig.venue_position() == 0
    assert rig.engine.core.books.halts.account() is not None


# -- the six


def test_daily_loss_kills_ends_flat_and_stays_until_reset() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 10)
        rig.move("ES", 24_000 - 45)  # 10 lots × 45 ticks × 12.50 = 5,625 of a limit of 5,000
        await rig.sleep(1)
        assert rig.reading("daily_loss").state == "TRIPPED"
        await flat_by_kill(rig)
        assert "daily_loss" in rig.alerts()
        await rig.command(Reset(scope="halt"))
        assert refusal_of(rig, Side.BUY, 1) == "daily_loss"
        await rig.command(Reset(scope="day_loss"))
        await rig.sleep(1)
        await rig.fill(Side.BUY, 1)

    Rig.play(script, config=limits(daily_loss_amount=5_000))


def test_maximum_position_counts_what_works_and_what_is_in_flight() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 4)
        rig.send(Side.BUY, 3, 23_990)
        in_flight, refusal = rig.send(Side.BUY, 2, 23_980)
        assert refusal is None, in_flight
        assert refusal_of(rig, Side.BUY, 2) == "max_position"
        _, fits = rig.send(Side.BUY, 1, 23_970)
        assert fits is None

    Rig.play(script, config=limits(max_position=10))


def test_order_rate_refuses_beyond_the_burst_and_never_a_cancel() -> None:
    async def script(rig: Rig) -> None:
        sent = []
        for step in range(5):
            order, refusal = rig.send(Side.BUY, 1, 23_900 - step)
            assert refusal is None
            sent.append(order)
        assert refusal_of(rig, Side.BUY, 1, 23_800) == "order_rate"
        await rig.sleep(0.1)
        assert all(rig.engine.intake.cancel(order.id) == "" for order in sent)
        await rig.sleep(0.5)
        assert {rig.status(order) for order in sent} == {"CANCELED"}

    Rig.play(script, config=limits(order_rate=1, order_burst=5))


@pytest.mark.parametrize("limit", [24_000 - 2_000, 24_000 + 2_000])
def test_price_sanity_refuses_a_typing_error(limit: int) -> None:
    async def script(rig: Rig) -> None:
        side = Side.BUY if limit > 24_000 else Side.SELL
        assert refusal_of(rig, side, 1, limit) == "price_sanity"

    Rig.play(script)


def test_price_sanity_works_in_ticks_below_zero() -> None:
    async def script(rig: Rig) -> None:
        order, refusal = rig.send(Side.BUY, 1, -3_765, symbol="CL")
        assert refusal is None
        await rig.sleep(0.3)
        assert rig.status(order) == "WORKING"
        assert refusal_of(rig, Side.BUY, 1, 3_763, symbol="CL") == "price_sanity"

    Rig.play(script, touch={"ES": (24_000, 24_001), "CL": (-3_763, -3_762)}, config=limits(collar_ticks=100))


def test_margin_beyond_ninety_percent_is_reduced_to_seventy() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 8)  # 120,000 of 140,000
        assert refusal_of(rig, Side.BUY, 1) == "margin"
        rig.move("ES", 24_000 - 110)  # −11,000: 120,000 of 129,000 is 93 %
        await rig.sleep(8)
        verdict = rig.engine.kill.progress.verdict
        assert verdict.startswith("reduced to target, confirmed twice"), rig.engine.kill.progress
        assert rig.position() == rig.venue_position() == 6

    Rig.play(
        script,
        cash=140_000,
        config=limits(daily_loss_pct=50, max_drawdown_pct=50, max_gross=10**9, max_net=10**9),
    )


def test_spread_breaker_pauses_then_clears() -> None:
    async def script(rig: Rig) -> None:
        rig.quote("ES", 24_000, 24_010)
        await rig.sleep(0.2)
        assert refusal_of(rig, Side.BUY, 1) == "spread"
        rig.quote("ES", 24_000, 24_001)
        await rig.sleep(1)
        assert refusal_of(rig, Side.BUY, 1) == "spread"
        await rig.sleep(5)
        await rig.fill(Side.BUY, 1)

    Rig.play(script, config=limits(spread_pause=5.0))


# -- the others


@pytest.mark.parametrize(
    ("control", "risk", "side", "qty", "fields"),
    [
        ("order_qty", {"max_order_qty": 5}, Side.BUY, 6, {}),
        ("order_notional", {"max_order_notional": 400_000}, Side.BUY, 2, {}),
        ("instruments", {"allowed": ("CL",)}, Side.BUY, 1, {}),
        ("max_working", {"max_working": 1}, Side.BUY, 1, {"limit": 23_950}),
        ("gross", {"max_gross": 850_000}, Side.BUY, 3, {}),
        ("net", {"max_net": 850_000}, Side.BUY, 3, {}),
        ("class_gross", {"max_gross_by_class": {"index": 850_000}}, Side.BUY, 3, {}),
        ("validity", {}, Side.BUY, 0, {}),
        ("validity", {}, Side.BUY, 1, {"tif": TimeInForce.GTD, "expire": 1}),
        ("self_match", {}, Side.SELL, 1, {"limit": 23_990}),
    ],
)
def test_a_static_limit_refuses(
    control: str, risk: dict[str, Any], side: Side, qty: int, fields: dict[str, Any]
) -> None:
    async def script(rig: Rig) -> None:
        if control in ("max_working", "self_match"):
            _, first = rig.send(Side.BUY, 1, 23_990)
            assert first is None
            await rig.sleep(0.2)
        assert refusal_of(rig, side, qty, **fields) == control

    Rig.play(script, config=limits(**risk))


def test_near_its_end_a_contract_is_alarmed_and_only_left() -> None:
    """The window begins while it runs, with nothing but time; what is held is alarmed more loudly."""
    soon = replace(ES, ends=START + 2 * DAY + 90 * NS)

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        alarms = [a for a in rig.engine.core.books.alerts.rows() if a.code == "contract_end"]
        assert [a.severity for a in alarms] == ["warning"] and "in 2 days" in alarms[0].text
        await rig.sleep(180)
        assert rig.reading("contract_end", "ES").state == "TRIPPED"
        assert refusal_of(rig, Side.BUY, 1) == "contract_end"
        newest = next(a for a in rig.engine.core.books.alerts.rows() if a.code == "contract_end")
        assert newest.severity == "critical" and "+2 are held" in newest.text
        await rig.fill(Side.SELL, 2)
        assert rig.position() == rig.venue_position() == 0

    Rig.play(script, instruments=(soon, CL))


def test_duplicate_order_is_refused_within_its_window() -> None:
    async def script(rig: Rig) -> None:
        _, first = rig.send(Side.BUY, 1, 23_990)
        assert first is None
        assert refusal_of(rig, Side.BUY, 1, 23_990) == "duplicate"
        await rig.sleep(1)
        _, later = rig.send(Side.BUY, 1, 23_990)
        assert later is None

    Rig.play(script)


def test_drawdown_from_the_peak_kills() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 10)
        rig.move("ES", 24_200)
        await rig.sleep(1)
        rig.move("ES", 24_090)  # 110 ticks × 125 = 13,750 below the peak, still a gain on the day
        await rig.sleep(1)
        assert rig.reading("drawdown").state == "TRIPPED"
        await flat_by_kill(rig)

    Rig.play(script, config=limits(max_drawdown_pct=1))


def test_reject_storm_pauses() -> None:
    async def script(rig: Rig) -> None:
        for step in range(3):
            order, refusal = rig.send(Side.BUY, 1, 23_990 - step)
            assert refusal is None
            await rig.sleep(0.3)
            assert rig.status(order) == "REJECTED"
        assert refusal_of(rig, Side.BUY, 1, 23_950) == "reject_storm"

    Rig.play(script, config=limits(reject_storm=3), venue={"faults": {"reject_new": 1.0}})


def test_stale_data_refuses_opening_and_lets_reducing_pass() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        rig.quoting = False
        await rig.sleep(8)
        assert refusal_of(rig, Side.BUY, 1) == "stale_data"
        order, refusal = rig.send(Side.SELL, 2, 24_000)
        assert refusal is None
        await rig.sleep(0.5)
        assert rig.status(order) == "FILLED"

    Rig.play(script)


def test_halted_market_lets_nothing_in() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.set_state("ES", HALTED)
        await rig.sleep(0.3)
        assert refusal_of(rig, Side.BUY, 1) == "market_state"

    Rig.play(script)


def test_repeated_executions_pause_their_strategy_alone() -> None:
    async def script(rig: Rig) -> None:
        for side in (Side.BUY, Side.SELL, Side.BUY, Side.SELL):
            await rig.sleep(0.6)
            await rig.fill(side, 1)
        assert refusal_of(rig, Side.BUY, 1) == "executions"
        _, other = rig.send(Side.BUY, 1, strategy="other")
        assert other is None

    Rig.play(script, config=limits(max_executions=4))


def test_strategy_has_limits_of_its_own() -> None:
    strategy = {
        "module": "engine.strategy.samples.meanrev:MeanReversion",
        "name": "own",
        "symbols": ("ES",),
        "max_position": 2,
        "max_working": 1,
    }

    async def script(rig: Rig) -> None:
        assert refusal_of(rig, Side.BUY, 3, strategy="own") == "strategy_position"
        _, first = rig.send(Side.BUY, 1, 23_990, strategy="own")
        assert first is None
        assert refusal_of(rig, Side.BUY, 1, 23_980, strategy="own") == "strategy_working"

    Rig.play(script, config={"strategies": (strategy,)})


@pytest.mark.parametrize(("on_stop", "left"), [("flatten", 0), ("cancel", 2)])
def test_a_strategy_that_lost_too_much_is_stopped_and_wound_up(on_stop: str, left: int) -> None:
    """Found by the drill 4.23: only its entry orders were cancelled, and it went on."""
    strategy = {
        "module": "engine.strategy.samples.meanrev:MeanReversion",
        "name": "own",
        "symbols": ("CL",),
        "max_loss": 500,
        "on_stop": on_stop,
    }

    async def script(rig: Rig) -> None:
        _, refusal = rig.send(Side.BUY, 2, symbol="CL", strategy="own")
        assert refusal is None
        await rig.sleep(0.5)
        rig.move("CL", 7_000 - 40)
        await rig.sleep(5)
        assert rig.reading("strategy_loss", "own").state == "TRIPPED"
        assert rig.engine.strategies.rows()[0].state == "failed"
        assert (
            "lost" in rig.engine.strategies.rows()[0].reason
            or "loss" in rig.engine.strategies.rows()[0].reason
        )
        halt = rig.engine.core.books.halts.strategy("own")
        assert halt is not None, "it does not start again by itself"
        assert rig.position("CL") == rig.venue_position("CL") == left
        assert refusal_of(rig, Side.BUY, 1, symbol="CL", strategy="own") == "trading_state"

    Rig.play(script, config={"strategies": (strategy,)})


# -- the announcement that empties the book


def test_in_a_reserved_market_orders_are_refused_and_flatten_succeeds_with_limits() -> None:
    """A scheduled announcement: the venue refuses market orders, and only limits get out."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        rig.exchange.set_state("ES", RESERVED)
        await rig.sleep(0.3)
        assert refusal_of(rig, Side.SELL, 6, type=OrderType.MARKET, limit=None) == "market_state"
        answer = await rig.command(Flatten(symbol="ES"))
        assert answer.ok and answer.text.startswith("flat, confirmed twice"), answer
        assert rig.venue_position() == 0
        sent = [o for o in rig.exchange.audit(rig.config.account).orders if "flatten" in o.order_id]
        assert sent

    Rig.play(script)


def test_loss_survives_a_restart(tmp_path: Any) -> None:
    config = limits(daily_loss_amount=5_000)

    async def lose(rig: Rig) -> Decimal:
        await rig.fill(Side.BUY, 10)
        rig.move("ES", 24_000 - 30)
        await rig.sleep(0.5)
        await rig.fill(Side.SELL, 10)
        pnl = rig.engine.view.day_pnl()
        assert pnl is not None and pnl < -3_000
        return pnl

    async def lose_more(rig: Rig) -> None:
        assert rig.engine.view.day_pnl() == before
        await rig.fill(Side.BUY, 10)
        rig.move("ES", 23_970 - 20)
        await rig.sleep(1)
        await flat_by_kill(rig)

    before = Rig.play(lose, directory=tmp_path, config=config)
    Rig.play(
        lose_more, directory=tmp_path, config=config, touch={"ES": (23_970, 23_971), "CL": (7_000, 7_001)}
    )


def test_a_new_trading_day_measures_its_loss_anew_and_a_trip_still_holds() -> None:
    midnight = START - START % (86_400 * NS) + 86_400 * NS

    async def script(rig: Rig) -> None:
        first = rig.engine.core.books.day
        await rig.fill(Side.BUY, 10)
        rig.move("ES", 24_000 - 45)
        await rig.sleep(3)
        await flat_by_kill(rig)
        lost = rig.engine.view.day_pnl()
        assert lost is not None and lost < -5_000
        await rig.sleep(20)
        day = rig.engine.core.books.day
        assert first is not None and day is not None and day.trading_day > first.trading_day
        assert day.opening_equity == first.opening_equity + lost
        assert rig.engine.view.day_pnl() == 0
        await rig.command(Reset(scope="halt"))
        assert refusal_of(rig, Side.BUY, 1) == "daily_loss"

    Rig.play(script, config=limits(daily_loss_amount=5_000), start=midnight - 15 * NS)


def test_a_margin_that_the_broker_did_not_tell_is_unknown_not_zero() -> None:
    """Interactive Brokers is asked by a what-if, which may never be answered."""

    async def script(rig: Rig) -> None:
        instruments = rig.engine.core.books.instruments
        instruments["ES"] = replace(instruments["ES"], margin_known=False)
        assert refusal_of(rig, Side.BUY, 1) == "margin"
        instruments["ES"] = replace(instruments["ES"], margin_known=True)
        await rig.fill(Side.BUY, 1)

    Rig.play(script)
