"""What a run without a screen says at its terminal."""

from __future__ import annotations

import os
import pty
import select
import sys
import termios
import threading

import pytest

from app import hosting


def test_an_engine_does_not_wait_for_a_terminal_that_is_stopped_between_a_look_and_a_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    master, slave = pty.openpty()
    try:
        with os.fdopen(slave, "w", encoding="utf-8") as stderr:
            monkeypatch.setattr(sys, "stderr", stderr)
            hosting._show(" 10 % …\n")
            assert os.read(master, 100).decode() == " 10 % …\r\n"
            termios.tcflow(slave, termios.TCOOFF)
            monkeypatch.setattr(select, "select", lambda *_: ([], [stderr], []))  # as it was a moment ago
            shows = threading.Thread(target=hosting._show, args=(" 20 %\n",), daemon=True)
            shows.start()
            shows.join(30)
            waited = shows.is_alive()
            termios.tcflow(slave, termios.TCOON)
            assert not waited
            hosting._show(" 30 %\n")
            assert os.read(master, 100).decode().endswith(" 30 %\r\n")
    finally:
        os.close(master)
