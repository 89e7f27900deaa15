"""`breakwater attach` where the screen hangs or fails, its policy, its questions, and who cannot attach."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.exitcodes import AttachExit, ExitCode
from app.link import SocketLink
from engine.control.commands import Kill, Shutdown
from engine.control.questions import StoryOf
from engine.control.replies import StoryTold
from tests.live.attaching import Engines, Ticks, attach, screens
from tests.live.conftest import QUIET
from tests.live.workstation import F12, Start, Workstation, environment, program, run

pytestmark = pytest.mark.slow


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
def harmed(tmp_path: Path, headless: Engines) -> Iterator[Callable[[bool], Harmed]]:
    headless()
    made: list[Harmed] = []

    def make(crash: bool) -> Harmed:
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
    half = tmp_path / "half.toml"
    half.write_text("[desk]\ntheme = 'no such theme'\n[risk\n", encoding="utf-8")
    desk = start("--config", str(half), word="attach")
    desk.armed()
    desk.type(F12)
    desk.shows(" HALTED ")
