"""The one way to the wire, as types: `Order → Approved → Recorded → send`.

Only the gate can make an `Approved` and only the journal can make a `Recorded`: each takes its seal once, at
import, and a second taker is refused. An adapter accepts nothing but a `Recorded`, so "sent but not stored"
cannot be written by accident.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from engine.model import Order, Replace

T_co = TypeVar("T_co", Order, Replace, covariant=True)


class Seal:
    """Permission to make one kind of proof."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


_seals: Final = {"approve": Seal("approve"), "record": Seal("record")}
_taken: Final[dict[str, str]] = {}


def take_seal(kind: str, owner: str) -> Seal:
    """Hands out a seal to the first owner that asks. Raises `PermissionError` for any other."""
    if _taken.setdefault(kind, owner) != owner:
        raise PermissionError(f"{owner} may not take the seal '{kind}': {_taken[kind]} has it")
    return _seals[kind]


class Approved(Generic[T_co]):
    """Proof that the gate let an order or a replace pass."""

    __slots__ = ("request",)

    def __init__(self, request: T_co, seal: Seal) -> None:
        if seal is not _seals["approve"]:
            raise PermissionError("only the gate approves")
        self.request: T_co = request


class Recorded(Generic[T_co]):
    """Proof that an approved order or replace is committed to the journal under `seq`."""

    __slots__ = ("request", "seq")

    def __init__(self, approved: Approved[T_co], seq: int, seal: Seal) -> None:
        if seal is not _seals["record"]:
            raise PermissionError("only the journal records")
        self.request: T_co = approved.request
        self.seq = seq
