"""The disk fails under a trading engine: nothing opens, cancels and flatten still go, and it heals."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from engine.control.commands import CancelAll, Flatten, Reset
from engine.control.snapshot import Snapshot
from engine.journal.tools import verify
from engine.model import NS
from tests.crash import checks
from tests.crash.kit import Engine, Story, Venue, short_folder, venue
from tests.disk.kit import Trouble, full_disk, injected, read_only_disk

pytestmark = pytest.mark.slow

Disk = Callable[[Path, Venue], AbstractContextManager[Trouble]]

HEALING = [
    pytest.param(full_disk, "free some space", id="full"),
    pytest.param(partial(injected, fault="full"), "free some space", id="full-injected"),
    pytest.param(partial(injected, fault="io"), "kernel's log", id="io-injected"),
    pytest.param(partial(injected, fault="readonly"), "kernel's log", id="readonly-injected"),
]
FATAL = [pytest.param(read_only_disk, "make it writable again", id="readonly")]
HANGING = [pytest.param(partial(injected, fault="hang"), "the disk hangs", id="hang-injected")]
SMALL = "min_free_mb = 0\nballast_mb = 1\n"


@contextlib.contextmanager
def trading(disk: Disk, folder: Path, market: Venue):  # type: ignore[no-untyped-def]
    """An engine that holds positions in both instruments and has orders in the market."""
    with disk(folder, market) as trouble:
        runner = trouble.runner
        try:
            runner.start(cap=20, journal=SMALL)
            runner.until_trading()
            runner.until(
                lambda p: p.trading and len([x for x in p.positions if x.executed]) == 2 and open_orders(p),
                "positions in both, and orders",
            )
            yield trouble
        finally:
            runner.give_up()


def open_orders(picture: Snapshot) -> list[str]:
    return [o.id for o in picture.orders if o.status in ("WORKING", "PARTIAL_FILL")]


def store_trouble(picture: Snapshot) -> bool:
    return any(hold.code == "store" for hold in picture.paused)


def told(picture: Snapshot) -> str:
    return " | ".join(a.text for a in picture.alerts if a.code == "store")


def opening(market: Venue) -> set[str]:
    """Orders at the exchange that are no flattening."""
    return {o.order_id for o in market.audit().orders if not o.order_id.startswith("flatten-")}


def nothing_opens_and_all_can_be_closed(runner: Engine, market: Venue, words: str) -> None:
    """From the moment of the trouble on, while it lasts."""
    picture = runner.until(
        lambda p: p if store_trouble(p) and told(p) else None, "the store's trouble is told"
    )
    assert words in told(picture), told(picture)
    assert "cancels and flattening still go" in told(picture)
    runner.until(lambda p: p.health.counters.get("refused", 0) > 5, "the strategy's orders are refused")
    before = opening(market)
    answer = runner.command(CancelAll())
    assert answer.ok, answer.text
    answer = runner.command(Flatten())
    assert answer.ok and answer.text.startswith("flat, confirmed twice by the broker"), answer.text
    audit = market.audit()
    assert not any(audit.positions.get("PAPER", {}).values())
    assert not [o for o in audit.orders if not o.status.is_closed]
    assert opening(market) == before, "an order that opens was sent without a store"


@pytest.mark.parametrize(("disk", "words"), HEALING)
def test_it_closes_while_the_disk_fails_and_trades_on_when_it_works(disk: Disk, words: str) -> None:
    with short_folder() as folder, venue(folder, 41) as market, trading(disk, folder, market) as trouble:
        runner = trouble.runner
        trouble.begin()
        nothing_opens_and_all_can_be_closed(runner, market, words)
        trouble.end()
        picture = runner.until(lambda p: p if not store_trouble(p) and p.trading else None, "it heals")
        # Flattening everything is a halt: a person ends it.
        assert picture.halted
        assert runner.command(Reset(scope="halt")).ok
        fills = picture.health.counters.get("fills", 0)
        runner.until(lambda p: p.health.counters.get("fills", 0) > fills + 5, "it trades on")
        code, summary, errors = runner.stop()
        assert (code, errors) == (0, ""), (code, errors)
        whole(runner, market, summary)


def whole(runner: Engine, market: Venue, summary: dict[str, object]) -> None:
    """Nothing of what happened meanwhile is missing from the journal."""
    assert verify(runner.state / "journal.db").ok
    story = Story(runner.state)
    story.read()
    audit = market.audit()
    checks.no_order_unknown(audit, story)
    checks.all_booked(audit, story)
    assert checks.folds_alike(story) == summary["digest"]


@pytest.mark.parametrize(("disk", "words"), [*HEALING[:2], *FATAL])
def test_killed_while_the_disk_fails_it_finds_the_truth_at_the_broker(disk: Disk, words: str) -> None:
    with short_folder() as folder, venue(folder, 42) as market, trading(disk, folder, market) as trouble:
        runner = trouble.runner
        trouble.begin()
        nothing_opens_and_all_can_be_closed(runner, market, words)
        runner.kill()
        if disk is read_only_disk or disk is full_disk:
            # A start on the failed disk is refused with what to do.
            runner.begin()
            out, errors = runner.process.communicate(timeout=60)
            assert runner.process.returncode == 5, (runner.process.returncode, out, errors)
            assert ("rw" if disk is read_only_disk else "free some") in errors, errors
        if disk is read_only_disk:
            return
        trouble.end()
        runner.start(rate=0, journal=SMALL)
        picture = runner.until(lambda p: p if p.trading else None, "trading")
        # An instrument that is halted for what was found does not keep the others from trading: what was
        # found is booked, and compared once more.
        first = picture.comparison.at or 0
        picture = runner.until(
            lambda p: p if (p.comparison.at or 0) > first + NS else None, "the three views agree"
        )
        # The halt of the flattening holds; where not even the reserve was left, as one of the store.
        assert picture.halted
        assert ("store took nothing" in picture.halt_reason) == (disk is not full_disk), picture.halt_reason
        code, summary, errors = runner.stop()
        assert (code, errors) == (3, ""), (code, errors)
        assert summary["flat"] and summary["reconciled"]
        story = Story(runner.state)
        story.read()
        checks.all_booked(market.audit(), story)


@pytest.mark.parametrize(("disk", "words"), HANGING)
def test_a_disk_that_hangs(disk: Disk, words: str) -> None:
    with short_folder() as folder, venue(folder, 43) as market, trading(disk, folder, market) as trouble:
        runner = trouble.runner
        trouble.begin()
        nothing_opens_and_all_can_be_closed(runner, market, words)
        trouble.end()
        runner.until(lambda p: not store_trouble(p) and p.trading, "it goes on")
        code, summary, errors = runner.stop()
        assert (code, errors) == (3, ""), (code, errors)
        whole(runner, market, summary)
