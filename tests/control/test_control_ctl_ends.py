"""How `breakwater ctl` waits and exits: a kill until its verdict, a shutdown until the engine is gone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from control_harness import Served
from ctlkit import Sink, run

from app.exitcodes import CtlExit
from engine.control import commands as c
from engine.control import wire
from engine.control.snapshot import KillView


class Procedure:
    """A kill that goes on step by step, as the engine shows it."""

    def __init__(self, served: Served, verdict: str, ok: bool) -> None:
        self.served = served
        self.verdict = verdict
        self.ok = ok

    def begin(self, command: c.AnyCommand, sink: Sink) -> None:
        sink(c.Answer(ok=True, text="begun: everything", final=False))
        loop = asyncio.get_running_loop()
        loop.call_later(0.1, self._step, ("3 orders: cancels sent",))
        loop.call_later(0.8, self._step, ("3 orders: cancels sent", "no orders working"))
        loop.call_later(1.4, self._end, sink)

    def _step(self, steps: tuple[str, ...]) -> None:
        self.served.update(kill=KillView(running=True, scope="everything", steps=steps, verdict=""))

    def _end(self, sink: Sink) -> None:
        steps = "3 orders: cancels sent\nno orders working\n" + self.verdict
        sink(c.Answer(ok=self.ok, text=self.verdict, data={"steps": steps}))


def test_kill_stays_until_the_verdict_and_tells_each_step_once(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    served.update(kill=KillView(running=False, scope="ES", steps=("old step",), verdict="flat, long ago"))
    served.on_command = Procedure(served, "flat, confirmed twice by the broker at 12:00:00Z", True).begin
    assert run(served, "kill") == CtlExit.OK
    assert capsys.readouterr().out.splitlines() == [
        "  begun: everything",
        "  3 orders: cancels sent",
        "  no orders working",
        "flat, confirmed twice by the broker at 12:00:00Z",
    ]


def test_not_flat_is_no_success(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    served.on_command = Procedure(served, "NOT FLAT: ES +2", False).begin
    assert run(served, "flatten", "--json") == CtlExit.NOT_FLAT
    answer = json.loads(capsys.readouterr().out)
    assert answer["text"] == "NOT FLAT: ES +2"
    assert answer["exit"] == 8
    assert answer["steps"][1] == "3 orders: cancels sent"


def test_a_kill_without_verdict_in_time_is_not_confirmed(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    served.on_command = Procedure(served, "flat", True).begin
    assert run(served, "kill", "--wait", "0.3") == CtlExit.NOT_FLAT
    assert "NOT CONFIRMED" in capsys.readouterr().err


def test_a_flatten_that_is_refused_never_began(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    served.on_command = lambda _c, sink: sink(c.Answer(ok=False, text="no instrument XX"))
    assert run(served, "flatten", "XX") == CtlExit.REFUSED
    assert "no instrument XX" in capsys.readouterr().err


def test_shutdown_waits_until_the_engine_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    harness = Served(tmp_path / "state")
    harness.start()

    def stop(_command: c.AnyCommand, sink: Sink) -> None:
        sink(c.Answer(ok=True, text="stopping"))
        loop = asyncio.get_running_loop()
        loop.call_later(0.1, lambda: loop.create_task(harness.server.close()))

    harness.on_command = stop
    assert run(harness, "shutdown") == CtlExit.OK
    assert not wire.socket_path(harness.directory).exists()
    harness.stop()


def test_an_engine_that_will_not_go_is_told(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, "shutdown", "--wait", "0.2") == CtlExit.UNSURE
    assert "still there" in capsys.readouterr().err
