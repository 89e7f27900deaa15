"""Records of what the sentinel did: in its own journal, and in the engine's once it has taken that over."""

from __future__ import annotations

from typing import Literal

from engine.model import Order
from engine.record import Record


class SentinelNote(Record, frozen=True, tag="sentinel"):
    """What the sentinel saw, decided and did, in its own journal."""

    event: Literal[
        "started",
        "watching",
        "silent",
        "back",
        "fenced",
        "proven",
        "undone",
        "trouble",
        "released",
        "unpaged",
        "paged",
    ]
    """`unpaged`: what it had to say did not reach a person; `paged`: afterwards it did."""
    text: str
    epoch: int = 0
    """Of the lease that it holds; 0: none."""
    journal: str = ""
    """Mark of its journal, in the rows of `started`: rows are counted within it."""


class SentinelImported(Record, frozen=True, tag="sentinel_imported"):
    """The engine has taken over what the sentinel did, up to row `seq` of the sentinel's journal."""

    journal: str
    seq: int
    text: str


class OrderImported(Record, frozen=True, tag="order_imported"):
    """An order that the sentinel stored and sent: ours, under the id that it carries at the broker."""

    order: Order
