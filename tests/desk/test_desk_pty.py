"""The desk on real pseudo-terminals: closed, stalled, stopped, killed, frozen; the engine goes on."""

from __future__ import annotations

import json
import os
import signal
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pseudoterminal import PseudoTerminal

CHILD = Path(__file__).parent / "ptychild.py"
F12 = b"\x1b[24~"


class Terminal(PseudoTerminal):
    """The desk on a terminal, with its log of events."""

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        self.log = folder / "log"
        # The last two would be harmful if the desk did not take them away.
        harmful = {"TEXTUAL_ALLOW_SIGNALS": "1", "TEXTUAL_PRESS": "f12"}
        given = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "", **harmful, **environ}
        super().__init__([sys.executable, str(CHILD), str(self.log), *options], given)

    def told(self) -> str:
        return str(self.events())

    def events(self) -> list[dict[str, Any]]:
        if not self.log.exists():
            return []
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def event(self, key: str) -> dict[str, Any]:
        """Waits for an event."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [event for event in self.events() if key in event]
            return bool(found)

        self.until(there, f"event {key}")
        return found[0]

    def painted(self) -> None:
        """Waits until the desk stands on the terminal."""
        self.event("ready")
        self.until(lambda: b"KILL" in self.output and b"SAFE" in self.output, "the first picture")

    def thaw(self) -> None:
        """Lets a screen go on that SIGUSR1 has frozen."""
        self.log.with_suffix(".thaw").touch()
        self.event("thawed")

    def frames(self, number: int) -> None:
        """Waits until the desk has painted so many more."""

        def asked() -> int:
            return max((event["asked"] for event in self.events() if "asked" in event), default=0)

        until = asked() + number
        self.until(lambda: asked() >= until, f"{number} frames")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    found = Terminal(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("environ", [{"TERM": "linux"}, {"LC_ALL": "C"}], ids=["linux console", "locale C"])
def test_a_terminal_without_glyphs_gets_ascii_alone(tmp_path: Path, environ: dict[str, str]) -> None:
    terminal = Terminal(tmp_path, **environ)
    try:
        terminal.painted()
        terminal.until(lambda: "> WORKING" in terminal.text() and "! DRIFT" in terminal.text(), "the panes")
        assert bytes(terminal.output).isascii()
        if environ.get("TERM") == "linux":
            assert b"38;2;" not in terminal.output and b"38;5;" not in terminal.output, (
                "it has sixteen colours"
            )
    finally:
        terminal.close()


def test_a_closed_terminal_ends_the_screen_and_nothing_else(terminal: Terminal) -> None:
    terminal.painted()
    terminal.hang_up()
    assert terminal.ended() == 0
    assert terminal.event("reason")["reason"] == "terminal-lost"
    assert terminal.event("ticked_on")["ticked_on"] >= 5
    assert not any("sent" in event for event in terminal.events())


def test_sighup_ends_the_screen_and_gives_the_terminal_back(terminal: Terminal) -> None:
    terminal.painted()
    terminal.signal(signal.SIGHUP)
    assert terminal.ended() == 0
    assert terminal.event("reason")["detail"] == "terminal lost: SIGHUP"
    assert terminal.event("ticked_on")["ticked_on"] >= 5
    terminal.restored(b"\x1b[?1004l")


def test_sigterm_gives_the_terminal_back_and_asks_for_the_engines_end(terminal: Terminal) -> None:
    terminal.painted()
    assert termios.tcgetattr(terminal.slave)[3] & termios.ECHO == 0
    terminal.signal(signal.SIGTERM)
    assert terminal.ended() == 0
    assert terminal.event("reason") | {"gap": 0, "skipped": 0} == {
        "reason": "stop-engine",
        "detail": "SIGTERM",
        "gap": 0,
        "skipped": 0,
    }
    terminal.restored(b"summary\r\n")


def test_sigtstp_stops_neither_screen_nor_engine(terminal: Terminal) -> None:
    terminal.painted()
    terminal.signal(signal.SIGTSTP)
    terminal.signal(signal.SIGTTIN)
    terminal.signal(signal.SIGTTOU)
    terminal.type(b"\x1a" + F12)
    assert terminal.event("sent")["sent"] == "Kill"
    stat = Path(f"/proc/{terminal.process.pid}/stat").read_text(encoding="utf-8")
    assert stat.rsplit(")", 1)[1].split()[0] != "T"


def test_after_sigstop_and_sigcont_the_desk_stands_as_before(terminal: Terminal) -> None:
    terminal.painted()
    raw = termios.tcgetattr(terminal.slave)
    terminal.log.with_suffix(".freeze").touch()
    terminal.stop()
    # What a shell does with the terminal of a stopped job.
    termios.tcsetattr(terminal.slave, termios.TCSANOW, terminal.before)
    terminal.wipe()
    terminal.signal(signal.SIGCONT)
    terminal.until(lambda: " SAFE " in terminal.text() and "F12 KILL" in terminal.text(), "the desk again")
    # The picture may be one that was under way before: keys are the desk's once the terminal is set again.
    terminal.until(lambda: termios.tcgetattr(terminal.slave)[:4] == raw[:4], "the terminal to be the desk's")
    terminal.type(F12)
    assert terminal.event("sent")["sent"] == "Kill"
    terminal.signal(signal.SIGTERM)
    assert terminal.ended() == 0
    terminal.restored(b"summary\r\n")


@pytest.mark.parametrize(
    "before",
    [b"\xc3", b"\x1b[24;1:1~", b"\x1b[200~sell everything", b"\x1b[<0;1", b"\x1bP1+r54"],
    ids=["half a character", "odd sequence", "paste without end", "half a mouse", "half a reply"],
)
def test_the_kill_key_works_whatever_the_terminal_has_sent_before(terminal: Terminal, before: bytes) -> None:
    terminal.painted()
    terminal.type(before)
    terminal.frames(5)  # so that it is a read of its own
    terminal.type(F12)
    assert terminal.event("sent") == {"sent": "Kill", "thread": "desk-input"}
    terminal.until(lambda: "Type FLATTEN" in terminal.text(), "the question")


def test_a_paste_triggers_nothing(terminal: Terminal) -> None:
    terminal.painted()
    terminal.type(b"\x1b[200~" + F12 + b"\x1b[20~\x1bX\x1bx:kill\rr\x1c\x11A\x1b[201~")
    terminal.frames(10)
    assert "KILL: halt" not in terminal.text() and "CANCEL ALL" not in terminal.text()
    # Into the command line it goes as text, and only Enter sends it.
    terminal.type(b":")
    terminal.frames(5)
    terminal.type(b"\x1b[200~pause trend\rX\x1b[201~")
    terminal.until(lambda: "pause trend" in terminal.text(), "the pasted command")
    assert not any("sent" in event for event in terminal.events())
    terminal.type(b"\r")
    assert terminal.event("sent")["sent"] == "Pause"


def test_a_stalled_terminal_delays_nothing_and_is_repainted(terminal: Terminal) -> None:
    terminal.painted()
    terminal.reading.clear()
    # Textual's own driver would stop asking after some forty frames.
    terminal.frames(120)
    terminal.type(F12)
    assert terminal.event("sent")["thread"] == "desk-input"
    terminal.log.with_suffix(".freeze").touch()
    terminal.reading.set()
    shown = terminal.log.with_suffix(".screen")

    def same() -> bool:
        terminal.signal(signal.SIGUSR2)
        terminal.until(shown.exists, "the desk's own picture")
        wanted = shown.read_text(encoding="utf-8").splitlines()
        shown.unlink()
        with terminal.lock:
            return [line.rstrip() for line in terminal.screen.display] == [line.rstrip() for line in wanted]

    terminal.until(same, "the terminal to show what the desk shows")
    assert "FLATTEN ALL would close" in "\n".join(terminal.screen.display)
    terminal.signal(signal.SIGTERM)
    code = terminal.ended()
    assert code == 0, terminal.events()
    end = terminal.event("reason")
    print(f"longest gap of the desk's loop: {end['gap']:.3f} s, {end['skipped']} frames skipped")
    assert end["skipped"] > 0


def test_a_terminal_that_never_reads_again_does_not_hold_the_end(terminal: Terminal) -> None:
    terminal.painted()
    terminal.reading.clear()
    terminal.frames(60)
    terminal.signal(signal.SIGTERM)
    assert terminal.event("reason")["reason"] == "stop-engine"


@pytest.mark.parametrize("key", [F12, b"\x1c", b"\x1b[24~x"], ids=["f12", "ctrl-backslash", "burst"])
def test_the_kill_leaves_while_the_screen_is_frozen(terminal: Terminal, key: bytes) -> None:
    terminal.painted()
    terminal.signal(signal.SIGUSR1)
    terminal.event("frozen")
    terminal.type(key)
    assert terminal.event("sent") == {"sent": "Kill", "thread": "desk-input"}
    terminal.thaw()
    order = [next(iter(event)) for event in terminal.events()]
    assert order.index("sent") < order.index("thawed")
    assert order.count("sent") == 1, "the loop sees the same key later and must not send it again"


@pytest.mark.parametrize(
    ("opened", "stands"),
    [(b"\x1b[20~", "ORDER TICKET"), (b":buy 2", "buy 2"), (b"\x1b[20~\x0f", "ARMED")],
    ids=["ticket", "command line", "armed ticket"],
)
def test_the_kill_leaves_a_frozen_screen_from_forms_and_inputs(
    terminal: Terminal, opened: bytes, stands: str
) -> None:
    terminal.painted()
    terminal.type(opened)
    terminal.until(lambda: stands in terminal.text(), stands)
    terminal.signal(signal.SIGUSR1)
    terminal.event("frozen")
    terminal.type(F12)
    assert terminal.event("sent") == {"sent": "Kill", "thread": "desk-input"}
    terminal.thaw()
    terminal.until(lambda: "Type FLATTEN" in terminal.text(), "the question of stage two")
    assert [event["sent"] for event in terminal.events() if "sent" in event] == ["Kill"]


def test_a_crash_gives_the_terminal_back_and_leaves_the_engine(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "crash")
    try:
        assert terminal.ended() == 1
        crashes = [event for event in terminal.events() if "crashed" in event]
        assert len(crashes) == 2, "once more, then no more"
        assert terminal.event("ticked_on")["ticked_on"] >= 5
        terminal.restored(b"summary\r\n")
        assert b"Traceback" not in terminal.output
        reports = list(tmp_path.glob("desk-crash-*.txt"))
        assert len(reports) == 2 and "the pane is broken" in reports[0].read_text(encoding="utf-8")
    finally:
        terminal.close()


def test_a_screen_that_was_started_again_says_so_with_its_report_and_tells_the_engine(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "crash-once")
    try:
        assert "ValueError" in terminal.event("crashed")["crashed"]
        assert terminal.event("sent")["sent"] == "ScreenFailed"
        terminal.until(
            lambda: "the screen failed: ValueError; report in" in terminal.text(), "the word of it"
        )
        assert len(list(tmp_path.glob("desk-crash-*.txt"))) == 1
    finally:
        terminal.close()


def test_quit_from_the_keyboard(terminal: Terminal) -> None:
    terminal.painted()
    terminal.type(b"\x11")
    terminal.until(lambda: b"closes the screen" in terminal.output, "the question")
    terminal.event("ripe")  # a key that comes before is not taken
    terminal.type(b"c")
    assert terminal.ended() == 0
    assert terminal.event("reason")["reason"] == "quit-screen"
    terminal.restored(b"summary\r\n")
