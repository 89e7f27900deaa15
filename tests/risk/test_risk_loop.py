"""The loop: what it evaluates and when, events once for each trip, holds, resets, restarts, deadlines."""

from __future__ import annotations

from decimal import Decimal

from fakeview import BUY, SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.control.snapshot import RiskRow
from engine.model import NS, MarketState
from engine.risk.control import Reading
from engine.risk.loop import Breach, Cleared, Doubt, RiskLoop
from engine.risk.view import Market


def test_a_round_without_change_evaluates_nothing() -> None:
    bench = Bench()
    bench.tick()
    before = bench.loop.evaluations
    for _ in range(20):
        bench.view.advance(0.01)
        assert bench.loop.tick(bench.view) == ()
    assert bench.loop.evaluations == before


def test_only_what_changed_is_evaluated() -> None:
    bench = Bench()
    bench.tick()
    before = bench.loop.evaluations
    bench.view.put_quote("ES", 20001, 20002)
    bench.tick()
    one = bench.loop.evaluations - before
    assert 0 < one < len(bench.loop.readings())


def test_a_view_that_forgets_to_bump_a_symbol_is_seen_through_time_at_the_latest() -> None:
    bench = Bench()
    bench.tick()
    due = bench.loop.next_deadline(bench.view)
    assert due is not None and due > bench.view.mono()
    bench.view.time += due - bench.view.mono_time
    bench.view.mono_time = due
    assert ("Breach", "stale_data", "ES") in bench.tick()


def test_each_trip_is_told_once() -> None:
    bench = Bench()
    bench.view.put_position("ES", 51)
    assert bench.tick() == [("Breach", "max_position", "ES")]
    for lots in (52, 53, 54):
        bench.view.put_position("ES", lots)
        assert bench.tick() == []
    bench.view.put_position("ES", 0)
    assert bench.tick() == [("Cleared", "max_position", "ES")]
    bench.view.put_position("ES", -51)
    assert bench.tick() == [("Breach", "max_position", "ES")]


def test_pause_holds_the_symbol_and_nothing_else() -> None:
    bench = Bench()
    bench.view.set_limits(max_position_action="pause")
    bench.view.put_position("ES", 51)
    bench.tick()
    assert bench.loop.holds()[0][:2] == ("max_position", "ES")
    # Selling past zero would be within the limit, but it opens.
    bench.view.set_limits(max_order_qty=100)
    assert bench.refusal(bench.order(SELL, 60)) == "max_position"
    assert bench.refusal(bench.order(SELL, 51)) == ""
    assert bench.refusal(bench.order(BUY, 1, 6000, symbol="CL")) == ""
    bench.view.put_position("ES", 0)
    bench.tick()
    assert bench.loop.holds() == ()


def test_new_limits_take_effect_in_the_next_round() -> None:
    bench = Bench()
    bench.view.put_position("ES", 40)
    assert bench.tick() == []
    bench.view.set_limits(max_position=30)
    assert bench.tick() == [("Breach", "max_position", "ES")]
    bench.view.set_limits(max_position=60)
    assert bench.tick() == [("Cleared", "max_position", "ES")]


def test_doubt_is_told_once_with_its_reason() -> None:
    bench = Bench()
    bench.tick()
    bench.view.pnl = None
    bench.view.account_changed()
    (doubt,) = bench.loop.tick(bench.view)
    assert isinstance(doubt, Doubt) and doubt.control == "daily_loss" and "not known" in doubt.detail
    bench.view.account_changed()
    assert bench.loop.tick(bench.view) == ()


def test_restart_keeps_what_had_latched() -> None:
    bench = Bench()
    assert bench.loop.restore("daily_loss", "", "20,500 of 20,000")
    assert bench.loop.restore("strategy_loss", "s", "lost it")
    assert not bench.loop.restore("no_such_control", "", "")
    # The gate refuses before the first round already, the round tells nothing anew.
    assert bench.refusal(bench.order()) == "daily_loss"
    assert bench.tick() == []
    assert bench.state("daily_loss") == "TRIPPED"
    assert "20,500" in bench.text(bench.order())
    assert bench.loop.reset("daily_loss")
    assert bench.refusal(bench.order()) == "strategy_loss"
    bench.tick()
    assert bench.state("strategy_loss", "s") == "TRIPPED"
    assert bench.loop.reset("strategy_loss", "s")
    bench.tick()
    assert bench.refusal(bench.order()) == ""


def test_a_restored_hold_that_does_not_latch_clears_by_itself() -> None:
    bench = Bench()
    bench.loop.restore("spread", "ES", "9 ticks wide")
    assert bench.refusal(bench.order()) == "spread"
    assert bench.tick() == [("Cleared", "spread", "ES")]
    assert bench.refusal(bench.order()) == ""


def test_a_hold_restored_late_clears_as_well() -> None:
    bench = Bench()
    bench.tick()
    bench.loop.restore("spread", "ES", "9 ticks wide")
    assert bench.refusal(bench.order()) == "spread"
    assert bench.tick() == [("Cleared", "spread", "ES")]
    assert bench.refusal(bench.order()) == ""


def test_reset_says_whether_there_was_something() -> None:
    bench = Bench()
    bench.tick()
    assert not bench.loop.reset("daily_loss")
    assert not bench.loop.reset("nonsense")
    assert not bench.loop.reset("spread", "nowhere")


