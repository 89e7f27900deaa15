"""The controls in a whole engine while limits, spreads, market states and positions change under them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.config import RiskLimits
from engine.control.commands import Kill, Reload, Reset
from engine.model import MarketState, OrderType, Purpose, Side
from tests.engine.rig import Rig
from tests.engine.risk_kit import refusal
from tests.engine.said import reload

# -- limits that change while something is tripped


def test_limits_reloaded_while_tripped() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 10)
        rig.move("ES", 24_000 - 45)
        await rig.sleep(20)
        assert rig.reading("daily_loss").state == "TRIPPED"
        rig.next_limits = RiskLimits(daily_loss_amount=Decimal(50_000))
        assert (await reload(rig)).ok
        await rig.sleep(1)
        await rig.command(Reset(scope="halt"))
        assert rig.reading("daily_loss").state == "TRIPPED", "a wider limit does not lift a trip"
        assert refusal(rig, Side.BUY, 1) == "daily_loss"
        assert (await rig.command(Reset(scope="control", target="daily_loss"))).ok
        await rig.sleep(1)
        assert refusal(rig, Side.BUY, 1) == ""
        rig.next_limits = RiskLimits(daily_loss_amount=Decimal(1_000))
        assert (await rig.command(Reload())).ok
        await rig.sleep(5)
        assert rig.reading("daily_loss").state == "TRIPPED", "a tighter one bites at once"
        assert rig.engine.core.books.halts.account() is not None

    Rig.play(script, config={"risk": {"daily_loss_amount": 5_000}})


# -- spread, market state, the venue's limits


def test_spread_pause_lasts_thirty_seconds_from_the_last_wide_quote() -> None:
    async def script(rig: Rig) -> None:
        rig.quote("ES", 24_000, 24_004)  # at the limit of four ticks
        await rig.sleep(0.1)
        assert refusal(rig, Side.BUY, 1, 24_001) == ""
        rig.quote("ES", 24_000, 24_005)
        await rig.sleep(3)
        rig.quote("ES", 24_000, 24_001)
        await rig.sleep(29.5)
        assert refusal(rig, Side.BUY, 2) == "spread"
        assert rig.reading("spread", "ES").state == "TRIPPED"
        await rig.sleep(0.7)
        assert refusal(rig, Side.BUY, 2) == ""
        assert rig.reading("spread", "ES").state == "ACTIVE"

    Rig.play(script)


def test_a_state_from_the_feed_leaves_the_venues_price_limits_in_force() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.set_limits("ES", 23_900, 24_100)
        await rig.sleep(0.3)
        assert refusal(rig, Side.BUY, 1, 23_850) == "market_state"
        rig.engine.on_market_state("ES", MarketState.OPEN, rig.clock.now())
        assert refusal(rig, Side.BUY, 1, 23_850) == "market_state"

    Rig.play(script)


def test_market_state_table() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        for state, market, limit in (
            (MarketState.RESERVED, "market_state", ""),
            (MarketState.HALTED, "market_state", "market_state"),
            (MarketState.CLOSED, "market_state", "market_state"),
            (MarketState.PRE_OPEN, "market_state", ""),
        ):
            rig.exchange.set_state("ES", state)
            await rig.sleep(0.3)
            assert refusal(rig, Side.SELL, 1, None, type=OrderType.MARKET) == market, state
            assert refusal(rig, Side.SELL, 1, 24_050 + len(str(state))) == limit, state

    Rig.play(script)


# -- breakers


def test_errors_of_any_part_trip_the_breaker() -> None:
    async def script(rig: Rig) -> None:
        for _ in range(3):
            rig.engine.controls.on_error("feed", rig.engine.view)
        await rig.sleep(0.5)
        assert refusal(rig, Side.BUY, 1) == "error_rate"
        assert rig.reading("error_rate").state == "TRIPPED"
        assert (await rig.command(Reset(scope="control", target="error_rate"))).ok
        assert refusal(rig, Side.BUY, 1) == ""

    Rig.play(script, config={"risk": {"error_storm": 3}})


@pytest.mark.parametrize(("action", "left"), [("cancel", 5), ("kill", 0)])
def test_a_position_that_grew_by_other_hands_brings_the_action_of_its_limit(action: str, left: int) -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        entry, _ = rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(0.3)
        rig.exchange.manual_trade(rig.config.account, "ES", Side.BUY, 3)
        await rig.sleep(25)
        assert rig.position() == left
        assert rig.status(entry) == "CANCELED"

    Rig.play(
        script,
        config={
            "risk": {"max_position": 4, "max_position_action": action},
            "reconcile": {"on_manual_trade": "adopt"},
        },
    )


def test_orders_approved_before_the_data_went_stale_do_not_leave_after_it() -> None:
    """The disk took long: what was live when the gate looked is not when the order could go."""

    async def script(rig: Rig) -> None:
        rig.quoting = False
        await rig.sleep(4.6)
        waiting: list[Any] = []
        real = rig.engine.intake._stored

        def late(*args: Any) -> None:
            waiting.append(args)

        rig.engine.intake._stored = late  # type: ignore[method-assign]
        opening, refused = rig.send(Side.BUY, 1)
        assert refused is None
        await rig.sleep(1)
        rig.engine.intake._stored = real  # type: ignore[method-assign]
        for args in waiting:
            real(*args)
        await rig.sleep(0.5)
        assert opening.id not in [o.order_id for o in rig.exchange.audit(rig.config.account).orders]
        assert rig.status(opening) == "REJECTED"

    Rig.play(script)


def test_a_protective_stop_leaves_in_any_data() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        rig.quoting = False
        await rig.sleep(8)
        assert (
            refusal(
                rig,
                Side.SELL,
                5,
                None,
                type=OrderType.STOP,
                stop=23_900,
                purpose=Purpose.PROTECT,
                reduce_only=True,
            )
            == ""
        )

    Rig.play(script)


# -- those of the controls that no other test of the whole engine trips


def test_a_strategy_that_loses_its_own_limit_is_stopped_alone() -> None:
    own = {
        "module": "engine.strategy.samples.meanrev:MeanReversion",
        "name": "own",
        "symbols": ("ES",),
        "max_loss": 1_000,
    }

    async def script(rig: Rig) -> None:
        entry, refused = rig.send(Side.BUY, 5, strategy="own")
        assert refused is None
        resting, _ = rig.send(Side.BUY, 1, 23_960, strategy="own")
        await rig.sleep(0.5)
        assert rig.status(entry) == "FILLED"
        rig.move("ES", 24_000 - 20)  # 5 × 20 × 12.50 = 1,250
        await rig.sleep(1)
        assert rig.reading("strategy_loss", "own").state == "TRIPPED"
        assert rig.status(resting) == "CANCELED"
        assert refusal(rig, Side.BUY, 1, strategy="own") in ("strategy_loss", "trading_state")
        assert refusal(rig, Side.BUY, 1) == ""
        assert refusal(rig, Side.SELL, 2, 24_010, strategy="own") == ""

    Rig.play(script, config={"strategies": (own,)})


def test_a_risk_loop_that_fails_kills_and_ends_flat() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)

        def fails(_: Any) -> None:
            raise ZeroDivisionError("the view is broken")

        real, rig.engine.risk.tick = rig.engine.risk.tick, fails  # type: ignore[method-assign, assignment]
        await rig.sleep(1)
        rig.engine.risk.tick = real  # type: ignore[method-assign]
        await rig.sleep(10)
        assert rig.reading("risk_loop").state == "TRIPPED"
        assert rig.engine.kill.progress.verdict.startswith("flat, confirmed twice"), rig.engine.kill.progress
        assert rig.venue_position() == 0
        await rig.command(Reset(scope="halt"))
        assert refusal(rig, Side.BUY, 1) == "risk_loop"

    Rig.play(script)


def test_nobody_flattens_more_than_there_is_and_nothing_but_flatten_leaves_after_a_kill() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        assert refusal(rig, Side.SELL, 4, purpose=Purpose.FLATTEN, strategy="flatten") == "flatten_qty"
        assert refusal(rig, Side.BUY, 1, purpose=Purpose.FLATTEN, strategy="flatten") == "flatten_qty"
        assert (await rig.command(Kill())).ok
        assert refusal(rig, Side.BUY, 1) == "trading_state"
        assert refusal(rig, Side.SELL, 1) == "trading_state"

    Rig.play(script)


def test_trades_alone_do_not_keep_dead_quotes_alive() -> None:
    async def script(rig: Rig) -> None:
        rig.quoting = False
        for _ in range(40):
            await rig.sleep(0.2)
            rig.trade("ES", 24_000, 1, Side.SELL)
        assert refusal(rig, Side.BUY, 1) != ""

    Rig.play(script)


def test_an_announcement_that_only_the_exchange_knows_of() -> None:
    """The venue has reserved the market and nobody has told us: it refuses the market order itself, the book
    is torn open, and the flatten gets out with limits."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        rig.exchange.market("ES").set_state(MarketState.RESERVED, rig.clock.now())
        order, refused = rig.send(Side.SELL, 5, None, type=OrderType.MARKET)
        assert refused is None
        await rig.sleep(0.3)
        record = rig.engine.core.books.orders.get(order.id)
        assert record is not None
        assert rig.status(order) == "REJECTED" and "reserved" in record.life.reason
        rig.touch["ES"] = (23_950, 24_050)
        rig.sizes["ES"] = 2
        rig.quote_all()
        answer = await rig.command(Kill(), wait=60)
        assert answer.ok and answer.text.startswith("flat, confirmed twice"), answer
        assert rig.venue_position() == 0

    Rig.play(script)
