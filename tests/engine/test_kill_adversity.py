"""Kill and flatten against a broker that lies, hangs, limits messages, refuses prices or has other users."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.control.commands import Flatten, Kill
from engine.facts import Canceled, Positions
from engine.model import FLATTENER, NS, OrderType, Purpose, Quote, Side
from engine.orders_groups import bracket
from tests.engine.kill_kit import ROOMY, flatten_orders, hear_cancels, live_at_venue
from tests.engine.rig import Rig


@pytest.mark.parametrize("venue", [{}, {"message_limit": 60, "limit_cancels": True}], ids=["roomy", "strict"])
def test_five_hundred_working_orders_go_within_the_budget_of_cancels(venue: dict[str, Any]) -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        for step in range(500):
            _, refusal = rig.send(Side.BUY, 1, 23_990 - step % 200, strategy=f"s{step // 200}")
            assert refusal is None, refusal
            if step % 40 == 39:
                await rig.sleep(1.1)
        await rig.sleep(1)
        assert len(live_at_venue(rig)) == 500
        sent = hear_cancels(rig)
        started = rig.clock.mono()
        answer = await rig.command(Kill(), wait=60)
        assert answer.ok and answer.text.startswith("flat, confirmed twice"), answer
        assert live_at_venue(rig) == [] and rig.venue_position() == 0
        rate = rig.config.risk.cancel_rate
        for at in sent:
            window = [t for t in sent if at <= t < at + 1_000_000_000]
            assert len(window) <= 2 * rate, f"{len(window)} cancels within a second"
        assert len(sent) <= 520, f"{len(sent)} cancels for 500 orders"
        assert rig.clock.mono() - started < 16 * NS
        assert len(rig.engine.kill.progress.steps) < 40, "nobody reads that"

    Rig.play(script, config={"risk": {**ROOMY, "max_working": 600}}, venue=venue, cash=100_000_000)


def test_a_question_that_is_never_answered_is_alarmed_and_asked_again() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        real = rig.adapter.positions
        asked = 0

        async def hangs() -> Positions:
            nonlocal asked
            asked += 1
            return await asyncio.get_running_loop().create_future()

        rig.adapter.positions = hangs  # type: ignore[method-assign]
        rig.engine.command(Kill(), "test")
        await rig.sleep(40)
        progress = rig.engine.kill.progress
        assert progress.running
        assert "not_flat" in rig.alerts(), progress.steps
        assert any("did not answer" in step for step in progress.steps), progress.steps
        assert asked > 2
        rig.adapter.positions = real  # type: ignore[method-assign]
        await rig.sleep(30)
        assert rig.engine.kill.progress.verdict.startswith("flat"), progress
        assert rig.venue_position() == 0

    Rig.play(script)


def test_an_old_picture_of_the_position_never_turns_it_round() -> None:
    """The broker goes on showing what was there before the flatten; it must not be closed a second time."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        old = await rig.adapter.positions()
        real = rig.adapter.positions

        async def stale() -> Positions:
            return old

        rig.adapter.positions = stale  # type: ignore[method-assign]
        rig.engine.command(Kill(), "test")
        lowest = 5
        for _ in range(200):
            await rig.sleep(0.1)
            lowest = min(lowest, rig.venue_position())
        assert lowest >= 0, f"the position was turned to {lowest}"
        assert rig.engine.kill.progress.running, rig.engine.kill.progress
        rig.adapter.positions = real  # type: ignore[method-assign]
        await rig.sleep(15)
        assert rig.engine.kill.progress.verdict.startswith("flat"), rig.engine.kill.progress
        assert rig.venue_position() == 0

    Rig.play(script)


