"""Every kind of alarm: which tell of one and the same cause, how each comes to its end, and its one line.

An alarm whose cause lasts is over when the cause is (`CAUSE`), when a person takes back what the engine did
(`RESET`), or when a person has seen to it (`PERSON`). What merely happened (`EVENT`) does not last: it is
over as soon as somebody has said that he knows. After ISA-18.2, where an alarm returns to normal by itself or
not at all.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from engine.lifecycle_types import Code


class Ends(Enum):
    """How an alarm comes to its end; the value says it to a person."""

    CAUSE = "over by itself when its cause is"
    RESET = "over when a person takes the halt or trip back"
    PERSON = "over when a person has seen to it and acknowledges it"
    EVENT = "an event: over when it is acknowledged"


_CAUSE: Final = (
    "link_down connect link_error store day pnl unreadable reconcile gap drift stale_snapshot "
    "not_flat kill_error kill_resumed screen_lost strategy unprotected no_target stop protection feed "
    "wrong_size in_doubt reload pager foreign_order sentinel_gone sentinel_link sentinel_settings "
    "sentinel_build status_differs venue_switch"
)
_RESET: Final = "halt operator_halt manual_trade sentinel unknown_order overfill unknown_fill"
_CONTROLS: Final = (
    "market_state strategy_position strategy_working strategy_loss reject_storm error_rate executions "
    "daily_loss order_qty order_notional spread instruments self_match validity max_position stale_data "
    "duplicate flatten_qty margin trading_state price_sanity max_working order_rate drawdown risk_loop gross "
    "net class_gross"
)
_PERSON: Final = (
    "overclosed not_adopted foreign_fill contract_end sentinel_acted lost_order roll_half "  # of the account
    "error stall chores fact clock gate"  # of this process
)
_EVENT: Final = (
    "equity not_sent half_bracket failover target_held bust resubmitted strategy_limit command adopted "
    "cancel_everything limits missing_fill busted_fill corrected_fill in_flight off_target "
    "rejected cancel_rejected replace_rejected unknown_report feed_end link_up screen_back screen_failed "
    "sentinel_saw sentinel_pager roll alert_test"
)

ENDS: Final[dict[str, Ends]] = {
    **dict.fromkeys((str(code).lower() for code in Code), Ends.EVENT),
    **dict.fromkeys(_CAUSE.split(), Ends.CAUSE),
    **dict.fromkeys((*_RESET.split(), *_CONTROLS.split()), Ends.RESET),
    **dict.fromkeys(_PERSON.split(), Ends.PERSON),
    **dict.fromkeys(_EVENT.split(), Ends.EVENT),
}
"""By code. A control that holds only while its cause lasts clears by itself all the same."""

UNKNOWN_REPORT: Final = "unknown_report"
"""A report on an order that is not known; not the open order of that kind that a comparison finds."""
UNKNOWN_FILL: Final = "unknown_fill"
"""An execution of an order that bears an id of ours and is not in the books."""

_RECURS: Final = frozenset(("spread", "stale_data"))
"""What begins and ends by itself, many times in a night where a market is thin."""
_FAMILIES: Final = {
    # Least telling first: the last of a family that was raised gives the alarm its words and its remedy.
    "manual_trade": (UNKNOWN_REPORT, "foreign_order", "foreign_fill", "manual_trade"),
    **{
        code: (code,)
        for code in (
            *("not_flat", "link_down", "rejected", "cancel_rejected", "replace_rejected"),
            *sorted(_RECURS),
        )
    },
}
_FAMILY: Final = {code: name for name, codes in _FAMILIES.items() for code in codes}
_RANK: Final = {code: rank for codes in _FAMILIES.values() for rank, code in enumerate(codes)}
_SEVERITIES: Final = ("info", "warning", "critical")


def family(code: str) -> str:
    """The name of the cause that alarms of this code may share with others; empty: each stands for itself."""
    return _FAMILY.get(code, "")


def recurs(code: str) -> bool:
    """Whether one of this code that is over, and that nobody has acknowledged, stands for the next one."""
    return code in _RECURS


def weight(severity: str, code: str) -> tuple[int, int]:
    """Which alarm of a family speaks for all: the heavier one."""
    return _SEVERITIES.index(severity), _RANK.get(code, 0)


def is_event(code: str) -> bool:
    """Whether nothing of it lasts, so that who acknowledges it has done all that can be done."""
    return ENDS.get(code) in (Ends.EVENT, Ends.PERSON)


LINE: Final = 80
"""Columns that the one line of an alarm has, what it is about included."""
_CLAUSES: Final = ("; ", ". ", " (", ", ")


def about(symbol: str, text: str) -> str:
    """The text, with the symbol that it is about."""
    return f"{symbol}: {text}" if symbol and symbol not in text else text


def headline(symbol: str, text: str) -> str:
    """What is wrong, in one line of at most `LINE` columns: as many whole clauses as fit, else cut with …."""
    full = " ".join(about(symbol, text).split())
    if len(full) <= LINE:
        return full
    ends = [full.rfind(mark, 24, LINE + 1) for mark in _CLAUSES]
    best = max(ends[:2]) if max(ends[:2]) > 0 else max(ends)
    if best > 0:
        return full[:best]
    return full[: full.rfind(" ", 24, LINE)] + "…" if " " in full[24:LINE] else full[: LINE - 1] + "…"
