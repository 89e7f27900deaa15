"""The lease: who has it may send, who lost it may not, and the kernel lets go of a dead holder's lock."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.options import RunOptions
from app.paths import sentinel_lease_path
from app.sentinel.post import SentinelPost
from engine.journal import StoreRefused
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


def garbage(file: Path) -> None:
    file.write_bytes(b"nonsense")


def torn(file: Path) -> None:
    file.write_bytes(Lease(Holder.ENGINE, 12).encode()[:9])


def no_bytes_of_text(file: Path) -> None:
    file.write_bytes(b"\xff" * 64)


def not_to_be_opened(file: Path) -> None:
    """As without permission, also for who may open everything: the name leads round in a circle."""
    file.unlink()
    file.symlink_to(file.name)


SPOILT = [garbage, torn, no_bytes_of_text, not_to_be_opened]


@pytest.mark.parametrize("spoil", SPOILT)
def test_by_an_unreadable_word_nobody_sends_and_each_side_may_take_it(
    sides: tuple[Leasehold, Leasehold], tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    engine, sentinel = sides
    for _ in range(3):
        engine.claim()
    spoil(tmp_path / "sentinel.lease")
    assert "cannot be read" in engine.why_not() and "cannot be read" in sentinel.why_not()
    assert sentinel.claim() and sentinel.why_not() == ""
    assert "sentinel's" in engine.enter() or engine.lost
    assert engine.look() == Lease(Holder.SENTINEL, 1)
    spoil(tmp_path / "sentinel.lease")
    assert sentinel.why_not() == "", "in the midst of its work it writes the word anew"
    spoil(tmp_path / "sentinel.lease")
    assert engine.claim() and engine.why_not() == ""
    assert engine.epoch == 4, "counted on from what this side knows"
    assert "engine's" in sentinel.why_not()


def test_a_word_that_cannot_be_written_is_taken_by_its_lock_from_a_dead_one(
    sides: tuple[Leasehold, Leasehold], tmp_path: Path
) -> None:
    engine, sentinel = sides
    engine.claim()
    file = tmp_path / "sentinel.lease"
    file.unlink()
    file.mkdir()
    with pytest.raises(OSError, match="lease cannot be written: Is a directory"):
        sentinel.claim()
    assert not sentinel.by_lock and engine.look() == Lease(), "it does not stay inside"
    assert sentinel.claim(by_lock=True) and sentinel.why_not() == ""
    assert engine.look() is None and not engine.claim(), "nobody comes in, whatever the word says"
    sentinel.give_back()
    assert engine.look() == Lease() and sentinel.why_not() != ""
    file.rmdir()
    assert engine.claim() and engine.why_not() == ""


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


def test_an_engine_that_cannot_take_it_says_which_file_and_what_to_do(tmp_path: Path) -> None:
    """Found at a terminal: a start that was refused said '[Errno 21]' and nothing of the lease."""
    sentinel_lease_path(tmp_path).mkdir()

    async def script() -> None:
        options = RunOptions(state_dir=tmp_path, config=None, feed="exchange:x.sock")
        post = SentinelPost(options, "off", 5.0, lambda *_, **__: None)
        with pytest.raises(StoreRefused, match=r"sentinel.lease cannot be written: Is a dir.*; look after"):
            await post.regain()
        sentinel_lease_path(tmp_path).rmdir()
        assert await post.regain() is not None
        await post.close()

    asyncio.run(script())
