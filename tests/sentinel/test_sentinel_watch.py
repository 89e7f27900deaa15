"""The sentinel's watch over a real lease, with a clock that a test turns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.model import NS
from engine.ports import TimerHandle
from engine.records import SentinelNote
from engine.sentinel.lease import Holder, Leasehold
from engine.sentinel.leasefile import LeaseFile
from engine.sentinel.machine import Event, Phase, Rules
from engine.sentinel.messages import Beat
from engine.sentinel.watch import Watch

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

    def end_engine(self) -> str:
        self.ended += 1
        self.engine.leave()
        return "process 7 is ended"


def test_an_engine_inside_is_ended_and_only_then_is_anything_done(tmp_path: Path) -> None:
    b = Bench(tmp_path)
    assert b.engine.enter() == ""
    b.clock.pass_by(7 * NS)
    assert b.ended == 1 and len(b.begun) == 1 and b.watch.phase is Phase.ACTING


def test_nobody_is_ended_for_a_lease_that_cannot_be_read(tmp_path: Path) -> None:
    """Found by reading: whatever kept the sentinel from taking the lease was taken for an engine in the midst
    of sending, and its process was killed, with nothing gained by it."""
    b = Bench(tmp_path)
    b.path.write_bytes(b"nonsense")
    b.clock.pass_by(20 * NS)
    assert not b.ended and not b.begun and b.watch.phase is Phase.FENCING
    assert any(n.event == "trouble" and "remove the file" in n.text for n in b.notes)
    b.path.unlink()
    b.clock.pass_by(NS)
    assert b.watch.phase is Phase.ACTING and len(b.begun) == 1
