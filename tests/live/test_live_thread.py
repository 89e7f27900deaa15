"""The engine on its own thread beside a busy main thread: short turns of the interpreter, tame collector."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import logs
from app.collector import SWITCH_INTERVAL, tame_collector
from app.hosting import EngineThread
from app.options import RunOptions
from app.settings import Settings
from tests.busy import kept_waiting

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("thawed")]

BUSY = 1.5
"""Seconds for which the main thread does nothing but Python."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineThread]:
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    options = RunOptions(state_dir=tmp_path, config=None, feed="synthetic", seed=3)
    thread = EngineThread(Settings(), options, logs.engine_log())
    thread.start()
    yield thread
    thread.stop("the test has ended")
    assert thread.join(60)
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)


def rounds(engine: EngineThread) -> int:
    snapshot = engine.link.latest()
    assert snapshot is not None
    return next((row.count for row in snapshot.health.latencies if row.stage == "risk period"), 0)


def collected(engine: EngineThread) -> bool:
    """Whether the collector has had a look that was measured."""
    snapshot = engine.link.latest()
    return snapshot is not None and any(row.stage == "collector young" for row in snapshot.health.latencies)


def test_a_busy_main_thread_does_not_stop_the_risk_loop(engine: EngineThread) -> None:
    assert {thread.name for thread in threading.enumerate()} >= {"MainThread", "engine"}
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    assert gc.get_freeze_count() > 10_000, "what lives for ever is not looked at again"
    deadline = time.monotonic() + 60
    while not rounds(engine):
        assert time.monotonic() < deadline, "no round of the risk loop"
        time.sleep(0.05)
    before, began, waited = rounds(engine), time.monotonic(), kept_waiting(os.getpid())
    while time.monotonic() - began < BUSY:
        sum(range(1000))
    made, waited = rounds(engine) - before, kept_waiting(os.getpid()) - waited
    deadline = time.monotonic() + 60
    while not collected(engine):
        assert time.monotonic() < deadline, "the collector's pauses are not measured"
        time.sleep(0.05)
    print(f"{made} rounds of the risk loop in {BUSY} s of a busy main thread, {waited:.1f} s kept waiting")
    # A hundred a second are due; a machine that is shared makes fewer, a thread that waits makes none.
    assert made > 30 * max(BUSY - waited, 0.5)


def test_the_collector_is_tamed() -> None:
    thresholds = gc.get_threshold()
    try:
        tame_collector()
        young, middle, old = gc.get_threshold()
        assert young <= 5_000 and middle <= 50, "young generations are small, so each look at them is short"
        assert old >= 100_000, "the oldest is never looked at by itself"
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
