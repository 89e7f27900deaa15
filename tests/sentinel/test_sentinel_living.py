"""The sentinel never acts against an engine that lives: a slow one, a stopped one that goes on in time, one
whose lease file was replaced. With real processes, and with the sentinel's time in the test's hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from app.drill.processes import wait_for
from app.paths import sentinel_lease_path
from app.sentinel.asking import ask, lease_of
from engine.control.commands import Reset
from engine.model import Side
from engine.sentinel.lease import Holder
from engine.sentinel.machine import Phase
from tests.sentinel.bench import Bench, bench, position, resting, state_of

ACTS = {"silent", "fenced", "proven", "undone"}


@pytest.fixture(scope="module")
def b() -> Iterator[Bench]:
    """Processes that one test after another finds and leaves as it likes: each says first what it needs."""
    with bench("flatten") as made:
        yield made


def test_an_engine_that_is_late_or_whose_lease_file_is_replaced_is_left_alone(b: Bench) -> None:
    b.ready()
    b.exposed()
    for cycle in range(3):
        b.steps(f"{cycle}-", 0)
        b.heard_again()
        b.engine.send(signal.SIGSTOP)
        wait_for(lambda: state_of(b.engine.pid) == "T", "it stands still")
        b.steps(f"{cycle}+", 18)  # nine tenths of the silence that counts
        b.engine.send(signal.SIGCONT)
        b.heard_again()
    b.hurry.unlink()
    b.phase(Phase.WATCHING)
    assert not ACTS & set(b.notes())
    assert b.held() == 2 and len(b.working()) == 2
    b.trading()
    lease = sentinel_lease_path(b.state)
    lease.rename(b.state / "aside")
    lease.touch()
    picture = b.back()
    assert position(picture) == 2 and len(resting(picture)) == 2
    assert b.engine.command(Reset(scope="halt")).ok
    b.trading()
    assert lease_of(b.state).holder is Holder.ENGINE  # type: ignore[union-attr]
    assert not ACTS & set(b.notes())
    assert b.held() == 2 and len(b.working()) == 2
    b.send(Side.BUY, 1, 4890)
    wait_for(lambda: len(b.working()) == 3, "an order by the new lease")


def test_a_sentinel_that_stood_still_at_work_and_lost_its_lease_file_makes_room(b: Bench) -> None:
    """Found by reading: the engine that started meanwhile took the new lease, and the sentinel stayed at work
    beside it for ever, unable to send; nobody watched over that engine."""
    said = b.at_work()
    os.kill(said.pid, signal.SIGSTOP)
    sentinel_lease_path(b.state).unlink()
    b.engine.begin()
    b.trading()
    os.kill(said.pid, signal.SIGCONT)
    picture = b.back()
    assert "sentinel_acted" in {a.code for a in picture.alerts}
    after = ask(b.state)
    assert after is not None and after.pid != said.pid and after.phase is Phase.WATCHING
    assert lease_of(b.state).holder is Holder.ENGINE  # type: ignore[union-attr]
    b.exchange.drill("state", symbol="ES", state="OPEN")


def test_an_engine_that_dies_before_its_new_sentinel_has_heard_it_is_not_forgotten(b: Bench) -> None:
    """Found by reading: a sentinel that had heard nobody waited for ever for a first word."""
    b.ready()
    b.exposed()
    b.engine.send(signal.SIGSTOP)  # it starts no other one now
    b.close_sentinel()
    b.engine.kill()
    process = b.sentinel()
    try:
        b.silent(Phase.HOLDING)
        assert b.held() == 0 and not b.working()
    finally:
        process.kill()
        process.wait()
