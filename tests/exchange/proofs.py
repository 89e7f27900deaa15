"""Tests only: turns requests into `Recorded` without gate and journal, which no code outside tests may do."""

from __future__ import annotations

from typing import TypeVar

from engine import sending
from engine.model import Order, Replace
from engine.sending import Approved, Recorded

R = TypeVar("R", Order, Replace)


def recorded(request: R, seq: int = 0) -> Recorded[R]:
    approved = Approved(request, sending._seals["approve"])
    return Recorded(approved, seq, sending._seals["record"])
