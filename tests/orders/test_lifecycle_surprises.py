"""What a venue may do that no matrix shows: lost answers, late facts, orders that come back from the dead."""

from __future__ import annotations

import msgspec
import pytest
from orders_kit import S, Venue, order, rep

from engine.lifecycle import (
    CancelSent,
    Code,
    FillApplied,
    FillRemoved,
    LinkLost,
    Lost,
    NotSent,
    OrderEvent,
    OrderLife,
    ReplaceSent,
    ReplacesLost,
    Request,
    Unanswered,
    born,
    transition,
)
from engine.lifecycle_report import revived_by_a_picture
from engine.model import OrderType, TimeInForce


def run(
    *events: OrderEvent, qty: int = 10, tif: TimeInForce = TimeInForce.DAY
) -> tuple[OrderLife, list[Code]]:
    """The life after these events, and the surprises of the last one."""
    life = born(order(qty=qty, tif=tif))
    codes: list[Code] = []
    for event in events:
        life, anomalies = transition(life, event)
        codes = [a.code for a in anomalies]
    return life, codes


def timeout(what: Request = Request.SUBMIT) -> Unanswered:
    return Unanswered(what=what)


def test_an_unanswered_submit_is_unknown_and_counts_in_full_until_answered() -> None:
    v = Venue()
    life, _ = run(timeout())
    assert (life.status, life.uncertain, life.worst_leaves) == (S.UNKNOWN, S.PENDING_NEW, 10)
    assert life.in_flight is Request.SUBMIT
    for answer, status in (
        (v.ack(), S.WORKING),
        (v.rejected(), S.REJECTED),
        (v.report(S.WORKING, qty=10), S.WORKING),
        (v.report(S.CANCELED, qty=10), S.CANCELED),
        (v.report(S.REJECTED, qty=10), S.REJECTED),
        (FillApplied(qty=10), S.FILLED),
        (FillApplied(qty=1), S.PARTIAL_FILL),
    ):
        assert transition(life, answer).life.status is status


def test_an_order_in_doubt_ends_with_the_venues_word_though_more_was_executed() -> None:
    """A replace left two live orders with one id; the smaller one filled. Whoever waited for more to be told
    of it would wait for ever, and a kill with them (found by simulation seed 9 with a planted bug)."""
    v = Venue()
    begin = (
        v.ack(),
        FillApplied(qty=3),
        v.canceled(cum=3),
        v.report(S.WORKING, qty=2, cum=3),
    )
    life, _ = run(*begin, qty=4)
    assert life.status is S.UNKNOWN and life.worst_leaves > 0
    life, codes = run(*begin, v.report(S.FILLED, qty=2, cum=2), qty=4)
    assert (life.status, life.cum, life.worst_leaves, life.in_flight) == (S.CANCELED, 3, 0, None)
    assert Code.CONTRADICTION in codes


def test_a_refused_second_copy_says_that_the_first_is_there() -> None:
    """The line doubled a new order and the acknowledgement of the first copy was late: until it came, a live
    order was taken for rejected and did not count (found by simulation seed 48)."""
    v = Venue()
    copy = msgspec.structs.replace(v.rejected(), duplicate=True)
    life, codes = run(copy)
    assert (life.status, life.worst_leaves, life.in_flight) == (S.UNKNOWN, 10, Request.SUBMIT)
    assert Code.REJECT_OF_OTHER_ORDER in codes
    assert run(copy, v.ack())[0].status is S.WORKING
    assert run(copy, v.report(S.REJECTED, qty=10))[0].status is S.REJECTED


def test_a_second_live_order_under_the_id_of_a_filled_one_counts() -> None:
    """A replace left the old order alive; the new one filled. Pictures of the old one were taken for stale
    ones of the new one, so that a live order did not count (found by simulation seed 2867)."""
    v = Venue()
    begin = (v.ack(), ReplaceSent(replace=rep("Y", 12)), v.replaced("Y", 12), FillApplied(qty=12))
    life, _ = run(*begin)
    assert life.status is S.FILLED
    second = msgspec.structs.replace(v.report(S.WORKING, qty=10), broker_id="another", leaves=10)
    life, codes = run(*begin, second)
    assert (life.status, life.cum, life.worst_leaves) == (S.PARTIAL_FILL, 12, 10)
    assert life.broker_id == "another" and codes == [Code.REOPENED]
    assert run(*begin, second, v.canceled(cum=0))[0].worst_leaves == 0
    same = msgspec.structs.replace(second, broker_id=run(*begin)[0].broker_id)
    assert run(*begin, same)[0].status is S.FILLED, "the order itself cannot have come back"


