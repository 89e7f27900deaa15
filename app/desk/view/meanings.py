"""The meanings that a cell can carry. A theme gives each one a colour; sign, glyph and word come first."""

from __future__ import annotations

from typing import Final

MEANINGS: Final[tuple[str, ...]] = (
    "text",
    "muted",
    "heading",
    "pnl-up",
    "pnl-down",
    "side-buy",
    "side-sell",
    "order-pending",
    "order-working",
    "order-partial",
    "order-filled",
    "order-closed",
    "order-rejected",
    "order-unknown",
    "order-foreign",
    "agree",
    "in-flight",
    "drift",
    "risk-active",
    "risk-warn",
    "risk-tripped",
    "risk-unknown",
    "alarm-unack",
    "alarm-warning",
    "alarm-ack",
    "health-ok",
    "health-warn",
    "health-down",
    "strategy-running",
    "strategy-idle",
    "strategy-stopped",
    "stale",
    "armed",
    "halted",
    "paused",
    "mode-live",
    "mode-paper",
    "mode-replay",
    "cursor",
)
"""`cursor` is the ground of the selected row, all others are what a text means."""

FILLED: Final[frozenset[str]] = frozenset(
    {
        "order-unknown",
        "drift",
        "risk-warn",
        "risk-tripped",
        "risk-unknown",
        "alarm-unack",
        "health-down",
        "strategy-stopped",
        "stale",
        "halted",
        "paused",
        "mode-live",
    }
)
"""Painted as a filled block (text in the background's colour) because they must be seen across a room."""

BOLD: Final[frozenset[str]] = FILLED | {
    "heading",
    "armed",
    "order-rejected",
    "alarm-warning",
    "health-warn",
    "mode-paper",
    "mode-replay",
}