@pytest.mark.parametrize("what", ["positions", "open_orders"])
def test_one_picture_shown_twice_is_one_confirmation(what: str) -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        await rig.fill(Side.SELL, 5)
        await rig.sleep(1)
        frozen = await getattr(rig.adapter, what)()
        real = getattr(rig.adapter, what)

        async def same() -> Any:
            return frozen

        setattr(rig.adapter, what, same)
        rig.engine.command(Kill(), "test")
        await rig.sleep(20)
        progress = rig.engine.kill.progress
        assert progress.running, progress.verdict
        assert "not_flat" in rig.alerts()
        setattr(rig.adapter, what, real)
        await rig.sleep(5)
        assert rig.engine.kill.progress.verdict.startswith("flat"), progress

    Rig.play(script)


def test_a_wider_request_needs_confirmations_of_its_own() -> None:
    """A read that was under way when the request grew says nothing about what was added."""

    async def script(rig: Rig) -> None:
        real = rig.adapter.positions
        before: list[int] = []
        after: list[int] = []

        async def counted() -> Positions:
            if asyncio.current_task().get_name() == "reconcile":  # type: ignore[union-attr]
                return await real()
            if not after and len(before) == 1:
                # In the middle of the second, confirming read of ES somebody asks for everything.
                rig.engine.command(Kill(), "test")
                after.append(0)
                return await real()
            answer = await real()
            (after if after else before).append(answer.as_of)
            return answer

        rig.adapter.positions = counted  # type: ignore[method-assign]
        rig.engine.command(Flatten(symbol="ES"), "test")
        await rig.sleep(20)
        assert rig.engine.kill.progress.verdict.startswith("flat"), rig.engine.kill.progress
        assert len(after) - 1 >= 2, "the read in which the request grew was counted for it"

    Rig.play(script)


