"""On a real terminal: a real engine answers its screens, and a journal is played on them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pseudoterminal import PseudoTerminal

from app.drill.processes import ROOT, short_folder
from engine.control.commands import Kill
from engine.model import Side
from tests.engine.rig import Rig

CTRL_Q = b"\x11"


def terminal(*words: str, size: tuple[int, int] = (100, 30)) -> PseudoTerminal:
    given = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "", "PYTHONPATH": str(ROOT)}
    return PseudoTerminal([sys.executable, "-m", "app.cli", *words], given, size)


def sees(desk: PseudoTerminal, pattern: str) -> None:
    """Waits until the terminal shows something."""
    desk.until(lambda: re.search(pattern, desk.text()) is not None, pattern)


@pytest.fixture
def recorded() -> Iterator[Path]:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(5)
        await rig.command(Kill(reason="test"))

    with short_folder() as folder:
        Rig.play(script, directory=folder)
        yield folder / "journal.db"


def test_a_journal_is_stepped_jumped_in_and_left(recorded: Path) -> None:
    desk = terminal("replay", str(recorded), "--desk")
    try:
        sees(desk, r"RECORDED +row (\d+) of \1:")
        desk.type(b"0")
        sees(desk, r"Rows of the journal")
        desk.type(b",,")
        desk.until(lambda: re.search(r"row (\d+) of (\d+)", desk.text()) is not None, "a row")
        sees(desk, r"row \d+ of \d+: ")
        desk.type(b"J#2\r")
        sees(desk, r"row 2 of \d+:")
        desk.type(b")")
        sees(desk, r"▶ +\d+ .*reports a fill: bought 3 ES at 6000.25")
        desk.type(b"\r")
        sees(desk, r"made→approved .*")
        sees(desk, r"position 0 → 3|execution E")
        desk.type(b"\x1b")
        desk.until(lambda: "Esc closes" not in desk.text(), "the end of the story")
        desk.type(b"3")
        sees(desk, r"ES .*\+3")
        desk.resize(80, 24)
        sees(desk, r"RECORDED")
        desk.type(CTRL_Q)
        assert desk.ended() == 0
    finally:
        desk.close()


def test_a_running_engine_answers_market_day_log_and_story() -> None:
    with short_folder() as folder:
        desk = terminal("--state-dir", str(folder), "--feed", "synthetic", "--seed", "3", size=(120, 40))
        try:
            sees(desk, r"any key begins")
            desk.type(b" ")
            sees(desk, r"Positions · intended")
            desk.type(b"7")
            sees(desk, r"ladder")
            sees(desk, r"\d\d:\d\d:\d\d +[\d.]+ +[\d.]+ (BUY|SELL)")
            desk.type(b"]")
            sees(desk, r"(ES|GC|NQ) ladder")
            desk.type(b"8")
            sees(desk, r"stops at")
            sees(desk, r"By strategy · ")
            desk.type(b"6")
            sees(desk, r"Log · info and above")
            sees(desk, r"INFO \d\d:\d\d:\d\d\.\d\d\d ")
            desk.type(b"2")
            sees(desk, r"Orders · .*[1-9]\d* (working|closed)")
            desk.type(b"\x1b[B\r")
            sees(desk, r"on disk before it is sent")
            desk.type(b"l")
            sees(desk, r"Log · debug and above · about ")
            sees(desk, r"intent ")
        finally:
            desk.signal(15)
            desk.close()
