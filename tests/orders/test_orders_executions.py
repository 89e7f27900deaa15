"""Executions are booked once for ever, corrected and busted by identity, whatever the order of arrival."""

from __future__ import annotations

from orders_kit import S, Venue, book, fill, key, order

from engine.lifecycle import Code
from engine.model import Side
from engine.orders import Outcome


def test_a_repeat_is_ignored_and_counted() -> None:
    b = book()
    record = b.add(order("a", 10), 0)
    assert b.apply_fill(fill(1, 4, "a"), 1).is_new
    again = b.apply_fill(fill(1, 4, "a"), 2)
    assert (again.outcome, again.is_new, again.record) == (Outcome.DUPLICATE, False, record)
    assert (record.life.cum, b.duplicates) == (4, 1)


def test_the_same_exec_id_on_another_day_is_another_execution() -> None:
    b = book()
    record = b.add(order("a", 10), 0)
    b.apply_fill(fill(1, 4, "a"), 1)
    assert b.apply_fill(fill(1, 4, "a", key=key(1, "2026-11-21")), 2).is_new
    assert record.life.cum == 8


def test_an_identity_used_again_for_other_lots_is_said_out_loud() -> None:
    b = book()
    b.add(order("a", 10), 0)
    b.add(order("b", 10), 0)
    b.apply_fill(fill(1, 4, "a"), 1)
    for other in (fill(1, 4, "b"), fill(1, 5, "a"), fill(1, 4, "a", side=Side.SELL)):
        outcome = b.apply_fill(other, 2)
        assert not outcome.is_new
        assert [a.code for a in outcome.anomalies] == [Code.EXECUTION_DIFFERS]
    corrected = fill(1, 3, "a")
    b.correct(key(1), corrected, 3)
    outcome = b.apply_fill(fill(1, 4, "a"), 4)
    assert [a.code for a in outcome.anomalies] == [Code.DUPLICATE], "the original, sent once more"


def test_a_fill_of_no_known_order_is_still_a_fill() -> None:
    b = book()
    outcome = b.apply_fill(fill(1, 4, None), 1)
    assert (outcome.outcome, outcome.is_new) == (Outcome.UNKNOWN_ORDER, True)
    assert outcome.anomalies[0].code is Code.UNKNOWN_ORDER
    busted = b.bust(key(1), 2)
    assert (busted.outcome, busted.fill) == (Outcome.NEW, outcome.fill)


def test_a_fill_that_contradicts_its_order_counts_in_its_own_position_only() -> None:
    b = book()
    record = b.add(order("a", 10), 0)
    outcome = b.apply_fill(fill(1, 4, "a", side=Side.SELL), 1)
    assert (outcome.outcome, outcome.is_new, record.life.cum) == (Outcome.MISMATCH, True, 0)
    assert b.apply_fill(fill(2, 0, "a"), 1).outcome is Outcome.INVALID


def test_a_fill_finds_its_order_by_the_brokers_id() -> None:
    b = book()
    record = b.add(order("a", 10), 0)
    b.apply("a", Venue("a", "b7").ack(), 1)
    assert b.apply_fill(fill(1, 4, None, broker_id="b7"), 2).record is record


def test_a_bust_takes_back_what_was_booked() -> None:
    b = book()
    record = b.add(order("a", 10), 0)
    first = fill(1, 4, "a", price=101)
    b.apply_fill(first, 1)
    b.apply_fill(fill(2, 6, "a", price=99), 2)
    assert record.life.status is S.FILLED
    out = b.bust(key(1), 3)
    assert (out.outcome, out.fill, out.new) == (Outcome.NEW, first, None)
    assert [a.code for a in out.anomalies] == [Code.REOPENED]
    assert (record.life.cum, record.executed, record.cum_value, str(record.fees)) == (6, 6, 594, "0.5")
    assert b.exposure("ES") == (4, 0)
    assert b.bust(key(1), 4).outcome is Outcome.DUPLICATE
    assert b.apply_fill(first, 5).outcome is Outcome.DUPLICATE
    assert record.life.cum == 6


