"""kill -9 at any moment of a run at 50 orders a second, again and again: nothing is lost, nothing doubled.

`BREAKWATER_KILLS` says how often in all (20 by default).
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import pytest

from engine.control.client import ControlClient
from engine.control.commands import Flatten, Kill, Reset
from engine.records import OrderStored, RunStarted
from tests.crash import checks
from tests.crash.kit import Engine, Story, Venue, engine, short_folder, venue, wait_for
from tests.effort import effort

KILLS = int(os.environ.get("BREAKWATER_KILLS", effort(20, 300)))
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


MOMENTS = ("starting", "recovering", "stopped", "continued", "trading", "trading", "trading", "trading")


def hit(runner: Engine, market: Venue, rng: random.Random, *, freeze: bool) -> str:
    """Waits for a moment drawn by chance and kills the engine; what kind of moment it was."""
    moment = rng.choice(MOMENTS)
    if moment == "starting":
        time.sleep(rng.uniform(0.1, 0.9))
    elif moment == "recovering":  # from the first row of this run to its first order, and a little beyond
        before = opened(runner)
        wait_for(lambda: opened(runner) != before, "the journal is written", every=0.002)
        time.sleep(rng.uniform(0.0, 0.5))
    else:
        runner.until_trading()
        time.sleep(rng.uniform(0.0, 1.2))
        if moment in ("stopped", "continued"):  # meanwhile the exchange fills what it has
            runner.send(signal.SIGSTOP)
            time.sleep(rng.uniform(0.2, 1.0))
            if moment == "continued":
                runner.send(signal.SIGCONT)
                time.sleep(rng.uniform(0.0, 0.1))
        elif freeze and rng.random() < 0.5:  # what it sends now is received after its death
            with market.frozen():
                time.sleep(rng.uniform(0.0, 0.3))
                runner.kill()
            return "unheard"
    runner.kill()
    return moment


def opened(runner: Engine) -> tuple[int, int]:
    """Changes when the journal is written."""
    try:
        found = (runner.state / "journal.db-wal").stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def share(variant: str) -> int:
    """Kills of a variant: two fifths for plain orders, a fifth for each of the others."""
    return max(KILLS * (2 if variant == "orders" else 1) // 5, 2)


@pytest.mark.slow
@pytest.mark.timeout(120 + 15 * KILLS)
@pytest.mark.parametrize("variant", ["orders", "intentions", "bad line"])
def test_kill_after_kill_nothing_is_lost_and_nothing_doubled(variant: str) -> None:
    intent, bad = variant == "intentions", variant == "bad line"
    kills = share(variant)
    rng = random.Random(f"{SEED} {variant}")
    moments: Counter[str] = Counter()
    traded = 0
    with short_folder() as folder, venue(folder, SEED) as market, engine(folder, market) as runner:
        story = Story(runner.state)
        for fault, ratio in FAULTS.items() if bad else ():
            market.drill("ratio", fault=fault, ratio=ratio)
        for n in range(kills):
            if n and n % 25 == 0:
                print(f"{n} of {kills} kills, {variant}: {len(story.rows)} rows so far", flush=True)
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
        assert traded >= kills // 3, "too few kills hit a trading engine to prove anything"


@pytest.mark.slow
@pytest.mark.timeout(120 + 15 * KILLS)
def test_killed_while_it_kills_or_flattens_it_ends_flat_and_halted() -> None:
    """Whatever step the procedure was at, again and again, and then a person lets it trade once more."""
    rng = random.Random(f"{SEED} killing")
    cut_off = finished = kills = 0
    with short_folder() as folder, venue(folder, SEED) as market, engine(folder, market) as runner:
        story = Story(runner.state)
        while kills < share("killing"):
            runner.start(cap=20)
            runner.until_trading()
            runner.until(lambda p: any(row.executed for row in p.positions), "a position")
            with ControlClient(runner.state, tty="") as client:
                client.start(rng.choice((Flatten(), Kill(reason="drill"))))
                time.sleep(rng.uniform(0.0, 0.4))
                runner.kill()
            while True:
                kills += 1
                story.read()
                audit = market.audit()
                checks.no_order_unknown(audit, story)
                checks.nothing_made_up(audit, story)
                checks.nothing_opened_after_the_halt(story)
                latched = story.books.halts.account() is not None
                begun = bool(story.books.kills)
                assert latched or not begun, "a kill began and its halt was not latched"
                cut_off += begun
                finished += latched and not begun
                runner.start(cap=20)
                if not begun or rng.random() < 0.5:
                    break
                # And once more, while it goes on with it.
                before = opened(runner)
                wait_for(lambda b=before: opened(runner) != b, "the journal is written", every=0.002)  # type: ignore[misc]
                time.sleep(rng.uniform(0.0, 0.6))
                runner.kill()
            if latched:
                picture = runner.until(
                    lambda p: p if p.trading and not (p.kill and p.kill.running) else None, "it is at its end"
                )
                assert picture.halted, "the halt did not survive"
                assert not begun or (
                    picture.kill and picture.kill.verdict.startswith("flat, confirmed twice")
                )
                assert not any(market.audit().positions.get("PAPER", {}).values())
                assert runner.command(Reset(scope="halt")).ok
            runner.until_trading()  # also where the kill had not begun: it must be up before it is stopped
            code, summary, errors = runner.stop()
            assert (code, errors) == (0, ""), (code, errors)
            story.read()
            checks.all_booked(market.audit(), story)
            checks.one_day(story)
            checks.stored_before_sent(story)
            assert checks.folds_alike(story) == summary["digest"]
    print(f"{kills} kills, {cut_off} with the procedure under way, {finished} after its end")
    assert cut_off
