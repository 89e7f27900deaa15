"""Nights on which the market is not there, or not where it was."""

from __future__ import annotations

from tests.nights.conftest import Begin
from tests.nights.night import NARROW


def test_a_halted_market_at_the_kill(begin: Begin) -> None:
    """The venue stops for hours with positions open: CME in November 2025, Tokyo in 2020. A kill must not
    claim what it cannot do: NOT FLAT stands there plainly, on a small screen too, until the market opens and
    flat is proven."""
    night = begin(size=NARROW, kill={"alarm_after": 1.0})
    desk, venue = night.desk, night.venue
    night.arms()
    night.orders("buy 2 ES @ 5001")
    desk.row("= AGREE", "ES", "+2", "+2")

    venue.halts("ES")
    night.kills_and_flattens()
    desk.shows("ES: market is HALTED: waiting for it to open", "RUNNING")
    desk.alarm("ALARM", "NOT FLAT after")
    desk.shows(" HALTED ", lacks=["flat, confirmed"])
    assert venue.held() == 2
    night.says("reset halt")
    night.types_word("Type RESET", "RESET")
    desk.shows("REFUSED reset halt", "still running")
    assert venue.held() == 2 and " HALTED " in desk.screen()

    venue.opens("ES")
    desk.shows("✓ flat, confirmed twice by the broker", " HALTED ")
    desk.row("= AGREE", "ES", "0", "0", "=0")
    assert venue.held() == 0
    # What was not flat is over, and says so; the halt stays until a person takes it back.
    desk.alarm("ALARM", "account halted: operator")
    night.resets("reset halt")
    desk.shows(" SAFE ", lacks=[" HALTED ", " LIMITED "])  # a kill also takes the desk's arming back
    night.arms()
    night.orders("buy 1 ES @ 4990")
    desk.row("WORKING", "ES", "4990.00")


def test_the_data_stands_still(begin: Begin) -> None:
    """Quotes stop while everything else goes on, as at Nasdaq in 2013, for three hours: trading without data
    is worse than no trading. What opens is refused with the reason; what reduces still goes."""
    night = begin(risk={"stale_after": 1.0})
    desk, venue = night.desk, night.venue
    night.arms()
    night.orders("buy 3 ES @ 5001")
    desk.row("= AGREE", "ES", "+3", "+3")

    with venue.without_data():
        desk.shows(" LIMITED ", "No quote for CL, ES, NQ for more than 1 s", "STALE")
        desk.alarm("WARN", "No quote for", "F6: look at the feed")
        night.reads_refusal("buy 1 ES @ 5000", "data of ES: stale; only orders that reduce pass")
        night.orders("sell 1 ES @ 5000")
        desk.row("= AGREE", "ES", "+2", "+2")
    desk.shows(" ARMED ", lacks=[" LIMITED ", "STALE"])
    desk.alarm("WARN (over)", "No quote for")
    night.orders("buy 1 ES @ 4990")
    desk.row("WORKING", "ES", "4990.00")
    assert venue.executed() == 4


def test_the_price_falls_below_zero_and_the_day_ends(begin: Begin) -> None:
    """20 April 2020: WTI settles at -37.63, and a broker's screens cannot show it. Here the price stands on
    the screen with its sign, the day's loss ends the day, flat is proven, and the day is opened again by two
    decisions, not by one."""
    night = begin(risk={"daily_loss_amount": 20_000})
    desk, venue = night.desk, night.venue
    night.arms()
    night.orders("buy 1 CL @ 10.01")
    desk.row("= AGREE", "CL", "+1", "+1")

    venue.moves("CL", "-37.63")
    desk.row(" HALTED ", "The day has lost", "the limit is 20,000")
    desk.alarm("ALARM", "The day has lost")
    desk.shows("flatten everything in account PAPER: The day has lost")
    desk.shows("✓ flat, confirmed twice by the broker")
    desk.row("CL: sell 1 at -37.6")
    assert venue.held("CL") == 0
    desk.keys("F4")
    desk.row("CL", "0", "0", "=0", "▼−47,6")
    desk.keys("F3")
    desk.row("FILLED", "CL", "SELL", "−37.6", "flatten")
    desk.keys("F5")
    desk.row("✕ TRIPPED", "Daily loss", "20,000", "kill")

    night.resets("reset halt")
    desk.row(" PAUSED ", "The day has lost")
    night.reads_refusal("buy 1 CL @ -37.62", "daily_loss")
    desk.keys("F5", "R")
    night.types_word("Type RESET", "RESET")
    desk.shows("the day's loss counts from now", lacks=[" PAUSED ", "TRIPPED"])
    desk.shows(" SAFE ")  # the control's kill has taken the arming back, and no reset gives it
    night.arms()
    night.orders("buy 1 CL @ -37.62")
    desk.keys("F4")
    desk.row("= AGREE", "CL", "+1", "+1")