def test_filled_at_a_smaller_size_leaves_no_lot_to_wait_for() -> None:
    """Replaced down, filled at the smaller size, and the refused cancel came before the word on the replace:
    a lot that nobody would ever execute counted as exposure for good (found by simulation seed 1776)."""
    v = Venue()
    begin = (
        v.ack(),
        ReplaceSent(replace=rep("Y", 6)),
        CancelSent(),
        FillApplied(qty=6),
        v.cancel_rejected(S.FILLED),
    )
    life, codes = run(*begin)
    assert life.status is S.UNKNOWN and life.worst_leaves == 4, "until it is known to which size it filled"
    assert Code.MISSING_FILL in codes
    life, _ = run(*begin, v.replaced("Y", 6, cum=0))
    assert (life.status, life.worst_leaves, life.missing) == (S.FILLED, 0, 0)


def test_not_found_alone_never_ends_an_order() -> None:
    v = Venue()
    life, codes = run(timeout(), v.not_found(), v.not_found())
    assert (life.status, life.worst_leaves, codes) == (S.UNKNOWN, 10, [Code.NOT_FOUND])


def test_a_lost_order_that_fills_is_booked_and_in_doubt_again() -> None:
    v = Venue()
    life, codes = run(timeout(), v.not_found(), Lost(reason="asked twice"), FillApplied(qty=4))
    assert codes == [Code.FILL_AFTER_LOST]
    assert (life.status, life.cum, life.worst_leaves) == (S.UNKNOWN, 4, 6)


@pytest.mark.parametrize("sign", ["ack", "triggered", "suspended", "working report"])
def test_any_sign_of_life_reopens_what_only_we_had_ended(sign: str) -> None:
    v = Venue()
    for ended in (NotSent(reason="link down"), Lost()):
        news = {
            "ack": v.ack(),
            "triggered": v.triggered(),
            "suspended": v.suspended(),
            "working report": v.report(S.WORKING, qty=10),
        }[sign]
        life, codes = run(ended, news)
        assert life.status is S.WORKING
        assert Code.REOPENED in codes


def test_the_venues_word_against_its_picture_is_unknown_until_a_second_answer() -> None:
    v = Venue()
    ended = [v.ack(), CancelSent(), v.canceled(0)]
    life, codes = run(*ended, v.report(S.WORKING, qty=10))
    assert (life.status, life.uncertain, life.worst_leaves) == (S.UNKNOWN, S.CANCELED, 10)
    assert codes == [Code.REOPENED]
    assert life.in_flight is Request.QUERY
    assert transition(life, v.report(S.WORKING, qty=10)).life.status is S.WORKING
    assert transition(life, v.report(S.CANCELED, qty=10)).life.status is S.CANCELED
    assert transition(life, v.not_found()).life.status is S.CANCELED


def test_a_picture_from_before_the_cancel_changes_nothing() -> None:
    v = Venue()
    life, codes = run(v.ack(ts=10), CancelSent(), v.canceled(0, ts=20), v.report(S.WORKING, qty=10, ts=15))
    assert (life.status, codes) == (S.CANCELED, [Code.STALE_REPORT])


def test_a_report_never_invents_a_fill() -> None:
    v = Venue()
    life, anomalies = transition(run(v.ack())[0], v.report(S.PARTIAL_FILL, qty=10, cum=4))
    assert (life.cum, life.missing, life.leaves) == (0, 4, 10)
    assert [(a.code, a.amount) for a in anomalies] == [(Code.MISSING_FILL, 4)]
    life, codes = run(v.ack(), v.report(S.FILLED, qty=10, cum=10))
    assert (life.status, life.cum, life.worst_leaves, codes) == (S.UNKNOWN, 0, 10, [Code.MISSING_FILL])
    assert transition(life, FillApplied(qty=10)).life.status is S.FILLED


def test_a_report_never_takes_a_fill_back() -> None:
    v = Venue()
    life, codes = run(v.ack(), FillApplied(qty=4), v.report(S.WORKING, qty=10, cum=0))
    assert (life.status, life.cum, codes) == (S.PARTIAL_FILL, 4, [Code.STALE_REPORT])


