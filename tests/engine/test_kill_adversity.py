"""Kill and flatten against a broker that lies, hangs, limits messages, refuses prices or has other users."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.control.commands import Flatten, Kill
from engine.facts import Canceled, Positions
from engine.model import NS, OrderType, Purpose, Quote, Side
from engine.orders_groups import bracket
from tests.engine.rig import HALTED, OPEN, Rig

ROOMY: dict[str, Any] = {
    "order_rate": 5_000,
    "order_burst": 1_000,
    "max_position": 5_000,
    "max_gross": 10**10,
    "max_net": 10**10,
    "margin_flatten_pct": 100,
}


def flatten_orders(rig: Rig) -> list[Any]:
    return [
        o for o in rig.exchange.audit(rig.config.account).orders if (o.order_id or "").startswith("flatten-")
    ]


def live_at_venue(rig: Rig) -> list[str]:
    return [o.broker_id for o in rig.exchange.audit(rig.config.account).orders if not o.status.is_closed]


def hear_cancels(rig: Rig) -> list[int]:
    """Monotonic ns of every cancel that reaches the adapter's wire."""
    sent: list[int] = []
    through = rig.adapter.cancel

    def cancel(order_id: str, broker_id: str | None) -> None:
        through(order_id, broker_id)
        sent.append(rig.clock.mono())

    rig.adapter.cancel = cancel  # type: ignore[method-assign]
    return sent


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


def test_with_the_link_down_it_says_so_and_ends_when_it_is_back() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        entry, _ = rig.send(Side.BUY, 2, 23_990)
        await rig.sleep(0.3)
        rig.exchange.drop_link(rig.config.account, down_for=3600 * NS)
        await rig.sleep(0.5)
        rig.engine.command(Kill(), "test")
        await rig.sleep(20)
        progress = rig.engine.kill.progress
        assert progress.running and "not_flat" in rig.alerts()
        assert any("not sent" in s for s in progress.steps) and any(
            "did not answer" in s for s in progress.steps
        )
        rig.exchange.restore_link(rig.config.account)
        await rig.sleep(20)
        assert progress.verdict.startswith("flat"), progress
        assert rig.venue_position() == 0 and rig.status(entry) == "CANCELED"

    Rig.play(script)


