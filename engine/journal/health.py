"""How the store is: its state, and the figures that screens and the log show of it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from engine.model import Value


class StoreState(StrEnum):
    OK = "ok"
    SLOW = "slow"
    """A commit has been under way for longer than `slow_after`."""
    FAILED = "failed"
    """A commit failed; latched until `recover` succeeds."""


class StoreHealth(Value, frozen=True, kw_only=True):
    """The store at a glance. Counts are since the start."""

    state: StoreState
    reason: str
    seq: int
    """Last committed row."""
    pending: int
    """Records that wait for a commit."""
    retained: int
    """Emergency records in memory that are owed to the store."""
    refused: int
    lost: int
    """Emergency records that found no room in memory either."""
    ahead: int
    """Flattening orders that went before their row."""
    duplicates: int
    """Execution keys that were stored already."""


OnTrouble = Callable[[StoreState, str], object]
"""Told of each change of state, and why."""
OnCommit = Callable[[int, int], object]
"""Told of each commit: its duration in ns of the host, and its number of rows."""
