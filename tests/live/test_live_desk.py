"""The desk over a real engine: it trades, kills, flattens, quits as it was told, and shows a replay."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from app.exitcodes import ExitCode
from engine.control.commands import Shutdown
from engine.model import NS
from tests.busy import kept_waiting
from tests.live.workstation import CTRL_Q, F12, Start, Workstation, run

pytestmark = pytest.mark.slow

TRADING_WITHIN = 10.0
"""Seconds in which a newcomer sees it trade: a promise, so it is measured."""


def test_it_is_seen_to_trade_within_ten_seconds(start: Start) -> None:
    began = time.monotonic()
    desk = start()
    desk.until(lambda: "▶ WORKING" in desk.text() or "● FILLED" in desk.text(), "an order on the screen")
    took = time.monotonic() - began
    waited = kept_waiting(desk.process.pid)
    print(f"an order stood on the screen after {took:.1f} s, {waited:.1f} s of them without a processor")
    assert took - waited < TRADING_WITHIN
    assert " PAPER  SAFE " in desk.text()
    assert [row.state for row in desk.strategies()] == ["running", "running"]


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=["120x40", "80x24"])
def test_f12_halts_and_flatten_ends_with_proof(
    start: Start, quiet_config: Path, size: tuple[int, int]
) -> None:
    desk = start("--config", str(quiet_config), size=size)
    desk.armed()
    desk.hold("ES", 2)
    resting = desk.rest("GC")

    desk.type(F12)
    desk.shows(" HALTED ", "┃   ✓ halted, no orders working, confirmed")
    assert desk.status().halted
    assert desk.order(resting).status == "CANCELED"
    assert desk.position("ES").broker == 2, "a kill without FLATTEN leaves positions alone"
    desk.shows("1 position, 0 working orders: ES +2")

    desk.answer(b"FLATTEN\r", "Type FLATTEN")
    desk.shows("│  ✓ flat, confirmed twice by the broker")
    view = desk.kill_view()
    assert view is not None and not view.running
    assert view.verdict.startswith("flat, confirmed twice by the broker at ")
    desk.until(desk.flat, "the next reconciliation to see it")
    status = desk.status()
    assert (status.halted, status.working, status.open_positions) == (True, 0, 0)
    # By the exchange's clock; where there is little room the time goes without its date.
    dated = re.compile(r"confirmed twice by the broker at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
    desk.until(
        lambda: (dated.search(desk.text()) is not None) == (size[0] >= 100),
        "the verdict with or without its date",
    )
    assert view.verdict.removesuffix("Z")[-6:] in desk.text(), "minutes and seconds are the same everywhere"

    desk.signal(signal.SIGTERM)
    assert desk.ended() == ExitCode.HALTED
    assert "HALTED: the halt holds until it is reset" in desk.summary()


def test_quitting_closes_the_screen_and_leaves_the_engine(quiet: Workstation) -> None:
    quiet.hold("ES", 1)
    quiet.type(CTRL_Q)
    quiet.answer(b"c", "c closes the screen")
    quiet.until(lambda: b"the engine goes on without it" in quiet.output, "the farewell")
    quiet.restored(b"ends the engine.\r\n")
    quiet.grows(lambda: quiet.counted("reconciliations"), 2, "rounds of reconciliation")
    assert quiet.position("ES").state == "agree"
    # A stray ctrl+z would stop the engine with the process.
    quiet.type(b"\x1a")
    quiet.grows(lambda: quiet.counted("reconciliations"), 2, "rounds of reconciliation")
    # The terminal is in its usual mode again: ctrl+c is a signal.
    quiet.type(b"\x03")
    assert quiet.ended() == ExitCode.CLEAN
    assert quiet.summary().startswith("SIGINT") and "NOT FLAT: ES +1;" in quiet.summary()


def test_a_terminal_closed_after_the_screen_does_not_spoil_the_end(quiet: Workstation) -> None:
    quiet.type(CTRL_Q)
    quiet.answer(b"c", "c closes the screen")
    quiet.until(lambda: b"the engine goes on without it" in quiet.output, "the farewell")
    quiet.hang_up()
    assert quiet.do(Shutdown()).ok
    assert quiet.ended() == ExitCode.CLEAN


def test_quitting_stops_the_engine_when_that_is_typed(quiet: Workstation) -> None:
    resting = quiet.rest("ES")
    quiet.type(CTRL_Q)
    quiet.answer(b"STOP\r", "Type STOP")
    assert quiet.ended() == ExitCode.CLEAN
    assert quiet.summary().startswith("stopped from the desk")
    quiet.restored(b"\r\n")
    assert canceled(quiet, resting)


def canceled(desk: Workstation, order_id: str) -> bool:
    """Whether the journal of an ended run holds the broker's word that an order was cancelled."""
    target = desk.folder / "rows.jsonl"
    exported = run(desk.folder, "journal", "--state-dir", str(desk.state), "export", str(target))
    assert exported.returncode == 0, exported
    rows = target.read_text(encoding="utf-8").splitlines()
    assert '"kind": "run_ended"' in rows[-1], rows[-1]
    return any('"fact": "canceled"' in row and f'"order_id": "{order_id}"' in row for row in rows)


