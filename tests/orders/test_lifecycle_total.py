"""Every pair of state and event has an answer that keeps the invariants: one walk over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product

import msgspec
import pytest
from orders_kit import OID, S, Venue, order, rep

from engine import facts
from engine.lifecycle import (
    ARMS,
    CancelSent,
    Code,
    FillApplied,
    FillCorrected,
    FillRemoved,
    FillVoided,
    LinkLost,
    Lost,
    NotSent,
    OrderEvent,
    OrderLife,
    ReplaceSent,
    ReplacesLost,
    Request,
    Sent,
    Unanswered,
    born,
    transition,
)
from engine.lifecycle_types import TwinReport
from engine.model import Replace, TimeInForce

QTY = 10
UP, DOWN, SAME = rep("up", 15), rep("down", 4), rep("same", QTY, limit=101)
CHAINS: tuple[tuple[tuple[Replace, ...], tuple[Replace, ...]], ...] = (
    *(((), pending) for pending in ((), (UP,), (DOWN,), (DOWN, UP), (SAME, DOWN))),
    *(((UP,), pending) for pending in ((), (DOWN,))),
    ((DOWN, SAME), ()),
)
"""Late replaces, and pending ones."""
CLOSED = (S.FILLED, S.CANCELED, S.REJECTED, S.EXPIRED)


@cache
def complaint(life: OrderLife) -> str:
    """What is wrong with a state; empty: nothing."""
    checks = {
        "filled quantity below zero": life.cum < 0,
        "no quantity": life.qty <= 0,
        "leaves are not what is left": not life.is_closed and life.leaves != max(0, life.qty - life.cum),
        "closed with leaves": life.is_closed and life.leaves != 0,
        "worst case below leaves": life.worst_leaves < life.leaves,
        "closed with overlays": (life.is_closed or life.status in CLOSED[1:])
        and bool(life.pending_cancel or life.replaces or life.suspended or life.done_for_day),
        "over, and something late": life.status in CLOSED and life.late,
        "doubt without memory": (life.status is S.UNKNOWN) != (life.uncertain is not None),
        "remembers nothing": life.uncertain is S.UNKNOWN,
        "doubt about nothing": life.status is S.UNKNOWN and life.cum >= life.worst_qty,
        "remembers other fills": life.status is S.UNKNOWN
        and not {
            S.PENDING_NEW: life.cum == 0,
            S.WORKING: life.cum == 0,
            S.REJECTED: life.cum == 0,
            S.PARTIAL_FILL: 0 < life.cum < life.qty,
            S.FILLED: life.cum >= life.qty,
        }.get(life.uncertain or S.UNKNOWN, life.cum < life.worst_qty),
        "pending with fills": life.status is S.PENDING_NEW and life.cum != 0,
        "working with fills": life.status is S.WORKING and life.cum != 0,
        "not partly filled": life.status is S.PARTIAL_FILL and not 0 < life.cum < life.qty,
        "not filled": life.status is S.FILLED and life.cum < life.qty,
        "filled, waiting for nothing": life.status is S.FILLED
        and any(r.qty <= life.cum for r in life.replaces),
        "filled, done for the day": life.status is S.FILLED and (life.done_for_day or life.presumed),
        "ended otherwise but filled": life.status in CLOSED[1:] and life.cum >= life.qty,
        "ended, not said how": life.status in CLOSED[1:] and life.ended is not life.status,
        "rejected with fills": life.status is S.REJECTED and life.cum != 0,
        "open but presumed ended": life.presumed and life.status not in CLOSED,
        "nothing in flight while pending": life.status in (S.PENDING_NEW, S.UNKNOWN)
        and life.in_flight is None,
    }
    return ", ".join(text for text, wrong in checks.items() if wrong)


def lives() -> Iterator[OrderLife]:
    """Every status with every overlay and filled quantity that can be, with four memories of the past."""
    fresh = born(order(qty=QTY))
    statuses: list[tuple[S, S | None]] = [(s, None) for s in S if s is not S.UNKNOWN]
    statuses += [(S.UNKNOWN, s) for s in S if s is not S.UNKNOWN]
    memories = (
        (None, 0, False, TimeInForce.DAY),
        ("b1", 12, False, TimeInForce.GTC),
        (None, 5, True, TimeInForce.IOC),
        ("b1", 0, True, TimeInForce.GTC),
    )
    for (status, was), cum, (late, chain), canceling, held_by, (broker, told, presumed, tif) in product(
        statuses, (0, 3, QTY, 12), CHAINS, (False, True), ("", "suspended", "done_for_day"), memories
    ):
        fields = {held_by: True} if held_by else {}
        ended = status if status in CLOSED[1:] else S.CANCELED if status is S.FILLED and told == 5 else None
        life = OrderLife(
            status=status,
            qty=QTY,
            cum=cum,
            limit=100,
            tif=tif,
            broker_id=broker,
            pending_cancel=canceling,
            replaces=chain,
            late=late,
            uncertain=was,
            ended=ended,
            presumed=presumed,
            told=told,
            acked=broker is not None,
            answered=("old",),
            as_of=50,
            **fields,
        )
        if life.presumed and life.status not in CLOSED:
            life = msgspec.structs.replace(life, presumed=False)
        if not complaint(life):
            yield life
    yield fresh


def events() -> list[OrderEvent]:
    """Every event type, with every detail that an arm looks at, older and newer than what is known."""
    made: list[OrderEvent] = [
        Sent(),
        CancelSent(),
        ReplaceSent(replace=rep("new", 20)),
        ReplaceSent(replace=rep("less", 3)),
        ReplaceSent(replace=UP),
        Unanswered(what=Request.CANCEL),
        LinkLost(reason="gone"),
        Lost(reason="twice not found"),
        ReplacesLost(ids=("up", "none such")),
        FillApplied(qty=1),
        FillApplied(qty=QTY),
        FillApplied(qty=30),
        FillRemoved(qty=1),
        FillRemoved(qty=40),
        FillCorrected(old_qty=3, new_qty=1),
        FillCorrected(old_qty=1, new_qty=9),
        FillCorrected(old_qty=1, new_qty=30),
        FillVoided(qty=2),
    ]
    made += [NotSent(reason="down", what=w) for w in Request]
    made += [NotSent(reason="down", what=Request.REPLACE, replace_id=i) for i in ("up", "none such")]
    for ts, broker_id in ((10, "b1"), (50, None), (90, "b1"), (90, "b2")):
        v = Venue(broker_id=broker_id)
        made += [v.ack(ts), v.rejected(ts=ts), v.pending_cancel(ts), v.suspended(ts), v.released(ts)]
        made += [v.triggered(ts), v.not_found(ts)]
        for status in (None, *S):
            made += [v.cancel_rejected(status, ts)]
            made += [v.replace_rejected(i, status, ts) for i in (None, "up", "old", "none such")]
        made += [v.listed(*names, ts=ts) for names in ((), (("b1", 3), ("b2", 7)))]
        for cum in (None, 3, 20):
            made += [v.canceled(cum, ts), v.expired(cum, ts), v.done(cum, ts)]
            made += [
                v.replaced(i, q, cum, ts=ts)
                for i, q in product((None, "up", "down", "old", "none such"), (2, 15))
            ]
        made += [v.pending_replace(i, ts) for i in ("up", "old", "none such")]
        made += [v.restated(q, ts=ts) for q in (2, QTY, 15)]
        made += [
            v.report(s, q, c, limit, ts) for s, q, c, limit in product(S, (QTY, 15), (0, 3, 20), (100, 101))
        ]
        made += [
            TwinReport(**msgspec.structs.asdict(v.report(s, q, c, 100, ts)))
            for s, (q, c) in product((S.WORKING, S.PARTIAL_FILL), ((QTY, 3), (15, 3), (15, 12)))
        ]
    return made


def where(*things: object) -> str:
    return "\n" + "\n".join(map(repr, things))


LIVES = list(dict.fromkeys(lives()))
EVENTS = events()
FILLS = (FillApplied, FillRemoved, FillCorrected)


def test_the_walk_covers_every_pair() -> None:
    order_facts = {
        t for t in vars(facts).values() if isinstance(t, type) and issubclass(t, facts.OrderFact)
    } - {facts.OrderFact}
    assert order_facts <= set(ARMS)
    assert set(ARMS) == {type(e) for e in EVENTS}
    assert all(set(row) == set(S) for row in ARMS.values())
    assert {life.status for life in LIVES} == set(S)
    assert {life.uncertain for life in LIVES if life.status is S.UNKNOWN} == set(S) - {S.UNKNOWN}
    assert {life.cum for life in LIVES} == {0, 3, QTY, 12}


def broken(life: OrderLife, event: OrderEvent, after: OrderLife, codes: set[Code]) -> str:
    """What a transition did that it must not do; empty: nothing."""
    by_fill = isinstance(event, FILLS)
    unsure = isinstance(event, (Unanswered, LinkLost, facts.OrderNotFound)) and life.status is not S.UNKNOWN
    if isinstance(event, FillApplied) and after.cum != life.cum + event.qty:
        return "a fill was dropped"
    if not by_fill and after.cum != life.cum:
        return "moved without an execution"
    if unsure and after.worst_leaves < life.worst_leaves:
        return "not knowing lost exposure"
    opened = life.is_closed and not after.is_closed
    if opened and not by_fill and not isinstance(event, ReplaceSent) and Code.REOPENED not in codes:
        return "opened silently"
    if after.missing > life.missing and not by_fill and Code.MISSING_FILL not in codes:
        return "missing executions not named"
    return complaint(after)


@pytest.mark.parametrize("kind", sorted(ARMS, key=lambda t: t.__name__), ids=lambda t: t.__name__)
def test_every_pair_has_an_answer(kind: type) -> None:
    for event in (e for e in EVENTS if type(e) is kind):
        for life in LIVES:
            after, anomalies = transition(life, event)
            assert all(isinstance(a.code, Code) and a.text for a in anomalies)
            wrong = broken(life, event, after, {a.code for a in anomalies})
            assert not wrong, wrong + where(event, life, after, anomalies)


def test_repeating_a_fact_changes_nothing_more() -> None:
    """Resends are harmless: the second of two equal facts leaves the state of the first. Where the first
    raised a doubt, the second may settle it, as a second answer does."""
    for event in EVENTS:
        if not isinstance(event, facts.OrderFact):
            continue
        for life in LIVES[::3]:
            once = transition(life, event).life
            twice = transition(once, event).life
            if once.status is not S.UNKNOWN:
                assert twice == once, where(event, life, once, twice)


def test_what_is_no_order_event_is_answered_too() -> None:
    life = born(order())
    after, anomalies = transition(life, facts.LinkUp(ts=1))  # type: ignore[arg-type]
    assert after is life
    assert [a.code for a in anomalies] == [Code.NOT_AN_ORDER_EVENT]
    assert OID in order().id
