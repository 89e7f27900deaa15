"""Whoever is stopped between his look at the lease and the last byte keeps the other side out, whatever
became of the lease's file meanwhile. With a process that is really stopped there."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.drill.processes import ROOT, wait_for
from engine.sentinel.lease import Holder, Leasehold
from engine.sentinel.leasefile import LeaseFile
from tests.sentinel.bench import state_of

OTHER = {Holder.ENGINE: Holder.SENTINEL, Holder.SENTINEL: Holder.ENGINE}
CHILD = """
import os, pathlib, signal, sys
from engine.sentinel.lease import Holder, Leasehold
from engine.sentinel.leasefile import LeaseFile
side = Leasehold(LeaseFile(pathlib.Path(sys.argv[1])), Holder(sys.argv[2]))
assert side.claim()
print("has it", flush=True)
sys.stdin.readline()
assert side.claim() and side.enter() == ""
os.kill(os.getpid(), signal.SIGSTOP)  # in the midst of sending
side.leave()
print(side.why_not(), flush=True)
"""


class Sender:
    """A process of one side: it takes the lease, takes it again when it is told, and is stopped inside."""

    def __init__(self, lease: Path, holder: Holder) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(lease), holder],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.said() == "has it"

    def said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def is_stopped_inside(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("again\n")
        self._process.stdin.flush()
        wait_for(lambda: state_of(self._process.pid) == "T", "it is stopped inside")

    def goes_on(self) -> str:
        """What keeps it from sending then."""
        os.kill(self._process.pid, signal.SIGCONT)
        return self.said()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def sender(lease: Path, holder: Holder) -> Iterator[Sender]:
    made = Sender(lease, holder)
    try:
        yield made
    finally:
        made.close()


def removed(lease: Path) -> None:
    lease.unlink()


def another(lease: Path) -> None:
    lease.unlink()
    lease.touch()


@pytest.mark.parametrize("replaced", [removed, another])
@pytest.mark.parametrize("holder", OTHER)
def test_one_inside_a_file_that_came_and_went_keeps_out_who_never_saw_that_file(
    tmp_path: Path, holder: Holder, replaced: object
) -> None:
    """Found by reading: the lock was the file's. Who stood inside the second of three files had a lock that
    nobody met who knew the first and found the third."""
    lease = tmp_path / "sentinel.lease"
    other = Leasehold(LeaseFile(lease), OTHER[holder])
    with sender(lease, holder) as inside:
        another(lease)
        inside.is_stopped_inside()
        replaced(lease)  # type: ignore[operator]
        assert not other.claim(), "somebody is inside"
        why = inside.goes_on()
        if holder is Holder.ENGINE:
            assert why.startswith("the lease is nobody's"), "it asks for what it has lost"
        else:
            assert why == "", "it writes the word anew, and works on"
        assert other.claim() and other.why_not() == ""


@pytest.mark.parametrize("holder", OTHER)
def test_one_inside_a_removed_file_keeps_out_a_process_that_starts_afterwards(
    tmp_path: Path, holder: Holder
) -> None:
    """Found by reading: as a sentinel that was stopped at work, and an engine that started meanwhile."""
    lease = tmp_path / "sentinel.lease"
    with sender(lease, holder) as inside:
        inside.is_stopped_inside()
        lease.unlink()
        started = Leasehold(LeaseFile(lease), OTHER[holder])
        assert not started.claim() and started.look() is None
        inside.close()
        assert started.claim() and started.why_not() == ""


def test_one_that_gave_a_lease_back_after_its_file_was_removed_is_not_written_over(tmp_path: Path) -> None:
    """Found by reading: a sentinel stood still at work, the file was removed, an engine took the new one and
    ended as planned; the sentinel took its end for a file that nobody had taken, and went on closing."""
    lease = tmp_path / "sentinel.lease"
    sentinel = Leasehold(LeaseFile(lease), Holder.SENTINEL)
    for _ in range(5):
        assert sentinel.claim()
    lease.unlink()
    engine = Leasehold(LeaseFile(lease), Holder.ENGINE)
    assert engine.claim()
    engine.give_back()
    assert "nobody's" in sentinel.why_not()


@pytest.mark.parametrize("holder", OTHER)
def test_one_inside_keeps_the_other_out_also_when_the_whole_directory_is_moved(
    tmp_path: Path, holder: Holder
) -> None:
    """Both were there before: they meet in the one they know. Then they find that another lies there."""
    folder = tmp_path / "state"
    folder.mkdir()
    lease = folder / "sentinel.lease"
    other = Leasehold(LeaseFile(lease), OTHER[holder])
    with sender(lease, holder) as inside:
        inside.is_stopped_inside()
        folder.rename(tmp_path / "aside")
        shutil.copytree(tmp_path / "aside", folder)
        assert not other.claim(), "somebody is inside"
        inside.close()
        assert other.claim()
        word = Leasehold(LeaseFile(lease), holder).look()
        assert word is not None and word.holder is OTHER[holder], "where everybody would look"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "enter", "leave", "give back", "restart", "remove", "spoil", "put back"]),
        st.sampled_from(list(OTHER)),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_never_are_both_inside_whatever_becomes_of_the_file(steps: list[tuple[str, Holder]]) -> None:
    """Also: while the file is left alone, only who has taken the lease last comes in."""
    with tempfile.TemporaryDirectory() as folder:
        lease = Path(folder) / "sentinel.lease"
        files = {holder: LeaseFile(lease) for holder in OTHER}
        sides = {holder: Leasehold(files[holder], holder) for holder in OTHER}
        inside: set[Holder] = set()
        right: Holder | None = None
        for step, holder in steps:
            side = sides[holder]
            match step:
                case "claim" if not inside:
                    assert side.claim()
                    right = holder
                case "claim" if holder not in inside:
                    assert not side.claim(), "the other side is inside"
                case "enter" if holder not in inside:
                    if side.enter() == "":
                        inside.add(holder)
                        assert inside == {holder}
                        assert right in (holder, None)
                case "leave" if holder in inside:
                    side.leave()
                    inside.clear()
                case "give back" if not inside:
                    side.give_back()
                    right = None if right is holder else right
                case "restart":  # killed, wherever it stands
                    files[holder].close()
                    files[holder] = LeaseFile(lease)
                    sides[holder] = Leasehold(files[holder], holder)
                    inside.discard(holder)
                case "remove":
                    lease.unlink(missing_ok=True)
                    right = None
                case "spoil":
                    lease.write_bytes(b"nonsense")
                    right = None
                case "put back":
                    removed_and_back(lease)
                case _:
                    pass
        for file in files.values():
            file.close()


def removed_and_back(lease: Path) -> None:
    """Another file with the same word, as a copy that is put back."""
    text = lease.read_bytes() if lease.exists() else b""
    lease.unlink(missing_ok=True)
    lease.write_bytes(text)
