"""kill -9 at any moment of a run at 50 orders a second, again and again: nothing is lost, nothing doubled.

`BREAKWATER_KILLS` says how often (20 by default).
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest

from engine.control.commands import Flatten
from engine.records import OrderStored, RunStarted
from tests.crash import checks
from tests.crash.kit import Engine, Story, Venue, engine, short_folder, venue

KILLS = int(os.environ.get("BREAKWATER_KILLS", "20"))
SEED = int(os.environ.get("BREAKWATER_KILL_SEED", "1"))


FAULTS = {
    "lose_request": 0.02,
    "no_ack": 0.02,
    "drop_report": 0.05,
    "duplicate_report": 0.1,
    "reorder_report": 0.05,
    "fill_before_ack": 0.1,
    "late_ack": 0.02,
}
"""Shares of what goes wrong at the exchange in the third variant."""


def hit(runner: Engine, market: Venue, rng: random.Random, *, freeze: bool) -> str:
    """Waits for a moment drawn by chance and kills the engine; what kind of moment it was."""
    draw = rng.random()
    if draw < 0.25:  # at any moment of start and recovery
        time.sleep(rng.uniform(0.1, 0.9))
        moment = "starting"
    else:
        runner.until_trading()
        time.sleep(rng.uniform(0.0, 1.7))
        moment = "trading"
        if freeze and draw < 0.6:  # what it sends now is received after its death
            with market.frozen():
                time.sleep(rng.uniform(0.0, 0.3))
                runner.kill()
            return "unheard"
    runner.kill()
    return moment


@pytest.mark.slow
@pytest.mark.timeout(120 + 15 * KILLS)
@pytest.mark.parametrize("variant", ["orders", "intentions", "bad line"])
def test_kill_after_kill_nothing_is_lost_and_nothing_doubled(variant: str) -> None:
    intent, bad = variant == "intentions", variant == "bad line"
    kills = KILLS if variant == "orders" else max(KILLS // 4, 3)
    rng = random.Random(f"{SEED} {variant}")
    moments: Counter[str] = Counter()
    traded = 0
    with short_folder() as folder, venue(folder, SEED) as market, engine(folder, market) as runner:
        story = Story(runner.state)
        for fault, ratio in FAULTS.items() if bad else ():
            market.drill("ratio", fault=fault, ratio=ratio)
        for _ in range(kills):
            runner.start(intent=intent)
            moments[hit(runner, market, rng, freeze=bad)] += 1
            if not (runner.state / "journal.db").exists():
                continue  # killed before it had one
            # The journal first: what the exchange receives later cannot be in it.
            new = story.read()
            audit = market.audit()
            traded += any(row.kind == "order" for row in new)
            checks.no_order_unknown(audit, story)
            checks.nothing_made_up(audit, story)

        if bad:
            market.drill("clear")
        # The strategy looks on; whatever still works or is in doubt is brought to an end.
        runner.start(rate=0)
        runner.until(lambda p: p.trading, "the three views agree")
        before = runner.picture()
        assert before is not None
        assert not before.halted, before.halt_reason
        answer = runner.command(Flatten())
        assert answer.ok, answer.text
        code, summary, errors = runner.stop()
        assert "Traceback" not in errors, errors
        assert summary["flat"] and summary["reconciled"] and not summary["working"], (code, summary)

        story.read()
        audit = market.audit()
        checks.no_order_unknown(audit, story)
        checks.stored_before_sent(story)
        checks.all_booked(audit, story)
        checks.one_day(story)
        checks.runs_differ(story)
        assert checks.folds_alike(story) == summary["digest"]
        stored = sum(isinstance(r, OrderStored) for r in story.records)
        repeats = sum(checks.told(story).values()) - len(audit.executions)
        runs = sum(isinstance(r, RunStarted) for r in story.records)
        print(
            f"{kills} kills {dict(moments)}, {traded} after orders, {runs} runs, "
            f"{stored} orders stored, {len(audit.orders)} at the exchange, "
            f"{len(audit.executions)} executions, {repeats} reported again, {len(story.rows)} rows; "
            f"nothing lost, nothing twice"
        )
        assert traded >= kills // 2, "too few kills hit a trading engine to prove anything"
