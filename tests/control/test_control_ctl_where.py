"""Which engine `breakwater ctl` means, and what it says where there is none."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from app import ctl
from app.cli import parse
from app.exitcodes import CtlExit
from app.paths import journal_path
from engine.control import wire
from engine.control.client import Unreachable
from engine.journal.files import InstanceLock


def test_no_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl.run(parse(["ctl", "kill", "--state-dir", str(tmp_path)]), {}) == CtlExit.UNREACHABLE
    assert "breakwater headless" in capsys.readouterr().err
    assert (
        ctl.run(parse(["--json", "--state-dir", str(tmp_path), "ctl", "status"]), {}) == CtlExit.UNREACHABLE
    )
    assert json.loads(capsys.readouterr().out)["exit"] == 3


def test_which_engine_is_meant(tmp_path: Path) -> None:
    def where(*words: str, **env: str) -> Path:
        return ctl.find_state_dir(parse([*words, "ctl", "status"]), {"HOME": str(tmp_path), **env})

    base = tmp_path / ".local/state/breakwater"
    config = tmp_path / "x.toml"
    assert where() == base / "paper"
    assert where(BREAKWATER__PROFILE="live") == base / "live"
    config.write_text('profile = "live"\nnonsense = 1\n')
    assert where("--config", str(config)) == base / "live"
    assert where("--config", str(config), "--state-dir", "/elsewhere") == Path("/elsewhere")
    config.write_text("profile = [")
    with pytest.raises(ctl.NoStateDir, match="name its --state-dir"):
        where("--config", str(config))
    (base / "live").mkdir(parents=True)
    wire.socket_path(base / "live").touch()
    assert where("--config", str(config)) == base / "live"


def test_a_replay_is_found_by_its_feed_however_it_was_named(tmp_path: Path) -> None:
    def where(*words: str, **env: str) -> str:
        args = parse([*words, "ctl", "status"])
        return ctl.find_state_dir(args, {"HOME": str(tmp_path), **env}).name

    config = tmp_path / "x.toml"
    config.write_text('nonsense = 1\n[feed]\nsource = "replay:/d/day.csv.gz"\n')
    assert where("--feed", "replay:/d/day.csv.gz") == "replay-day"
    assert where(BREAKWATER__FEED__SOURCE="replay:/d/other.csv") == "replay-other"
    assert where("--config", str(config)) == "replay-day"
    assert where("--config", str(config), "--feed", "synthetic") == "paper"
    assert where("--config", str(config), BREAKWATER__PROFILE="live") == "live"


def listening(directory: Path) -> socket.socket:
    directory.mkdir(parents=True, exist_ok=True)
    engine = socket.socket(socket.AF_UNIX)
    with wire.reachable(wire.socket_path(directory)) as address:
        engine.bind(address)
    engine.listen()
    return engine


# app/ctl.py: an engine that runs a recording has a state directory of its own, and `ctl kill` from another
# terminal looked for it in that of paper and said that no engine runs.
def test_the_only_engine_that_runs_is_meant_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def where(*words: str, **env: str) -> Path:
        return ctl.engine_dir(parse(["ctl", "kill", *words]), {"HOME": str(tmp_path), **env})

    base = tmp_path / ".local/state/breakwater"
    assert where() == base / "paper"
    with listening(base / "live"):
        assert where() == base / "paper"
        with listening(base / "replay-day"):
            assert where() == base / "replay-day"
            assert "replay-day is meant" in capsys.readouterr().err
            assert where(BREAKWATER__PROFILE="live") == base / "live"
            assert where("--feed", "replay:other.csv") == base / "replay-other"
            assert where("--state-dir", "/s") == Path("/s")
            with listening(base / "replay-two"):
                with pytest.raises(Unreachable, match=r"replay-day, .*replay-two"):
                    where()
                with listening(base / "paper"):
                    assert where() == base / "paper"
    assert where() == base / "paper", "sockets that killed engines left are no engines"


def test_a_run_in_virtual_time_is_not_taken_for_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal_path(tmp_path).touch()
    with InstanceLock.exclusive(journal_path(tmp_path)):
        code = ctl.run(parse(["ctl", "kill", "--state-dir", str(tmp_path)]), {})
    assert code == CtlExit.UNREACHABLE
    said = capsys.readouterr().err
    assert f"process {os.getpid()} runs in" in said
    assert "--speed max" in said and f"kill -TERM {os.getpid()}" in said
