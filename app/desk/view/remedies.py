"""What to do about an alarm, in a few words, by its code: for the one line that is read first at night.

Every kind of alarm has an entry; where there is nothing to do but to know it, that is said. `F4:` names a
screen by its key, what follows are keys there; words after a colon are typed (`:reset halt`).
"""

from __future__ import annotations

from typing import Final

from engine.lifecycle_types import Code

_DIFFERENCE: Final = "F4: d adopts, F8 flattens"
_KNOW: Final = "a: nothing to do but to know"
_STORY: Final = "F7: Enter tells its story"
_ORDER: Final = "F3: Enter tells its story"
_RESET: Final = "F5: R resets"
_CAUSE: Final = "F5: the cause; R resets"
_BY_ITSELF: Final = "it ends by itself; F5"

_OTHER_CONTROLS: Final = (
    "order_qty order_notional instruments self_match validity max_position duplicate flatten_qty "
    "trading_state price_sanity max_working gross net class_gross"
)

REMEDIES: Final[dict[str, str]] = {
    # positions and the broker's view
    "drift": _DIFFERENCE,
    "not_adopted": _DIFFERENCE,
    "manual_trade": "F4: d keeps it, F8 closes it",
    "foreign_fill": "F4: F8 closes it, a keeps it",
    "foreign_order": "F3: x cancels, :claim takes it",
    "unknown_order": "F3: x cancels, :claim takes it",
    "unknown_report": "F3: is it ours? F4: = or ≠",
    "adopted": "F4: look at the position",
    "missing_fill": "F4: look at the position",
    "busted_fill": "F4: look at the position",
    "corrected_fill": "F4: look at the position",
    "stale_snapshot": "it is read again; F4",
    "in_flight": "it is read again; F4",
    "off_target": "F4: look at the position",
    "status_differs": "F3; cancel it at the broker",
    "overfill": "F4: F8 closes; R lets it trade",
    "bust": "F4: look at the position",
    "reconcile": "F6: look at the link",
    "unreadable": "F6: look at the link",
    "gap": "it is read again; F6",
    "equity": "look at the broker's account",
    "pnl": "look at the broker's account",
    "day": "look at the broker's account",
    # the link, the host, the store
    "link_down": "it reconnects by itself; F6",
    "link_error": "it goes on by itself; F6",
    "link_up": _KNOW,
    "connect": "check the gateway; F6",
    "failover": "look at the first connection",
    "store": "free space on the disk",
    "clock": "look at the host's time service",
    "feed": "start the feed again",
    "feed_end": _KNOW,
    "fact": _STORY,
    "chores": _STORY,
    "error": _STORY,
    "stall": "F7: where it stood; report it",
    "gate": _KNOW,
    "pager": "try breakwater doctor --page",
    "reload": "mend the configuration, then r",
    "limits": "F5: look at the limits",
    "command": _STORY,
    "screen_lost": ":take control on a screen",
    "screen_back": _KNOW,
    "alert_test": _KNOW,
    "screen_failed": "F7: Enter: its report; send it",
    # halts and the kill
    "operator_halt": "when ready, :reset halt",
    "halt": "find the cause, then :reset halt",
    "sentinel": "F6; once it is back, :reset halt",
    "sentinel_acted": "F4: look, then :reset halt",
    "sentinel_saw": "F7: why it was silent",
    "sentinel_gone": "it starts again by itself; F6",
    "sentinel_pager": "try breakwater doctor --page",
    "sentinel_link": "F6: look at the link",
    "venue_switch": "F6: look at the link",
    "sentinel_build": "restart what starts it; F6",
    "sentinel_settings": "give it this configuration",
    "not_flat": "F12 and FLATTEN repeat it",
    "kill_error": "it goes on; F12 repeats it",
    "kill_resumed": "wait for flat or NOT FLAT",
    "cancel_everything": "F3: does any still work?",
    # orders
    "unknown_fill": "F4: look; R lets it trade again",
    "rejected": _ORDER,
    "cancel_rejected": "F3: does it stand? x again",
    "replace_rejected": "F3: Enter: why; m again",
    "not_sent": _ORDER,
    "in_doubt": "ask the broker; then :gone ORDER",
    "lost_order": "F3: Enter: why; F4: = or ≠",
    "resubmitted": _ORDER,
    "half_bracket": "F3: is it gone? x cancels it",
    "target_held": "F3: why; :resume tries again",
    "unprotected": "F3: is there a stop? F8 closes",
    "no_target": "F3: look; F8 flattens",
    "overclosed": "F4: F8 flattens",
    "wrong_size": "F3: x; else at the broker",
    "protection": "F3: do stops stand? F8 flattens",
    "stop": "F3: X cancels all",
    # strategies
    "strategy": "9: why; S starts it, F8 flattens",
    "strategy_limit": "9: what it intends; t pauses it",
    # controls
    "daily_loss": _RESET,
    "drawdown": _RESET,
    "strategy_loss": "9: why; F5: R resets",
    "strategy_position": "9: which; F5",
    "strategy_working": "9: which; F5",
    "margin": "it reduces by itself; F5",
    "spread": _BY_ITSELF,
    "market_state": _BY_ITSELF,
    "contract_end": "F4: F8 closes; or :roll it",
    "roll": "F4: look at the position",
    "roll_half": "F4: trade the rest or F8 closes",
    "stale_data": "F6: look at the feed",
    "order_rate": "F5: find the cause, R resets",
    "reject_storm": "F3: why; F5: R resets",
    "error_rate": "F7: which; F5: R resets",
    "executions": "9: who; F5: R resets",
    "risk_loop": "F6: what holds it up; F5: R",
    **dict.fromkeys(_OTHER_CONTROLS.split(), _CAUSE),
}
"""All short enough to stand beside the text at 80 columns."""
_HALTED: Final = "find the cause, then :reset halt"
_INSTRUMENT: Final = "F4: R lets it trade again"
_SURPRISE: Final = "F3: Enter; F4: = or ≠"
_SURPRISES: Final = frozenset(str(code).lower() for code in Code)
"""Reports that an order's state did not allow for: the order and the position are to be looked at."""


def remedy(code: str, text: str = "", symbol: str = "") -> str:
    """A few words; empty for a code that is not known and no halt. `symbol`: what it is about."""
    if code in ("halt", "operator_halt") and symbol:
        return _INSTRUMENT
    known = REMEDIES.get(code)
    if known is not None:
        return known
    if " halted: " in text:
        return _INSTRUMENT if symbol else _HALTED
    return _SURPRISE if code in _SURPRISES else ""
