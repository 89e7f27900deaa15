"""Signals and terminals that go away or stand still: the engine of the real program does not care."""

from __future__ import annotations

import json
import signal
import termios
import time
from pathlib import Path

import pytest

from app.exitcodes import ExitCode
from engine.control.commands import Shutdown
from tests.busy import kept_waiting
from tests.live.test_live_desk import canceled, record
from tests.live.workstation import F12, Start, Workstation

pytestmark = pytest.mark.slow

STALL = 4.0
"""Seconds for which nobody reads the terminal."""
SPIN = 0.6
"""Share of a core that an engine without a screen stays below; a loop that spins takes a whole one."""


def test_a_closed_terminal_leaves_the_engine_to_ctl(quiet: Workstation) -> None:
    quiet.hold("ES", 1)
    quiet.hang_up()
    quiet.until(lambda: "the screen has ended" in log_of(quiet), "the engine to notice")

    quiet.grows(lambda: quiet.counted("reconciliations"), 3, "rounds of reconciliation")
    assert quiet.position("ES").state == "agree" and quiet.status().trading
    assert [row.state for row in quiet.strategies()] == ["running"]
    assert quiet.ctl("status").returncode == 0

    began, used = time.monotonic(), quiet.cpu()
    quiet.grows(lambda: quiet.health().uptime, 1.5, "its time")
    share = (quiet.cpu() - used) / (time.monotonic() - began)
    print(f"{share:.0%} of a core without a screen")
    assert share < SPIN

    killed = quiet.ctl("kill")
    assert killed.returncode == 0, killed
    assert "flat, confirmed twice by the broker at " in killed.stdout
    quiet.until(quiet.flat, "the next reconciliation to see it")
    stopped = quiet.ctl("shutdown")
    assert stopped.returncode == 0, stopped
    assert quiet.ended() == ExitCode.HALTED
    assert not quiet.listens()


def log_of(desk: Workstation) -> str:
    """The log's messages."""
    path = desk.state / "log" / "breakwater.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return "\n".join(json.loads(line)["event"] for line in lines if line.endswith("}"))


def test_sighup_closes_the_screen_and_keeps_the_engine(quiet: Workstation) -> None:
    quiet.signal(signal.SIGHUP)
    quiet.until(lambda: "terminal lost: SIGHUP" in log_of(quiet), "the end of the screen")
    quiet.restored(b"\x1b[?1004l")
    quiet.grows(lambda: quiet.counted("reconciliations"), 2, "rounds of reconciliation")
    quiet.signal(signal.SIGHUP)
    assert quiet.do(Shutdown()).ok
    assert quiet.ended() == ExitCode.CLEAN


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])
def test_a_stop_signal_ends_all_in_order(quiet: Workstation, number: signal.Signals) -> None:
    quiet.hold("ES", 1)
    resting = quiet.rest("GC")
    began = time.monotonic()
    quiet.signal(number)
    code = quiet.ended()
    print(f"gone after {time.monotonic() - began:.2f} s")
    assert code == ExitCode.CLEAN
    said = quiet.summary()
    assert said.startswith(number.name) and "NOT FLAT: ES +1;" in said
    assert "reconciled with the broker" in said
    quiet.restored(b"\r\n")
    assert canceled(quiet, resting)


def test_a_stop_signal_that_comes_with_the_end_of_the_terminal_is_not_lost(quiet: Workstation) -> None:
    quiet.signal(signal.SIGHUP)
    quiet.signal(signal.SIGTERM)
    assert quiet.ended() == ExitCode.CLEAN
    assert not quiet.listens()


def test_a_stop_signal_before_the_screen_stands_is_not_lost(start: Start) -> None:
    desk = start()
    desk.until((desk.state / "journal.db").exists, "the journal")
    desk.signal(signal.SIGTERM)
    assert desk.ended() == ExitCode.CLEAN
    assert desk.summary().startswith("SIGTERM")


def test_a_stalled_terminal_does_not_hold_the_engine(quiet: Workstation) -> None:
    quiet.shows("HEALTH")
    quiet.reading.clear()

    def rounds() -> int:
        return next(row.count for row in quiet.health().latencies if row.stage == "risk period")

    began, before, waited = time.monotonic(), rounds(), kept_waiting(quiet.process.pid)
    resting = quiet.rest("ES")
    quiet.until(lambda: time.monotonic() - began > STALL, "the stall")
    made, lasted = rounds() - before, time.monotonic() - began
    waited = kept_waiting(quiet.process.pid) - waited
    print(
        f"{made} rounds of the risk loop in {lasted:.1f} s of a stalled terminal, {waited:.1f} s kept waiting"
    )
    # A hundred a second are due; a loop that waits for the terminal makes none after the first second.
    assert made > 30 * max(lasted - waited, 1.0)
    quiet.type(F12)
    quiet.until(lambda: quiet.status().halted, "the kill, unseen")
    quiet.until(lambda: quiet.order(resting).status == "CANCELED", "the cancel")
    quiet.reading.set()
    quiet.shows(" HALTED ", "✓ halted, no orders working, confirmed")
    quiet.signal(signal.SIGTERM)
    assert quiet.ended() == ExitCode.HALTED


def test_a_replay_s_progress_does_not_wait_for_a_stalled_terminal(start: Start, tmp_path: Path) -> None:
    """Ctrl+S at a terminal: nothing is written to it, and the engine on its thread does not care."""
    recording = record(tmp_path / "day.csv", seconds=3_600)  # none of the steps below outlives it
    engine = start("--feed", f"replay:{recording}", "--speed", "10", word="headless")
    engine.until(lambda: " % " in engine.text(), "its progress")
    termios.tcflow(engine.slave, termios.TCOOFF)
    engine.grows(lambda: engine.health().uptime, 20.0, "its time")
    termios.tcflow(engine.slave, termios.TCOON)
    engine.signal(signal.SIGTERM)
    assert engine.ended() == ExitCode.CLEAN