def test_an_end_with_missing_executions_keeps_them_in_the_exposure() -> None:
    v = Venue()
    life, codes = run(v.ack(), CancelSent(), v.canceled(3))
    assert (life.status, codes) == (S.CANCELED, [Code.MISSING_FILL])
    assert (life.leaves, life.worst_leaves) == (0, 3)
    life, anomalies = transition(life, FillApplied(qty=3))
    assert (life.status, life.worst_leaves, anomalies) == (S.CANCELED, 0, ())


def test_a_fill_after_the_cancel_is_booked_and_named() -> None:
    v = Venue()
    life, codes = run(v.ack(), CancelSent(), v.canceled(0), FillApplied(qty=2))
    assert (life.status, life.cum, codes) == (S.CANCELED, 2, [Code.FILL_AFTER_CANCEL])
    life, codes = run(v.ack(), CancelSent(), v.canceled(0), FillApplied(qty=10))
    assert life.status is S.FILLED
    assert transition(life, FillRemoved(qty=10)).life.status is S.CANCELED


def test_an_overfill_is_booked_with_its_amount() -> None:
    v = Venue()
    life, anomalies = transition(run(v.ack(), FillApplied(qty=9))[0], FillApplied(qty=3))
    assert (life.status, life.cum, life.leaves) == (S.FILLED, 12, 0)
    assert [(a.code, a.amount) for a in anomalies] == [(Code.OVERFILL, 2)]


def test_a_fill_beyond_the_old_quantity_within_a_pending_replace_is_no_overfill() -> None:
    v = Venue()
    life, codes = run(v.ack(), ReplaceSent(replace=rep("Y", 15)), FillApplied(qty=12))
    assert codes == [Code.FILL_BEFORE_REPLACED]
    assert (life.status, life.is_closed, life.worst_leaves) == (S.FILLED, False, 3)
    assert transition(life, v.replaced("Y", 15)).life.leaves == 3


@pytest.mark.parametrize("filled", [12, 15])
def test_what_a_pending_replace_excused_is_an_overfill_once_that_is_refused(filled: int) -> None:
    v = Venue()
    life, codes = run(v.ack(), ReplaceSent(replace=rep("Y", 15)), FillApplied(qty=filled))
    assert Code.OVERFILL not in codes
    after, anomalies = transition(life, v.replace_rejected("Y"))
    assert [a.amount for a in anomalies if a.code is Code.OVERFILL] == [filled - 10]
    assert after.is_closed and after.cum == filled
    assert Code.OVERFILL not in [a.code for a in transition(after, v.replace_rejected("Y")).anomalies]


@pytest.mark.parametrize("filled", [12, 15])
@pytest.mark.parametrize("named", ["Y", None])
def test_what_a_replace_excused_that_never_left_is_an_overfill(filled: int, named: str | None) -> None:
    v = Venue()
    life, codes = run(v.ack(), ReplaceSent(replace=rep("Y", 15)), FillApplied(qty=filled))
    assert Code.OVERFILL not in codes
    note = NotSent(reason="the order has ended", what=Request.REPLACE, replace_id=named)
    after, anomalies = transition(life, note)
    assert [(a.code, a.amount) for a in anomalies] == [(Code.OVERFILL, filled - 10)]
    assert after.is_closed and after.cum == filled
    assert transition(after, note).anomalies == (), "once"


def test_of_two_pending_replaces_the_one_that_stands_goes_on_excusing() -> None:
    v = Venue()
    asked = (ReplaceSent(replace=rep("Y", 12)), ReplaceSent(replace=rep("Z", 15)))
    life, _ = run(v.ack(), *asked, FillApplied(qty=13))
    life, anomalies = transition(life, v.replace_rejected("Y"))
    assert Code.OVERFILL not in [a.code for a in anomalies]
    amounts = [a.amount for a in transition(life, v.replace_rejected("Z")).anomalies if a.amount]
    assert amounts == [3]
    # What went beyond every size that was asked for was named when it was executed.
    life, codes = run(v.ack(), ReplaceSent(replace=rep("Y", 15)), FillApplied(qty=17))
    assert codes == [Code.OVERFILL]
    found = [a.amount for a in transition(life, v.replace_rejected("Y")).anomalies if a.amount]
    assert found == [5]


