"""A strategy that fails again and again in an engine that dies and starts anew: restarts are counted on."""

from __future__ import annotations

from app.drill.processes import EngineProcess, short_folder
from app.exitcodes import ExitCode
from engine.control.snapshot import Snapshot, StrategyRow

CONFIG = """
[[strategies]]
name = "loop"
module = "loop:Loop"
symbols = ["ES"]
restart = "on_failure"
restart_delay = 0.05
restart_max = 3
restart_window = 86400
"""
LOOP = """
from engine.strategy.api import Strategy

class Loop(Strategy):
    def on_start(self):
        raise ValueError("broken")
"""


def failed(restarts: int, picture: Snapshot) -> StrategyRow | None:
    """None before it has begun as well: the first pictures are from before its start."""
    return next((r for r in picture.strategies if r.state == "failed" and r.restarts >= restarts), None)


def given_up(picture: Snapshot) -> StrategyRow | None:
    row = failed(3, picture)
    return row if row is not None and "will be started again" not in row.reason else None


def test_a_killed_engine_gives_no_fresh_allowance() -> None:
    with short_folder() as folder:
        (folder / "loop.py").write_text(LOOP)
        config = folder / "breakwater.toml"
        config.write_text(CONFIG)
        engine = EngineProcess(folder / "state", config, "synthetic:ES")
        try:
            engine.begin()
            engine.until(lambda picture: failed(1, picture), "a first restart")
            engine.kill()
            engine.begin()
            row = engine.until(given_up, "the end of its restarts")
            assert row.restarts == 3, row
            engine.kill()
            engine.begin()
            row = engine.until(lambda picture: failed(0, picture), "it stays as it was")
            assert row.restarts == 3 and "3 restarts within 86400 s" in row.reason
            code, _, errors = engine.stop()
            assert (code, errors) == (ExitCode.HALTED, "")
        finally:
            engine.give_up()
