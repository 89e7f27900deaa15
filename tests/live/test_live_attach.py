"""`breakwater attach` on real terminals: whatever becomes of the screen, the engine's ticks go on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.exitcodes import AttachExit, ExitCode
from app.link import SocketLink
from engine.control.commands import Kill, Shutdown
from engine.control.questions import StoryOf
from engine.control.replies import StoryTold
from tests.desk.pseudoterminal import PATIENCE
from tests.live.conftest import QUIET, Start
from tests.live.workstation import CTRL_O, CTRL_Q, F12, Headless, Workstation, environment, program, run

pytestmark = pytest.mark.slow

Engines = Callable[..., Headless]
STALL = 3.0
"""Seconds for which nobody reads the terminal."""
LEAST = 1.5
"""Seconds for which ticks are counted at the least."""


class Ticks:
    """Counts the rounds of the risk loop from outside, and the longest time in which there were none."""

    def __init__(self, desk: Workstation) -> None:
        self._desk = desk
        self._ended = threading.Event()
        self.longest = 0.0
        self.first = self.last = self._rounds()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _rounds(self) -> int:
        rows = self._desk.health().latencies
        return next((row.count for row in rows if row.stage == "risk period"), 0)

    def _watch(self) -> None:
        moved = time.monotonic()
        while not self._ended.wait(0.05):
            rounds = self._rounds()
            now = time.monotonic()
            if rounds > self.last:
                self.longest = max(self.longest, now - moved)
                moved, self.last = now, rounds
        self.longest = max(self.longest, time.monotonic() - moved)

    def went_on(self) -> None:
        """A hundred a second are due; a machine that is shared makes fewer, an engine that waits none."""
        time.sleep(max(0.0, LEAST - (time.monotonic() - self._began)))
        lasted = time.monotonic() - self._began
        self._ended.set()
        self._thread.join(PATIENCE)
        made = self.last - self.first
        print(f"{made} rounds of the risk loop in {lasted:.1f} s, longest gap {self.longest:.2f} s")
        assert made > 30 * lasted
        assert self.longest < 1.5, "a snapshot is due every 0.1 s"


@pytest.fixture
def attached(headless: Engines, start: Start) -> Workstation:
    """A screen on a terminal, attached to an engine that trades only what it is told to."""
    headless()
    return attach(start)


def attach(start: Start, *options: str) -> Workstation:
    """One more screen; waits for the engine, and until the screen shows it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        desk = start(*options, word="attach")
        desk.until(lambda d=desk: "KILL" in d.text() or d.process.poll() is not None, "the screen")
        if desk.process.poll() is None:
            return desk
        assert desk.process.returncode == AttachExit.UNREACHABLE, desk.told()
        assert time.monotonic() < deadline, desk.told()
        time.sleep(0.1)


def screens(desk: Workstation) -> dict[str, int]:
    """How many screens there are of each role."""
    found: dict[str, int] = {}
    for row in desk.ask("snapshot").screens:
        found[row.role] = found.get(row.role, 0) + 1
    return found


def test_it_shows_trades_and_kills_like_the_desk(attached: Workstation) -> None:
    attached.armed()
    attached.hold("ES", 2)
    resting = attached.rest("GC")
    attached.shows("ES", "WORKING")
    attached.type(F12)
    attached.shows(
        " HALTED ", "✓ halted, no orders working, confirmed", "1 position, 0 working orders: ES +2"
    )
    assert attached.order(resting).status == "CANCELED"
    attached.answer(b"FLATTEN\r", "Type FLATTEN")
    attached.shows("✓ flat, confirmed twice by the broker")
    attached.until(attached.flat, "flat")


def test_kill_dash_nine_then_another_terminal(attached: Workstation, start: Start) -> None:
    attached.armed()
    ticks = Ticks(attached)
    attached.process.kill()
    attached.until(lambda: not screens(attached), "the engine to notice")
    again = attach(start)
    again.shows(" SAFE ", "the screen in control was lost")
    again.type(F12)
    again.shows(" HALTED ", "✓ halted")
    ticks.went_on()
    assert "unacknowledged" in again.text()


def test_a_closed_terminal_is_a_lost_screen(attached: Workstation) -> None:
    attached.armed()
    ticks = Ticks(attached)
    attached.hang_up()
    assert attached.ended() == AttachExit.OK
    attached.until(lambda: not screens(attached), "the engine to notice")
    ticks.went_on()
    assert [row.code for row in attached.ask("alerts")] == ["screen_lost"]


