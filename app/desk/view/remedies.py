"""What to do about an alarm, in a few words, by its code: for the one line that is read first at night."""

from __future__ import annotations

from typing import Final

_DIFFERENCE: Final = "F4: d adopts, F8 flattens"
_REMEDIES: Final[dict[str, str]] = {
    "drift": _DIFFERENCE,
    "manual_trade": _DIFFERENCE,
    "foreign_fill": _DIFFERENCE,
    "kill": "F4: R lets it trade again",
    "unknown_order": "F3: x cancels, :claim takes it",
    "unreadable": "F6: look at the link",
    "link_down": "it reconnects by itself; F6",
    "connect": "check the gateway; F6",
    "failover": "look at the first connection",
    "store": "free space on the disk",
    "protection": "F3: do stops stand? F8 flattens",
    "not_flat": "F12 and FLATTEN repeat it",
    "kill_error": "it goes on; F12 repeats it",
    "strategy": "9: why; F8 flattens",
    "daily_loss": "F5: R resets",
    "drawdown": "F5: R resets",
    "margin": "it reduces by itself; F5",
    "spread": "it ends by itself; F5",
    "stale_data": "F6: look at the feed",
    "order_rate": "F5: find the cause, R resets",
    "reject_storm": "F3: why; F5: R resets",
    "error_rate": "F7: which; F5: R resets",
    "executions": "9: who; F5: R resets",
    "rejected": "F3: Enter tells its story",
    "screen_lost": "open a screen, take control",
    "sentinel": "it comes back by itself; F6",
    "sentinel_acted": "F4: look, then :reset halt",
    "sentinel_gone": "it starts again by itself; F6",
    "sentinel_link": "F6: look at the link",
    "sentinel_saw": "F7: why it was silent",
    "reload": "mend the configuration, then r",
    "day": "look at the broker's account",
    "feed": "start the feed again",
}
"""All short enough to stand beside the text at 80 columns."""
_HALTED: Final = "find the cause, then :reset"


def remedy(code: str, text: str = "") -> str:
    """A few words, or an empty text where there is nothing to do but to know it."""
    known = _REMEDIES.get(code)
    if known is not None:
        return known
    return _HALTED if " halted: " in text else ""
