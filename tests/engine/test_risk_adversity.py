"""The controls in a whole engine when figures are missing, old or moving, and orders are in flight."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.config import RiskLimits
from engine.control.commands import Kill, Reload, Reset
from engine.facts import AccountValues
from engine.model import NS, MarketState, OrderType, Purpose, Replace, Side
from engine.ports import QueryFailed
from tests.engine.rig import START, Rig

WIDE: dict[str, Any] = {
    "daily_loss_pct": 90,
    "max_drawdown_pct": 90,
    "max_gross": 10**9,
    "max_net": 10**9,
}


def refusal(rig: Rig, *args: Any, **fields: Any) -> str:
    """Which control refuses the order, empty where it passes; nothing may reach the exchange when refused."""
    before = len(rig.exchange.audit(rig.config.account).orders)
    _, refused = rig.send(*args, **fields)
    if refused is None:
        return ""
    assert len(rig.exchange.audit(rig.config.account).orders) == before
    return str(refused.control)


def change(rig: Rig, order: Any, qty: int, limit: int | None = None) -> Any:
    return rig.engine.replacer.replace(
        Replace(
            id=rig.engine.core.ids.order_id("manual"),
            order_id=order.id,
            qty=qty,
            limit=order.limit if limit is None else limit,
            stop=order.stop,
            correlation="",
            created=rig.clock.now(),
        )
    )


# -- reducing is judged against everything in flight


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


# -- limits that change while something is tripped


def test_limits_reloaded_while_tripped() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 10)
        rig.move("ES", 24_000 - 45)
        await rig.sleep(20)
        assert rig.reading("daily_loss").state == "TRIPPED"
        rig.next_limits = RiskLimits(daily_loss_amount=Decimal(50_000))
        assert (await rig.command(Reload())).ok
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
