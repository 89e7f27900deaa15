"""Nights on which a machine of our own goes wrong: strategies without end, and a disk without space."""

from __future__ import annotations

import pytest

from app.drill import tmpdisk
from tests.nights.conftest import Begin


def test_a_strategy_trades_without_end(begin: Begin) -> None:
    """Knight Capital, 2012: four million executions in 45 minutes, every order of them a good one. Here the
    executions of a strategy are counted; beyond the limit it opens nothing until a person has looked, and
    everybody else goes on."""
    strategy = {"module": "tests.hostile.strategies:Steady", "name": "runaway", "symbols": ["ES"]}
    night = begin(strategies=[strategy], risk={"max_executions": 7})
    desk, venue = night.desk, night.venue
    desk.row(" LIMITED ", "runaway: 7 executions within 60 s")
    desk.alarm("WARN", "runaway: 7 executions within 60 s", "9: who; F5: R resets")
    desk.row("= AGREE", "ES")
    night.arms()
    night.orders("buy 1 NQ @ 17990")  # for others nothing has changed
    desk.keys("F5")
    desk.row("✕ TRIPPED", "runaway Executions", "pause")
    desk.keys("9")
    desk.row("▶ RUNNING", "runaway")
    desk.keys("t")
    desk.row("‖ PAUSED", "runaway")
    # What it may still do is to close what it holds: one execution more than the limit at the most.
    assert 7 <= venue.executed() <= 8

    desk.keys("F5", "R")
    desk.shows("reset control executions:runaway")
    night.types_word("Type RESET", "RESET")
    desk.shows("✓ reset control executions:runaway", lacks=["TRIPPED"])
    desk.keys("F4")
    desk.row("= AGREE", "ES", "0", "0", "=0")
    assert venue.executed() == 8 and venue.resting("NQ") == [17990]


def test_a_strategy_that_spins(begin: Begin) -> None:
    """A strategy holds two lots and never comes back from a calculation, as HanMag's options model in 2013
    was stopped by nobody. Here it is stopped and named, its position is known, and F8 closes it."""
    strategy = {
        "module": "tests.hostile.strategies:Spins",
        "name": "spinner",
        "symbols": ["ES"],
        "hang_timeout": 1.0,
    }
    night = begin(strategies=[strategy])
    desk, venue = night.desk, night.venue
    desk.alarm(
        "ALARM", "strategy spinner was stopped: hung: took no event for 1.0 s", "9: why", "F8 flattens"
    )
    desk.keys("9")
    desk.row("✕ FAILED", "spinner", "hung: took no event for 1.0 s")
    desk.row("ES", "spinner", "+2", "failed")
    desk.keys("F4")
    desk.row("= AGREE", "ES", "+2", "+2", "spinner +2")
    desk.keys("F8")
    desk.shows("FLATTEN ES", "ES +2, 0 working orders")
    desk.answer("y flattens ES", "y")
    desk.shows("✓ flat, confirmed twice by the broker")
    desk.row("■ HALTED", "ES", "0", "0", "=0")
    desk.row(" LIMITED ", "ES is halted: flatten by", "F4: R lets it trade again")
    assert venue.held() == 0
    desk.keys("R")
    night.types_word("Type RESET", "RESET")
    desk.shows(" SAFE ", "ES may trade again", lacks=[" LIMITED "])


def test_the_disk_is_full(begin: Begin) -> None:
    """What cannot be written cannot be proven afterwards: Tokyo lost a day in 2020 to a failing memory device
    and a switch that nobody had tried. Here nothing new is opened; cancels and the way out still go."""
    if not tmpdisk.available():
        pytest.skip("this kernel lets users have no disks of their own: none can be filled")
    night = begin(apart=True, megabytes=24, journal={"min_free_mb": 1, "ballast_mb": 2})
    desk, venue, engine = night.desk, night.venue, night.engine
    assert engine is not None
    night.arms()
    night.orders("buy 2 ES @ 5001")
    night.orders("buy 1 ES @ 4990")
    desk.row("WORKING", "ES", "4990.00")
    filler = tmpdisk.fill(engine.state)
    night.does_until_refused()
    desk.row(" PAUSED ", "The journal cannot be written")
    desk.alarm("ALARM", "was not stored and not sent", "free space on the disk")
    desk.row("CRIT", "the journal cannot be written", "the disk is full")
    night.reads_refusal("buy 1 ES @ 4980", "store")

    desk.keys("F3")
    desk.row("WORKING", "4990.00")
    desk.keys("x")
    desk.row("CANCELED", "4990.00")
    night.at_venue(lambda v: 4990 not in v.resting(), "the cancel arrives")
    night.kills_and_flattens()
    desk.shows("✓ flat, confirmed twice by the broker")
    assert venue.held() == 0 and not venue.resting()
    filler.unlink()
    desk.shows(lacks=["store"])
    night.resets("reset halt")
    desk.shows(" SAFE ", lacks=[" PAUSED ", " HALTED "])