def test_a_bust_that_comes_first_voids_the_execution() -> None:
    b = book()
    record = b.add(order("a", 10), 0)
    out = b.bust(key(1), 1)
    assert (out.outcome, out.fill) == (Outcome.EARLY, None)
    late = b.apply_fill(fill(1, 4, "a"), 2)
    assert (late.outcome, late.is_new) == (Outcome.VOIDED, False)
    assert record.life.cum == 0
    assert b.apply_fill(fill(1, 4, "a"), 3).outcome is Outcome.DUPLICATE


def test_a_voided_execution_is_not_missed() -> None:
    b = book()
    v = Venue("a")
    record = b.add(order("a", 10), 0)
    b.apply("a", v.canceled(4), 1)
    assert b.exposure("ES") == (4, 0)
    b.bust(key(1), 2)
    b.apply_fill(fill(1, 4, "a"), 3)
    assert (record.life.missing, b.exposure("ES")) == (0, (0, 0))


def test_a_correction_replaces_and_its_chain_is_followed() -> None:
    b = book()
    record = b.add(order("a", 10), 0)
    first, second, third = fill(1, 4, "a"), fill(2, 6, "a", price=90), fill(3, 5, "a", price=91)
    b.apply_fill(first, 1)
    out = b.correct(key(1), second, 2)
    assert (out.outcome, out.fill, out.new) == (Outcome.NEW, first, second)
    assert (record.life.cum, record.cum_value) == (6, 540)
    out = b.correct(key(1), third, 3)
    assert (out.fill, out.new) == (second, third), "the venue may go on naming the first"
    assert (record.life.cum, record.keys) == (5, [key(3)])
    assert b.correct(key(1), third, 4).outcome is Outcome.DUPLICATE
    assert b.apply_fill(second, 5).outcome is Outcome.DUPLICATE
    assert b.bust(key(2), 6).fill == third
    assert (record.life.cum, record.executed, record.keys) == (0, 0, [])


def test_a_correction_under_the_same_identity() -> None:
    b = book()
    record = b.add(order("a", 10), 0)
    b.apply_fill(fill(1, 4, "a"), 1)
    better = fill(1, 4, "a", price=95)
    assert b.correct(key(1), better, 2).new == better
    assert (record.cum_value, record.life.cum) == (380, 4)
    assert b.correct(key(1), better, 3).outcome is Outcome.DUPLICATE


def test_a_correction_that_comes_first_is_booked_and_the_original_ignored() -> None:
    b = book()
    record = b.add(order("a", 10), 0)
    corrected = fill(2, 6, "a")
    out = b.correct(key(1), corrected, 1)
    assert (out.outcome, out.fill, out.new) == (Outcome.EARLY, None, corrected)
    assert Code.CORRECTION_BEFORE_FILL in [a.code for a in out.anomalies]
    assert b.apply_fill(fill(1, 4, "a"), 2).outcome is Outcome.DUPLICATE
    assert record.life.cum == 6
    assert b.bust(key(1), 3).fill == corrected


def test_a_correction_after_the_bust_changes_nothing() -> None:
    b = book()
    record = b.add(order("a", 10), 0)
    b.apply_fill(fill(1, 4, "a"), 1)
    b.bust(key(1), 2)
    assert b.correct(key(1), fill(2, 6, "a"), 3).outcome is Outcome.DUPLICATE
    assert record.life.cum == 0


def test_an_old_correction_that_comes_again_does_not_undo_the_newer_one() -> None:
    b = book()
    record = b.add(order("a", 10), 0)
    second, third = fill(2, 5, "a"), fill(3, 6, "a")
    b.apply_fill(fill(1, 4, "a"), 1)
    b.correct(key(1), second, 2)
    b.correct(key(2), third, 3)
    assert b.correct(key(1), second, 4).outcome is Outcome.DUPLICATE
    assert (record.life.cum, record.keys) == (6, [key(3)])
