"""Brackets and OCO groups that the engine manages: what is to do after each change, and nothing twice."""

from __future__ import annotations

from orders_kit import S, order, rep

from engine.lifecycle import OrderLife, born, evolve
from engine.model import OrderType, Side
from engine.orders_groups import (
    CancelLeg,
    DropLeg,
    Leg,
    Release,
    Resize,
    Unprotected,
    bracket_actions,
    leg,
    oco_actions,
)
from engine.orders_record import OrderRecord


def parent(cum: int, status: S | None = None, qty: int = 10) -> OrderLife:
    now = status or (S.FILLED if cum >= qty else S.PARTIAL_FILL if cum else S.WORKING)
    return evolve(born(order("e", qty)), status=now, cum=cum)


def child(oid: str, *, qty: int = 10, cum: int = 0, status: S | None = None, **more: object) -> Leg:
    made = order(oid, qty, side=Side.SELL, parent="e", oco="g", type=_type(oid))
    now = status or (S.FILLED if cum >= qty else S.PARTIAL_FILL if cum else S.WORKING)
    return Leg(order=made, life=evolve(born(made), status=now, cum=cum, **more))


def held(oid: str, qty: int = 10) -> Leg:
    return Leg(order=order(oid, qty, side=Side.SELL, parent="e", oco="g", type=_type(oid)), life=None)


def _type(oid: str) -> OrderType:
    return OrderType.STOP if oid == "sl" else OrderType.LIMIT


def test_children_are_released_by_the_first_fill_with_what_has_filled() -> None:
    assert bracket_actions(parent(0), [held("tp"), held("sl")]) == ()
    assert bracket_actions(parent(4), [held("tp"), held("sl")]) == (
        Release(order_id="tp", qty=4),
        Release(order_id="sl", qty=4),
    )


def test_children_grow_with_the_entry_and_only_once() -> None:
    legs = [child("tp", qty=4), child("sl", qty=4, replaces=(rep("r", 7),))]
    assert bracket_actions(parent(7), legs) == (Resize(order_id="tp", qty=7),)


def test_a_change_that_is_unanswered_is_waited_for() -> None:
    """Found by the simulation, seed 91150: an operator's change and ours crossed on the way to the venue."""
    legs = [child("sl", qty=4, replaces=(rep("r", 9),))]
    assert bracket_actions(parent(7), legs) == ()
    assert bracket_actions(parent(7), [child("sl", qty=9)]) == (Resize(order_id="sl", qty=7),)


def test_what_is_not_answered_yet_is_left_alone() -> None:
    legs = [child("tp", qty=4, status=S.PENDING_NEW), child("sl", qty=4, status=S.UNKNOWN)]
    assert bracket_actions(parent(7), legs) == ()


def test_a_partly_filled_target_shrinks_the_stop() -> None:
    legs = [child("tp", qty=10, cum=3), child("sl", qty=10)]
    assert bracket_actions(parent(10), legs) == (Resize(order_id="sl", qty=7),)


def test_a_filled_target_cancels_the_stop() -> None:
    legs = [child("tp", qty=10, cum=10), child("sl", qty=10)]
    assert bracket_actions(parent(10), legs) == (
        CancelLeg(order_id="sl", reason="another of its group filled"),
    )
    legs = [legs[0], child("sl", qty=10, pending_cancel=True)]
    assert bracket_actions(parent(10), legs) == ()


def test_a_cancel_goes_also_to_a_sibling_in_doubt() -> None:
    legs = [child("tp", qty=10, cum=10), child("sl", qty=10, status=S.UNKNOWN)]
    assert [type(a) for a in bracket_actions(parent(10), legs)] == [CancelLeg]


def test_an_entry_that_ends_unfilled_drops_its_children() -> None:
    actions = bracket_actions(parent(0, S.CANCELED), [held("tp"), held("sl")])
    assert [type(a) for a in actions] == [DropLeg, DropLeg]


def test_an_entry_with_missing_executions_keeps_them_ready() -> None:
    life = evolve(parent(0, S.CANCELED), told=4)
    assert bracket_actions(life, [held("tp"), held("sl")]) == ()


def test_a_busted_entry_shrinks_its_children() -> None:
    legs = [child("tp", qty=10), child("sl", qty=10)]
    assert bracket_actions(parent(6), legs) == (
        Resize(order_id="tp", qty=6),
        Resize(order_id="sl", qty=6),
    )
    assert [type(a) for a in bracket_actions(parent(0), legs)] == [CancelLeg, CancelLeg]


def test_a_position_without_a_stop_is_said_out_loud() -> None:
    legs = [child("tp", qty=10, cum=2), child("sl", qty=10, status=S.REJECTED)]
    assert bracket_actions(parent(10), legs)[-1] == Unprotected(order_id="e", qty=8)
    legs = [child("tp", qty=10, cum=10), child("sl", qty=10, status=S.CANCELED)]
    assert bracket_actions(parent(10), legs) == ()


def test_members_of_an_oco_group_give_way_lot_by_lot() -> None:
    legs = [child("a", qty=10, cum=4), child("b", qty=6), child("c", qty=3)]
    assert oco_actions(legs) == (
        Resize(order_id="b", qty=2),
        CancelLeg(order_id="c", reason="another of its group filled"),
    )
    assert oco_actions([child("a"), child("b")]) == ()
    assert oco_actions([child("a", cum=10), held("b")]) == (
        DropLeg(order_id="b", reason="another of its group filled"),
    )


def test_a_record_is_a_leg() -> None:
    made = order("tp", 10)
    assert leg(OrderRecord(made, born(made), 1, 0, foreign=False, held=True)).life is None
    assert leg(OrderRecord(made, born(made), 1, 0, foreign=False, held=False)).life == born(made)
