"""Nothing but the gate and the journal can make the proofs that the wire asks for."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import engine.journal.entry
import engine.risk.gate
from engine.model import Order, OrderType, Side
from engine.sending import Approved, Recorded, Seal, take_seal


def order(order_id: str = "a-1") -> Order:
    return Order(
        id=order_id,
        strategy="a",
        account="X",
        symbol="ES",
        side=Side.BUY,
        qty=1,
        type=OrderType.LIMIT,
        limit=1,
    )


def approved() -> Approved[Order]:
    return Approved(order(), engine.risk.gate._SEAL)


def test_forged_seals_are_refused() -> None:
    with pytest.raises(PermissionError):
        Approved(order(), Seal("approve"))
    with pytest.raises(PermissionError):
        Recorded(approved(), 1, Seal("record"))


@pytest.mark.parametrize(
    ("kind", "owner"),
    [
        ("record", "somebody.else"),
        ("approve", "somebody.else"),
        ("record", "engine.journal"),
        ("approve", "engine.risk.gate"),
    ],
)
def test_a_seal_is_handed_out_once_whatever_name_one_gives(kind: str, owner: str) -> None:
    with pytest.raises(PermissionError):
        take_seal(kind, owner)


def test_the_seals_of_gate_and_journal_open_nothing_of_one_another() -> None:
    with pytest.raises(PermissionError):
        Approved(order(), engine.journal.entry._seal)
    with pytest.raises(PermissionError):
        Recorded(approved(), 1, engine.risk.gate._SEAL)


def test_only_what_was_approved_can_be_recorded() -> None:
    class Alike:
        request = order()

    made: Any = Recorded
    with pytest.raises(PermissionError):
        made(Alike(), 1, engine.journal.entry._seal)


def test_a_proof_stands_for_one_request_for_ever() -> None:
    proofs: list[Any] = [approved(), Recorded(approved(), 7, engine.journal.entry._seal)]
    for proof in proofs:
        with pytest.raises(AttributeError):
            proof.request = order("other")
        with pytest.raises(AttributeError):
            del proof.request
        assert proof.request == order()
        with pytest.raises(TypeError):
            copy.copy(proof)
        with pytest.raises(TypeError):
            pickle.dumps(proof)
    with pytest.raises(AttributeError):
        proofs[1].seq = 8


@pytest.mark.parametrize("base", [Approved, Recorded])
def test_nobody_makes_a_kind_of_his_own(base: Any) -> None:
    with pytest.raises(TypeError):
        type("Mine", (base,), {"__init__": lambda *_: None})
