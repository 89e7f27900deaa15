"""What the README says to copy, copied: the systemd unit is one, and the tmux recipe brings the desk up."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from engine.control.client import ControlClient, Unreachable
from engine.control.commands import Shutdown
from tests.desk.pseudoterminal import PATIENCE, PseudoTerminal
from tests.live.workstation import environment, program

pytestmark = pytest.mark.slow

README = Path(__file__).parents[2] / "README.md"


def block(language: str, word: str) -> str:
    """The README's code block of this language with this word in it."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.M | re.S)
    (one,) = [text for text in found if word in text]
    return one


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_the_unit_is_valid(tmp_path: Path) -> None:
    unit = block("ini", "[Service]")
    assert "RestartPreventExitStatus=2 3 4 5 6 9 10" in unit
    started = re.search(r"^ExecStart=(\S+) (.*)$", unit, re.M)
    assert started is not None and started[2] == "headless"
    path = tmp_path / "breakwater.service"
    path.write_text(unit.replace(started[1], program()[0]), encoding="utf-8")
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
    )
    ours = [line for line in (ran.stdout + ran.stderr).splitlines() if "breakwater" in line]
    assert ran.returncode == 0 and not ours, ran


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed here")
def test_the_tmux_recipe_brings_engine_and_screen_up_again_and_again(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    server = f"breakwater-test-{os.getpid()}"
    for name, words in (
        ("tmux", f"{shutil.which('tmux')} -L {server} -f /dev/null"),
        ("breakwater", " ".join(program())),
    ):
        (tools / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        (tools / name).chmod(0o755)
    environ = environment(tmp_path) | {"PATH": f"{tools}:{os.environ['PATH']}", "TMUX": ""}
    environ |= {"XDG_STATE_HOME": str(tmp_path / "state"), "LC_ALL": "C.UTF-8"}
    state = tmp_path / "state" / "breakwater" / "paper"
    terminals: list[PseudoTerminal] = []
    try:
        first = PseudoTerminal(["sh", "-ec", block("sh", "new-session")], environ, size=(120, 40))
        terminals.append(first)
        first.until(lambda: " PAPER " in first.text() and "F12 KILL" in first.text(), "the desk in tmux")
        first.hang_up()  # the line is cut: tmux keeps the screen, nothing is lost
        first.ended()
        again = PseudoTerminal(["tmux", "attach", "-t", "breakwater"], environ, size=(100, 30))
        terminals.append(again)
        again.until(lambda: "F12 KILL" in again.text(), "the desk after the line was cut")
        assert codes(state) == set()
        # tmux itself dies: now the screen is lost, and the engine is not.
        found = subprocess.run(
            ["tmux", "display-message", "-p", "#{pid}"],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        os.kill(int(found.stdout), signal.SIGKILL)
        again.until(lambda: "screen_lost" in codes(state), "the engine to notice")
        with ControlClient(state) as client:
            assert client.ask("status").trading
            assert client.command(Shutdown()).ok
        deadline = time.monotonic() + PATIENCE
        while listens(state):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        subprocess.run(["tmux", "kill-server"], env=environ, capture_output=True, check=False)
        for terminal in terminals:
            terminal.close()


def codes(state: Path) -> set[str]:
    """Codes of the alarms about screens."""
    with ControlClient(state) as client:
        return {row.code for row in client.ask("alerts") if row.code.startswith("screen")}


def listens(state: Path) -> bool:
    try:
        with ControlClient(state):
            return True
    except Unreachable:
        return False
