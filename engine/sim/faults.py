"""The kinds of fault that a simulated run knows, and how often each strikes in a run with a given seed.

Two units. *ratio*: share of the events of its kind (requests, reports, answers, commits …) that it hits.
*minute*: how often it strikes in a simulated minute, on average. The drawing is a swarm: each kind is
switched off altogether in about half of the seeds, so that rare bugs need not wait for a world in which
everything goes wrong at once, and its rate spans a factor of about thirty where it is on.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Group = Literal["network", "venue", "request", "store", "process", "time", "operator", "data"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. `typical`: its middle rate, in `unit`."""

    name: str
    group: Group
    unit: Literal["ratio", "minute"]
    typical: float
    text: str


KINDS: Final[tuple[Kind, ...]] = (
    Kind("delay", "network", "ratio", 0.03, "a report comes late and out of order"),
    Kind("reorder", "network", "ratio", 0.05, "a report is overtaken by those after it"),
    Kind("duplicate", "network", "ratio", 0.05, "a report is delivered twice"),
    Kind("duplicate_request", "network", "ratio", 0.01, "a request reaches the venue twice"),
    Kind("delay_request", "network", "ratio", 0.03, "a request reaches the venue late, after later ones"),
    Kind("lose_request", "network", "ratio", 0.01, "a request is lost on its way"),
    Kind("lose_report", "network", "ratio", 0.01, "a report is lost on its way"),
    Kind("disconnect", "network", "minute", 3, "the session drops; what is under way is lost"),
    Kind("half_open", "network", "minute", 1.5, "the line swallows everything before its loss is noticed"),
    Kind("flapping", "network", "minute", 0.9, "the session drops and returns several times in a row"),
    Kind("slow_consumer", "network", "minute", 1.5, "reports pile up before the engine takes them"),
    Kind("reject", "venue", "ratio", 0.05, "a new order is refused for no good reason"),
    Kind("reject_storm", "venue", "minute", 0.9, "for some seconds every new order is refused"),
    Kind("late_ack", "venue", "ratio", 0.03, "an acknowledgement comes after everything else"),
    Kind("fill_before_ack", "venue", "ratio", 0.05, "the first report is the fill"),
    Kind("no_ack", "venue", "ratio", 0.02, "an order is never acknowledged"),
    Kind("fill_after_cancel", "venue", "ratio", 0.1, "a fill is reported after the cancel was confirmed"),
    Kind("overfill", "venue", "ratio", 0.03, "one lot more is executed than an order asked for"),
    Kind("cancel_refused", "venue", "ratio", 0.1, "a cancel of a working order is refused"),
    Kind("replace_refused", "venue", "ratio", 0.1, "a replace of a working order is refused"),
    Kind("protect", "venue", "ratio", 0.3, "a market order is worked as a limit order, and its rest stays"),
    Kind("twin_replace", "venue", "ratio", 0.05, "a replace leaves two live orders"),
    Kind("unsolicited_cancel", "venue", "ratio", 0.03, "a resting order is cancelled by the venue"),
    Kind("bust", "venue", "ratio", 0.02, "an execution is taken back"),
    Kind("correct", "venue", "ratio", 0.02, "an execution is corrected"),
    Kind("halt", "venue", "minute", 0.9, "an instrument is halted for a while"),
    Kind("reserved", "venue", "minute", 0.9, "an instrument is reserved for a while"),
    Kind("price_band", "venue", "minute", 0.9, "daily limits close in around the market for a while"),
    Kind("unknown_order", "venue", "ratio", 0.03, "the venue says that it does not know an order it has"),
    Kind("stale_snapshot", "venue", "ratio", 0.05, "a snapshot shows what was true one answer ago"),
    Kind("empty_snapshot", "venue", "ratio", 0.03, "a snapshot is empty although there is something"),
    Kind("partial_snapshot", "venue", "ratio", 0.03, "a snapshot misses every second entry"),
    Kind("reuse_ids", "venue", "ratio", 0.3, "after a reconnect broker order ids are handed out again"),
    Kind("rate_limit", "venue", "minute", 0.9, "for some seconds the venue takes two messages a second"),
    Kind("foreign_order", "venue", "minute", 1.5, "somebody else places an order at the account"),
    Kind(
        "manual_trade",
        "venue",
        "minute",
        0.9,
        "somebody trades at the account by hand, or moves lots into it",
    ),
    Kind("send_error", "request", "ratio", 0.01, "an error before the effect: certain that nothing left"),
    Kind("query_lost", "request", "ratio", 0.05, "a question times out before it arrives"),
    Kind("answer_lost", "request", "ratio", 0.05, "a question times out after the venue answered"),
    Kind("store_slow", "store", "minute", 1.5, "commits hang for up to some seconds"),
    Kind("store_busy", "store", "minute", 0.9, "the database is locked"),
    Kind("store_full", "store", "minute", 0.6, "the disk is full for a while"),
    Kind("store_error", "store", "minute", 0.9, "an I/O error before the commit has an effect"),
    Kind("store_error_late", "store", "minute", 0.6, "an I/O error although the commit has its effect"),
    Kind("power_before_commit", "store", "minute", 0.6, "power is cut just before a COMMIT"),
    Kind("power_after_commit", "store", "minute", 0.6, "power is cut just after a COMMIT, unacknowledged"),
    Kind("crash", "process", "minute", 5, "the engine is killed and starts again"),
    Kind("restart_old", "process", "minute", 0.5, "the engine is killed and starts on an older state"),
    Kind("graceful_stop", "process", "minute", 1.5, "the engine is stopped in order and starts again"),
    Kind("stall", "process", "minute", 1.5, "the engine's process does not run for a while"),
    Kind("strategy_hang", "process", "minute", 0.6, "a strategy takes no event any more"),
    Kind("strategy_death", "process", "minute", 0.6, "a strategy's process dies"),
    Kind("wall_step", "time", "minute", 1.5, "the host's wall clock steps, back too"),
    Kind("lateness", "time", "ratio", 0.5, "timers of the engine are late, by up to 100 ms × ratio"),
    Kind("session_roll", "time", "ratio", 0.3, "the run goes over a session's end or the turn of the day"),
    Kind("daylight", "time", "ratio", 0.3, "the same as the clocks have just gone forward"),
    Kind("kill", "operator", "minute", 0.9, "kill at any instant"),
    Kind("flatten", "operator", "minute", 1.5, "flatten at any instant"),
    Kind("limit_change", "operator", "minute", 1.5, "limits change at any instant"),
    Kind("reset", "operator", "minute", 3, "resets at any instant, sensible or not"),
    Kind("pause", "operator", "minute", 1.5, "pause and resume at any instant"),
    Kind("cancel_all", "operator", "minute", 1.5, "all orders are cancelled at any instant"),
    Kind("stale", "data", "minute", 1.5, "quotes stop coming"),
    Kind("one_sided", "data", "minute", 1.5, "one side of the book is gone"),
    Kind("crossed", "data", "minute", 0.9, "the bid is above the ask"),
    Kind("zero_price", "data", "minute", 0.9, "quotes of zero"),
    Kind("negative_price", "data", "minute", 0.9, "quotes below zero"),
    Kind("absurd_print", "data", "minute", 1.5, "a print far away from the market"),
)
"""All kinds, by group."""

