"""What stops something, in plain sentences: by control, and by the code of a halt.

The one place for these words: the second line of the desk, `ctl status`, alarms, the reason of a kill,
refusals and the log all take them from here. A sentence says what is wrong; `then` says what follows, and
until when.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from engine.config import Action
from engine.risk.control import Reading, ScopeKind

BY_PERSON: Final = "a person resets it"


class Words(NamedTuple):
    """Of one control: what is wrong, and what ends it where no person has to."""

    wrong: Callable[[Reading], str]
    until: str


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _storm(events: str) -> Callable[[Reading], str]:
    def wrong(reading: Reading) -> str:
        whose = f"{reading.scope}: " if reading.scope else ""
        return f"{whose}{reading.detail}" if reading.detail else f"{whose}too many {events} in a short time"

    return wrong


_DATA: Final = {
    "crossed": "The bid of {} stands above its ask",
    "locked": "The bid of {} is its ask",
    "one-sided": "{} has no bid or no offer",
    "a jump in price is not confirmed yet": "The price of {} has jumped, and nothing has confirmed it yet",
    "the feed is behind": "The quotes of {} come late",
    "the market is closed": "The market of {} is closed",
}


def _stale(reading: Reading) -> str:
    if reading.detail in _DATA:
        return _DATA[reading.detail].format(reading.scope)
    if reading.used is None or not isinstance(reading.limit, int):
        return f"No quote for {reading.scope} has come yet"
    return f"No quote for {reading.scope} for more than {round(reading.limit / 1000, 1):g} s"


def _spread(reading: Reading) -> str:
    if reading.detail == "pausing" or reading.used is None:
        return f"The quote of {reading.scope} was not orderly a moment ago"
    if reading.detail not in ("", f"{reading.used} ticks wide"):
        return f"The quote of {reading.scope} is {reading.detail}"
    return f"The spread of {reading.scope} is {reading.used_text}, the limit is {reading.limit_text}"


def _day(reading: Reading) -> str:
    note = reading.detail.partition("; ")[2]
    whose = f" {note}" if note else ""
    return f"The day has lost {reading.used_text}{whose}, the limit is {reading.limit_text}"


def _of(subject: str) -> Callable[[Reading], str]:
    """A figure above its limit."""
    return lambda reading: (
        f"{reading.scope or 'The account'} {subject} {reading.used_text}, the limit is {reading.limit_text}"
    )


def _order(text: str) -> Callable[[Reading], str]:
    """Controls that look at single orders only, and stop nothing else."""
    return lambda reading: f"{text}: {reading.detail}" if reading.detail else text


CONTROLS: Final[dict[str, Words]] = {
    "trading_state": Words(lambda r: _capital(r.detail or "trading is not enabled"), "it is"),
    "risk_loop": Words(_order("The risk loop failed"), "it runs"),
    "validity": Words(_order("An order broke the rules of its instrument"), "it keeps them"),
    "instruments": Words(_order("An order was for an instrument that is not allowed"), "it is allowed"),
    "contract_end": Words(lambda r: f"{r.scope} ends soon ({r.detail})", "the next contract is traded"),
    "market_state": Words(lambda r: f"The market of {r.scope} is {r.detail or 'not known'}", "it opens"),
    "order_qty": Words(_order("An order was larger than one order may be"), "it is smaller"),
    "order_rate": Words(
        lambda r: f"The budget for messages is used up ({r.detail or r.limit_text})", "half of it is back"
    ),
    "max_working": Words(_of("has orders open:"), "some of them are closed"),
    "duplicate": Words(_order("The same order came again within a moment"), "that moment is over"),
    "flatten_qty": Words(_order("A flattening order was larger than the position"), "it is not"),
    "stale_data": Words(_stale, "quotes come back"),
    "price_sanity": Words(lambda r: _capital(r.detail or "a price was far from the market"), "it is near"),
    "spread": Words(_spread, "it has been narrow for a while"),
    "self_match": Words(_order("An order would have met one of our own"), "it does not"),
    "max_position": Words(_of("could reach a position of"), "it cannot any more"),
    "order_notional": Words(_order("An order was worth more than one order may be"), "it is smaller"),
    "daily_loss": Words(_day, "the loss is smaller"),
    "drawdown": Words(
        lambda r: f"Equity is {r.used_text} below the day's peak, the limit is {r.limit_text}", "it recovers"
    ),
    "margin": Words(
        lambda r: (
            f"Margin takes {r.used_text} of equity, the limit is {r.limit_text}"
            if r.used is not None
            else "Margin is needed and there is no equity left"
        ),
        "it is at its target",
    ),
    "gross": Words(_of("could reach a gross exposure of"), "it cannot any more"),
    "net": Words(_of("could reach a net exposure of"), "it cannot any more"),
    "class_gross": Words(_of("could reach an exposure of"), "it cannot any more"),
    "strategy_position": Words(_order("A strategy would have held more than it may"), "it would not"),
    "strategy_working": Words(_of("has orders open:"), "some of them are closed"),
    "strategy_loss": Words(_of("has lost today"), "the loss is smaller"),
    "reject_storm": Words(_storm("rejections"), "they stop"),
    "error_rate": Words(_storm("errors"), "they stop"),
    "executions": Words(_storm("executions"), "they stop"),
}
"""By a control's stable name."""

