"""Deadlines: unanswered requests, remainders of partial fills, dates that the engine keeps."""

from __future__ import annotations

from orders_kit import S, Venue, book, fill, key, order, rep

from engine.lifecycle import CancelSent, LinkLost, ReplaceSent, Request, Sent, Unanswered
from engine.model import NS, PartialFillPolicy, TimeInForce
from engine.orders import InFlight


def test_an_unanswered_submit_falls_due_with_doubling_waits() -> None:
    b = book(answer_after=5, answer_backoff_max=30)
    b.add(order("a", 10), 0)
    b.apply("a", Sent(), 1 * NS)
    assert b.next_due() == 6 * NS
    assert b.due(6 * NS - 1) == []
    now, waits = 6 * NS, []
    for attempt in range(5):
        assert b.due(now) == [InFlight("a", Request.SUBMIT, attempt)]
        b.apply("a", Unanswered(what=Request.SUBMIT), now)
        due = b.next_due()
        assert due is not None
        waits.append((due - now) // NS)
        now = due
    assert waits == [5, 10, 20, 30, 30]
    assert b.get("a").life.status is S.UNKNOWN  # type: ignore[union-attr]
    b.apply("a", Venue("a").ack(), now)
    assert b.next_due() is None


def test_each_request_has_a_time_of_its_own() -> None:
    b = book(answer_after=5)
    v = Venue("a")
    b.add(order("a", 10), 0)
    b.apply("a", v.ack(), 1 * NS)
    assert b.next_due() is None
    b.apply("a", ReplaceSent(replace=rep("r", 12, oid="a", created=2 * NS)), 2 * NS)
    assert b.next_due() == 7 * NS
    b.apply("a", CancelSent(), 3 * NS)
    assert b.next_due() == 8 * NS
    assert b.due(8 * NS) == [InFlight("a", Request.CANCEL, 0)]
    b.apply("a", CancelSent(), 9 * NS)  # asked for again: the question about the first is not put off
    assert b.due(13 * NS - 1) == []
    assert b.due(13 * NS) == [InFlight("a", Request.CANCEL, 1)]
    b.apply("a", v.cancel_rejected(), 15 * NS)  # the replace has waited all the while
    assert b.due(15 * NS) == [InFlight("a", Request.REPLACE, 0)]
    assert b.next_due() == 20 * NS
    b.apply("a", v.replaced("r", 12), 21 * NS)
    assert b.next_due() is None


def test_refused_cancels_do_not_put_off_the_question_about_a_replace() -> None:
    """Seed 4169: the rest of a filled order was cancelled every two seconds; each refusal began the wait for
    the lost replace anew, so that the order stayed open for ever."""
    b = book(answer_after=5)
    v = Venue("a")
    b.add(order("a", 10), 0)
    b.apply("a", v.ack(), 1 * NS)
    b.apply("a", ReplaceSent(replace=rep("r", 12, oid="a", created=2 * NS)), 2 * NS)
    for second in range(3, 8, 2):
        b.apply("a", CancelSent(), second * NS)
        b.apply("a", v.cancel_rejected(), second * NS)
    assert b.due(7 * NS) == [InFlight("a", Request.REPLACE, 0)]


def test_a_contradiction_is_asked_about_at_once() -> None:
    b = book()
    v = Venue("a")
    b.add(order("a", 10), 0)
    b.apply("a", v.ack(), 1)
    b.apply("a", v.not_found(), 2)
    assert b.due(2) == [InFlight("a", Request.QUERY, 0)]
    assert b.due(3) == []
    b.apply("a", v.report(S.WORKING, qty=10), 4)
    assert b.next_due() is None


def test_after_a_reconnect_everything_unanswered_is_due_now() -> None:
    b = book()
    for oid in ("a", "b", "c"):
        b.add(order(oid, 10), 0)
    b.apply("b", Venue("b").ack(), 1)
    for record in b.working():
        b.apply(record.id, LinkLost(), 2)
    while (due := b.next_due()) is not None and due < 100 * NS:
        b.due(due)
    b.hurry(100 * NS)
    assert [(d.order_id, d.attempts) for d in b.due(100 * NS)] == [("a", 0), ("c", 0)]
    assert b.next_due() == 105 * NS, "the waits start over"


def test_the_remainder_of_a_partial_fill_falls_due_by_policy() -> None:
    b = book(answer_after=5)
    v = Venue("a", "ba")
    policy = {"partial_fill": PartialFillPolicy.CANCEL_REMAINDER, "remainder_after": 10 * NS}
    b.add(order("a", 10, **policy), 0)
    b.add(order("ride", 10), 0)
    b.apply("a", v.ack(), 1)
    b.apply("ride", Venue("ride", "br").ack(), 1)
    b.apply_fill(fill(1, 2, "a"), 2 * NS)
    b.apply_fill(fill(2, 2, "ride"), 2 * NS)
    b.apply_fill(fill(3, 2, "a"), 8 * NS)
    assert b.remainders_due(12 * NS - 1) == []
    assert b.remainders_due(12 * NS) == ["a"]
    b.apply("a", CancelSent(), 12 * NS)
    assert b.remainders_due(17 * NS) == [], "its cancel is under way"
    b.apply("a", v.cancel_rejected(), 18 * NS)
    assert b.remainders_due(22 * NS) == ["a"]
    b.apply("a", v.canceled(4), 23 * NS)
    assert b.remainders_due(60 * NS) == []
    assert b.next_due() is None


def test_a_busted_first_fill_starts_the_remainder_anew() -> None:
    b = book()
    policy = {"partial_fill": PartialFillPolicy.CANCEL_REMAINDER, "remainder_after": 10 * NS}
    b.add(order("a", 10, **policy), 0)
    b.apply_fill(fill(1, 2, "a"), 0)
    b.bust(key(1), 1 * NS)
    assert b.remainders_due(10 * NS) == []
    b.apply_fill(fill(2, 2, "a"), 20 * NS)
    assert b.remainders_due(29 * NS) == []
    assert b.remainders_due(30 * NS) == ["a"]


def test_dates_kept_by_the_engine() -> None:
    b = book(answer_after=5)
    b.add(order("a", 10, tif=TimeInForce.GTD, expire=100 * NS), 0)
    b.add(order("v", 10, tif=TimeInForce.GTD, expire=100 * NS), 0, local_expiry=False)
    for oid in ("a", "v"):
        b.apply(oid, Venue(oid, oid).ack(), 1)
    assert b.next_due() == 100 * NS
    assert b.expiries_due(99 * NS) == []
    assert b.expiries_due(100 * NS) == ["a"]
    assert b.expiries_due(105 * NS) == ["a"], "asked again until it is gone"
    b.apply("a", Venue("a", "a").canceled(0), 106 * NS)
    assert b.expiries_due(200 * NS) == []


def test_deadlines_do_not_pile_up() -> None:
    b = book()
    b.add(order("rest", 1), 0)
    for n in range(2_000):
        b.add(order(f"o{n}", 1), n)
        b.apply_fill(fill(n, 1, f"o{n}"), n)
    assert len(b._watch._flights._heap) < 200
    assert [d.order_id for d in b.due(10 * NS)] == ["rest"]
