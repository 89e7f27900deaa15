"""`breakwater doctor`: each thing that can be wrong is found, and each finding says what to do."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from app import doctor
from app.cli import parse
from app.paths import exchange_socket, journal_path
from engine.control import wire
from engine.strategy.cgroups.base import CONTROLLERS
from engine.strategy.cgroups.mounts import mounts


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    path.mkdir(mode=0o700)
    return path


def examine(state: Path, config: str | None = None, **env: str) -> dict[str, doctor.Check]:
    """Findings by name; the worst one where a name stands twice."""
    words = ["doctor", "--state-dir", str(state)]
    if config is not None:
        file = state.parent / "bw.toml"
        if not file.exists():
            file.write_text(config)
            file.chmod(0o600)
        words += ["--config", str(file)]
    order = ("PASS", "WARN", "FAIL")
    found: dict[str, doctor.Check] = {}
    for check in doctor.examine(parse(words), {"HOME": str(state.parent), **env}):
        known = found.get(check.name)
        if known is None or order.index(check.state) > order.index(known.state):
            found[check.name] = check
    return found


def test_a_fresh_machine_is_fine(state: Path) -> None:
    found = examine(state)
    assert {c.name for c in found.values() if c.state == "FAIL"} == set()
    assert found["config"].state == "PASS"
    assert found["engine"].text.startswith("none runs")
    assert "ES" in found["feed"].text


def test_bad_configuration(state: Path) -> None:
    found = examine(state, "[risk]\nmax_positon = 1\n[log]\nkeep = 0\n")
    assert found["config"].state == "FAIL"
    assert "did you mean risk.max_position?" in found["config"].text
    assert "log.keep" in found["config"].text
    assert found["disk"].state == "PASS"


def test_a_configuration_that_others_may_change(state: Path) -> None:
    file = state.parent / "bw.toml"
    file.write_text("")
    file.chmod(0o666)
    found = examine(state, "")
    assert (found["config"].state, found["config"].remedy) == ("FAIL", f"say: chmod go-w {file}")


def test_directories(state: Path, tmp_path: Path) -> None:
    state.chmod(0o755)
    assert examine(state)["state dir"].remedy == f"say: chmod 700 {state}"
    assert examine(tmp_path / "new" / "one")["state dir"].state == "PASS"
    (tmp_path / "file").write_text("")
    assert examine(tmp_path / "file")["state dir"].state == "FAIL"


def test_files_that_others_may_use(state: Path) -> None:
    journal_path(state).touch(mode=0o644)
    assert examine(state)["files"].remedy == f"say: chmod 600 {journal_path(state)}"


def test_too_little_disk(state: Path) -> None:
    found = examine(state, "[journal]\nmin_free_mb = 1000000\nballast_mb = 1024\n")
    if found["disk"].state != "FAIL":
        pytest.skip("this machine has more than a terabyte free")
    assert "a start needs 1001024 MB" in found["disk"].text


def test_a_damaged_and_a_foreign_journal(state: Path) -> None:
    journal_path(state).write_bytes(b"this is no database" * 300)
    assert examine(state)["journal"].state == "FAIL"
    journal_path(state).unlink()
    with sqlite3.connect(journal_path(state)) as other:
        other.execute("CREATE TABLE t (x)")
    assert examine(state)["journal"].state == "FAIL"


def test_a_feed_that_is_not_there(state: Path) -> None:
    found = examine(state, "[feed]\nsource = 'replay:/nowhere/x.csv'\n")
    assert found["feed"].state == "FAIL"
    assert "/nowhere/x.csv" in found["feed"].text


def test_strategies_are_looked_for_beside_the_configuration(state: Path) -> None:
    text = "[[strategies]]\nmodule = 'my_own_strategy_x:Mine'\nname = 'mine'\nsymbols = ['ES']\n"
    assert examine(state, text)["strategies"].state == "FAIL"
    own = "from engine.strategy.api import Strategy\nclass Mine(Strategy): pass\n"
    (state.parent / "my_own_strategy_x.py").write_text(own)
    assert examine(state, text)["strategies"].state == "PASS"


def test_secrets_are_named_and_not_shown(state: Path) -> None:
    found = examine(state, BREAKWATER_BROKER_TOKEN="hunter2")
    assert found["secrets"].text == "found: broker_token"


def test_a_socket_that_a_killed_engine_left(state: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(wire.socket_path(state)))
    found = examine(state)["engine"]
    assert (found.state, "it recovers" in found.remedy) == ("WARN", True)


def test_an_engine_that_is_stuck(state: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(wire.socket_path(state)))
        silent.listen()
        found = examine(state)["engine"]
    assert found.state == "FAIL"
    assert f"process {os.getpid()} does not answer" in found.text


def test_a_loopback_exchange(state: Path) -> None:
    with socket.socket(socket.AF_UNIX) as exchange:
        exchange.bind(str(exchange_socket(state)))
        assert examine(state)["broker"].state == "WARN"
        exchange.listen()
        assert "listens on" in examine(state)["broker"].text


def test_an_exchange_that_is_to_trade_must_be_there(state: Path) -> None:
    address = state.parent / "x.sock"
    found = examine(state, BREAKWATER__FEED__SOURCE=f"exchange:{address}")
    assert (found["feed"].state, found["broker"].state) == ("PASS", "FAIL")
    assert found["broker"].remedy == f"start it with 'breakwater exchange --socket {address}'"
    with socket.socket(socket.AF_UNIX) as exchange:
        exchange.bind(str(address))
        exchange.listen()
        assert examine(state, BREAKWATER__FEED__SOURCE=f"exchange:{address}")["broker"].state == "PASS"


def test_strategies_and_limits_name_what_the_feed_has(state: Path) -> None:
    config = """
    [risk]
    allowed = ["ES", "NQ"]
    [risk.instruments.EZ]
    max_position = 1
    [[strategies]]
    name = "m"
    module = "engine.strategy.samples.meanrev:MeanReversion"
    symbols = ["ZZ"]
    """
    found = examine(state, config)
    assert (found["strategies"].state, found["limits"].state) == ("FAIL", "WARN")
    assert "strategies[0].symbols: m wants ZZ" in found["strategies"].text
    assert "risk names EZ" in found["limits"].text


def test_a_feed_of_the_command_line(state: Path) -> None:
    found = list(doctor.examine(parse(["doctor", "--feed", "replay:/no/day.csv"]), {"HOME": str(state)}))
    assert any(c.name == "feed" and c.state == "FAIL" and "/no/day.csv" in c.text for c in found)
    assert any(c.name == "state dir" and "replay-day" in c.text for c in found)


def test_an_empty_journal_is_none(state: Path) -> None:
    """A start that was refused, for want of disk say, leaves one; the next start makes a journal of it."""
    journal_path(state).touch(mode=0o600)
    assert examine(state)["journal"].text.startswith("none yet")


def test_the_command_in_text_and_json(state: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app.cli", "doctor", "--state-dir", str(state), *words],
            capture_output=True,
            text=True,
            timeout=60,
            env={"HOME": str(state.parent), "PATH": "/usr/bin", "TERM": "xterm"},
        )

    good = run()
    assert good.returncode == 0, good
    assert all(line[:4] in ("PASS", "WARN", "    ") for line in good.stdout.splitlines())
    assert "desk needs one" in good.stdout
    (state.parent / "bad.toml").write_text("seed = 'x'")
    bad = run("--json", "--config", str(state.parent / "bad.toml"))
    report = json.loads(bad.stdout)
    assert (bad.returncode, report["ok"]) == (1, False)
    assert [c["name"] for c in report["checks"] if c["state"] == "FAIL"] == ["config"]


def test_each_connection_is_tried(state: Path) -> None:
    path = state.parent / "x.sock"
    with socket.socket(socket.AF_UNIX) as first, socket.socket() as second, socket.socket() as nobody:
        first.bind(str(path))
        first.listen()
        second.bind(("127.0.0.1", 0))
        second.listen()
        nobody.bind(("127.0.0.1", 0))  # taken, and nobody listens
        config = (
            f'feed.source = "exchange:{path}"\n'
            '[[connections]]\nname = "primary"\n'
            f'[[connections]]\nname = "backup"\naddress = "127.0.0.1:{second.getsockname()[1]}"\n'
            f'[[connections]]\nname = "third"\naddress = "127.0.0.1:{nobody.getsockname()[1]}"\n'
        )
        found = examine(state, config)
    assert found["broker primary"].state == found["broker backup"].state == "PASS"
    assert found["broker third"].state == "FAIL"
    assert "breakwater exchange --port" in found["broker third"].remedy


def test_control_groups_that_cannot_be_had(state: Path, tmp_path: Path) -> None:
    assert "control groups" not in examine(state), "nobody asked for them"
    found = examine(state, f'[cgroup]\ndirectory = "{tmp_path}/nowhere"\n')["control groups"]
    assert (found.state, found.text) == ("FAIL", f"there is no directory {tmp_path}/nowhere")
    assert found.remedy.startswith("cgroup.directory: ") and ": name " in found.remedy


def test_control_groups_of_version_1_are_tried_and_told(state: Path) -> None:
    at = [path for name, path in mounts().version_1.items() if name in CONTROLLERS]
    if len(at) < len(CONTROLLERS):
        pytest.skip("the controllers of version 1 are not mounted here")
    name = f"breakwater-test-doctor-{os.getpid()}"
    config = f'[cgroup]\ndirectory = "{name}"\n'
    found = examine(state, config)["control groups"]
    assert found.state == "FAIL"
    assert found.text.startswith("there is no control group ") and name in found.text
    assert found.remedy.startswith("cgroup.directory: make it for your user, as root: mkdir -p ")
    places = [path / name for path in dict.fromkeys(at)]
    made = []
    try:
        for place in places:
            try:
                place.mkdir()
            except OSError as error:
                pytest.skip(f"no control group can be made in {place.parent}: {error.strerror}")
            made.append(place)
        found = examine(state, config)["control groups"]
        assert found.state == "PASS", found
        assert f"strategies get their own in {name} of cpu, memory, pids (control groups of version 1)" in (
            found.text
        )
    finally:
        for place in made:
            place.rmdir()  # which says as well that nothing is left in it