def test_the_worst_case_is_the_largest_of_all_pending_replaces() -> None:
    v = Venue()
    life, _ = run(
        v.ack(), ReplaceSent(replace=rep("Y", 30)), ReplaceSent(replace=rep("Z", 5)), FillApplied(qty=2)
    )
    assert (life.leaves, life.worst_qty, life.worst_leaves) == (8, 30, 28)
    after = transition(life, v.replaced("Y", 30)).life
    assert (after.leaves, after.worst_leaves) == (28, 28)
    after = transition(after, v.replaced("Z", 5)).life
    assert (after.leaves, after.worst_leaves) == (3, 3)


def test_an_unanswered_cancel_is_unknown_and_may_turn_out_lost() -> None:
    v = Venue()
    life, _ = run(v.ack(), CancelSent(), timeout(Request.CANCEL))
    assert (life.status, life.uncertain, life.worst_leaves) == (S.UNKNOWN, S.WORKING, 10)
    life, anomalies = transition(life, FillApplied(qty=1))
    assert life.status is S.UNKNOWN, "a fill says nothing about the cancel"
    after, anomalies = transition(life, v.report(S.PARTIAL_FILL, qty=10, cum=1))
    assert (after.status, after.pending_cancel) == (S.PARTIAL_FILL, False)
    assert [a.code for a in anomalies] == [Code.CANCEL_LOST]


def test_an_unanswered_replace_keeps_its_exposure_until_it_is_given_up() -> None:
    """Simulated seed 7818: two answers with the old terms were taken for the proof that a replace never
    arrived, and it had been held up by the line."""
    v = Venue()
    replace = ReplaceSent(replace=rep("Y", 20))
    life, codes = run(v.ack(), replace, timeout(Request.REPLACE), v.report(S.WORKING, qty=10))
    assert (life.status, life.worst_leaves, codes) == (S.WORKING, 20, [])
    life = transition(life, timeout(Request.REPLACE)).life
    life, anomalies = transition(life, v.report(S.WORKING, qty=10))
    assert (life.status, life.worst_leaves, life.replaces) == (S.WORKING, 20, ()), "nothing waits for it"
    assert (life.in_flight, anomalies) == (Request.REPLACE, ()), "it is asked about until it is given up"
    for event, qty, worst, answer in (
        (v.replaced("Y", 20), 20, 20, []),
        (v.report(S.WORKING, qty=20), 20, 20, []),
        (v.replace_rejected("Y"), 10, 10, []),
        (v.replace_rejected(None), 10, 10, []),
        (ReplacesLost(ids=("Y",)), 10, 10, [Code.REPLACE_LOST]),
        (ReplacesLost(ids=("other",)), 10, 20, []),
        (v.canceled(), 10, 0, [Code.UNSOLICITED_CANCEL]),
        (FillApplied(qty=15), 15, 5, [Code.FILL_BEFORE_REPLACED]),
    ):
        after, anomalies = transition(life, event)
        assert (max(after.qty, after.cum), after.worst_leaves) == (qty, worst)
        assert [a.code for a in anomalies] == answer
    gone = transition(life, ReplacesLost(ids=("Y",))).life
    late, anomalies = transition(gone, v.replaced("Y", 20))
    assert (late.qty, [a.code for a in anomalies]) == (20, [Code.UNSOLICITED_REPLACE])


def test_the_answer_to_a_newer_replace_does_not_end_the_doubt_about_a_late_one() -> None:
    v = Venue()
    ack, doubts = v.ack(), (timeout(Request.REPLACE), v.report(S.WORKING, qty=10)) * 2
    life, _ = run(ack, ReplaceSent(replace=rep("Y", 20)), *doubts, ReplaceSent(replace=rep("Z", 12)))
    early = v.replaced("Y", 20)
    life = transition(life, v.replaced("Z", 12)).life
    assert (life.qty, life.worst_leaves, life.replaces) == (12, 20, ())
    overtaken, anomalies = transition(life, early)
    assert (overtaken.qty, overtaken.worst_leaves) == (12, 12)
    assert [a.code for a in anomalies] == [Code.OUT_OF_SEQUENCE]
    taken = transition(life, v.replaced("Y", 20)).life
    assert (taken.qty, taken.worst_leaves, taken.in_flight) == (20, 20, None)
    arrived = transition(life, v.pending_replace("Y")).life
    assert ([r.id for r in arrived.replaces], arrived.late, arrived.worst_leaves) == (["Y"], (), 20)
    filled = transition(life, FillApplied(qty=12)).life
    assert (filled.status, filled.worst_leaves, filled.is_closed) == (S.FILLED, 8, False)


