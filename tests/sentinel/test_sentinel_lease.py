"""The lease: who has it may send, who lost it may not, and the kernel lets go of a dead holder's lock."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.sentinel.lease import Holder, Lease, Leasehold
from engine.sentinel.leasefile import LeaseFile


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Leasehold, Leasehold]:
    """Engine and sentinel, each with the file opened for itself."""
    path = tmp_path / "sentinel.lease"
    return Leasehold(LeaseFile(path), Holder.ENGINE), Leasehold(LeaseFile(path), Holder.SENTINEL)


@given(st.sampled_from(Holder), st.integers(0, 10**30))
def test_the_word_reads_as_it_was_written(holder: Holder, epoch: int) -> None:
    lease = Lease(holder, epoch)
    assert Lease.decode(lease.encode()) == lease
    assert len(lease.encode()) == 64


@pytest.mark.parametrize("text", [b"engine 1\n", b"x" * 64, b"engine -1".ljust(63) + b"\n", bytes(64)])
def test_a_word_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        Lease.decode(text)


def test_only_one_side_may_send(sides: tuple[Leasehold, Leasehold]) -> None:
    engine, sentinel = sides
    assert engine.claim()
    assert engine.why_not() == "" and "engine's" in sentinel.why_not()
    assert sentinel.claim()
    assert "sentinel's" in engine.why_not()
    assert sentinel.why_not() == ""
    sentinel.give_back()
    assert engine.why_not(), "what was lost stays lost until it is claimed again"
    assert engine.claim() and engine.why_not() == ""
    assert engine.epoch == 4


def test_nobody_takes_it_in_the_midst_of_sending(sides: tuple[Leasehold, Leasehold]) -> None:
    engine, sentinel = sides
    engine.claim()
    assert engine.enter() == ""
    assert not sentinel.claim(), "the engine is inside"
    engine.leave()
    assert sentinel.claim()
    assert engine.enter() != ""


def test_who_finds_another_file_in_its_place_has_lost_what_it_held(
    sides: tuple[Leasehold, Leasehold], tmp_path: Path
) -> None:
    engine, sentinel = sides
    engine.claim()
    file = tmp_path / "sentinel.lease"
    file.unlink()
    assert sentinel.claim(), "it takes the one that everybody would open"
    assert "sentinel's" in engine.why_not(), "and the engine does not send by one that nobody sees"
    file.unlink()
    assert sentinel.why_not() == "", "in the midst of its work it writes the word anew"
    assert engine.look() == Lease(Holder.SENTINEL, sentinel.epoch)
    sentinel.give_back()
    assert sentinel.why_not() != "", "what it gave back it does not write anew"
    assert engine.claim() and engine.why_not() == ""
    file.unlink()
    assert engine.why_not() != "", "an engine asks for what it has lost"


def test_who_stands_inside_keeps_the_other_out_also_when_the_file_is_replaced(
    sides: tuple[Leasehold, Leasehold], tmp_path: Path
) -> None:
    """Found by reading: an engine stopped between its look and its last byte held the lock of the removed
    file, the sentinel took the lease in the new one, and the engine would have gone on sending."""
    engine, sentinel = sides
    engine.claim()
    assert engine.enter() == ""
    (tmp_path / "sentinel.lease").rename(tmp_path / "aside")
    (tmp_path / "sentinel.lease").touch()
    assert not sentinel.claim(), "the engine is inside"
    engine.leave()
    assert sentinel.claim()
    assert "sentinel's" in engine.enter()


def test_a_file_that_is_replaced_between_the_look_at_it_and_its_lock_lets_nobody_in(
    sides: tuple[Leasehold, Leasehold], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, sentinel = sides
    engine.claim()
    assert engine.enter() == ""
    engine.leave()
    real, done = fcntl.flock, []

    def replaced_first(fd: int, how: int) -> None:
        if not done:
            done.append(fd)
            (tmp_path / "sentinel.lease").unlink()
            assert sentinel.claim()
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", replaced_first)
    assert "sentinel's" in engine.enter() and done


def test_an_unreadable_word_lets_nobody_send(sides: tuple[Leasehold, Leasehold], tmp_path: Path) -> None:
    engine, sentinel = sides
    engine.claim()
    (tmp_path / "sentinel.lease").write_bytes(b"nonsense")
    assert "cannot be read" in engine.why_not()
    with pytest.raises(OSError, match="remove the file"):
        sentinel.claim()


def test_the_lock_of_a_killed_sender_is_free_and_that_of_a_stopped_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "sentinel.lease"
    code = (
        "import sys, time, pathlib\n"
        "from engine.sentinel.lease import Holder, Leasehold\n"
        "from engine.sentinel.leasefile import LeaseFile\n"
        "side = Leasehold(LeaseFile(pathlib.Path(sys.argv[1])), Holder.ENGINE)\n"
        "assert side.claim() and side.enter() == ''\n"
        "print('inside', flush=True)\n"
        "sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None and child.stdin is not None
        assert child.stdout.readline() == "inside\n"
        sentinel = Leasehold(LeaseFile(path), Holder.SENTINEL)
        os.kill(child.pid, signal.SIGSTOP)
        assert not sentinel.claim()
    finally:
        child.kill()
        child.wait(10)
        for pipe in (child.stdin, child.stdout):
            pipe.close()
    assert sentinel.claim() and sentinel.epoch == 2
