"""The one way to the wire, as types: `Order → Approved → Recorded → send`.

Only the gate can make an `Approved` and only the journal can make a `Recorded`: each takes its seal once, at
import, and every later taker is refused, whatever name it gives. A proof cannot be changed, copied or derived
from. An adapter accepts nothing but a `Recorded`, so "sent but not stored" cannot be written by accident.
"""

from __future__ import annotations

from typing import Any, Final, Generic, NoReturn, TypeVar

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
    """Hands out a seal to the first that asks. Raises `PermissionError` for any other."""
    if kind in _taken:
        raise PermissionError(f"{owner} may not take the seal '{kind}': {_taken[kind]} has it")
    _taken[kind] = owner
    return _seals[kind]


class _Proof:
    """A value that stands for one request for ever."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a proof cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a proof cannot be changed: {name}")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a proof cannot be copied")


class Approved(_Proof, Generic[T_co]):
    """Proof that the gate let an order or a replace pass."""

    __slots__ = ("request",)

    request: T_co

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("only the gate approves")

    def __init__(self, request: T_co, seal: Seal) -> None:
        if seal is not _seals["approve"]:
            raise PermissionError("only the gate approves")
        object.__setattr__(self, "request", request)


class Recorded(_Proof, Generic[T_co]):
    """Proof that an approved order or replace is committed to the journal under `seq`."""

    __slots__ = ("request", "seq")

    request: T_co
    seq: int

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("only the journal records")

    def __init__(self, approved: Approved[T_co], seq: int, seal: Seal) -> None:
        if seal is not _seals["record"] or type(approved) is not Approved:
            raise PermissionError("only the journal records, and only what the gate approved")
        object.__setattr__(self, "request", approved.request)
        object.__setattr__(self, "seq", seq)
