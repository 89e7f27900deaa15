"""A halt, an unfinished kill and the day's loss outlive kill -9; nothing opening leaves after the restart."""

from __future__ import annotations

import random
import time
from decimal import Decimal

import pytest

from engine.control.client import ControlClient
from engine.control.commands import Kill, Reset
from engine.control.snapshot import Snapshot
from engine.model import MarketState
from engine.records import ControlTripped, KillBegan, KillEnded
from tests.crash import checks
from tests.crash.kit import Story, engine, short_folder, venue

pytestmark = pytest.mark.slow


def position_of(picture: Snapshot) -> dict[str, Decimal]:
    return {p.symbol: p.executed for p in picture.positions if p.executed}


def test_an_operators_halt_survives_kill_after_kill() -> None:
    rng = random.Random(3)
    with short_folder() as folder, venue(folder, 3) as market, engine(folder, market) as runner:
        runner.start(cap=30)
        runner.until_trading()
        runner.until(position_of, "a position")
        answer = runner.command(Kill(flatten=False, reason="drill"))
        assert answer.ok, answer.text
        runner.kill()
        story = Story(runner.state)
        story.read()
        checks.one_day(story)
        for _ in range(3):
            runner.start(cap=30)
            picture = runner.until(
                lambda p: p if p.trading and p.strategies[0].state == "running" else None,
                "the strategy runs behind the halt",
            )
            assert picture.halted, "the halt did not survive"
            assert "drill" in picture.halt_reason
            runner.until(lambda p: p.health.counters.get("refused", 0) > 5, "orders refused by the halt")
            time.sleep(rng.uniform(0, 0.3))
            runner.kill()
            story.read()
            checks.no_order_unknown(market.audit(), story)
            checks.nothing_opened_after_the_halt(story)
        # A person takes it back; then, and only then, it trades again.
        runner.start(cap=30)
        runner.until(lambda p: p.trading, "the three views agree")
        assert runner.command(Reset(scope="halt")).ok
        runner.until_trading()
        code, summary, _ = runner.stop()
        assert code == 0
        assert not summary["halted"]
        story.read()
        checks.nothing_opened_after_the_halt(story)
        checks.one_day(story)
        checks.all_booked(market.audit(), story)
        assert checks.folds_alike(story) == summary["digest"]


def test_a_kill_that_was_cut_off_goes_on_after_the_restart() -> None:
    with short_folder() as folder, venue(folder, 4) as market, engine(folder, market) as runner:
        runner.start(cap=40)
        runner.until_trading()
        runner.until(lambda p: len(position_of(p)) == 2, "positions in both")
        # Nothing can be closed in a halted market: the kill waits, and is cut off by force.
        market.drill("state", symbol="ES", state=MarketState.HALTED)
        market.drill("state", symbol="NQ", state=MarketState.HALTED)
        with ControlClient(runner.state, tty="") as client:
            client.start(Kill(reason="drill"))
            runner.until(lambda p: p.kill is not None and p.kill.running, "the kill has begun")
            runner.kill()
        story = Story(runner.state)
        for again in range(3):
            story.read()
            assert any(isinstance(r, KillBegan) for r in story.records)
            assert not any(isinstance(r, KillEnded) for r in story.records)
            assert any(k.flatten for k in story.books.kills)
            runner.start(cap=40)
            runner.until(lambda p: p.kill is not None and p.kill.running, "the kill goes on")
            if again < 2:
                runner.kill()
        market.drill("state", symbol="ES", state=MarketState.OPEN)
        market.drill("state", symbol="NQ", state=MarketState.OPEN)
        picture = runner.until(
            lambda p: p if p.kill is not None and p.kill.verdict else None, "the kill's last word"
        )
        assert picture.kill is not None
        assert picture.kill.verdict.startswith("flat, confirmed twice by the broker"), picture.kill.verdict
        assert picture.halted
        code, summary, _ = runner.stop()
        assert (code, summary["flat"], summary["halted"]) == (3, True, True)
        story.read()
        audit = market.audit()
        assert not any(audit.positions.get("PAPER", {}).values())
        assert not [o for o in audit.orders if not o.status.is_closed]
        assert checks.nothing_opened_after_the_halt(story) == 0
        checks.no_order_unknown(audit, story)
        checks.all_booked(audit, story)
        assert checks.folds_alike(story) == summary["digest"]


def test_the_days_loss_and_its_stop_survive_kill_after_kill() -> None:
    """A limit of 400 is lost in seconds; engines are killed before, while and after that happens."""
    rng = random.Random(5)
    limits = "daily_loss_amount = 400"
    with short_folder() as folder, venue(folder, 5) as market, engine(folder, market) as runner:
        story = Story(runner.state)
        tripped_at = 0
        for n in range(12):
            runner.start(risk=limits)
            runner.until(lambda p: p.trading, "the three views agree")
            if n == 6 and not tripped_at:  # on a slow machine nothing is lost in a second
                runner.until(lambda p: p.halted, "the limit trips")
            time.sleep(rng.uniform(0.0, 1.0))
            runner.kill()
            story.read()
            checks.nothing_made_up(market.audit(), story)
            checks.one_day(story)
            checks.nothing_opened_after_the_halt(story)
            if not tripped_at and story.books.halts.account() is not None:
                tripped_at = n + 1
            if tripped_at and n + 1 >= tripped_at + 3:
                break
        assert tripped_at, "the loss limit never tripped"

        runner.start(risk=limits)
        runner.until(lambda p: p.trading and not (p.kill and p.kill.running), "kill at its end")
        picture = runner.picture()
        assert picture is not None
        assert picture.halted
        assert picture.halt_reason.startswith("The day has lost ")
        row = next(r for r in picture.risk if r.control == "daily_loss")
        assert row.state == "TRIPPED", row
        assert picture.day_pnl is not None
        code, summary, _ = runner.stop()
        assert (code, summary["flat"], summary["halted"]) == (3, True, True)
        story.read()
        audit = market.audit()
        # The day's figure is that of all executions since the day was opened, over all the restarts. It may
        # stand above the limit by now: what was open when it tripped was closed at the prices there were.
        checks.all_booked(audit, story)
        made = sum(
            (story.books.profit(p.symbol, None) or Decimal(0) for p in story.books.positions), Decimal(0)
        )
        assert picture.day_pnl == made - checks.one_day(story).baseline
        assert Decimal(summary["pnl"]) == picture.day_pnl.quantize(Decimal("0.01"))
        trips = [r for r in story.records if isinstance(r, ControlTripped) and r.control == "daily_loss"]
        assert len(trips) == 1, trips
        checks.no_order_unknown(audit, story)
        checks.all_booked(audit, story)
        assert checks.folds_alike(story) == summary["digest"]
