"""A strategy in real time, in a real process: the engine's loop goes on whatever the process does."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from strategy_kit import (
    DAY,
    INSTRUMENTS,
    LoopClock,
    Remembers,
    alive,
    config,
    pid_of,
    quote,
    trade,
    wait_until,
    write_strategy,
)

from engine.model import OrderStatus, OrderType, Side
from engine.strategy.messages import Intend, Reply, StrategyOrder
from engine.strategy.process import Process, spawn
from engine.strategy.realtime import RealtimeHost

Scene = Callable[[RealtimeHost, Remembers], Awaitable[None]]

WORKING = StrategyOrder(
    symbol="GCM3",
    side=Side.BUY,
    type=OrderType.LIMIT,
    qty=1,
    cum=0,
    leaves=1,
    status=OrderStatus.WORKING,
    order_id="tried-1",
    limit=19_900,
)


def play(folder: Path, body: str, scene: Scene, **changes: Any) -> RealtimeHost:
    """Runs a scene with one strategy; at the end its process must be gone without a trace."""

    async def run() -> RealtimeHost:
        sink = Remembers()
        host = RealtimeHost(
            config(write_strategy(folder, body), **changes),
            INSTRUMENTS,
            LoopClock(),
            sink,
            import_paths=[str(folder)],
        )
        host.start()
        assert host.state == "starting"
        try:
            await scene(host, sink)
        finally:
            host.kill()
            async with asyncio.timeout(30):
                await host.ended()
        return host

    return asyncio.run(run())


def test_events_go_in_and_actions_come_out(tmp_path: Path) -> None:
    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        await sink.state(host, "running")
        host.quote(quote(100), arrived=42)
        host.flush()
        await sink.until(lambda: bool(sink.acted))
        assert sink.actions == [Intend(0, 100, 101, "GCM3", 1)]
        assert sink.acted[0].origin.arrived == 42
        pid = pid_of(host)
        assert alive(pid)
        host.stop(5.0, "over")
        await sink.state(host, "stopped")
        assert sink.actions[-1].lots == 0
        await host.ended()
        assert not alive(pid)

    body = """
        def on_quote(self, quote):
            self.intend("GCM3", 1)
        def on_stop(self, reason):
            self.intend("GCM3", 0)
    """
    host = play(tmp_path, body, scene)
    assert (host.state, host.reason) == ("stopped", "over")


def test_while_it_is_busy_the_newest_quote_is_kept_and_its_own_affairs_are(tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        await sink.state(host, "running")
        host.quote(quote(1))
        host.flush()
        for bid in range(2, 5_000):
            host.quote(quote(bid))
            host.trade(trade(bid))
            if bid % 100 == 0:
                host.order(structs.replace(WORKING, order_id=f"tried-{bid}"))
            host.flush()
        await asyncio.sleep(0)
        assert host.status().batches == 1
        assert host.status().conflated == 4_997
        assert host.status().dropped == 4_998 - 2_000
        assert len(host._mail) == 1 + 2_000 + 49
        gate.touch()
        await sink.until(lambda: ("info", "quote 4999") in sink.logs)
        seen = [text for _, text in sink.logs]
        assert [text for text in seen if text.startswith("quote")] == ["quote 1", "quote 4999"]
        assert [text for text in seen if text.startswith("order")] == [
            f"order tried-{bid}" for bid in range(100, 5_000, 100)
        ]
        assert [action.lots for action in sink.actions] == [1_999]  # its quote comes before the last print

    body = f"""
        trades = 0
        def on_quote(self, quote):
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.005)
            self.log(f"quote {{quote.bid}}")
            if self.trades:
                self.intend("GCM3", self.trades)
        def on_trade(self, trade):
            self.trades += 1
        def on_order(self, order):
            self.log(f"order {{order.order_id}}")
    """
    play(tmp_path, body, scene, hang_timeout=30.0)


BUSY = {
    "spins": "while True: pass",
    "sleeps": "time.sleep(60)",
    "holds the interpreter lock": "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
    "prints without end": "print(list(map(print, iter(int, 1))))",
    "fills stderr": "os.write(2, b'x' * (1 << 24)); time.sleep(60)",
    "stops itself": "os.kill(os.getpid(), 19)",
}


@pytest.mark.parametrize("code", BUSY.values(), ids=BUSY)
def test_one_that_hangs_is_killed_and_the_loop_never_waits(tmp_path: Path, code: str) -> None:
    turns = 0

    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        nonlocal turns
        await sink.state(host, "running")
        pid = pid_of(host)
        host.quote(quote())
        host.flush()
        while host.state == "running":
            turns += 1
            host.quote(quote(turns))
            host.flush()
            await asyncio.sleep(0.001)
        await host.ended()
        assert not alive(pid)

    host = play(tmp_path, f"def on_quote(self, quote):\n    {code}", scene, hang_timeout=0.3)
    assert host.state == "failed"
    assert host.reason.startswith("hung: took no event for 0.3 s ("), host.reason
    assert turns > 20


DEATHS = {
    "raises": ("raise ValueError('no')", "ValueError: no (in on_quote, tried.py line 7)"),
    "exits": ("os._exit(9)", "ended by itself with exit code 9"),
    "kills itself": ("os.kill(os.getpid(), 9)", "killed by SIGKILL (not by the engine"),
    "garbage": ("os.write(int(sys.argv[1]), b'\\1\\0\\0\\0\\xc1')", "broke the protocol: no message"),
    "floods": ("[self.set_timer(0, str(i)) for i in range(200)]", "flood: more than 1,000 actions"),
    "memory": ("self.kept = [bytearray(1 << 20) for _ in range(10_000)]", "memory limit 64 MB"),
}


@pytest.mark.parametrize(("code", "reason"), DEATHS.values(), ids=DEATHS)
def test_one_that_dies_is_named(tmp_path: Path, code: str, reason: str) -> None:
    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        await sink.state(host, "running")
        while host.state == "running":
            host.quote(quote())
            host.flush()
            await asyncio.sleep(0.001)
        assert sink.states[-1] == ("failed", host.reason)

    host = play(
        tmp_path,
        f"def on_quote(self, quote):\n    {code}\ndef on_timer(self, name): pass",
        scene,
        memory_mb=64,
        hang_timeout=20.0,
    )
    assert host.state == "failed"
    assert reason in host.reason


def test_one_that_does_not_get_ready_is_killed(tmp_path: Path) -> None:
    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        host._start_timeout = 0.3
        host.order(WORKING)
        await sink.state(host, "failed")

    host = play(tmp_path, "def on_start(self): time.sleep(60)", scene, hang_timeout=0.3)
    assert host.reason == "did not get ready within 0.3 s"


def test_what_happens_before_it_is_ready_is_not_lost(tmp_path: Path) -> None:
    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        for bid in range(50):
            host.quote(quote(bid))
            host.trade(trade(bid))
            host.flush()
        host.order(WORKING)
        host.pause("not reconciled yet")
        await sink.until(lambda: len(sink.logs) == 2)
        assert host.state == "paused"
        assert [text for _, text in sink.logs] == ["quote 49", "order tried-1"]

    body = """
        def on_quote(self, quote):
            self.log(f"quote {quote.bid}")
        def on_order(self, order):
            self.log(f"order {order.order_id}")
    """
    play(tmp_path, body, scene)


def test_one_that_hangs_while_stopping_is_killed_in_time(tmp_path: Path) -> None:
    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        await sink.state(host, "running")
        host.stop(0.2, "shutdown")
        await sink.state(host, "stopped")

    host = play(tmp_path, "def on_stop(self, reason): time.sleep(60)", scene)
    assert host.reason == "shutdown; did not end within 0.2 s and was killed"


def test_killed_before_its_process_exists_and_started_again(tmp_path: Path) -> None:
    pids: list[int] = []

    def slowly(paths: Any) -> Process:
        process = spawn(paths)
        pids.append(process.pid)
        return process

    async def run() -> None:
        sink = Remembers()
        module = write_strategy(tmp_path, "def on_start(self): self.intend('GCM3', 1)")
        host = RealtimeHost(
            config(module), INSTRUMENTS, LoopClock(), sink, import_paths=[str(tmp_path)], spawn=slowly
        )
        host.start()
        host.kill("changed my mind")
        host.start()
        await sink.until(lambda: bool(sink.acted))
        assert [state for state, _ in sink.states] == ["starting", "stopped", "starting", "running"]
        host.kill()
        async with asyncio.timeout(30):
            await host.ended()

    asyncio.run(run())
    assert len(pids) == 2
    for pid in pids:
        wait_until(lambda pid=pid: not alive(pid))


def test_a_process_that_cannot_be_started_is_a_failure_of_the_strategy(tmp_path: Path) -> None:
    async def run() -> RealtimeHost:
        sink = Remembers()
        host = RealtimeHost(
            config("tried:Tried"), INSTRUMENTS, LoopClock(), sink, import_paths=[str(tmp_path / "nowhere")]
        )
        host.start()
        await sink.state(host, "failed")
        await host.ended()
        return host

    host = asyncio.run(run())
    assert host.reason.startswith("cannot start its process: [Errno 2] No such file or directory")


def test_timers_and_figures(tmp_path: Path) -> None:
    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        await sink.until(lambda: len(sink.logs) == 1)
        status = host.status()
        assert (status.state, status.batches, status.events, status.actions) == ("running", 1, 1, 1)
        assert status.lag_ms == 0.0
        await sink.until(lambda: host._looked_at > 0)
        host._looked_at = 0.0
        host._tick()
        rss = host.status().rss_mb
        assert rss is not None and 5 < rss < 200
        assert host._clock.now() > DAY

    body = """
        def on_start(self):
            self.set_timer(0.01, "soon")
        def on_timer(self, name):
            self.log(name)
    """
    play(tmp_path, body, scene)


def test_one_that_hangs_says_where_in_its_file(tmp_path: Path) -> None:
    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        await sink.state(host, "running")
        host.quote(quote())
        host.flush()
        await sink.state(host, "failed")

    body = """
        def on_quote(self, quote):
            self.deeper()
        def deeper(self):
            time.sleep(60)
    """
    sinks: list[Remembers] = []

    async def watched(host: RealtimeHost, sink: Remembers) -> None:
        sinks.append(sink)
        await scene(host, sink)

    host = play(tmp_path, body, watched, hang_timeout=0.6)
    assert host.reason.startswith("hung: took no event for 0.6 s (in on_quote for 0."), host.reason
    words = [text for level, text in sinks[0].logs if level == "error"]
    assert any("tried.py" in text and "in deeper" in text for text in words), words


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (signal.SIGSTOP, "hung: took no heartbeat for 0.5 s (its process was stopped by a signal)"),
        (None, "hung: took no heartbeat for 0.5 s (between two callbacks)"),
    ],
    ids=["stopped by a signal", "a thread of its own that holds the interpreter"],
)
def test_the_heartbeat_notices_one_that_hangs_without_events(
    tmp_path: Path, then: signal.Signals | None, reason: str
) -> None:
    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        await sink.state(host, "running")
        if then is not None:
            os.kill(pid_of(host), then)
        await sink.state(host, "failed")
        await host.ended()

    # The thread waits until the callback is over, then never lets go of the interpreter.
    body = """
        def on_start(self):
            import ctypes, threading
            if HOLD:
                hold = ctypes.PyDLL(None).sleep
                threading.Timer(0.2, hold, (60,)).start()
    """.replace("HOLD", str(then is None))
    host = play(tmp_path, body, scene, hang_timeout=0.5, heartbeat=0.1)
    assert host.reason == reason


def test_a_quiet_strategy_that_is_well_lives(tmp_path: Path) -> None:
    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        await sink.state(host, "running")
        beats = 0
        fourth = asyncio.Event()
        answered = host._answered

        def count(reply: Reply) -> None:
            nonlocal beats
            beats += 1
            if beats == 4:
                fourth.set()
            answered(reply)

        host._answered = count  # type: ignore[method-assign]
        async with asyncio.timeout(20):
            await fourth.wait()
        assert host.state == "running"
        assert host.status().batches == 0, "heartbeats are no events"

    play(tmp_path, "pass", scene, hang_timeout=5.0, heartbeat=0.05)


def test_late_callbacks_are_counted_and_those_beyond_the_hard_deadline_end_it(tmp_path: Path) -> None:
    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        await sink.state(host, "running")
        for number in range(3):
            host.order(structs.replace(WORKING, order_id=f"tried-{number}"))
        await sink.until(lambda: sum(text.startswith("on_order") for _, text in sink.logs) == 1)
        (row,) = [one for one in host.status().callbacks if one.name == "on_order"]
        assert (row.count, row.late, row.deadline) == (3, 3, 20_000)
        assert row.p50 >= 29_000
        host.quote(quote())
        host.flush()
        await sink.state(host, "failed")

    body = """
        def on_order(self, order):
            time.sleep(0.03)
        def on_quote(self, quote):
            while True: pass
    """
    limits = {"deadlines": {"on_order": 0.02}, "hard_deadlines": {"on_quote": 0.3}, "hang_timeout": 60.0}
    host = play(tmp_path, body, scene, **limits)
    assert host.reason == "on_quote did not return within 300 ms, its hard deadline"


def test_one_that_returns_too_late_is_stopped_before_it_acts(tmp_path: Path) -> None:
    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        await sink.state(host, "running")
        # The engine's loop is held up meanwhile: it sees the answer first.
        host.quote(quote())
        host.flush()
        time.sleep(0.5)  # noqa: ASYNC251 - that is the point
        await sink.state(host, "failed")
        assert not sink.acted

    body = """
        def on_quote(self, quote):
            time.sleep(0.2)
            self.intend("GCM3", 1)
    """
    host = play(tmp_path, body, scene, hard_deadlines={"on_quote": 0.1})
    assert "hard deadline" in host.reason


def test_what_may_not_be_dropped_is_bounded_by_stopping_who_leaves_it(tmp_path: Path) -> None:
    async def scene(host: RealtimeHost, sink: Remembers) -> None:
        await sink.state(host, "running")
        for number in range(10_100):
            if host.live:
                host.order(structs.replace(WORKING, order_id=f"tried-{number}"))
        assert host.state == "failed"

    host = play(tmp_path, "pass", scene)
    assert host.reason == "fell behind: more than 10,000 reports of its own wait, and none may be dropped"


def test_all_seconds_of_processor_used_in_short_callbacks(tmp_path: Path) -> None:
    async def spins(host: RealtimeHost, sink: Remembers) -> None:
        await sink.state(host, "running")
        while host.live:
            lines = len(sink.logs)
            host.order(WORKING)
            await sink.until(partial(lambda before: not host.live or len(sink.logs) > before, lines))

    body = """
        def on_order(self, order):
            end = time.process_time() + 0.05
            while time.process_time() < end: pass
            self.log("taken")
    """
    host = play(tmp_path, body, spins, cpu_seconds=1)
    assert host.state == "failed"
    assert host.reason.startswith("used up its 1 s of processor")


def test_more_processor_or_files_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.strategy.figures.CPU_WINDOW", 1.0)

    async def spins(host: RealtimeHost, sink: Remembers) -> None:
        await sink.state(host, "running")
        async with asyncio.timeout(60):
            while host.live:
                host.order(WORKING)
                await asyncio.sleep(0.02)

    body = """
        def on_order(self, order):
            end = time.monotonic() + 0.1
            while time.monotonic() < end: pass
    """
    host = play(tmp_path, body, spins, cpu_limit=0.05)
    assert host.reason.startswith("processor limit 0.05: used ")

    async def opens(host: RealtimeHost, sink: Remembers) -> None:
        await sink.state(host, "failed")

    host = play(
        tmp_path,
        "def on_start(self): self.kept = [open(os.devnull) for _ in range(100)]",
        opens,
        max_files=64,
    )
    assert "Too many open files" in host.reason
