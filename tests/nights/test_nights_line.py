"""Nights on which the line to the broker, or the broker, goes away and comes back with news."""

from __future__ import annotations

from tests.nights.conftest import Begin


def test_the_line_is_lost_and_an_order_fills_meanwhile(begin: Begin) -> None:
    """A gateway is away for a while and an order fills at the exchange: in 2026 an adapter dropped such a
    fill for ever and its engine traded on with 60 shares that it did not know of. Here the screen says at
    once that it does not know, and finds the fill by itself."""
    night = begin()
    desk, venue = night.desk, night.venue
    night.arms()
    night.orders("buy 1 ES @ 4999")
    desk.row("WORKING", "ES", "4999.00")
    desk.row("= AGREE", "ES", "=0")

    venue.drill("shut", gateway="primary")
    desk.shows(" NOT READY ", "link to loopback is down", "BRK ✕ DOWN")
    desk.row("ALARM", "link to loopback is down", "it reconnects by itself")
    desk.row("? UNKNOWN", "ES")
    desk.shows("IN DOUBT", lacks=["= AGREE"])
    venue.moves("ES", "4998")
    night.at_venue(lambda v: v.held() == 1, "the order fills at the exchange")
    night.reads_refusal("buy 1 ES @ 4990", "trading_state")

    venue.drill("open", gateway="primary")
    desk.shows("BRK ✓", lacks=["NOT READY"])
    desk.row("FILLED", "ES", "4999.00")
    desk.row("= AGREE", "ES", "+1", "+1", "=0")
    desk.row("+1 ES at 4999.00", "was never reported to us")
    desk.row("cleared", "link to loopback is down")
    assert venue.executed() == 1, "nothing was sent twice"