def test_a_look_before_the_request_grew_confirms_nothing_of_it() -> None:
    """Seed 6660: one symbol had been seen flat once when everything was asked for; the next look, the first
    one for that, was taken for the second, and "flat, confirmed twice" was said."""

    async def script(rig: Rig) -> None:
        kill = rig.engine.kill
        real, scopes = kill._act, []

        def act(*pictures: Any) -> bool:
            left = real(*pictures)
            if not left:
                scopes.append(kill.progress.scope)
                if len(scopes) == 1:
                    rig.clock.call_later(NS // 50, rig.engine.command, Kill(flatten=True), "test")
            return left

        kill._act = act  # type: ignore[method-assign]
        rig.engine.command(Flatten(symbol="ES"), "test")
        await rig.sleep(20)
        assert kill.progress.verdict.startswith("flat"), kill.progress
        everything = [scope for scope in scopes if scope != scopes[0]]
        assert len(everything) == 2, scopes

    Rig.play(script)


def test_in_a_limit_locked_market_the_order_keeps_its_place_in_the_queue() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        rig.exchange.set_limits("ES", 23_999, 24_400)
        rig.touch["ES"] = (None, 23_999)  # type: ignore[assignment]
        rig.quote("ES", None, 23_999)
        await rig.sleep(0.3)
        rig.engine.command(Flatten(symbol="ES"), "test")
        await rig.sleep(20)
        progress = rig.engine.kill.progress
        assert progress.running and "not_flat" in rig.alerts()
        sent = flatten_orders(rig)
        assert [o.limit for o in sent] == [23_999], "cancelled and sent again at the same price"
        assert any("limit of the day" in step for step in progress.steps), progress.steps
        rig.touch["ES"] = (24_000, 24_001)
        await rig.sleep(5)
        assert progress.verdict.startswith("flat") and rig.venue_position() == 0

    Rig.play(script)


def test_prices_that_the_venue_refuses_are_not_pushed_further_away() -> None:
    """Nobody buys, then the escalated price leaves the venue's collar; buyers come back."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 20)
        rig.sizes["ES"] = 1
        rig.quote("ES", 24_000, 24_001, 1)
        rig.engine.command(Flatten(symbol="ES"), "test")
        await rig.sleep(30)
        rig.sizes["ES"] = 50
        rig.quote("ES", 24_000, 24_001, 50)
        await rig.sleep(8)
        rejected = [o for o in flatten_orders(rig) if str(o.status) == "REJECTED"]
        assert rig.engine.kill.progress.verdict.startswith("flat"), (len(rejected), rig.engine.kill.progress)
        assert rig.venue_position() == 0

    Rig.play(script, venue={"bands": {"ES": {"collar": 6}}, "depth_levels": 0})


def test_escalation_never_leaves_the_gates_own_collar() -> None:
    """A band of thirty ticks: pricing further and further away must not lock the way out."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        rig.sizes["ES"] = 0
        rig.quote("ES", 24_000, 24_001, 0)
        rig.engine.command(Flatten(symbol="ES"), "test")
        await rig.sleep(60)
        refused = [s for s in rig.engine.kill.progress.steps if "refused by price_sanity" in s]
        assert refused == []
        rig.sizes["ES"] = 50
        rig.quote("ES", 24_000, 24_001, 50)
        await rig.sleep(8)
        assert rig.engine.kill.progress.verdict.startswith("flat"), rig.engine.kill.progress

    instruments = {"ES": {"collar_ticks": 10}}
    Rig.play(
        script, config={"risk": {"instruments": instruments}}, venue={"depth_levels": 0, "assumed_touch": 1}
    )


def test_without_any_quote_it_works_from_the_price_of_our_own_trades(tmp_path: Path) -> None:
    async def begin(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)

    async def blind(rig: Rig) -> None:
        assert rig.engine.view.quote("ES") is None

        # The venue has a market, only our feed brings nothing.
        async def market() -> None:
            while True:
                now = rig.clock.now()
                rig.exchange.on_quote(Quote("ES", now, 23_960, 50, 23_961, 50))
                rig.exchange.on_batch_end(now)
                await rig.sleep(0.2)

        task = asyncio.ensure_future(market())
        rig.engine.command(Kill(), "test")
        await rig.sleep(90)
        task.cancel()
        progress = rig.engine.kill.progress
        assert progress.verdict.startswith("flat"), progress
        assert any("no quote" in step for step in progress.steps), progress.steps
        assert rig.venue_position() == 0

    Rig.play(begin, directory=tmp_path)
    Rig.play(blind, directory=tmp_path, touch={"CL": (7_000, 7_001)})


@pytest.mark.parametrize("policy", ["warn", "adopt", "halt"])
def test_orders_placed_elsewhere_are_cancelled_whatever_the_policy_says(policy: str) -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        rig.exchange.foreign_order(rig.config.account, "ES", Side.BUY, 2, limit=23_990)
        answer = await rig.command(Kill(), wait=60)
        assert answer.ok, answer
        assert live_at_venue(rig) == [] and rig.venue_position() == 0

    Rig.play(script, config={"reconcile": {"on_unknown_order": policy}})


def test_an_order_that_our_book_holds_for_closed_is_cancelled_too() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        order, _ = rig.send(Side.BUY, 2, 23_990)
        await rig.sleep(0.3)
        record = rig.engine.core.books.orders.get(order.id)
        assert record is not None
        # A report that never was: our book says closed, the venue still has it.
        rig.engine.on_fact(
            Canceled(ts=rig.clock.now(), order_id=order.id, broker_id=record.life.broker_id, reason="phantom")
        )
        assert rig.status(order) == "CANCELED" and len(live_at_venue(rig)) == 1
        answer = await rig.command(Flatten(symbol="ES"), wait=40)
        assert answer.ok, answer
        assert live_at_venue(rig) == [] and rig.venue_position() == 0

    Rig.play(script)


@pytest.mark.parametrize("by_hand", [(Side.SELL, 5), (Side.SELL, 2), (Side.BUY, 3), (Side.SELL, 9)])
def test_somebody_else_trades_the_position_meanwhile(by_hand: tuple[Side, int]) -> None:
    """Ends flat at the broker, or goes on saying NOT FLAT; it never says flat while anything is left."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        rig.sizes["ES"] = 1
        rig.quote("ES", 24_000, 24_001, 1)
        rig.engine.command(Kill(), "test")
        await rig.sleep(0.4)
        side, qty = by_hand
        rig.exchange.manual_trade(rig.config.account, "ES", side, qty)
        rig.sizes["ES"] = 50
        await rig.sleep(60)
        progress = rig.engine.kill.progress
        at_venue = rig.exchange.audit(rig.config.account).positions[rig.config.account].get("ES", 0)
        assert at_venue == 0, (at_venue, progress)
        if progress.running:
            text = " ".join(progress.steps)
            assert "NOT FLAT" in text and "adopt" in text, progress.steps
            answer = await rig.command(Kill(), wait=40)
            assert answer.ok, answer
        assert rig.engine.kill.progress.verdict.startswith("flat"), progress

    Rig.play(script, venue={"depth_levels": 0})


@pytest.mark.parametrize("request_", [Kill(), Flatten(symbol="ES")], ids=["kill", "flatten"])
def test_a_flattening_order_that_outlived_its_need_is_cancelled(request_: Kill | Flatten) -> None:
    """Simulated seed 2218: a person had changed an order of an earlier flatten, and its position was closed
    otherwise. The next kill took it for its own, had nothing to send, and said NOT FLAT for good."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        left = msgspec.structs.replace(
            rig.order(Side.SELL, 2, 24_050),
            id=rig.engine.core.ids.order_id(FLATTENER),
            strategy=FLATTENER,
            purpose=Purpose.FLATTEN,
        )
        assert rig.engine.intake.submit(left) is None
        await rig.sleep(0.2)
        await rig.fill(Side.SELL, 2)
        assert len(live_at_venue(rig)) == 1 and rig.venue_position() == 0
        answer = await rig.command(request_, wait=20)
        assert answer.ok and answer.text.startswith("flat, confirmed twice"), answer
        assert live_at_venue(rig) == [] and rig.venue_position() == 0
        assert any(left.id in step for step in rig.engine.kill.progress.steps)

    Rig.play(script)


