"""`breakwater ctl` against a real socket: what is sent, what is said, and how it exits."""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from control_harness import Served, make_snapshot
from msgspec.structs import replace

from app import ctl
from app.cli import parse
from app.exitcodes import CtlExit
from app.paths import journal_path
from engine.control import commands as c
from engine.control import wire
from engine.control.client import Unreachable
from engine.control.snapshot import NOT_COMPARED, Comparison, KillView, SentinelRow, Snapshot
from engine.journal.files import InstanceLock
from engine.model import OrderType, Side, TimeInForce

Sink = Callable[[c.Answer], None]


def run(served: Served, *words: str) -> int:
    return ctl.run(parse(["ctl", *words, "--state-dir", str(served.directory)]), {})


def sent(served: Served, *words: str) -> c.AnyCommand:
    assert run(served, *words) == CtlExit.OK
    return served.commands[-1][0]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (
            "submit ES buy 3 @4800.25",
            c.Submit(symbol="ES", side=Side.BUY, size=Decimal(3), limit=Decimal("4800.25")),
        ),
        (
            "submit CL sell 0.5 @-37.63 --tif IOC --reduce-only",
            c.Submit(
                symbol="CL",
                side=Side.SELL,
                size=Decimal("0.5"),
                limit=Decimal("-37.63"),
                tif=TimeInForce.IOC,
                reduce_only=True,
            ),
        ),
        (
            "submit CL sell 1 --limit -1.25 --post-only",
            c.Submit(symbol="CL", side=Side.SELL, size=Decimal(1), limit=Decimal("-1.25"), post_only=True),
        ),
        (
            "submit ES buy 1 --market --preview",
            c.Submit(symbol="ES", side=Side.BUY, size=Decimal(1), type=OrderType.MARKET, preview=True),
        ),
        (
            "submit ES sell 1 --stop 4700",
            c.Submit(symbol="ES", side=Side.SELL, size=Decimal(1), type=OrderType.STOP, stop=Decimal(4700)),
        ),
        (
            "submit ES sell 1 @4699 --stop 4700 --take-profit 4600 --stop-loss 4800",
            c.Submit(
                symbol="ES",
                side=Side.SELL,
                size=Decimal(1),
                type=OrderType.STOP_LIMIT,
                limit=Decimal(4699),
                stop=Decimal(4700),
                take_profit=Decimal(4600),
                stop_loss=Decimal(4800),
            ),
        ),
        (
            "modify manual-1 --size 2 --limit 5",
            c.Modify(order_id="manual-1", size=Decimal(2), limit=Decimal(5)),
        ),
        ("cancel manual-1", c.Cancel(order_id="manual-1")),
        ("cancel all ES", c.CancelAll(symbol="ES")),
        ("cancel-all", c.CancelAll()),
        ("cancel-everything DU1", c.CancelEverything(account="DU1")),
        (
            "modify manual-1 size 3 @ -5010",
            c.Modify(order_id="manual-1", size=Decimal(3), limit=Decimal(-5010)),
        ),
        (
            "buy 2 ES @ 5012.25 stop 5008 target 5020",
            c.Submit(
                symbol="ES",
                side=Side.BUY,
                size=Decimal(2),
                limit=Decimal("5012.25"),
                stop_loss=Decimal(5008),
                take_profit=Decimal(5020),
            ),
        ),
        ("strategy stop trend flatten", c.StopStrategy(strategy="trend", leave="flatten")),
        ("strategy start trend", c.Resume(strategy="trend")),
        ("strategy pause trend", c.Pause(strategy="trend")),
        ("roll ESZ6 ESH7", c.Roll(source="ESZ6", target="ESH7")),
        ("roll ESZ6 ESH7 2 within 4", c.Roll(source="ESZ6", target="ESH7", size=Decimal(2), within=4)),
        ("limit daily_loss 2%", c.SetLimit(name="daily_loss", value="2%")),
        ("do flatten ES", c.Flatten(symbol="ES")),
        ("do kill", c.Kill(flatten=False, reason="operator: command line")),
        ("cancel-all ES --strategy a", c.CancelAll(symbol="ES", strategy="a")),
        ("flatten", c.Flatten()),
        ("flatten ES", c.Flatten(symbol="ES")),
        ("kill", c.Kill()),
        ("kill --no-flatten --reason smoke", c.Kill(flatten=False, reason="smoke")),
        ("reset halt", c.Reset(scope="halt")),
        ("reset day-loss", c.Reset(scope="day_loss")),
        ("reset instrument ES", c.Reset(scope="instrument", target="ES")),
        ("reset control spread", c.Reset(scope="control", target="spread")),
        ("pause", c.Pause()),
        ("pause meanrev", c.Pause(strategy="meanrev")),
        ("resume meanrev", c.Resume(strategy="meanrev")),
        ("reload", c.Reload()),
        ("reload --widen", c.Reload()),
        ("adopt ES", c.Adopt(symbol="ES")),
        ("gone man-abc1-1", c.Gone(order_id="man-abc1-1")),
        ("claim B7", c.Claim(broker_id="B7")),
        ("claim B7 --strategy a", c.Claim(broker_id="B7", strategy="a")),
        ("ack 12", c.Acknowledge(alert_id=12)),
        ("ack all", c.Acknowledge()),
        ("alert-test", c.TryAlerts()),
    ],
)
def test_every_command_as_it_is_typed(served: Served, line: str, command: c.AnyCommand) -> None:
    assert sent(served, *line.split()) == command


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("submit ES buy 3", "give a price"),
        ("submit ES buy 0 @1", "above zero"),
        ("submit ES buy -1 @1", "above zero"),
        ("submit ES buy x @1", "'x' is no number"),
        ("submit ES buy NaN @1", "'NaN' is no number"),
        ("submit ES buy 1 4800", "write it as @4800"),
        ("submit ES buy 1 @4800 --limit 4800", "one limit price"),
        ("submit ES buy 1 @4800 --market", "--market goes with no price"),
        ("modify manual-1", "say what to modify"),
        ("reset instrument", "say which instrument"),
        ("reset halt ES", "takes no name"),
        ("ack some", "is no alert"),
        ("do byu 2 ES @ 1", "did you mean buy?"),
        ("buy 2 ES", "at what price"),
        ("strategy pause trend keep", "with stop only"),
        ("do arm", "state of a desk"),
        ("modify manual-1 size 2 --limit 5", "not both"),
    ],
)
def test_what_makes_no_command_is_not_sent(
    served: Served, line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(served, *line.split()) == CtlExit.USAGE
    assert said in capsys.readouterr().err
    assert served.commands == []


class Widening:
    """An engine whose file lets more through, and is saved again `saves` times before it is taken over."""

    def __init__(self, saves: int = 0) -> None:
        self.digest, self.saves = 1, saves

    def __call__(self, command: c.AnyCommand, sink: Sink) -> None:
        assert isinstance(command, c.Reload)
        if command.shown and self.saves:
            self.saves -= 1
            self.digest += 1
        if command.shown == str(self.digest):
            sink(c.Answer(ok=True, text="limits are version 2", data={"version": "2"}))
            return
        more = {"again": "yes"} if command.shown else {}
        changes = f"ES Max position 1 contract → {50 * self.digest} contracts"
        data = {"effect": "wider", "digest": str(self.digest), "changes": changes, **more}
        sink(c.Answer(ok=False, text="it would let more through", data=data))


def typing(monkeypatch: pytest.MonkeyPatch, text: str, *, terminal: bool = True) -> None:
    stdin = io.StringIO(text)
    monkeypatch.setattr(stdin, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdin", stdin)


@pytest.mark.parametrize(
    ("words", "typed", "terminal", "code", "shown"),
    [
        ("reload", "", False, CtlExit.REFUSED, [""]),
        ("reload", "yes\n", True, CtlExit.REFUSED, [""]),
        ("reload", "", True, CtlExit.REFUSED, [""]),
        ("reload", "WIDEN\n", True, CtlExit.OK, ["", "1"]),
        ("do reload", "widen\n", True, CtlExit.OK, ["", "1"]),
        ("reload --widen", "", False, CtlExit.OK, ["", "1"]),
        ("reload --widen --json", "", False, CtlExit.OK, ["", "1"]),
        ("reload --json", "WIDEN\n", True, CtlExit.REFUSED, [""]),
    ],
)
def test_a_reload_that_widens_takes_the_word_or_the_option(
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    typed: str,
    terminal: bool,
    code: CtlExit,
    shown: list[str],
) -> None:
    served.on_command = Widening()
    typing(monkeypatch, typed, terminal=terminal)
    assert run(served, *words.split()) == code
    assert [command.shown for command, _ in served.commands if isinstance(command, c.Reload)] == shown
    said = capsys.readouterr()
    assert "--json" in words or terminal is False or "1 contract → 50 contracts" in said.err


def test_a_file_saved_again_while_the_word_is_typed_is_asked_about_again(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served.on_command = Widening(saves=1)
    typing(monkeypatch, "WIDEN\nWIDEN\n")
    assert run(served, "reload") == CtlExit.OK
    said = capsys.readouterr().err
    assert "has changed since it was shown" in said and "→ 100 contracts" in said
    served.on_command = Widening(saves=1)
    assert run(served, "reload", "--widen") == CtlExit.REFUSED, "the option was given for another file"


def test_reset_without_a_scope_is_no_command_line(served: Served) -> None:
    with pytest.raises(SystemExit) as left:
        run(served, "reset")
    assert left.value.code == CtlExit.USAGE


def test_a_refusal_is_said_and_exits_so(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    served.on_command = lambda _c, sink: sink(c.Answer(ok=False, text="refused by max_position: 51 of 50"))
    assert run(served, "submit", "ES", "buy", "1", "@1") == CtlExit.REFUSED
    assert "max_position: 51 of 50" in capsys.readouterr().err
    assert run(served, "submit", "ES", "buy", "1", "@1", "--json") == CtlExit.REFUSED
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["exit"]) == (False, 1)


def test_an_answer_that_does_not_come_is_not_success(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    served.on_command = lambda _c, sink: sink(c.Answer(ok=True, text="taken", final=False))
    assert run(served, "cancel", "x", "--wait", "0.1") == CtlExit.UNSURE
    assert "before asking again" in capsys.readouterr().err


@pytest.mark.parametrize("topic", ["status", "orders", "positions", "risk", "alerts", "health", "strategies"])
def test_topics_in_json_are_exact(served: Served, topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, topic, "--json") == CtlExit.OK
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert isinstance(served.snapshot, Snapshot)
    expected = wire.encode(wire.topic_of(served.snapshot, topic)).decode()  # type: ignore[arg-type]
    assert out.rstrip("\n") == expected
    assert json.loads(out)


def test_tables_never_crop_a_number_nor_let_text_act(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served.snapshot is not None
    long = Decimal("-123456789012345.67890123456789")
    order = served.snapshot.orders[0]
    wide = type(order)(
        **{f: getattr(order, f) for f in order.__struct_fields__}
        | {
            "qty": Decimal("100000000000000000000"),
            "limit": long,
            "reason": "\x1b[2Jevil\nline",
            "foreign": True,
        }
    )
    served.update(orders=(wide, order))
    assert run(served, "orders") == CtlExit.OK
    out = capsys.readouterr().out
    assert "100000000000000000000" in out
    assert str(long) in out
    assert "\x1b" not in out
    assert "foreign" in out
    assert len(out.splitlines()) == 3
    assert run(served, "positions") == CtlExit.OK
    out = capsys.readouterr().out
    assert "drift" in out
    assert "-1" in out
    assert "+2" in out


def test_empty_tables_say_so(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    served.update(orders=(), positions=(), alerts=(), strategies=(), risk=())
    for topic in ("orders", "positions", "alerts", "strategies"):
        assert run(served, topic) == CtlExit.OK
        assert capsys.readouterr().out == f"no {topic}\n"


def test_status_says_what_matters(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    served.update(halted=True, halt_reason="daily loss", trading=False, trading_text="recovering")
    run(served, "status")
    out = capsys.readouterr().out
    for words in (
        "PAPER, account PAPER",
        "HALTED: daily loss",
        "NOT enabled: recovering",
        "ES: spread 6 ticks",
        "-12.50 USD (day stops at -2000.00)",
        "100000.12 USD",
        "2 working, 1 UNKNOWN",
        "1 open, 1 DRIFT",
    ):
        assert words in out, words


def test_a_halted_engine_never_says_that_trading_is_enabled(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    served.update(halted=True, halt_reason="daily loss", trading=True)
    run(served, "status")
    assert "NOT enabled: halted" in capsys.readouterr().out


def test_what_was_not_compared_since_the_link_broke_is_not_printed_as_known(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = served.snapshot
    assert shot is not None
    last = Comparison(at=shot.ts - 14_000_000_000, holds=False, orders=False, why="the link is down")
    served.update(
        orders=tuple(replace(order, last_known=True) for order in shot.orders),
        positions=tuple(replace(row, diff=None, state=NOT_COMPARED) for row in shot.positions),
        comparison=last,
    )
    run(served, "orders")
    assert "WORKING? last known" in capsys.readouterr().out
    run(served, "positions")
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("ES")]
    assert row[2:7] == ["+2", "+1?", "-", "not", "compared"]
    run(served, "status")
    out = capsys.readouterr().out
    assert "2 working as last known" in out and "NOT COMPARED: the link is down; last 14s ago" in out
    run(served, "orders", "--json")
    assert all(row["last_known"] for row in json.loads(capsys.readouterr().out))
    served.update(comparison=replace(last, at=shot.ts - 2_000_000_000, holds=True, orders=True))
    run(served, "status")
    assert "compared     2.0s ago" in capsys.readouterr().out


LOCKED = "LOCKED OUT: the sentinel is at work at the broker, or has not given the lease back"


@pytest.mark.parametrize(
    ("row", "guards"),
    [
        (SentinelRow(), ["sentinel     off", "venue timer  OFF"]),
        (
            SentinelRow(
                state="ok", policy="flatten", text="watching, acts after 5 s of silence, pid 7", heard=0.4
            ),
            [
                "sentinel     flatten: ok watching, acts after 5 s of silence, pid 7, heard 0.4s ago",
                "venue timer  OFF",
            ],
        ),
        (
            SentinelRow(
                state="down", policy="cancel", text=LOCKED, venue="NOT ARMED", venue_text="the link is down"
            ),
            [f"sentinel     cancel: down {LOCKED}", "venue timer  NOT ARMED the link is down"],
        ),
        (
            SentinelRow(venue="ARMED", venue_text="the venue cancels all after 30 s without us"),
            ["sentinel     off", "venue timer  ARMED the venue cancels all after 30 s without us"],
        ),
        (
            SentinelRow(venue="UNSAFE", venue_text="a-1 protects at the venue, which would cancel it"),
            ["sentinel     off", "venue timer  UNSAFE a-1 protects at the venue, which would cancel it"],
        ),
        (
            SentinelRow(venue="NOT AVAILABLE", venue_text="ib has none: orders stay"),
            ["sentinel     off", "venue timer  NOT AVAILABLE ib has none: orders stay"],
        ),
    ],
)
def test_status_and_health_say_who_acts_when_the_engine_cannot(
    row: SentinelRow, guards: list[str], served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = served.snapshot
    assert shot is not None
    served.update(health=replace(shot.health, sentinel=row))
    for topic in ("status", "health"):
        assert run(served, topic) == CtlExit.OK
        out = capsys.readouterr().out.splitlines()
        assert [line for line in out if line.startswith(("sentinel ", "venue timer "))] == guards, topic
    run(served, "status", "--json")
    told = json.loads(capsys.readouterr().out)["sentinel"]
    assert msgspec.convert(told, SentinelRow) == row


# ---- kill


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


# ---- which engine, and none at all


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


def test_the_real_command(served: Served) -> None:
    env = {**os.environ, "BREAKWATER_STATE_DIR": str(served.directory)}

    def real(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app.cli", "ctl", *words],
            capture_output=True,
            text=True,
            env=env,
            timeout=60,
        )

    served.snapshot = make_snapshot(orders=3)
    shown = real("orders")
    assert (shown.returncode, len(shown.stdout.splitlines()), shown.stderr) == (0, 4, "")
    assert json.loads(real("status", "--json").stdout)["working"] == 3
    done = real("cancel", "manual-1")
    assert (done.returncode, done.stdout) == (0, "Cancel done order_id=manual-9\n")
    assert real("fly").returncode == CtlExit.USAGE
