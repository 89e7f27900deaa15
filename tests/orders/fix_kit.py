"""Rows and cases of the FIX order state change matrices, and the names that they are written in."""

from __future__ import annotations

from typing import NamedTuple

from orders_kit import S, rep

from engine.lifecycle import Code, FillApplied, OrderEvent, ReplaceSent
from engine.model import TimeInForce

NEW, PART, FILLED, CANCELED = S.WORKING, S.PARTIAL_FILL, S.FILLED, S.CANCELED
PENDING, REJECTED, EXPIRED, UNKNOWN = S.PENDING_NEW, S.REJECTED, S.EXPIRED, S.UNKNOWN


class Row(NamedTuple):
    event: OrderEvent
    status: S
    qty: int
    cum: int
    leaves: int
    pending: str = ""
    codes: tuple[Code, ...] = ()


class Case(NamedTuple):
    ref: str
    rows: list[Row]
    tif: TimeInForce = TimeInForce.DAY


def trade(qty: int) -> FillApplied:
    return FillApplied(qty=qty)


def ask(rid: str, qty: int, limit: int = 100) -> ReplaceSent:
    return ReplaceSent(replace=rep(rid, qty, limit))