def test_symbols_come_and_go() -> None:
    bench = Bench()
    bench.view.put_position("CL", 99)
    bench.tick()
    assert bench.state("max_position", "CL") == "TRIPPED"
    gone = bench.view.instruments.pop("CL")
    assert bench.tick() == [("Cleared", "max_position", "CL")]
    assert all(r.scope != "CL" for r in bench.loop.readings())
    bench.view.instruments["CL"] = gone
    assert bench.tick() == [("Breach", "max_position", "CL")]


def test_account_figures_follow_when_only_a_symbol_moved() -> None:
    bench = Bench()
    bench.view.set_limits(max_working=2)
    bench.tick()
    bench.view.working = 3
    bench.view.bump("ES")
    assert bench.tick() == [("Breach", "max_working", "")]


def test_every_reading_draws() -> None:
    bench = Bench()
    bench.view.put_position("ES", 51)
    bench.view.pnl = None
    bench.view.markets["CL"] = Market(MarketState.HALTED)
    bench.view.bump("CL")
    bench.view.set_limits(max_gross_by_class={"energy": Decimal(1000)})
    bench.tick()
    rows = [r.row() for r in bench.loop.readings()]
    assert {r.control for r in rows} >= {
        c.name for c in bench.controls.all if c.kind in ("account", "symbol")
    }
    by = {(r.control, r.scope): r for r in rows}
    position = by["max_position", "ES"]
    assert (position.used, position.limit, position.ratio) == ("51 contracts", "50 contracts", 1.02)
    assert by["daily_loss", ""].state == "UNKNOWN" and by["daily_loss", ""].ratio is None
    assert all(isinstance(r, RiskRow) for r in rows)
    assert rows == [r.row() for r in bench.loop.readings()]


def test_figures() -> None:
    reading = Reading(control="c", title="C", scope="", state="ACTIVE", action="refuse", used=3, limit=0)
    assert reading.ratio == 1.0
    third = Reading(
        control="c",
        title="C",
        scope="",
        state="ACTIVE",
        action="refuse",
        used=Decimal(100) / 3,
        limit=Decimal("1234567.5"),
        unit="%",
    )
    assert (third.used_text, third.limit_text) == ("33.33%", "1,234,567.5%")


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["quote", "wide", "position", "pnl", "unknown", "wait", "reject"]),
            st.integers(-80, 80),
        ),
        max_size=40,
    )
)
def test_incremental_rounds_say_what_a_fresh_look_says(steps: list[tuple[str, int]]) -> None:
    """State of every figure that has no memory, against a loop that sees everything for the first time."""
    bench = Bench()
    opened: set[tuple[str, str]] = set()
    for what, n in steps:
        view = bench.view
        match what:
            case "quote":
                view.put_quote("ES", 20000 + n, 20001 + n)
            case "wide":
                view.put_quote("CL", 6000, 6000 + n)
            case "position":
                view.put_position("ES", n)
            case "pnl":
                view.pnl = Decimal(n * 400)
                view.account_changed()
            case "unknown":
                view.the_margin = None if n > 0 else Decimal(n * -20_000)
                view.account_changed()
            case "wait":
                view.advance(abs(n) / 10)
            case "reject":
                bench.controls.on_reject("s", "ES", "why", view)
        for event in bench.loop.tick(view):
            key = (event.control, event.scope)
            if isinstance(event, Breach):
                assert key not in opened
                opened.add(key)
            elif isinstance(event, Cleared):
                opened.remove(key)
        fresh = RiskLoop(Bench().controls)
        fresh.tick(view)
        plain = {"market_state", "stale_data", "max_position", "gross", "net", "max_working"}
        states = {(r.control, r.scope): r.state for r in bench.loop.readings() if r.control in plain}
        assert states == {(r.control, r.scope): r.state for r in fresh.readings() if r.control in plain}
        tripped = {(r.control, r.scope) for r in bench.loop.readings() if r.state == "TRIPPED"}
        assert tripped == opened


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 8 * NS), st.sampled_from(["wide", "good", "order", "reject"])), max_size=12
    )
)
def test_nothing_happens_before_the_deadline_that_the_loop_names(steps: list[tuple[int, str]]) -> None:
    """Rounds between two changes and before `next_deadline` find nothing: so they can be left out."""
    bench = Bench()
    bench.view.set_limits(order_burst=3, order_rate=1)
    bench.loop.tick(bench.view)
    for wait, what in steps:
        due = bench.loop.next_deadline(bench.view)
        target = bench.view.mono() + wait
        while bench.view.mono() < target:
            step = min(NS // 3, target - bench.view.mono())
            bench.view.time += step
            bench.view.mono_time += step
            before = {(r.control, r.scope): r.state for r in bench.loop.readings()}
            quiet = due is None or bench.view.mono() < due
            events = bench.loop.tick(bench.view)
            if quiet:
                assert events == ()
                assert before == {(r.control, r.scope): r.state for r in bench.loop.readings()}
            due = bench.loop.next_deadline(bench.view)
        match what:
            case "wide":
                bench.view.put_quote("ES", 20000, 20009)
            case "good":
                bench.view.put_quote("ES", 20000, 20001)
            case "order":
                for _ in range(4):
                    bench.check(bench.order())
            case "reject":
                bench.controls.on_reject("s", "ES", "why", bench.view)
        bench.loop.tick(bench.view)