def test_the_screen_ends_with_an_engine_that_was_shut_down(quiet: Workstation) -> None:
    told = quiet.ctl("shutdown")
    assert told.returncode == 0, told
    assert quiet.ended() == ExitCode.CLEAN
    assert quiet.summary().startswith("shutdown by ")
    quiet.restored(b"\r\n")


def test_the_screen_ends_when_the_time_is_up(start: Start, quiet_config: Path) -> None:
    desk = start("--config", str(quiet_config), "--for", "3s")
    desk.armed()
    assert desk.ended() == ExitCode.CLEAN
    assert desk.summary().startswith("time is up")
    desk.restored(b"\r\n")


def test_a_second_workstation_is_refused_before_it_touches_the_terminal(
    quiet: Workstation, start: Start
) -> None:
    second = start()
    assert second.ended() == ExitCode.ALREADY_RUNNING
    second.until(lambda: b"breakwater: " in second.output, "the reason")
    assert b"\x1b[?1049h" not in second.output
    assert quiet.status().trading


def test_without_a_terminal_it_says_so_and_runs_headless(tmp_path: Path) -> None:
    ran = run(tmp_path, "--state-dir", str(tmp_path / "state"), "--for", "3s")
    assert "no screen (standard input is not a terminal): the same paper engine runs" in ran.stderr
    assert ran.returncode == ExitCode.CLEAN, ran
    assert ran.stdout.startswith("run ended: time is up"), ran
    assert "flat; reconciled with the broker" in ran.stdout


BEGIN = 1_699_974_000 * NS
"""2023-11-14 15:00 UTC: the market is open."""
SECONDS = 120


def record(path: Path, seconds: int = SECONDS) -> Path:
    """Two minutes of a calm market, five quotes and one trade a second."""
    lines = ["ts_ns,symbol,kind,bid_px,bid_sz,ask_px,ask_sz,px,sz,aggressor"]
    for step in range(seconds * 5):
        ts = BEGIN + step * NS // 5
        bid = 4500 + (step // 10) % 8 * 0.25
        lines.append(f"{ts},ESZ3,quote,{bid},20,{bid + 0.25},20,,,")
        if step % 5 == 0:
            lines.append(f"{ts},ESZ3,trade,,,,,{bid},3,S")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_replay_shows_its_progress_and_ends_by_itself(start: Start, tmp_path: Path) -> None:
    recording = record(tmp_path / "day.csv")
    desk = start("--feed", f"replay:{recording}", "--speed", "20")
    desk.shows(" REPLAY ", "09:00:")  # the recording's time, in Chicago
    seen: set[int] = set()

    def moves() -> bool:
        status = desk.text().partition("\n")[0]
        seen.update(int(word[:-1]) for word in status.split() if word.endswith("%") and word[:-1].isdigit())
        return len([percent for percent in seen if 0 < percent < 100]) >= 3

    desk.until(moves, f"progress on the status line, {seen}")
    progress = desk.status().feed_progress
    assert progress is not None and 0 < progress < 1
    assert desk.ended() == ExitCode.CLEAN
    assert desk.summary().startswith("feed ended: end of recording")
    desk.restored(b"\r\n")