def test_a_stalled_terminal_and_stop_signals_hold_up_nothing(attached: Workstation) -> None:
    attached.armed()
    ticks = Ticks(attached)
    attached.reading.clear()
    for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        attached.signal(number)
    time.sleep(STALL)
    attached.type(F12)
    attached.until(lambda: attached.status().halted, "the kill, unseen")
    attached.reading.set()
    attached.shows(" HALTED ", "✓ halted, no orders working, confirmed")
    ticks.went_on()


def test_a_stopped_screen_is_dropped_and_comes_back(attached: Workstation) -> None:
    """SIGSTOP cannot be ignored: the engine lets go of it, and it finds the engine again."""
    attached.armed()
    ticks = Ticks(attached)
    attached.signal(signal.SIGSTOP)
    resting = [attached.rest("ES") for _ in range(1)]
    attached.until(lambda: not screens(attached), "the engine to drop it")
    ticks.went_on()
    attached.signal(signal.SIGCONT)
    attached.until(lambda: screens(attached) == {"control": 1}, "the screen again")
    attached.shows(" SAFE ", "was lost (it did not read for 5 s")
    assert attached.order(resting[0]).status == "WORKING"
    assert attached.counted("screens.dropped_slow") == 1


def test_job_control_stops_no_engine(headless: Engines, start: Start) -> None:
    engine = headless()
    desk = attach(start)
    ticks = Ticks(desk)
    for number in (signal.SIGHUP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        engine.signal(number)
    ticks.went_on()
    desk.armed()


def test_sigterm_gives_the_terminal_back_and_leaves_the_engine(attached: Workstation) -> None:
    attached.armed()
    assert termios.tcgetattr(attached.slave)[3] & termios.ECHO == 0
    ticks = Ticks(attached)
    attached.signal(signal.SIGTERM)
    assert attached.ended() == AttachExit.OK
    attached.restored(b"the screen has ended (SIGTERM); the engine goes on.\r\n")
    attached.until(lambda: not screens(attached), "the engine to notice")
    ticks.went_on()
    assert [row.code for row in attached.ask("alerts")] == ["screen_lost"], "nobody said goodbye"


def test_quitting_is_a_goodbye_and_stopping_stops(attached: Workstation, start: Start) -> None:
    attached.armed()
    attached.type(CTRL_Q)
    attached.answer(b"c", "c closes the screen")
    assert attached.ended() == AttachExit.OK
    attached.restored(b"stops the engine.\r\n")
    attached.until(lambda: not screens(attached), "the engine to notice")
    assert attached.ask("alerts") == ()
    again = attach(start)
    again.armed()
    again.type(CTRL_Q)
    again.answer(b"STOP\r", "Type STOP")
    assert again.ended() == AttachExit.OK
    again.until(lambda: not again.listens(), "the engine to stop")


def test_old_numbers_never_look_alive(headless: Engines, start: Start) -> None:
    engine = headless()
    desk = attach(start)
    desk.armed()
    engine.signal(signal.SIGSTOP)
    desk.shows("STALE ", "nothing here is live")
    # The kill key meanwhile: it says that nobody answers, and counts as soon as somebody does.
    desk.type(F12)
    desk.shows("has not answered for 2 s")
    engine.signal(signal.SIGCONT)
    desk.until(lambda: "STALE" not in desk.text(), "news again")
    desk.shows(" HALTED ", "✓ halted")
    engine.signal(signal.SIGKILL)
    desk.shows("ENGINE GONE")
    engine.ended()
    headless()
    desk.until(lambda: "ENGINE GONE" not in desk.text() and "STALE" not in desk.text(), "the engine again")
    desk.shows(" HALTED ")


def test_two_viewers_and_control_is_handed_over(attached: Workstation, start: Start) -> None:
    attached.armed()
    second = attach(start)
    second.shows(" LOOKING ON ")
    assert screens(attached) == {"control": 1, "view": 1}
    second.type(b":pause\r")
    second.shows("REFUSED", "is in control")
    attached.type(CTRL_O)
    attached.shows(" ARMED ")
    second.type(b":take control\r")
    attached.shows(" LOOKING ON ", " SAFE ", "another screen is in control")
    second.until(lambda: "LOOKING ON" not in second.text(), "control")
    second.type(CTRL_O)
    second.shows(" ARMED ")
    second.type(b":pause\r")
    second.shows(" PAUSED  ARMED ")
    attached.type(F12)  # whoever looks on may still kill
    second.shows(" HALTED ", " SAFE ", "✓ halted")
    second.until(lambda: "ARMED" not in second.text().split("\n", 1)[0], "SAFE again")
    reader = attach(start, "--read-only")
    reader.shows(" READ ONLY ", " HALTED ")
    reader.type(F12)
    reader.shows("NOTHING was sent")
    third = attach(start, "--take-control")
    third.until(lambda: screens(third) == {"control": 1, "view": 2, "read-only": 1}, "the roles")
    second.shows(" LOOKING ON ")


def test_resizes_and_narrow_terminals(attached: Workstation) -> None:
    attached.armed()
    ticks = Ticks(attached)
    for step in range(40):
        attached.resize(20 + 7 * step % 160, 5 + 3 * step % 50)
        time.sleep(0.02)
    attached.resize(40, 10)
    attached.shows("KILL")
    attached.resize(120, 40)
    attached.armed()
    ticks.went_on()
    assert attached.process.poll() is None


FROZEN = """\
import os, signal, sys, threading, time
sys.path.insert(0, {root!r})
os.environ["BREAKWATER_BROKER_PASSWORD"] = "hunter2"
import app.desk
from app.desk.app import DeskApp
from app.desk.panes.risk import RiskPane
from app import cli

def busy(*_):
    while True:  # Python code that never gives the interpreter up of itself
        pass

def broken(*_args, **_more):
    raise ValueError("the pane is broken; password=hunter2")

ready = DeskApp.on_ready
def on_ready(self):
    ready(self)
    signal.signal(signal.SIGUSR1, lambda *_: self.on_loop(busy))
DeskApp.on_ready = on_ready
if {crash}:
    RiskPane.look = broken
sys.exit(cli.main(sys.argv[1:]))
"""
"""The program, with a screen that can be made to hang or that fails."""


class Harmed(Workstation):
    """An attached screen whose own code hangs (SIGUSR1), or fails from the start."""

    def __init__(self, folder: Path, *, crash: bool) -> None:
        script = folder / "harmed.py"
        script.write_text(FROZEN.format(root=str(Path(__file__).parents[2]), crash=crash), encoding="utf-8")
        self.argv = [sys.executable, str(script)]
        super().__init__(folder, word="attach")

    def program(self) -> list[str]:
        return self.argv


@pytest.fixture
def harmed(tmp_path: Path, headless: Engines, start: Start) -> Iterator[Callable[[bool], Harmed]]:
    headless()
    made: list[Harmed] = []

    def make(crash: bool) -> Harmed:
        attach(start).close()  # the engine is there
        made.append(Harmed(tmp_path, crash=crash))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_kill_key_works_while_the_screen_hangs(harmed: Callable[[bool], Harmed]) -> None:
    desk = harmed(False)
    desk.armed()
    ticks = Ticks(desk)
    desk.signal(signal.SIGUSR1)
    time.sleep(0.5)
    desk.type(F12)
    desk.until(lambda: desk.status().halted, "the kill from a screen that hangs")
    ticks.went_on()


def test_a_screen_that_fails_is_started_once_more_and_reports(
    harmed: Callable[[bool], Harmed], tmp_path: Path
) -> None:
    desk = harmed(True)
    ticks = Ticks(desk)
    assert desk.ended() == AttachExit.INTERNAL
    desk.until(lambda: b"the screen failed; its report is" in desk.output, "the report's name")
    reports = sorted((tmp_path / "state").glob("*.txt"))
    assert len(reports) == 2, "the screen and its second try"
    for report in reports:
        assert report.stat().st_mode & 0o777 == 0o600
        assert "ValueError" in report.read_text(encoding="utf-8")
        assert "hunter2" not in report.read_text(encoding="utf-8")
    assert b"hunter2" not in desk.output
    desk.until(lambda: not screens(desk), "the engine to notice")
    ticks.went_on()


POLICY = QUIET + '\n[screen]\non_last_ui_lost = "cancel"\nui_lost_after = 1.0\n'


def test_the_policy_for_a_lost_screen_is_carried_out(tmp_path: Path, start: Start) -> None:
    """The desk in the engine's own process: its terminal dies, the engine goes on and does as it was told;
    `attach` finds it."""
    config = tmp_path / "policy.toml"
    config.write_text(POLICY, encoding="utf-8")
    desk = start("--config", str(config))
    desk.armed()
    resting = desk.rest("ES")
    assert screens(desk) == {"control": 1}
    desk.hang_up()
    desk.until(lambda: desk.status().halted, "the policy")
    desk.until(lambda: desk.order(resting).status == "CANCELED", "the cancel")
    again = attach(start)
    again.shows(" HALTED ", "was lost")
    assert screens(again) == {"control": 1}
    assert again.do(Shutdown()).ok
    assert desk.ended() == ExitCode.HALTED


def test_who_cannot_attach_learns_why(tmp_path: Path, start: Start) -> None:
    state = str(tmp_path / "state")
    said = run(tmp_path, "attach", "--state-dir", state)
    assert said.returncode == AttachExit.USAGE and "not a terminal" in said.stderr
    desk = start(word="attach")
    assert desk.ended() == AttachExit.UNREACHABLE
    desk.until(lambda: b"no engine runs here" in desk.output, "the reason")
    assert b"\x1b[?1049h" not in desk.output, "the terminal was left alone"
    assert not Path(state).exists()


def test_the_desk_beside_its_engine_hands_control_over_like_any_other(
    quiet: Workstation, start: Start
) -> None:
    """The desk cannot tell which link it has, nor can the operator: the same words, the same roles."""
    ticks = Ticks(quiet)
    second = attach(start)
    second.shows(" LOOKING ON ")
    second.type(b":take control\r")
    quiet.shows(" LOOKING ON ")
    quiet.type(b":pause\r")
    quiet.shows("REFUSED", "is in control")
    second.hang_up()
    second.ended()
    quiet.shows("was lost")
    quiet.type(b":take control\r")
    quiet.until(lambda: "LOOKING ON" not in quiet.text(), "control again")
    quiet.type(b":pause\r")
    quiet.shows(" PAUSED ")
    ticks.went_on()


def test_screens_ask_over_the_socket_for_what_they_need(attached: Workstation) -> None:
    """What only one screen needs is asked for: the story of an order, from tick to position."""
    attached.armed()
    attached.hold("ES", 1)
    attached.until(lambda: "FILLED" in attached.text(), "the fill")
    story: list[object] = []
    link = SocketLink(attached.state, read_only=True)
    link.start()
    try:
        attached.until(lambda: link.latest() is not None, "the first picture over the socket")
        order = next(row for row in attached.orders() if row.status == "FILLED")
        link.ask(StoryOf(ident=order.id), story.append)
        attached.until(lambda: bool(story), "the story")
    finally:
        link.close("seen")
    (told,) = story
    assert isinstance(told, StoryTold), told
    assert any("fill" in line.text for line in told.lines), told


def test_ctl_news_tells_each_event_once_and_follows(attached: Workstation, headless: Engines) -> None:
    attached.armed()
    attached.hold("ES", 1)
    told = [json.loads(line) for line in attached.ctl("news", "--json").stdout.splitlines()]
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    fills = [event for event in told if event["stream"] == "fill"]
    assert len(fills) == 1 and "bought 1 ES at " in fills[0]["what"] and "ticks" not in fills[0]["what"]
    assert {"audit", "fill"} <= {event["stream"] for event in told}
    later = attached.ctl("news", "--after", str(fills[0]["seq"])).stdout
    assert "bought 1 ES" not in later

    follower = subprocess.Popen(
        [*program(), "ctl", "--state-dir", str(attached.state), "news", "--follow", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(attached.folder),
        text=True,
    )
    try:
        assert follower.stdout is not None
        for line in follower.stdout:
            if json.loads(line)["stream"] == "fill":
                break
        assert attached.do(Kill()).ok
        for line in follower.stdout:
            if json.loads(line)["record"].get("kind") == "kill_ended":
                break
        assert attached.do(Shutdown()).ok
        headless()
        for line in follower.stdout:
            if json.loads(line)["record"].get("kind") == "run_started":
                break  # the next run's, under numbers that go on
    finally:
        follower.kill()
        follower.wait()


def test_a_configuration_that_is_being_edited_keeps_nobody_out(
    headless: Engines, start: Start, tmp_path: Path
) -> None:
    headless()
    attach(start).close()  # the engine is there
    half = tmp_path / "half.toml"
    half.write_text("[desk]\ntheme = 'no such theme'\n[risk\n", encoding="utf-8")
    desk = start("--config", str(half), word="attach")
    desk.armed()
    desk.type(F12)
    desk.shows(" HALTED ")
