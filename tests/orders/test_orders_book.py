"""The order book: counting, finding, exposure, orders from elsewhere, memory."""

from __future__ import annotations

import pytest
from orders_kit import S, Venue, book, fill, key, order, rep

from engine.lifecycle import CancelSent, Code, Lost, ReplaceSent, Sent
from engine.model import OrderType, Purpose, Side, TimeInForce
from engine.orders import OrderBook, Outcome


def test_an_order_counts_from_the_moment_it_is_added() -> None:
    b = book()
    record = b.add(order("a", 10), 5)
    assert (record.life.status, record.recorded) == (S.PENDING_NEW, 5)
    assert b.exposure("ES") == (10, 0)
    assert b.strategy_exposure("s", "ES") == (10, 0)
    assert b.open_count() == b.open_count(strategy="s") == b.open_count(symbol="ES") == 1
    assert b.add(order("a", 99), 6) is record, "an id is one order for ever"
    assert b.exposure("ES") == (10, 0)


def test_times_and_totals() -> None:
    b = book()
    v = Venue("a")
    record = b.add(order("a", 10), 5)
    b.apply("a", Sent(), 6)
    b.apply("a", v.ack(), 7)
    b.apply_fill(fill(1, 4, "a", price=100), 8)
    b.apply_fill(fill(2, 6, "a", price=105), 9)
    assert (record.sent, record.acked, record.first_fill, record.closed) == (6, 7, 8, 9)
    assert (record.executed, record.cum_value, str(record.avg_price)) == (10, 1030, "103")
    assert str(record.fees) == "1.0"
    assert b.exposure("ES") == (0, 0)
    assert (b.open_count(), b.recent_closed(5)) == (0, [record])


def test_news_of_an_unknown_order_is_answered() -> None:
    outcome = book().apply("nobody", Venue("nobody").ack(), 1)
    assert (outcome.outcome, outcome.record) == (Outcome.UNKNOWN_ORDER, None)
    assert outcome.anomalies[0].code is Code.UNKNOWN_ORDER


def test_working_orders_stand_in_the_order_of_creation_also_after_one_reopened() -> None:
    b = book()
    for n in range(5):
        b.add(order(f"o{n}", 10, symbol="ES" if n % 2 else "NQ", strategy="s" if n < 3 else "t"), n)
    b.apply_fill(fill(1, 10, "o1", symbol="ES"), 10)
    assert [r.id for r in b.working()] == ["o0", "o2", "o3", "o4"]
    b.bust(key(1), 11)
    assert [r.id for r in b.working()] == ["o0", "o1", "o2", "o3", "o4"]
    assert [r.id for r in b.working(symbol="ES")] == ["o1", "o3"]
    assert [r.id for r in b.working(symbol="NQ", strategy="t")] == ["o4"]
    assert b.open_count(symbol="NQ", strategy="t") == 1
    assert b.open_count(account="A") == 5
    assert b.recent_closed(5) == []


def test_exposure_follows_pending_replaces_and_doubt() -> None:
    b = book()
    v = Venue("a")
    b.add(order("a", 10), 0)
    b.add(order("z", 3, side=Side.SELL), 0)
    b.apply("a", v.ack(), 1)
    b.apply("a", ReplaceSent(replace=rep("r1", 25, oid="a")), 2)
    assert b.exposure("ES") == (25, 3)
    b.apply("a", v.replace_rejected("r1"), 3)
    assert b.exposure("ES") == (10, 3)
    b.apply("z", Lost(), 4)
    assert b.exposure("ES") == (10, 0)
    assert b.exposed_symbols() == ["ES"]


