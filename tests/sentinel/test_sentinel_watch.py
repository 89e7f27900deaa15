"""The sentinel's watch over a real lease, with a clock that a test turns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.model import NS
from engine.ports import TimerHandle
from engine.records_sentinel import SentinelNote
from engine.sentinel.lease import Holder, Leasehold
from engine.sentinel.leasefile import LeaseFile
from engine.sentinel.machine import Event, Phase, Rules
from engine.sentinel.messages import Beat
from engine.sentinel.watch import Ended, Watch

TICK = NS // 4


class Handle:
    def cancel(self) -> None:
        pass


class HandClock:
    """As much of `engine.ports.Clock` as a watch asks for."""

    def __init__(self) -> None:
        self.at = 0
        self._next: Callable[[], object] = lambda: None

    def mono(self) -> int:
        return self.at

    def call_later(self, delay: int, callback: Callable[..., object], *args: Any) -> TimerHandle:
        self._next = lambda: callback(*args)
        return Handle()

    def call_soon(self, callback: Callable[..., object], *args: Any) -> TimerHandle:
        callback(*args)
        return Handle()

    def pass_by(self, ns: int) -> None:
        for _ in range(ns // TICK):
            self.at += TICK
            self._next()


class Bench:
    """A watch that hears an engine which has the lease."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lease"
        self.engine = Leasehold(LeaseFile(self.path), Holder.ENGINE)
        self.engine.claim()
        self.clock = HandClock()
        self.notes: list[SentinelNote] = []
        self.begun: list[str] = []
        self.ended = 0
        self.dies = True
        self.watch = Watch(
            Rules("flatten", after=5 * NS, hold=60 * NS),
            self.clock,  # type: ignore[arg-type]
            Leasehold(LeaseFile(self.path), Holder.SENTINEL),
            self.notes.append,
            lambda _: self,
            self.end_engine,
            "j",
        )
        self.watch.heard(Beat(n=1, epoch=1, seq=1))

    def begin(self, reason: str) -> None:
        self.begun.append(reason)

    def stop(self) -> None:
        self.watch.see(Event.STOPPED)

    def end_engine(self) -> Ended:
        self.ended += 1
        if self.dies:
            self.engine.leave()
        return Ended(self.dies, "process 7 is ended")


def test_an_engine_inside_is_ended_and_only_then_is_anything_done(tmp_path: Path) -> None:
    b = Bench(tmp_path)
    assert b.engine.enter() == ""
    b.clock.pass_by(7 * NS)
    assert b.ended == 1 and len(b.begun) == 1 and b.watch.phase is Phase.ACTING


def test_a_lease_that_cannot_be_read_is_told_and_taken_and_nobody_is_ended(tmp_path: Path) -> None:
    """Found by reading: it waited for ever for somebody to remove the file, and paged nobody."""
    b = Bench(tmp_path)
    b.path.write_bytes(b"nonsense")
    b.clock.pass_by(6 * NS)
    assert not b.ended and len(b.begun) == 1 and b.watch.phase is Phase.ACTING
    (text,) = (n.text for n in b.notes if n.event == "trouble")
    assert "could not be read" in text and "nonsense" in text
    assert "sentinel's" in b.engine.enter()


def test_one_that_starts_over_such_a_lease_says_so_at_once(tmp_path: Path) -> None:
    (tmp_path / "lease").write_bytes(b"nonsense")
    notes: list[SentinelNote] = []
    Watch(
        Rules("flatten", after=5 * NS, hold=60 * NS),
        HandClock(),  # type: ignore[arg-type]
        Leasehold(LeaseFile(tmp_path / "lease"), Holder.SENTINEL),
        notes.append,
        lambda _: None,  # type: ignore[arg-type, return-value]
        lambda: Ended(False, ""),
        "j",
    )
    assert [n.event for n in notes] == ["started", "trouble"]


@pytest.mark.parametrize("dies", [True, False])
def test_a_lease_that_cannot_be_written_is_told_at_once_and_taken_from_a_dead_engine_alone(
    tmp_path: Path, dies: bool
) -> None:
    b = Bench(tmp_path)
    b.dies = dies
    b.path.unlink()
    b.path.mkdir()
    b.clock.pass_by(5 * NS)
    assert b.notes[-1].event == "trouble" and "cannot be taken" in b.notes[-1].text and not b.ended
    b.clock.pass_by(2 * NS)
    assert b.ended and len(b.begun) == dies
    if dies:
        assert b.engine.look() is None, "nobody comes in while it is at work"
        b.watch.see(Event.HAND_BACK)
        assert b.engine.look() is not None
    else:
        b.path.rmdir()
        b.clock.pass_by(NS)
        assert len(b.begun) == 1, "it has tried on"