def test_a_copy_of_an_old_replace_does_not_take_the_newer_terms_back() -> None:
    """Simulated seed 94080: the answer to a replace that had been given up, or that is too long ago to be
    remembered by its id, came once more, after the venue had taken newer terms."""
    v = Venue()
    replaces = [(ReplaceSent(replace=rep(f"R{n}", 20 + n)), v.replaced(f"R{n}", 20 + n)) for n in range(12)]
    life, codes = run(v.ack(), *(event for pair in replaces for event in pair))
    assert (life.qty, codes) == (31, [])
    for _, old in replaces[:-1]:
        after, anomalies = transition(life, old)
        assert (after.qty, [a.code for a in anomalies]) == (31, [Code.OUT_OF_SEQUENCE])
    later = v.replaced("not ours", 7)
    after, anomalies = transition(life, later)
    assert (after.qty, [a.code for a in anomalies]) == (7, [Code.UNSOLICITED_REPLACE])


def test_a_replace_that_the_venue_took_a_second_time_is_asked_about_and_the_larger_counts() -> None:
    """Simulated seed 2925: the line brought a replace twice, the second time after a newer one. The second
    answer was held for a copy of the first, and the order stood on terms that the venue had left."""
    v = Venue()
    two = (
        *(v.ack(), ReplaceSent(replace=rep("X", 20, limit=99)), v.replaced("X", 20, limit=99)),
        *(ReplaceSent(replace=rep("Y", 12, limit=98)), v.replaced("Y", 12, limit=98)),
    )
    life, codes = run(*two, v.replaced("X", 20, limit=99))
    assert (life.status, life.in_flight, codes) == (S.UNKNOWN, Request.QUERY, [Code.UNSOLICITED_REPLACE])
    assert (life.qty, life.limit, life.worst_leaves) == (20, 99, 20)
    settled, anomalies = transition(life, v.report(S.WORKING, qty=20, limit=99))
    assert (settled.status, settled.qty, settled.limit, anomalies) == (S.WORKING, 20, 99, ())
    settled = transition(life, v.report(S.WORKING, qty=12, limit=98)).life
    assert (settled.status, settled.qty, settled.limit, settled.leaves) == (S.WORKING, 12, 98, 12)
    # The smaller of two is no reason to count less before the venue has said so.
    life, _ = run(*two, ReplaceSent(replace=rep("Z", 30)), v.replaced("Z", 30), v.replaced("Y", 12))
    assert (life.status, life.worst_leaves) == (S.UNKNOWN, 30)
    # A replace that was refused, and whose second copy was taken.
    refused = (v.ack(), ReplaceSent(replace=rep("X", 20)), v.replace_rejected("X"))
    life, _ = run(*refused, v.replaced("X", 20))
    assert (life.status, life.worst_leaves) == (S.UNKNOWN, 20)


def test_a_copy_of_the_answer_to_a_replace_is_only_a_copy() -> None:
    v = Venue()
    ack, first, second = v.ack(), v.replaced("X", 20), v.replaced("Y", 12)
    sent = [ReplaceSent(replace=rep("X", 20)), ReplaceSent(replace=rep("Y", 12))]
    both = (ack, *sent, first, second)
    assert run(*both, first) == (run(*both)[0], [Code.OUT_OF_SEQUENCE])
    life, codes = run(*both, v.restated(9), second)
    assert (life.status, life.qty, codes) == (S.WORKING, 9, [Code.DUPLICATE])
    canceled = (ack, sent[0], first, v.canceled())
    assert run(*canceled, first)[1] == [Code.DUPLICATE]
    life, codes = run(*canceled, v.replaced("X", 20))  # told after its end: it works, or is asked about
    assert (life.status, life.worst_leaves, codes) == (S.UNKNOWN, 20, [Code.REOPENED])


def test_a_report_with_the_new_terms_answers_the_replace() -> None:
    v = Venue()
    replace = ReplaceSent(replace=rep("Y", 20, limit=99))
    life, codes = run(
        v.ack(), replace, timeout(Request.REPLACE), v.report(S.WORKING, qty=20, cum=0, limit=99)
    )
    assert (life.status, life.qty, life.limit, life.replaces, codes) == (S.WORKING, 20, 99, (), [])
    assert transition(life, v.replaced("Y", 20, limit=99)).anomalies[0].code is Code.DUPLICATE


