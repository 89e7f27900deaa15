"""Nights on which the account is not what it seems: trades by others, and orders with a nought too many."""

from __future__ import annotations

from decimal import Decimal

from engine.control.commands import Submit
from engine.model import Side
from tests.nights.conftest import Begin


def test_somebody_else_trades_the_account(begin: Begin) -> None:
    """Somebody sells two lots on the account by telephone, or a server runs that nobody remembers: Knight
    Capital, 2012, looked for three quarters of an hour at positions that it had not asked for. The instrument
    is halted, the screen says why and what to do; the operator takes the broker's figure as the truth."""
    night = begin()
    desk, venue = night.desk, night.venue
    night.arms()
    night.orders("buy 3 ES @ 5001")
    desk.keys("F4")
    desk.row("= AGREE", "ES", "+3", "+3", "=0")

    venue.somebody_trades(Side.SELL, 2)
    desk.row(" LIMITED ", "ES is halted: somebody else traded it", "F4: d keeps it, F8 closes it")
    desk.alarm("ALARM", "ES", "F4: d keeps it, F8 closes it")
    desk.row("■ HALTED", "ES", "+1", "+1")
    desk.row("ES", "foreign", "−2")
    night.reads_refusal("buy 1 ES @ 4990", "ES is halted", "by another program")
    night.reads_refusal("buy 1 ES @ 4990", "'adopt ES'")
    night.orders("buy 1 NQ @ 17990")

    desk.keys("d")
    night.types_word("Type ADOPT", "ADOPT")
    desk.row("= AGREE", "ES", "+1", "+1", "=0")
    desk.shows(" ARMED ", lacks=[" LIMITED "])
    night.orders("sell 1 ES @ 5000")
    desk.row("= AGREE", "ES", "0", "0", "=0")
    # The alarm is over and still waits for somebody to say that he knows.
    desk.keys("F7")
    desk.row("!○ cleared", "ES halted")
    desk.keys("A")
    desk.shows("ALM 0", "no unacknowledged alarms")
    assert venue.held() == 0


def test_a_fat_finger(begin: Begin) -> None:
    """Mizuho, 2005: price and quantity swapped, 610,000 shares at 1 yen. Citi, 2022: a quantity where a
    notional was meant, 711 warnings of which 18 could be read. Here the ticket says the first reason whole,
    and Enter sends nothing, however often it is pressed."""
    night = begin()
    desk, venue = night.desk, night.venue
    night.arms()
    night.reads_refusal("buy 5000 ES @ 5001", "order_qty: 5000 lots, the cap for one order is 20", "more")
    night.reads_refusal("buy 1 ES @ 50010", "price_sanity: the limit 50010.00 is outside", "check the price")
    night.reads_refusal("sell 5001 ES @ 10", "order_qty: 5001 lots")
    # The same through the ticket itself, with the keys of a hand that hurries.
    desk.keys("F4", "Down")
    desk.shows("By strategy · ES")
    desk.keys("F9")
    desk.shows("ORDER TICKET", "Symbol   ES", "choose the side: b buys, s sells")
    desk.keys("b", "Tab", "C-u")
    desk.type("100")
    desk.shows("100_", "the cap for one order is 20", lacks=["the engine is asked"])
    desk.keys("Enter", "Enter", "Enter")
    desk.shows("it would be refused: nothing is sent")
    night.leaves("ORDER TICKET")
    audit = venue.audit()
    assert not audit.orders and not audit.executions
    night.orders("buy 1 ES @ 5001")
    desk.row("= AGREE", "ES", "+1", "+1")


def test_a_storm_of_rejections(begin: Begin) -> None:
    """Everbright, 2013: a retry that nobody had tried sent 26,082 orders in two minutes. Here orders that the
    broker refuses again and again pause what opens; the reasons can be read, and a person lets it go on."""
    night = begin(risk={"reject_storm": 3})
    desk, venue = night.desk, night.venue
    night.arms()
    night.orders("buy 2 ES @ 5001")
    desk.row("= AGREE", "ES", "+2", "+2")
    venue.drill("ratio", fault="reject_new", ratio=1.0)
    for price in (4990, 4991, 4992):
        night.does(Submit(symbol="ES", side=Side.BUY, size=Decimal(1), limit=Decimal(price)))
    desk.row(" PAUSED ", "3 rejections within 10 s")
    desk.alarm("WARN", "3 rejections within 10 s", "F3: why; F5: R resets")
    desk.keys("F3", "v", "v", "v")
    desk.shows("[rejected 3]", "REJECTED only")
    desk.keys("Enter")
    desk.shows("the broker rejects it: refused by the exchange's fault plan")
    night.leaves("the broker rejects it")
    night.reads_refusal("buy 1 ES @ 4993", "reject_storm: 3 rejections", "find the cause, then reset")
    arrived = len(venue.audit().orders)

    venue.drill("clear")
    night.orders("sell 1 ES @ 4999")  # what reduces was never paused
    desk.keys("F5")
    desk.row("✕ TRIPPED", "Reject storm")
    desk.keys("R")
    night.types_word("Type RESET", "RESET")
    desk.shows("✓ reset control reject_storm", lacks=[" PAUSED ", "TRIPPED"])
    night.orders("buy 1 ES @ 4990")
    assert len(venue.audit().orders) == arrived + 2 and venue.held() == 1