BY_NAME: Final[Mapping[str, Kind]] = {k.name: k for k in KINDS}

EXCHANGE: Final[Mapping[str, str]] = {
    "delay": "delay_report",
    "reorder": "reorder_report",
    "duplicate": "duplicate_report",
    "lose_request": "lose_request",
    "lose_report": "drop_report",
    "reject": "reject_new",
    "late_ack": "late_ack",
    "fill_before_ack": "fill_before_ack",
    "no_ack": "no_ack",
    "fill_after_cancel": "fill_after_cancel",
    "overfill": "overfill",
    "cancel_refused": "reject_cancel",
    "replace_refused": "reject_replace",
    "protect": "protect",
    "twin_replace": "twin_replace",
    "unsolicited_cancel": "unsolicited_cancel",
    "bust": "bust",
    "correct": "correct",
    "unknown_order": "unknown_order",
    "stale_snapshot": "stale_snapshot",
    "empty_snapshot": "empty_snapshot",
    "partial_snapshot": "partial_snapshot",
    "reuse_ids": "reuse_ids",
    "query_lost": "query_lost",
    "answer_lost": "answer_lost",
}
"""Kinds that a simulated exchange produces by itself, and its own names for them."""


def known(names: Iterable[str]) -> tuple[str, ...]:
    """The names, checked. Raises `ValueError` with what there is."""
    chosen = tuple(names)
    for name in chosen:
        if name not in BY_NAME:
            raise ValueError(f"there is no fault {name!r}; known are {', '.join(BY_NAME)}")
    return chosen


def swarm(rng: random.Random) -> dict[str, float]:
    """Rates for one run, in the units of the kinds; kinds that are off are missing.

    One run in ten is calm, one in ten has a single group of faults; in the others each kind is on with a
    share that is drawn for the run.
    """
    mood = rng.random()
    share = rng.choice((0.15, 0.3, 0.5, 0.8))
    alone = rng.choice(sorted({k.group for k in KINDS}))
    rates: dict[str, float] = {}
    for kind in KINDS:
        # Drawn for every kind, so that a change of one leaves the others as they were.
        on, spread = rng.random(), rng.uniform(-1.0, 0.5)
        if mood < 0.1 or (mood < 0.2 and kind.group != alone) or (mood >= 0.2 and on >= share):
            continue
        rate = kind.typical * 10.0**spread
        rates[kind.name] = round(min(rate, 1.0) if kind.unit == "ratio" else rate, 5)
    return rates
