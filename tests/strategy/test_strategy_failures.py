"""Whatever a strategy does wrong stops that strategy, says why, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from strategy_kit import Rig, alive, pid_of, quote, wait_until, write_strategy

FAILURES = {
    "raises": ("raise KeyError('gone')", "KeyError: 'gone' (in on_quote, tried.py line 7)"),
    "nan": ("self.buy('GCM3', 1, limit=math.nan)", "limit of GCM3 is nan (in on_quote, tried.py line 7)"),
    "nan intent": ("self.intend('GCM3', float('nan'))", "an intended position of GCM3 is nan"),
    "float": ("self.buy('GCM3', 1, limit=1995.7)", "limit of GCM3 is 1995.7 (float): give whole ticks"),
    "off tick": ("self.buy('GCM3', 1, limit=Decimal('1995.75'))", "1995.75 of GCM3 is not on its tick 0.1"),
    "unknown symbol": ("self.intend('ESH4', 1)", "'ESH4' is not among the strategy's symbols (GCM3)"),
    "sys.exit": ("sys.exit(3)", "called sys.exit(3) in on_quote, tried.py line 7"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt:  (in on_quote"),
    "os._exit": ("os._exit(7)", "ended by itself with exit code 7"),
    "kills itself": ("os.kill(os.getpid(), 11)", "killed by SIGSEGV"),
    "closes": ("os.closerange(3, 1024); time.sleep(60)", "closed its connection"),
    "recursion": ("self.on_quote(quote)", "RecursionError"),
    "garbage": ("os.write(int(sys.argv[1]), b'\\x05\\0\\0\\0hello')", "broke the protocol: no message"),
    "endless frame": ("os.write(int(sys.argv[1]), b'\\xff' * 64)", "broke the protocol: a message of 4,294"),
    "too many": ("[self.set_timer(1, 'x') for _ in range(501)]", "more than 500 actions"),
    "bad text": (
        "raise type('E', (Exception,), {'__str__': lambda self: 1/0})()",
        "E: (no text: ZeroDivisionError)",
    ),
}


@pytest.mark.parametrize(("code", "reason"), FAILURES.values(), ids=FAILURES)
def test_a_failure_stops_it_and_is_named(rig: Rig, code: str, reason: str) -> None:
    host = rig.host(f"\n\ndef on_quote(self, quote):\n    {code}\n")
    pid = pid_of(host)
    host.step([quote()])
    host.step([quote(5)])
    assert host.state == "failed"
    assert reason in host.reason
    assert rig.sink.states[-1] == ("failed", host.reason)
    assert not rig.sink.acted
    assert not alive(pid)


def test_the_traceback_is_told_without_values(rig: Rig) -> None:
    host = rig.host("""
        def on_quote(self, quote):
            secret = "swordfish"
            raise ValueError("no")
    """)
    host.step([quote()])
    level, text = rig.sink.logs[-1]
    assert level == "error"
    assert 'raise ValueError("no")' in text
    assert "swordfish'" not in text


def test_memory_is_limited(rig: Rig) -> None:
    host = rig.host(
        """
        def on_quote(self, quote):
            kept = []
            while True:
                kept.append(bytearray(1 << 20))
        """,
        memory_mb=64,
    )
    host.step([quote()])
    assert host.reason.startswith("memory limit 64 MB (in on_quote, tried.py line ")


def test_shared_memory_counts_too(rig: Rig) -> None:
    """RLIMIT_DATA does not see shared mappings; the look at resident memory does."""
    host = rig.host(
        """
        def on_start(self):
            import mmap
            self.shared = mmap.mmap(-1, 150 << 20)
            self.shared.write(b"x" * (40 << 20)); self.shared.write(b"x" * (40 << 20))
        def on_quote(self, quote): pass
        """,
        memory_mb=64,
    )
    for index in range(2_500):
        host.step([quote(100 + index % 3)])
    assert host.reason == "memory limit 64 MB: 80 MB in use" or host.reason.startswith(
        "memory limit 64 MB: 8"
    )


def test_a_hang_does_not_wait_for_ever(rig: Rig) -> None:
    host = rig.host("def on_quote(self, quote):\n    while True: pass", timeout=0.3)
    pid = pid_of(host)
    host.step([quote()])
    assert (host.state, host.reason) == ("failed", "hung: took no event for 0.3 s")
    assert not alive(pid)


def test_a_hang_in_on_stop_is_killed(rig: Rig) -> None:
    host = rig.host("def on_stop(self, reason):\n    time.sleep(60)")
    pid = pid_of(host)
    host.stop(0.3)
    assert host.state == "failed"
    assert not alive(pid)


def test_a_flood_of_actions_is_stopped_even_when_time_stands_still(rig: Rig) -> None:
    host = rig.host("""
        def on_start(self):
            self.set_timer(0, "again")
        def on_timer(self, name):
            self.set_timer(0, "again")
    """)
    rig.clock.run()
    assert host.reason == "flood: more than 1,000 actions within one second"


def test_actions_cannot_stop_the_step_that_brings_them(rig: Rig) -> None:
    """The engine may kill or pause a strategy while it deals with its actions."""
    host = rig.host("def on_quote(self, quote): self.intend('GCM3', quote.bid)")
    rig.sink.then = lambda acted: host.kill("its own loss")
    host.step([quote(1), quote(2)])
    assert (host.state, host.reason) == ("stopped", "its own loss")
    host.step([quote(3)])
    assert len(rig.sink.acted) == 2


LOADING = {
    "no module": ("nothing_here:Tried", {}, "there is no module 'nothing_here': put its file beside the"),
    "no class": ("tried:Other", {}, "tried has no strategy class 'Other'; it has: Tried"),
    "bad import": ("broken:Tried", {}, "No module named 'not_installed' (in loading, broken.py line 1)"),
    "syntax": ("wrong:Tried", {}, "SyntaxError"),
    "unknown param": (
        "tried:Tried",
        {"windw": 3},
        "parameters refused: windw: there is no such parameter; it has: window",
    ),
    "bad param": ("tried:Tried", {"window": 0}, "parameters refused: window = 0: Input should be greater"),
    "bad type": (
        "tried:Tried",
        {"window": "ten"},
        "parameters refused: window = 'ten': Input should be a valid",
    ),
}


@pytest.mark.parametrize(("module", "params", "reason"), LOADING.values(), ids=LOADING)
def test_what_cannot_be_loaded_says_why(
    rig: Rig, module: str, params: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("import not_installed\n")
    (tmp_path / "wrong.py").write_text("class Tried(:\n")
    host = rig.host(
        "class Params(Strategy.Params):\n    from pydantic import Field\n    window: int = Field(2, ge=1)",
        start=False,
    )
    host.config = host.config.model_copy(update={"module": module, "params": params})
    host.start()
    assert host.state == "failed"
    assert reason in host.reason


def test_a_symbol_without_an_instrument_is_refused_before_anything_starts(rig: Rig) -> None:
    with pytest.raises(
        ValueError, match=r"strategies\.tried\.symbols: NQH4 not listed .* listed: ESH4, GCM3"
    ):
        rig.host("pass", symbols=("NQH4",))


def test_it_sees_no_secrets_and_not_the_keyboard(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", "swordfish")
    host = rig.host("""
        def on_quote(self, quote):
            self.log(f"{'BROKER_PASSWORD' in os.environ} {os.getpgid(0) == os.getpid()} {sys.stdin.read()!r}")
    """)
    os.kill(pid_of(host), signal.SIGINT)
    host.step([quote()])
    assert rig.sink.logs == [("info", "False True ''")]


@pytest.mark.parametrize(
    "busy",
    ["time.sleep(60)", "while True: pass", "import re; re.match('(a+)+$', 'a' * 60 + 'b')"],
    ids=["sleeps", "spins", "holds the interpreter lock"],
)
def test_it_dies_with_the_engine_whatever_it_does(tmp_path: Path, busy: str) -> None:
    started = tmp_path / "started"
    write_strategy(
        tmp_path, f"def on_quote(self, quote):\n    open({str(started)!r}, 'w').close()\n    {busy}"
    )
    script = textwrap.dedent(f"""
        import sys
        sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[2])]!r}
        from strategy_kit import *
        rig = Rig(Path({str(tmp_path)!r}))
        host = LockstepHost(
            config("tried:Tried"), INSTRUMENTS, HandClock(), Remembers(), import_paths=[{str(tmp_path)!r}]
        )
        host.start()
        print(host.status().pid, flush=True)
        host.step([quote()])
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        pid = int(engine.stdout.readline())
        wait_until(started.exists)
        assert alive(pid)
        engine.send_signal(signal.SIGKILL)
        engine.wait()
    wait_until(lambda: not alive(pid))


SPINS = {
    "in Python": "while True: pass",
    "in C, holding the interpreter": "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
    "takes the signal over": "import signal as s; s.signal(s.SIGXCPU, s.SIG_IGN)\n    while True: pass",
}


@pytest.mark.parametrize("busy", SPINS.values(), ids=SPINS)
def test_seconds_of_processor_come_to_an_end_whatever_it_does(rig: Rig, busy: str) -> None:
    host = rig.host(f"\n\ndef on_quote(self, quote):\n    {busy}\n", timeout=60, cpu_seconds=1)
    pid = pid_of(host)
    host.step([quote()])
    assert (host.state, host.reason) == ("failed", "used up its 1 s of processor (in on_quote)")
    assert not alive(pid)
    if "signal" not in busy:
        assert any("tried.py" in text for _, text in rig.sink.logs), "where it was stands in the log"


def test_what_starting_takes_is_not_counted_as_its_own(rig: Rig) -> None:
    """Nor is a kill of another kind taken for the end of its seconds."""
    host = rig.host("def on_quote(self, quote): os.kill(os.getpid(), 9)", cpu_seconds=1)
    host.step([quote()])
    assert host.reason.startswith("killed by SIGKILL (not by the engine")