HALTS: Final[dict[str, str]] = {
    # Their reasons are sentences of their own.
    **dict.fromkeys(
        ("kill", "paused", "stopped", "link", "screen_lost", "sentinel", "strategy_failed", "store"), ""
    ),
    "unknown_order": "the broker has an order open that is not ours",
    "drift": "the broker's position is not ours",
    "manual_trade": "somebody else traded it",
    "overfill": "more was executed than an order asked for",
    "fill_after_cancel": "an order filled after its cancel was confirmed",
    "fill_after_expire": "an order filled after it had expired",
    "fill_after_reject": "an order filled after it had been rejected",
    "fill_after_lost": "an order filled that we had given up",
    "fill_mismatch": "something was executed under an id that is another order's",
    "evicted_order": "an order filled that had ended long ago",
    "unknown_fill": "an order filled that bears our id and is not in our books",
    "missing_fill": "a fill was not reported to us",
    "busted_fill": "the venue took a fill back",
    "corrected_fill": "the venue changed a fill",
    "stale_snapshot": "the broker's position is older than our last fill",
    "in_flight": "fills may be on their way",
    "lost_order": "the broker does not list an order of ours",
    "status_differs": "the broker says something else of an order",
    "off_target": "its position is not the intended one",
    "unreadable": "the broker cannot be read",
}
"""By the code of a halt: what it means, short enough to stand in one line with what to do; empty: its reason
says it. The whole reason stands in its alarm."""


def wrong(reading: Reading) -> str:
    """What a control that has tripped finds wrong, as a sentence without its end."""
    words = CONTROLS.get(reading.control)
    if words is None:  # a control of a set of its own
        return f"{reading.title} {reading.scope}".strip() + (f": {reading.detail}" if reading.detail else "")
    return words.wrong(reading)


def then(control: str, kind: ScopeKind, scope: str, action: Action, *, latched: bool) -> str:
    """What follows from a trip, and until when."""
    words = CONTROLS.get(control)
    until = BY_PERSON if latched or words is None else words.until
    opens = f"{opening(kind, scope)} until {until}"
    if control == "strategy_loss":
        return f"{scope} is stopped and its entry orders are cancelled; {opens}"
    if action == "cancel":
        return f"entry orders are cancelled; {opens}"
    if action == "kill":
        closed = "positions are reduced" if control == "margin" else "everything is cancelled and closed"
        if kind == "symbol" and scope:
            closed = f"{scope} is cancelled and closed"
        return f"{closed}; {opens}"
    return opens


def opening(kind: ScopeKind, scope: str) -> str:
    """What may not open."""
    if not scope:
        return "nothing opens"
    return {
        "symbol": f"nothing opens in {scope}",
        "strategy": f"{scope} opens nothing",
        "class": f"nothing of class {scope} opens",
    }.get(kind, "nothing opens")


def halt(scope: str, target: str, code: str, reason: str) -> tuple[str, str]:
    """A latched halt or pause: why, and what follows until what lifts it."""
    said = (HALTS.get(code) or reason or "no reason was given").rstrip(".")
    if scope == "instrument":
        return f"{target} is halted: {said}", f"nothing opens in {target} until a person resets it"
    if scope == "strategy":
        return f"{target} is stopped: {said}", f"{target} opens nothing until a person resumes it"
    if target:
        return _capital(said), "nothing opens until a person resumes"
    return _capital(said), "nothing leaves but protection until a person resets the halt"


def hold(symbol: str, code: str, reason: str) -> tuple[str, str]:
    """An instrument that waits for a comparison: why, and what follows until when."""
    said = "somebody else traded it" if code == "unknown_order" else HALTS.get(code) or reason
    return f"{symbol} is held: {said.rstrip('.')}", f"nothing opens in {symbol} until the broker agrees"


def store(trouble: str) -> tuple[str, str]:
    """Of a journal that takes no records: what is wrong, and what follows."""
    then = "nothing opens until it takes records again; cancels and flattening still go"
    return _capital(trouble or "the journal takes no records"), then
