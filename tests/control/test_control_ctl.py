"""`breakwater ctl` against a real socket: what is sent, what is said, and how it exits."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from decimal import Decimal

import pytest
from control_harness import Served, make_snapshot
from ctlkit import Sink, run

from app.exitcodes import CtlExit
from engine.control import commands as c
from engine.model import OrderType, Side, TimeInForce


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
        ("reset day_loss", c.Reset(scope="day_loss")),
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


def test_a_preview_is_told_in_words(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """What an order or a limit would mean stood there as a row of keys and values."""
    order = {"position": "0", "worst_now": "0 … +1", "worst_then": "0 … +2", "limit": "50"}
    served.on_command = lambda _c, sink: sink(
        c.Answer(ok=True, text="the gate would let it pass", data=order)
    )
    assert run(served, "do", "buy 1 ES @ 5000 preview") == CtlExit.OK
    assert capsys.readouterr().out.splitlines() == [
        "the gate would let it pass",
        "  Position  now 0 · with all working orders +1",
        "            after this order +2 of 50",
    ]
    limit = {"key": "max_position", "before": "50", "after": "5", "before_from": "default"}
    data = {**limit, "after_from": "set by hand", "effect": "narrower"}
    served.on_command = lambda _c, sink: sink(c.Answer(ok=True, text="50 → 5", data=data))
    assert run(served, "do", "limit max_position 5 preview") == CtlExit.OK
    told = capsys.readouterr().out
    assert told.splitlines()[:3] == ["50 → 5", "  In force  50 → 5", "  Now       default"]
    assert "takes it back" in told and "=" not in told


def test_an_answer_that_does_not_come_is_not_success(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    served.on_command = lambda _c, sink: sink(c.Answer(ok=True, text="taken", final=False))
    assert run(served, "cancel", "x", "--wait", "0.1") == CtlExit.UNSURE
    assert "before asking again" in capsys.readouterr().err


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