def test_a_rejection_of_the_other_request_answers_nothing() -> None:
    v = Venue()
    life, codes = run(v.ack(), ReplaceSent(replace=rep("Y", 20)), v.cancel_rejected())
    assert (life.worst_leaves, codes) == (20, [Code.REJECT_OF_OTHER_REQUEST])
    life, codes = run(v.ack(), CancelSent(), v.replace_rejected(None))
    assert (life.pending_cancel, codes) == (True, [Code.REJECT_OF_OTHER_REQUEST])


def test_of_two_pending_replaces_a_rejection_without_id_refuses_neither() -> None:
    v = Venue()
    life, codes = run(
        v.ack(),
        ReplaceSent(replace=rep("Y", 20)),
        ReplaceSent(replace=rep("Z", 30)),
        v.replace_rejected(None),
    )
    assert (len(life.replaces), life.worst_leaves, codes) == (2, 30, [Code.REJECT_OF_OTHER_REQUEST])


def test_a_lost_link_leaves_what_was_answered_and_doubts_what_was_not() -> None:
    v = Venue()
    assert run(v.ack(), LinkLost())[0].status is S.WORKING
    assert run(LinkLost())[0].status is S.UNKNOWN
    assert run(v.ack(), CancelSent(), LinkLost())[0].status is S.UNKNOWN
    assert run(v.ack(), FillApplied(qty=10), LinkLost())[0].status is S.FILLED


def test_a_request_that_never_left_leaves_no_trace() -> None:
    v = Venue()
    life, _ = run(v.ack(), CancelSent(), NotSent(reason="down", what=Request.CANCEL))
    assert (life.status, life.in_flight) == (S.WORKING, None)
    life, _ = run(
        v.ack(),
        ReplaceSent(replace=rep("Y", 20)),
        ReplaceSent(replace=rep("Z", 30)),
        NotSent(reason="down", what=Request.REPLACE, replace_id="Y"),
    )
    assert [r.id for r in life.replaces] == ["Z"]


def test_the_brokers_id_is_learned_and_follows_a_replace() -> None:
    life, _ = run(Venue(broker_id=None).ack())
    assert life.broker_id is None
    life = transition(life, Venue(broker_id="b1").suspended()).life
    assert life.broker_id == "b1"
    v2 = Venue(broker_id="b2")
    v2.ts = 100
    life = transition(life, v2.replaced(None, 5)).life
    assert life.broker_id == "b2"
    life = transition(life, Venue(broker_id="b3").cancel_rejected()).life
    assert life.broker_id == "b2"


def test_done_for_day_after_all_is_filled_is_no_surprise() -> None:
    v = Venue()
    assert run(v.ack(), FillApplied(qty=10), v.done(10))[1] == []


def test_a_stop_that_triggers_without_acknowledgement_is_working() -> None:
    v = Venue()
    life = born(order(qty=10, type=OrderType.STOP, limit=None, stop=120))
    life = transition(life, v.triggered()).life
    assert (life.status, life.triggered) == (S.WORKING, True)
    assert transition(life, v.ack()).anomalies[0].code is Code.LATE_ACK


def test_an_order_is_revived_by_a_picture_only_after_an_end_that_the_venue_had_told_of() -> None:
    v = Venue()

    def revived(life: OrderLife, event: OrderEvent) -> bool:
        after, anomalies = transition(life, event)
        return revived_by_a_picture(life, after, event, anomalies)  # type: ignore[arg-type]

    ended, _ = run(v.ack(), CancelSent(), v.canceled())
    first = v.report(S.WORKING, qty=10)
    assert not revived(ended, first), "one picture against one word: it is asked about"
    doubtful = transition(ended, first).life
    assert doubtful.status is S.UNKNOWN and revived(doubtful, v.report(S.WORKING, qty=10))
    assert not revived(doubtful, v.report(S.CANCELED, qty=10))
    lost, _ = run(Lost(reason="never came"))
    assert not revived(lost, v.report(S.WORKING, qty=10)), "we had inferred its end"
    filled, _ = run(v.ack(), FillApplied(qty=10))
    assert not revived(filled, v.report(S.PARTIAL_FILL, qty=15, cum=10)), "somebody made it larger there"
    working, _ = run(v.ack())
    assert not revived(working, v.report(S.WORKING, qty=10))