def test_of_an_oco_group_only_the_largest_counts() -> None:
    b = book()
    for oid, qty in (("tp", 10), ("sl", 7)):
        b.add(order(oid, qty, oco="g", side=Side.SELL, purpose=Purpose.PROTECT), 0)
    b.add(order("x", 2, side=Side.SELL), 0)
    assert b.exposure("ES") == (0, 12)
    assert b.oco_exposure("g", "ES", Side.SELL) == 10
    assert (b.contribution("tp"), b.contribution("sl"), b.contribution("x")) == (3, 0, 2)
    b.apply("tp", Venue("tp").canceled(0), 1)
    assert b.exposure("ES") == (0, 9)
    b.apply("sl", Venue("sl").canceled(0), 1)
    assert b.exposure("ES") == (0, 2)
    assert b.oco_exposure("g", "ES", Side.SELL) == 0


def test_flatten_orders_are_also_counted_apart() -> None:
    b = book()
    b.add(order("f", 4, side=Side.SELL, purpose=Purpose.FLATTEN), 0)
    b.add(order("x", 2, side=Side.SELL), 0)
    assert (b.flatten_exposure("ES"), b.exposure("ES")) == ((0, 4), (0, 6))


def test_a_held_child_counts_only_when_released() -> None:
    b = book()
    b.add(order("e", 10), 0)
    child = b.add(order("c", 10, side=Side.SELL, parent="e"), 0, held=True)
    assert b.exposure("ES") == (10, 0)
    assert [r.id for r in b.children("e")] == ["c"]
    assert b.next_due() == 5_000_000_000
    assert b.release(order("c", 4, side=Side.SELL, parent="e"), 1) is child
    assert b.exposure("ES") == (10, 4)
    assert (child.order.qty, child.life.qty) == (4, 4)
    assert b.release(order("c", 4, side=Side.SELL, parent="e"), 1) is None


@pytest.mark.parametrize("news", ["report", "fill"])
def test_a_held_child_that_the_venue_speaks_of_has_left(news: str) -> None:
    """Simulated seed 2737: the engine started on a state older than the release."""
    b = book()
    v = Venue("c")
    b.add(order("e", 10), 0)
    child = b.add(order("c", 10, side=Side.SELL, parent="e"), 0, held=True)
    b.apply("c", v.not_found(), 1)
    assert child.held and b.exposure("ES") == (10, 0)
    if news == "report":
        b.apply("c", v.report(S.WORKING, 4), 2)
        assert b.exposure("ES") == (10, 4)
    else:
        b.apply_fill(fill("x1", 3, "c", side=Side.SELL), 2)
        assert b.exposure("ES") == (10, 7)
    assert not child.held
    assert b.release(order("c", 4, side=Side.SELL, parent="e"), 3) is None


def test_own_best_price_covers_pending_replaces_and_forgets_the_dead() -> None:
    b = book()
    v = Venue("a")
    b.add(order("a", 1, limit=100), 0)
    b.add(order("b", 1, limit=98), 0)
    b.add(order("m", 1, type=OrderType.MARKET, limit=None), 0)
    b.add(order("s", 1, side=Side.SELL, limit=110), 0)
    b.add(order("st", 1, side=Side.SELL, type=OrderType.STOP_LIMIT, limit=90, stop=91), 0)
    assert (b.own_best("ES", Side.BUY), b.own_best("ES", Side.SELL)) == (100, 110)
    b.apply("a", ReplaceSent(replace=rep("r", 1, limit=104, oid="a")), 1)
    assert b.own_best("ES", Side.BUY) == 104
    b.apply("a", v.canceled(0), 2)
    assert b.own_best("ES", Side.BUY) == 98
    b.apply("st", Venue("st").triggered(), 3)
    assert b.own_best("ES", Side.SELL) == 90
    assert b.own_best("NQ", Side.BUY) is None


def test_current_terms_follow_replaces() -> None:
    b = book()
    v = Venue("a")
    record = b.add(order("a", 10), 0)
    assert record.current() is record.order
    b.apply("a", v.ack(), 1)
    b.apply("a", ReplaceSent(replace=rep("r", 12, limit=103, oid="a")), 1)
    b.apply("a", v.replaced("r", 12, limit=103), 2)
    assert (record.current().qty, record.current().limit, record.order.qty) == (12, 103, 10)