def test_a_second_request_alarms_anew() -> None:
    """A flatten has waited for a halted market for long; the kill that follows is not silent for it."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        rig.exchange.set_state("ES", HALTED)
        await rig.sleep(0.2)
        rig.engine.command(Flatten(symbol="ES"), "test")
        await rig.sleep(60)
        rig.engine.command(Kill(), "test")
        await rig.sleep(20)
        said = [s for s in rig.engine.kill.progress.steps if "NOT FLAT" in s]
        assert len(said) >= 2, rig.engine.kill.progress.steps

    Rig.play(script)


def test_wide_and_one_sided_markets_are_left_with_limits() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        rig.touch["ES"] = (23_900, 24_100)
        rig.quote_all()
        await rig.sleep(0.3)
        answer = await rig.command(Kill(), wait=40)
        assert answer.ok, answer
        assert all(o.limit is not None for o in flatten_orders(rig))

    Rig.play(script)


def test_repeated_kill_requests_are_one_procedure() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        for _ in range(20):
            rig.engine.command(Kill(), "test")
        answer = await rig.command(Kill())
        assert answer.ok, answer
        assert rig.venue_position() == 0 and len(flatten_orders(rig)) == 1

    Rig.play(script)


@pytest.mark.parametrize("after", [0.05, 0.6, 1.2, 2.5])
def test_a_restart_in_the_middle_ends_flat_and_sells_nothing_twice(tmp_path: Path, after: float) -> None:
    async def begin(rig: Rig) -> None:
        await rig.fill(Side.BUY, 20)
        rig.send(Side.BUY, 2, 23_990)
        await rig.sleep(0.3)
        rig.sizes["ES"] = 3
        rig.quote("ES", 24_000, 24_001, 3)
        rig.engine.command(Kill(), "test")
        await rig.sleep(after)

    async def go_on(rig: Rig) -> None:
        lowest = 20
        for _ in range(150):
            await rig.sleep(0.2)
            lowest = min(lowest, rig.venue_position())
        assert lowest == 0, lowest
        assert rig.engine.kill.progress.verdict.startswith("flat"), rig.engine.kill.progress
        assert live_at_venue(rig) == []
        assert rig.engine.core.books.halts.account() is not None

    Rig.play(begin, directory=tmp_path, venue={"depth_levels": 0})
    Rig.play(go_on, directory=tmp_path)


def test_a_restart_during_a_margin_reduction_still_reduces_and_does_not_close(tmp_path: Path) -> None:
    risk = {"daily_loss_pct": 50, "max_drawdown_pct": 50, "max_gross": 10**9, "max_net": 10**9}

    async def begin(rig: Rig) -> None:
        await rig.fill(Side.BUY, 8)
        rig.move("ES", 24_000 - 110)
        rig.exchange.set_state("ES", HALTED)
        await rig.sleep(3)
        assert rig.engine.kill.running

    async def go_on(rig: Rig) -> None:
        rig.exchange.set_state("ES", OPEN)
        await rig.sleep(25)
        assert rig.engine.kill.progress.verdict.startswith("reduced to target"), rig.engine.kill.progress
        assert rig.position() == rig.venue_position() == 6

    Rig.play(begin, directory=tmp_path, cash=140_000, config={"risk": risk})
    touch = {"ES": (23_890, 23_891), "CL": (7_000, 7_001)}
    Rig.play(go_on, directory=tmp_path, cash=140_000, config={"risk": risk}, touch=touch)


def test_a_flatten_order_that_nobody_answers_is_asked_about_and_not_doubled() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        rig.exchange.faults.set_ratios({"no_ack": 1.0, "drop_report": 1.0})
        rig.engine.command(Kill(), "test")
        lowest = 5
        for _ in range(100):
            await rig.sleep(0.2)
            lowest = min(lowest, rig.venue_position())
        rig.exchange.faults.clear()
        for _ in range(150):
            await rig.sleep(0.2)
            lowest = min(lowest, rig.venue_position())
        assert lowest == 0
        assert rig.engine.kill.progress.verdict.startswith("flat"), rig.engine.kill.progress

    Rig.play(script)


def test_a_halt_after_a_partial_fill_is_waited_for() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 10)
        rig.sizes["ES"] = 4
        rig.quote("ES", 24_000, 24_001, 4)
        rig.engine.command(Flatten(symbol="ES"), "test")
        await rig.sleep(0.3)
        left = rig.venue_position()
        assert 0 < left < 10
        rig.exchange.set_state("ES", HALTED)
        await rig.sleep(30)
        assert rig.venue_position() == left and rig.engine.kill.progress.running
        sent = len(flatten_orders(rig))
        assert sent <= 3, "it goes on sending into a halted market"
        rig.exchange.set_state("ES", OPEN)
        rig.sizes["ES"] = 50
        await rig.sleep(10)
        assert rig.engine.kill.progress.verdict.startswith("flat"), rig.engine.kill.progress

    Rig.play(script, venue={"depth_levels": 0})


def test_a_market_that_may_trade_below_zero_is_flattened_through_it() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5, symbol="CL")
        rig.touch["CL"] = (-1, 1)
        rig.quote_all()
        await rig.sleep(0.5)
        answer = await rig.command(Flatten(symbol="CL"))
        assert answer.ok, answer
        sold = flatten_orders(rig)
        assert sold[0].limit == -3 and rig.venue_position("CL") == 0

    Rig.play(script, touch={"ES": (24_000, 24_001), "CL": (2, 4)})


def test_one_that_may_not_is_never_priced_at_zero() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        rig.touch["ES"] = (2, 3)
        rig.quote_all()
        await rig.sleep(0.5)
        answer = await rig.command(Flatten(symbol="ES"))
        assert answer.ok, answer
        assert [o.limit for o in flatten_orders(rig)] == [1]

    Rig.play(script, touch={"ES": (4, 5), "CL": (7_000, 7_001)})


@pytest.mark.parametrize("flatten", [True, False])
def test_orders_that_a_hanging_disk_holds_delay_no_verdict_and_never_leave(flatten: bool) -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        held: list[Any] = []
        real = rig.engine.intake._stored

        def hangs(order: Any, *args: Any) -> None:
            if order.purpose is Purpose.FLATTEN:
                real(order, *args)
            else:
                held.append((order, *args))

        rig.engine.intake._stored = hangs  # type: ignore[method-assign]
        closing, refused = rig.send(Side.SELL, 3, 24_040)
        opening, refused_too = rig.send(Side.BUY, 1, 23_990)
        assert refused is None and refused_too is None
        await rig.sleep(0.3)
        answer = await rig.command(Kill(flatten=flatten))
        assert answer.ok, answer
        for args in held:
            real(*args)
        await rig.sleep(0.5)
        at_venue = [o.order_id for o in rig.exchange.audit(rig.config.account).orders]
        assert closing.id not in at_venue and opening.id not in at_venue
        assert rig.status(closing) == rig.status(opening) == "REJECTED"

    Rig.play(script)


def test_behind_an_accounts_halt_not_even_what_reduces_leaves() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        held: list[Any] = []
        real = rig.engine.intake._stored
        rig.engine.intake._stored = lambda *args: held.append(args)  # type: ignore[method-assign]
        order, refused = rig.send(Side.SELL, 3, 24_040)
        assert refused is None
        await rig.sleep(0.3)
        rig.engine.halt("account", "", "unknown_order", "an order that nobody knows")
        rig.engine.intake._stored = real  # type: ignore[method-assign]
        for args in held:
            real(*args)
        await rig.sleep(0.5)
        assert order.id not in [o.order_id for o in rig.exchange.audit(rig.config.account).orders]

    Rig.play(script)


def test_two_symbols_of_which_one_is_stuck_say_which() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        await rig.fill(Side.SELL, 2, symbol="CL")
        rig.exchange.set_state("CL", HALTED)
        await rig.sleep(0.3)
        rig.engine.command(Kill(), "test")
        await rig.sleep(20)
        progress = rig.engine.kill.progress
        assert rig.venue_position() == 0 and rig.venue_position("CL") == -2
        (word,) = [s for s in progress.steps if "NOT FLAT" in s]
        assert "CL -2 lots" in word and "ES" not in word and "HALTED" in word
        assert progress.running and progress.verdict == "" and not progress.flat

    Rig.play(script)
