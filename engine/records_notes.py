"""Which records are notes: read and told, and of no consequence for what risk is reckoned with."""

from __future__ import annotations

from typing import Final

from engine.records import (
    AlertAcknowledged,
    AlertRaised,
    CommandAnswered,
    CommandTaken,
    FindingSeen,
    KillStep,
    Refused,
    ReplaceRefused,
)

NOTES: Final = frozenset(
    {
        Refused,
        ReplaceRefused,
        CommandTaken,
        CommandAnswered,
        FindingSeen,
        KillStep,
        AlertRaised,
        AlertAcknowledged,
    }
)
"""Kinds that move no order, position, halt or day: no figure of risk follows them."""