def test_a_foreign_order_is_counted_updated_filled_and_claimed() -> None:
    b = book()
    v = Venue()
    record = b.adopt_foreign(v.foreign("F1", 10, cum=3, status=S.PARTIAL_FILL), 5)
    assert (record.foreign, record.order.strategy, record.order.account) == (True, "foreign", "A")
    assert (record.life.status, b.exposure("ES")) == (S.PARTIAL_FILL, (7, 0))
    early = b.apply_fill(fill(1, 3, None, broker_id="F1"), 6)
    assert early.is_new, "the position needs it"
    assert b.exposure("ES") == (7, 0), "the venue had counted it already"
    b.adopt_foreign(v.foreign("F1", 10, cum=5, status=S.PARTIAL_FILL), 7)
    assert b.exposure("ES") == (5, 0)
    late = b.apply_fill(fill(2, 4, None, broker_id="F1"), 8)
    assert (late.outcome, b.exposure("ES")) == (Outcome.NEW, (3, 0))
    assert b.claim("F1", "mine") is record
    assert (b.strategy_exposure("foreign", "ES"), b.strategy_exposure("mine", "ES")) == ((0, 0), (3, 0))
    assert (b.open_count(strategy="foreign"), b.open_count(strategy="mine")) == (0, 1)
    b.apply_fill(fill(3, 3, None, broker_id="F1"), 9)
    assert (record.life.status, b.open_count(), b.exposure("ES")) == (S.FILLED, 0, (0, 0))
    assert b.claim("none such", "mine") is None


def test_a_foreign_report_with_our_brokers_id_is_about_our_order() -> None:
    b = book()
    b.add(order("a", 10, limit=99), 0)
    b.apply("a", Venue("a").ack(), 1)
    v = Venue()
    v.ts = 50
    assert b.foreign(v.foreign("b1", 9), 2)[0].foreign  # other terms, so another order
    b = book()
    b.add(order("a", 10, limit=99), 0)
    b.apply("a", Venue("a").ack(), 1)
    record, anomalies = b.foreign(v.foreign("b1", 10, cum=4, status=S.PARTIAL_FILL), 2)
    assert (record.id, record.life.cum, record.foreign) == ("a", 0, False)
    assert (anomalies[0].code, anomalies[0].amount) == (Code.MISSING_FILL, 4)


def test_a_broker_id_used_again_for_another_instrument_is_another_order() -> None:
    b = book()
    b.add(order("a", 10, symbol="NQ"), 0)
    b.apply("a", Venue("a").ack(), 1)
    record = b.adopt_foreign(Venue().foreign("b1", 10), 2)
    assert record.foreign
    assert b.exposure("ES") == (10, 0)
    assert b.by_broker_id("b1") is record


def test_a_broker_id_that_two_orders_share_leads_to_the_one_that_is_meant() -> None:
    b = book()
    ours = b.add(order("a", 10, symbol="NQ"), 0)
    b.apply("a", Venue("a").ack(), 1)
    assert b.broker_name(ours) == "b1"
    told = Venue().foreign("b1", 10)
    foreign = b.adopt_foreign(told, 2)
    later = b.add(order("c", 10, symbol="CL"), 3)
    b.apply("c", Venue("c").ack(), 4)
    assert b.by_broker_id("b1") is later
    assert (b.broker_name(ours), b.broker_name(later)) == (None, None), "they have names of ours"
    assert b.broker_name(foreign) == "b1", "it has no other"
    assert b.stranger(told) is foreign is b.foreign_named("b1")
    assert b.adopt_foreign(told, 5) is foreign, "and is not taken in anew"
    assert b.apply_fill(fill(1, 4, None, broker_id="b1"), 6).record is foreign
    assert b.claim("b1", "s") is foreign
    for record in (foreign, later):
        b._names.drop(record)
    assert b.broker_name(ours) == "b1", "again it means this one alone"