def test_a_bracket_at_the_venue_goes_with_its_position() -> None:
    async def script(rig: Rig) -> None:
        entry = rig.order(Side.BUY, 3)
        children = bracket(entry, 24_050, 23_950, lambda: rig.engine.core.ids.order_id("manual"))
        assert rig.engine.intake.submit(entry) is None
        for child in children:
            assert rig.engine.intake.submit(child) is None
        await rig.sleep(0.5)
        assert rig.position() == 3 and len(live_at_venue(rig)) == 2
        answer = await rig.command(Flatten(symbol="ES"))
        assert answer.ok, answer
        assert live_at_venue(rig) == []
        rig.move("ES", 23_900)
        rig.move("ES", 24_100)
        await rig.sleep(2)
        assert rig.venue_position() == 0

    Rig.play(script)


def test_a_margin_reduction_cancels_entries_everywhere_and_keeps_protection() -> None:
    """The account is latched; an entry that rests in another instrument would raise the margin again."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 8)
        rig.send(Side.SELL, 1, None, type=OrderType.STOP, stop=23_000, purpose=Purpose.PROTECT)
        entry, refusal = rig.send(Side.BUY, 1, 6_990, symbol="CL")
        assert refusal is None, refusal
        await rig.sleep(0.3)
        rig.move("ES", 24_000 - 150)
        await rig.sleep(10)
        progress = rig.engine.kill.progress
        assert progress.verdict.startswith("reduced to target"), progress
        assert rig.status(entry) == "CANCELED"
        assert len(live_at_venue(rig)) == 1

    Rig.play(
        script,
        cash=148_000,
        config={"risk": {"daily_loss_pct": 50, "max_drawdown_pct": 50, "max_gross": 10**9, "max_net": 10**9}},
    )
