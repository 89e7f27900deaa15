"""Daily loss: percentage and amount, exactly at the limit, latched, and unknown figures."""

from __future__ import annotations

from decimal import Decimal

import pytest
from fakeview import SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import Purpose
from engine.risk.controls.daily_loss import loss_limit
from engine.risk.loop import Breach


def lose(bench: Bench, amount: str) -> None:
    bench.view.pnl = -Decimal(amount)
    bench.view.account_changed()


def test_two_percent_of_opening_equity() -> None:
    bench = Bench()
    lose(bench, "19999.99")
    assert bench.refusal(bench.order()) == ""
    assert bench.tick() == []
    assert bench.state("daily_loss") == "WARN"
    lose(bench, "20000")
    assert bench.refusal(bench.order()) == "daily_loss"
    assert bench.tick() == [("Breach", "daily_loss", "")]


def test_breach_says_what_and_how_much() -> None:
    bench = Bench()
    lose(bench, "20000.50")
    (breach,) = [e for e in bench.loop.tick(bench.view) if isinstance(e, Breach)]
    assert (breach.action, breach.latched, breach.kind) == ("kill", True, "account")
    assert breach.text == (
        "The day has lost 20,000.50, the limit is 20,000; everything is cancelled and closed; "
        "nothing opens until a person resets it"
    )


def test_the_tighter_of_percentage_and_amount() -> None:
    limits = Bench().view.limits()
    opening = Decimal(1_000_000)
    assert loss_limit(limits, opening) == 20_000
    assert loss_limit(limits.model_copy(update={"daily_loss_amount": Decimal(500)}), opening) == 500
    assert loss_limit(limits.model_copy(update={"daily_loss_amount": Decimal(50_000)}), opening) == 20_000
    assert loss_limit(limits, None) is None
    assert loss_limit(limits, Decimal(0)) is None


def test_holds_when_the_loss_is_regained_until_reset() -> None:
    bench = Bench()
    lose(bench, "25000")
    bench.tick()
    lose(bench, "0")
    assert bench.tick() == []
    assert bench.state("daily_loss") == "TRIPPED"
    assert bench.refusal(bench.order()) == "daily_loss"
    bench.view.day = "2026-11-23"
    bench.view.account_changed()
    bench.tick()
    assert bench.refusal(bench.order()) == "daily_loss"
    assert bench.loop.reset("daily_loss")
    assert bench.tick() == []
    assert bench.state("daily_loss") == "ACTIVE"
    assert bench.refusal(bench.order()) == ""


def test_reset_while_still_beyond_trips_again() -> None:
    bench = Bench()
    lose(bench, "25000")
    bench.tick()
    assert bench.loop.reset("daily_loss")
    assert bench.tick() == [("Breach", "daily_loss", "")]


def test_reducing_and_flattening_pass_after_the_trip() -> None:
    bench = Bench()
    bench.view.put_position("ES", 3)
    lose(bench, "25000")
    bench.tick()
    assert bench.refusal(bench.order(SELL, 3)) == ""
    assert bench.refusal(bench.order(SELL, 3, purpose=Purpose.FLATTEN)) == ""
    assert bench.refusal(bench.order(SELL, 4)) == "daily_loss"


@pytest.mark.parametrize("what", ["pnl", "the_opening"])
def test_unknown_refuses_what_opens(what: str) -> None:
    bench = Bench()
    setattr(bench.view, what, None)
    bench.view.account_changed()
    assert bench.refusal(bench.order()) == "daily_loss"
    bench.tick()
    assert bench.state("daily_loss") == "UNKNOWN"


def test_unknown_does_not_lift_a_trip() -> None:
    bench = Bench()
    lose(bench, "25000")
    bench.tick()
    bench.view.pnl = None
    bench.view.account_changed()
    assert bench.tick() == []
    assert bench.state("daily_loss") == "TRIPPED"


def test_a_loss_between_two_rounds_is_refused_at_once() -> None:
    bench = Bench()
    bench.tick()
    lose(bench, "20001")
    assert bench.refusal(bench.order()) == "daily_loss"


@settings(max_examples=200, deadline=None)
@given(
    opening=st.decimals("-1000", "1e9", places=2),
    pnl=st.decimals("-1e8", "1e8", places=2),
    pct=st.decimals("0.01", "100", places=2),
    amount=st.none() | st.decimals("0.01", "1e8", places=2),
)
def test_gate_and_loop_agree_with_the_definition(
    opening: Decimal, pnl: Decimal, pct: Decimal, amount: Decimal | None
) -> None:
    bench = Bench()
    bench.view.set_limits(daily_loss_pct=pct, daily_loss_amount=amount)
    bench.view.the_opening, bench.view.pnl = opening, pnl
    names = [r.control for r in bench.gate.preview(bench.order(), bench.view)]
    bench.tick()
    if opening <= 0:
        assert "daily_loss" in names and bench.state("daily_loss") == "UNKNOWN"
        return
    beyond = -pnl * 100 >= opening * pct or (amount is not None and -pnl >= amount)
    assert ("daily_loss" in names) is beyond
    assert (bench.state("daily_loss") == "TRIPPED") is beyond


def broker_says(bench: Bench, pnl: str | None, mode: str = "required") -> None:
    bench.view.figures = frozenset({"day_pnl"})
    bench.view.broker_pnl = None if pnl is None else Decimal(pnl)
    bench.view.set_limits(broker_pnl=mode)
    bench.view.account_changed()


def test_the_worse_of_our_count_and_the_brokers_is_the_loss() -> None:
    bench = Bench()
    lose(bench, "100")
    broker_says(bench, "-19999")
    assert bench.refusal(bench.order()) == ""
    assert bench.tick() == [] and bench.state("daily_loss") == "WARN"
    broker_says(bench, "-20000")
    assert bench.refusal(bench.order()) == "daily_loss"
    (breach,) = [e for e in bench.loop.tick(bench.view) if isinstance(e, Breach)]
    assert "by the broker's count, by ours 100.00" in breach.text and breach.action == "kill"


def test_a_better_count_of_the_brokers_excuses_nothing() -> None:
    bench = Bench()
    lose(bench, "20000")
    broker_says(bench, "5000")
    assert bench.refusal(bench.order()) == "daily_loss"


def test_without_the_brokers_figure_nothing_is_opened_where_he_is_to_tell_it() -> None:
    bench = Bench()
    bench.view.put_position("ES", 2)
    broker_says(bench, None)
    assert bench.refusal(bench.order()) == "daily_loss"
    assert bench.refusal(bench.order(SELL, 2)) == ""
    bench.tick()
    assert bench.state("daily_loss") == "UNKNOWN"
    broker_says(bench, None, "used")
    assert bench.refusal(bench.order()) == ""
    broker_says(bench, "-50000", "ignored")
    assert bench.refusal(bench.order()) == ""