def test_an_order_that_had_several_ids_is_named_by_one_that_no_other_live_order_has() -> None:
    """A replace may have left two orders under our name, which then means the newer one."""
    b = book()
    other = b.add(order("a", 10, symbol="NQ"), 0)
    b.apply("a", Venue("a").ack(), 1)
    ours = b.add(order("c", 10), 2)
    b.apply("c", Venue("c").ack(), 3)
    newer = Venue("c", "b2")
    newer.ts = 10
    b.apply("c", newer.replaced(None, 10), 4)
    assert b.broker_name(ours) == "b2"
    back = Venue("c")
    back.ts = 20
    b.apply("c", back.report(S.WORKING, 10), 5)
    assert ours.life.broker_id == "b1" and b.broker_name(ours) is None, "the other one lives"
    b.apply_fill(fill(1, 10, "a", symbol="NQ"), 6)
    assert other.life.is_closed and b.broker_name(ours) == "b1"


def test_orders_are_found_by_every_id_the_broker_used() -> None:
    b = book()
    record = b.add(order("a", 10), 0)
    b.apply("a", Venue("a", "b1").ack(), 1)
    v2 = Venue("a", "b2")
    v2.ts = 10
    b.apply("a", v2.replaced(None, 10), 2)
    assert b.by_broker_id("b1") is b.by_broker_id("b2") is record


def closed_book(count: int, kept: int) -> OrderBook:
    b = book(closed_in_memory=kept)
    for n in range(count):
        b.add(order(f"o{n}", 1), n)
        b.apply_fill(fill(n, 1, f"o{n}"), n)
    return b


def test_closed_orders_leave_memory_and_stay_known() -> None:
    b = closed_book(30, 10)
    assert [r.id for r in b.recent_closed(100)] == [f"o{n}" for n in range(29, 19, -1)]
    assert b.get("o0") is None
    assert b.is_evicted("o0")
    assert b.apply("o0", Venue("o0").ack(), 99).outcome is Outcome.EVICTED
    assert b.apply_fill(fill(0, 1, "o0"), 99).outcome is Outcome.DUPLICATE
    late = b.apply_fill(fill("late", 1, "o0"), 99)
    assert (late.outcome, late.is_new, late.record) == (Outcome.EVICTED, True, None)
    assert b.bust(key(0), 99).outcome is Outcome.EVICTED


def test_what_is_missing_executions_or_has_living_children_stays_in_memory() -> None:
    b = book(closed_in_memory=10)
    b.add(order("parent", 1), 0)
    b.add(order("child", 1, side=Side.SELL, parent="parent"), 0)
    b.apply_fill(fill("p", 1, "parent"), 0)
    b.add(order("missing", 5), 0)
    b.apply("missing", Venue("missing", "m").canceled(2), 0)
    for n in range(100):
        b.add(order(f"o{n}", 1), n)
        b.apply_fill(fill(n, 1, f"o{n}"), n)
    assert b.get("parent") is not None
    assert b.get("missing") is not None
    assert b.exposure("ES") == (2, 1)
    assert len(b.recent_closed(100)) <= 12


def test_the_same_events_give_the_same_digest_and_any_difference_another() -> None:
    def play(last: int) -> OrderBook:
        b = book()
        v = Venue("a")
        b.add(order("a", 10, tif=TimeInForce.GTC), 0)
        b.apply("a", v.ack(), 1)
        b.apply_fill(fill(1, 4, "a"), 2)
        b.apply("a", CancelSent(), 3)
        b.apply_fill(fill(2, last, "a"), 4)
        b.bust(key("never"), 5)
        return b

    assert play(2).digest() == play(2).digest()
    assert play(2).digest() != play(3).digest()
