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
    desk.shows(" DISCONNECTED ", " ARMED ", "link to loopback is down", "BRK ✕ DOWN")
    desk.alarm("ALARM", "link to loopback is down", "it reconnects by itself")
    desk.row("? NOT COMPARED", "ES", "0?")
    desk.row("▶ WORKING?", "ES", "4999.00")
    desk.shows("· NOT COMPARED for", "1 working as last known", lacks=["= AGREE", "WORKING "])
    venue.moves("ES", "4998")
    night.at_venue(lambda v: v.held() == 1, "the order fills at the exchange")
    night.reads_refusal("buy 1 ES @ 4990", "trading_state")

    venue.drill("open", gateway="primary")
    desk.shows("BRK ✓", lacks=["NOT READY", "DISCONNECTED"])
    desk.row("FILLED", "ES", "4999.00")
    desk.row("= AGREE", "ES", "+1", "+1", "=0")
    desk.row("+1 ES at 4999.00", "was never reported to us")
    desk.row("cleared", "link to loopback is down")
    assert venue.executed() == 1, "nothing was sent twice"


def test_the_engine_is_killed_with_a_position_and_the_market_goes_on(begin: Begin) -> None:
    """The machine under the engine dies, as millions of desktops did in July 2024. The screen must not let
    old numbers look alive; the next engine knows what was there, finds what filled meanwhile, and the same
    screen shows it without being asked."""
    night = begin(apart=True)
    desk, venue, engine = night.desk, night.venue, night.engine
    assert engine is not None
    night.arms()
    night.orders("buy 2 ES @ 5001")
    desk.row("= AGREE", "ES", "+2", "+2")
    night.orders("buy 1 ES @ 4999")
    desk.row("WORKING", "ES", "4999.00")

    engine.kill()
    desk.shows("ENGINE GONE: nothing on this screen is live", "ENG ✕", " STALE ", lacks=[" ARMED "])
    venue.moves("ES", "4998")
    night.at_venue(lambda v: v.held() == 3, "the order fills with nobody there")

    engine.begin()
    desk.shows("BRK ✓", "MD ✓", lacks=["ENGINE GONE", "NOT READY"])
    desk.row("= AGREE", "ES", "+3", "+3", "=0")
    desk.row("FILLED", "4999.00")
    # The operator's terminal dies as well; another screen shows the same.
    night.sit_down()
    desk.row("= AGREE", "ES", "+3", "+3", "=0")
    night.kills_and_flattens()
    desk.shows("✓ flat, confirmed twice by the broker")
    audit = venue.audit()
    assert venue.held() == 0 and {o.copies for o in audit.orders} == {1}


def test_the_broker_starts_again_and_hands_its_order_ids_out_twice(begin: Begin) -> None:
    """In August 2026 a gateway came back with a smaller next order id: three ids were given to new orders
    while the old ones still worked, and their fills went to the wrong ones. Here the operator cancels one of
    the old orders, and it is that one which goes."""
    night = begin(faults={"reuse_ids": 1.0})
    desk, venue = night.desk, night.venue
    night.arms()
    night.orders("buy 1 ES @ 4990")
    night.orders("buy 1 ES @ 4991")
    venue.kill()
    desk.shows(" DISCONNECTED ", "BRK ✕ DOWN")
    venue.start()
    desk.shows("BRK ✓", "MD ✓", lacks=["NOT READY", "DISCONNECTED", "LIMITED"])
    night.orders("buy 1 ES @ 4980")
    night.orders("buy 1 ES @ 4981")
    broker_ids = [o.broker_id for o in venue.audit().orders]
    assert len(set(broker_ids)) < len(broker_ids) == 4, "the broker has used an id again"

    desk.keys("F3")
    desk.shows("[all 4]", "4 working")
    desk.keys("/")
    desk.type("4990.00")
    desk.keys("Enter")
    desk.keys("x")
    desk.row("CANCELED", "4990.00")
    night.at_venue(lambda v: v.resting() == [4980, 4981, 4991], "that one is cancelled and no other")
    venue.moves("ES", "4990")
    desk.row("FILLED", "4991.00")
    desk.shows("2 working")
    assert venue.held() == 1 and venue.resting() == [4980, 4981]
