"""How a desk ends: by a fault of its own, with a report that keeps secrets, or for the first reason given."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest
from deskpilot import Desk, drive
from fakelink import FakeLink, snapshot

from app.desk.app import DeskApp
from app.desk.options import DeskOptions
from app.desk.result import DeskResult
from app.desk.running import run_desk_app
from app.logsink import Renderer


def test_a_failing_widget_ends_the_screen_with_a_private_report(tmp_path: Path) -> None:
    secret = "hunter2-very-secret"

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        def broken(*_args: Any) -> None:
            password = secret
            raise ValueError(f"cannot draw {len(password)}")

        app.desk.pane("orders").look = broken  # type: ignore[attr-defined]
        link.snapshot = snapshot(seq=2)
        app.on_loop(app.paint)
        await pilot.pause()

    with pytest.raises(ValueError, match="cannot draw"):
        drive(test, report_dir=tmp_path)
    (report,) = tmp_path.glob("desk-crash-*.txt")
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    text = report.read_text(encoding="utf-8")
    assert "ValueError: cannot draw" in text and Path(__file__).name in text
    assert secret not in text


def test_a_report_quotes_no_secret_that_the_error_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "hunter2-very-secret"

    def failing(app: DeskApp, **_options: Any) -> None:
        raise RuntimeError(f"cannot log in with {secret}")

    monkeypatch.setattr(DeskApp, "run", failing)
    redact = Renderer([secret]).blank
    result = run_desk_app(FakeLink(snapshot()), DeskOptions(report_dir=tmp_path, redact=redact, restarts=0))
    assert result.report is not None
    text = result.report.read_text(encoding="utf-8")
    assert "RuntimeError: cannot log in with" in text and secret not in text + result.detail


def test_a_desk_that_cannot_even_be_made_is_a_crash_and_no_exception(tmp_path: Path) -> None:
    result = run_desk_app(FakeLink(snapshot()), DeskOptions(theme="nosuch", report_dir=tmp_path))
    assert result.reason == "crash" and "there was no screen: BadTheme: theme nosuch" in result.detail


def test_a_pane_that_cannot_draw_ends_the_screen_in_order(tmp_path: Path) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        def broken(_y: int) -> Any:
            raise ValueError("cannot draw")

        grid = app.desk.pane("orders")
        grid.render_line = broken  # type: ignore[method-assign]
        grid.refresh()
        await pilot.pause()

    with pytest.raises(ValueError, match="cannot draw"):
        drive(test, report_dir=tmp_path)
    assert len(list(tmp_path.glob("desk-crash-*.txt"))) == 1


def test_a_crash_is_reported_and_tried_again_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[DeskApp] = []

    def failing(app: DeskApp, **_options: Any) -> None:
        runs.append(app)
        raise RuntimeError("no terminal here")

    monkeypatch.setattr(DeskApp, "run", failing)
    heard: list[DeskResult] = []
    result = run_desk_app(FakeLink(snapshot()), DeskOptions(report_dir=tmp_path, on_crash=heard.append))
    assert result.reason == "crash" and result.return_code == 1 and result.report is not None
    assert len(runs) == 2 and len(heard) == 2
    assert "RuntimeError" in result.detail and str(result.report) in result.detail


def test_the_first_reason_counts() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        app.terminal_lost("it was closed")
        app.finish("stop-engine", "SIGTERM")

    app = drive(test)
    assert app.desk_result == DeskResult("terminal-lost", "terminal lost: it was closed")


def test_answers_after_the_end_disturb_nobody() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        return None

    app = drive(test)
    app.on_loop(app.note, "late")
    asyncio.run(asyncio.sleep(0))
