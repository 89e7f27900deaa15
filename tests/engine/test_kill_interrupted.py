"""Kill and flatten that are interrupted: by the link, a restart, silence, a halted market, a hanging disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.control.commands import Flatten, Kill
from engine.model import NS, Purpose, Side
from tests.engine.kill_kit import flatten_orders, live_at_venue
from tests.engine.rig import HALTED, OPEN, Rig


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
