"""The command line as processes: what starts, what refuses, with which code, and what is imported for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.cli import build, parse
from app.exitcodes import CTL_MEANING, MEANING, CtlExit, ExitCode


def env_of(home: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(home), "PATH": os.environ.get("PATH", ""), "TERM": "xterm", **more}


def run(home: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *words],
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        env=env_of(home, **env),
    )


def test_every_exit_code_is_documented(tmp_path: Path) -> None:
    assert set(MEANING) == set(ExitCode)
    assert set(CTL_MEANING) == set(CtlExit)
    text = run(tmp_path, "--help").stdout
    for code in ExitCode:
        assert f"  {int(code)}  {MEANING[code]}" in text
    text = run(tmp_path, "ctl", "--help").stdout
    for code in CtlExit:
        assert f"  {int(code)}  {CTL_MEANING[code]}" in text


def test_version_and_help_import_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; from app.cli import main\n"
        "try: code = main(sys.argv[1:])\n"
        "except SystemExit as e: code = e.code\n"
        "heavy = {'textual', 'pydantic', 'structlog', 'msgspec', 'asyncio', 'rich', 'engine.model'}\n"
        "print(code, sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    for words in (["--version"], ["--help"], ["ctl", "--help"], ["nonsense"]):
        ran = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60
        )
        assert ran.stderr.splitlines()[-1].endswith("[]"), ran.stderr


def test_ctl_imports_no_screen_and_no_settings(tmp_path: Path) -> None:
    program = (
        "import sys; from app.cli import main\n"
        "main(['ctl', 'status', '--state-dir', sys.argv[1]])\n"
        "heavy = {'textual', 'pydantic', 'structlog', 'asyncio', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert ran.stdout == "[]\n", ran


@pytest.mark.parametrize(
    "words",
    [
        ["--state-dir", "/s", "--json", "headless", "--for", "5s", "--feed", "replay:x"],
        ["headless", "--for", "5s", "--feed", "replay:x", "--state-dir", "/s", "--json"],
        ["--for", "5s", "headless", "--json", "--state-dir", "/s", "--feed", "replay:x"],
    ],
)
def test_options_stand_before_or_after_the_command(words: list[str]) -> None:
    args = parse(words)
    got = (args.command, args.state_dir, args.json, args.duration, args.feed, args.speed)
    assert got == ("headless", "/s", True, "5s", "replay:x", None)


def test_the_workstation_is_what_starts_without_a_command() -> None:
    assert parse([]).command == "desk"
    assert parse(["--feed", "synthetic"]).handler is parse(["desk"]).handler


def test_options_are_not_guessed_from_their_first_letters(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build().parse_args(["--stat", "/x"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["fly"], ExitCode.USAGE, "invalid choice"),
        (["headless", "--for", "soon"], ExitCode.USAGE, "--for: 'soon' is no duration above zero"),
        (["headless", "--speed", "fast"], ExitCode.USAGE, "--speed: 'fast' is no speed; give a number"),
        (["headless", "--seed", "-1"], ExitCode.USAGE, "--seed"),
        (["headless", "--config", "/nowhere.toml"], ExitCode.BAD_CONFIG, "breakwater init"),
        (["headless", "--i-understand-this-is-live", "DU1"], ExitCode.LIVE_REFUSED, "profile is paper"),
    ],
)
def test_what_refuses_to_start(tmp_path: Path, words: list[str], code: ExitCode, said: str) -> None:
    ran = run(tmp_path, *words)
    assert (ran.returncode, said in ran.stderr) == (code, True), ran
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / ".local").exists()


def test_bad_configuration_lists_everything_and_starts_nothing(tmp_path: Path) -> None:
    config = tmp_path / "bw.toml"
    config.write_text("[risk]\nmax_position = -1\norder_rate = 0\n")
    ran = run(tmp_path, "headless", "--config", str(config), "--json", BREAKWATER__SEED="x")
    assert ran.returncode == ExitCode.BAD_CONFIG
    assert len(ran.stderr.splitlines()) == 3
    report = json.loads(ran.stdout)
    assert report["exit"] == 4
    assert "risk.order_rate" in report["error"]


def test_live_takes_more_than_the_profile(tmp_path: Path) -> None:
    ran = run(tmp_path, "headless", "--i-understand-this-is-live", "DU1", BREAKWATER__PROFILE="live")
    assert ran.returncode == ExitCode.BAD_CONFIG
    assert "trades live" in ran.stderr


def test_a_journal_that_is_not_there(tmp_path: Path) -> None:
    for verb in (["verify"], ["export", "x"], ["backup", "x"], ["rotate"]):
        ran = run(tmp_path, "journal", *verb, "--state-dir", str(tmp_path / "s"))
        assert ran.returncode == ExitCode.STORE_REFUSED, ran
        assert "there is no journal" in ran.stderr


def test_output_that_nobody_reads_to_the_end(tmp_path: Path) -> None:
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; sys.path.insert(0, '.'); from app.cli import main; sys.exit(main())",
            "doctor",
            "--state-dir",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env_of(tmp_path),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_a_log_on_standard_output_is_json_to_the_last_line(tmp_path: Path) -> None:
    ran = run(
        tmp_path, "headless", "--state-dir", str(tmp_path / "s"), "--for", "1s", BREAKWATER__LOG__TO="stdout"
    )
    assert ran.returncode == ExitCode.CLEAN, ran
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert (lines[0]["event"], lines[-1]["event"]) == ("run started", "run ended")
    assert "run ended: time is up" in ran.stderr


# app/cli.py: without standard output the end of a run was a traceback, and the journal's files could have got
# the numbers of the closed streams.
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(tmp_path: Path, closed: str) -> None:
    state = tmp_path / "s"
    words = f"exec {sys.executable} -m app.cli headless --state-dir {state} --for 20s --speed max {closed}"
    assert subprocess.run(["sh", "-c", words], env=env_of(tmp_path), timeout=60).returncode == ExitCode.CLEAN
    told = run(tmp_path, "journal", "verify", "--state-dir", str(state))
    assert told.returncode == 0, told


# app/summary.py and app/doctor.py write arrows and the like: a run ended in a traceback, not its summary.
def test_a_locale_without_our_signs_costs_no_answer(tmp_path: Path) -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    state = str(tmp_path / "ü")
    ran = run(tmp_path, "headless", "--state-dir", state, "--for", "8s", "--speed", "max", **ascii_only)
    assert ran.returncode == ExitCode.CLEAN, ran
    assert "tick→sent" in ran.stdout, "whoever reads a pipe gets UTF-8"
    told = run(tmp_path, "doctor", "--json", "--state-dir", state, **ascii_only)
    assert json.loads(told.stdout)["ok"] is True


def test_the_exchange_is_a_process_with_its_own_command_line(tmp_path: Path) -> None:
    helped = run(tmp_path, "exchange", "--help")
    assert (helped.returncode, "--socket" in helped.stdout) == (0, True), helped
    exchange = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "exchange", "--socket", str(tmp_path / "x.sock"), "--feed", "none"],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=env_of(tmp_path),
    )
    try:
        assert exchange.stdout is not None
        assert json.loads(exchange.stdout.readline())["socket"] == str(tmp_path / "x.sock")
        exchange.terminate()
        exchange.wait(20)
    finally:
        exchange.kill()
        exchange.communicate()


# ---- runs of the real engine


def test_a_run_leaves_a_good_journal_and_a_private_directory(tmp_path: Path) -> None:
    state = tmp_path / "s"
    ran = run(tmp_path, "headless", "--state-dir", str(state), "--for", "20s", "--speed", "max", "--json")
    assert ran.returncode in (ExitCode.CLEAN, ExitCode.NOT_FLAT), ran
    summary = json.loads(ran.stdout)
    assert {"orders", "fills", "rejects", "pnl", "flat", "reconciled", "latency"} <= set(summary)
    assert state.stat().st_mode & 0o077 == 0
    for line in (state / "log" / "breakwater.jsonl").read_text().splitlines():
        assert json.loads(line)["timestamp"]
    good = run(tmp_path, "journal", "verify", "--state-dir", str(state))
    assert good.returncode == 0, good
    rows = json.loads(run(tmp_path, "journal", "verify", "--state-dir", str(state), "--json").stdout)["rows"]
    exported = run(tmp_path, "journal", "export", str(tmp_path / "x.jsonl"), "--state-dir", str(state))
    assert exported.returncode == 0
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == rows > 0
    again = run(tmp_path, "journal", "export", str(tmp_path / "x.jsonl"), "--state-dir", str(state))
    assert again.returncode == ExitCode.USAGE
    copied = run(tmp_path, "journal", "backup", str(tmp_path / "copy.db"), "--state-dir", str(state))
    assert copied.returncode == 0
    checked = run(tmp_path, "journal", "verify", "--journal", str(tmp_path / "copy.db"), "--json")
    assert json.loads(checked.stdout)["rows"] == rows
    moved = run(tmp_path, "journal", "rotate", "--state-dir", str(state), "--json")
    assert Path(json.loads(moved.stdout)["file"]).exists()


def test_a_feed_that_cannot_be_read(tmp_path: Path) -> None:
    ran = run(tmp_path, "headless", "--feed", "replay:/nowhere.csv", "--state-dir", str(tmp_path / "s"))
    assert (ran.returncode, "/nowhere.csv" in ran.stderr) == (ExitCode.FEED_ERROR, True), ran


def test_a_strategy_whose_symbol_the_feed_does_not_have(tmp_path: Path) -> None:
    config = tmp_path / "bw.toml"
    config.write_text(
        '[[strategies]]\nname = "m"\nmodule = "engine.strategy.samples.meanrev:MeanReversion"\n'
        'symbols = ["ES", "ZZ"]\n'
    )
    ran = run(tmp_path, "headless", "--config", str(config), "--feed", "synthetic:ES,NQ", "--for", "1s")
    assert ran.returncode == ExitCode.BAD_CONFIG
    assert "strategies[0].symbols: m wants ZZ, which the feed does not have; it has ES, NQ" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not list((tmp_path / ".local").rglob("journal.db"))


def test_a_store_that_cannot_be_used(tmp_path: Path) -> None:
    state = tmp_path / "s"
    state.mkdir(mode=0o700)
    (state / "journal.db").write_bytes(b"no database" * 1000)
    ran = run(tmp_path, "headless", "--state-dir", str(state), "--for", "1s")
    assert ran.returncode == ExitCode.STORE_REFUSED, ran
    assert "not a Breakwater journal" in ran.stderr
    (tmp_path / "file").write_text("")
    ran = run(tmp_path, "headless", "--state-dir", str(tmp_path / "file"))
    assert ran.returncode == ExitCode.STORE_REFUSED, ran


def test_without_a_terminal_it_says_so_and_runs_headless(tmp_path: Path) -> None:
    ran = run(tmp_path, "--state-dir", str(tmp_path / "s"), "--for", "2s")
    assert "no screen (standard input is not a terminal)" in ran.stderr
    assert ran.returncode in (ExitCode.CLEAN, ExitCode.NOT_FLAT), ran
    assert (
        f"PAPER account PAPER at paper, feed synthetic; journal and log are in {tmp_path / 's'}" in ran.stderr
    )
    assert ran.stdout.startswith("run ended: time is up\n")


def test_one_engine_to_a_state_directory_and_ctl_reaches_it(tmp_path: Path) -> None:
    state = tmp_path / "s"
    engine = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "headless", "--state-dir", str(state), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=env_of(tmp_path),
    )
    try:
        deadline = time.monotonic() + 60
        while not (state / "control.sock").exists():  # the start has no event that another process can see
            assert engine.poll() is None, engine.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        status = json.loads(run(tmp_path, "ctl", "status", "--json", "--state-dir", str(state)).stdout)
        assert status["mode"] == "PAPER"
        second = run(tmp_path, "headless", "--state-dir", str(state), "--for", "1s")
        assert second.returncode == ExitCode.ALREADY_RUNNING, second
        assert run(tmp_path, "doctor", "--state-dir", str(state)).returncode == 0
        stopped = run(tmp_path, "ctl", "shutdown", "--state-dir", str(state))
        assert stopped.returncode == CtlExit.OK, stopped
        out, err = engine.communicate(timeout=30)
        assert engine.returncode in (ExitCode.CLEAN, ExitCode.NOT_FLAT), err
        assert "orders" in json.loads(out)
    finally:
        if engine.poll() is None:
            engine.send_signal(signal.SIGKILL)
            engine.wait(20)
    assert not (state / "control.sock").exists()
