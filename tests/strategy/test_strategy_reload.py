"""A strategy's file is loaded again while it runs: a broken one changes nothing, a sound one takes over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from strategy_kit import INSTRUMENTS, LoopClock, Remembers, alive, config, pid_of, quote, write_strategy

from engine.strategy.messages import Earlier
from engine.strategy.realtime import RealtimeHost

OLD = """
    def on_quote(self, quote):
        self.saved["seen"] = self.saved.get("seen", 0) + 1
        self.log(f"old {quote.bid}")
    def on_stop(self, reason):
        self.log("on_stop")
"""
NEW = """
    def on_start(self):
        self.log(f"new {self.saved} {self.position('GCM3')}")
    def on_quote(self, quote):
        self.log(f"new {quote.bid}")
"""

Scene = Callable[[RealtimeHost, Remembers, Callable[[], Awaitable[str]]], Awaitable[None]]


def play(folder: Path, scene: Scene) -> None:
    async def run() -> None:
        sink = Remembers()
        module = write_strategy(folder, OLD)
        host = RealtimeHost(config(module), INSTRUMENTS, LoopClock(), sink, import_paths=[str(folder)])

        async def reload() -> str:
            told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            host.reload(told.set_result)
            async with asyncio.timeout(30):
                return await told

        host.start()
        try:
            await sink.state(host, "running")
            await scene(host, sink, reload)
        finally:
            host.drop_fresh()
            host.kill()
            async with asyncio.timeout(30):
                await host.ended()

    asyncio.run(run())


async def sees(host: RealtimeHost, sink: Remembers, bid: int, line: str) -> None:
    host.quote(quote(bid))
    host.flush()
    await sink.until(lambda: ("info", line) in sink.logs)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("def on_quote(self, quote)\n    pass", "SyntaxError"),
        ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
        ("class Params(Strategy.Params):\n    size: int", "parameters refused: size: Field required"),
        ("def __init__(self): raise ValueError('no')", "ValueError: no (in __init__, tried.py line 6)"),
        ("os._exit(3)", "its process ended while it was loaded: ended by itself with exit code 3"),
    ],
    ids=["syntax", "import", "parameters", "init", "dies"],
)
def test_a_broken_file_leaves_the_old_one_running(tmp_path: Path, body: str, complaint: str) -> None:
    async def scene(host: RealtimeHost, sink: Remembers, reload: Callable[[], Awaitable[str]]) -> None:
        pid = pid_of(host)
        write_strategy(tmp_path, body)
        assert complaint in await reload()
        assert (host.state, pid_of(host)) == ("running", pid)
        await sees(host, sink, 7, "old 7")

    play(tmp_path, scene)


def test_a_sound_file_takes_over_in_the_process_that_was_checked(tmp_path: Path) -> None:
    async def scene(host: RealtimeHost, sink: Remembers, reload: Callable[[], Awaitable[str]]) -> None:
        await sees(host, sink, 1, "old 1")
        await sees(host, sink, 2, "old 2")
        old = pid_of(host)
        write_strategy(tmp_path, NEW)
        assert await reload() == ""
        write_strategy(tmp_path, "this is broken by now")
        await sees(host, sink, 3, "old 3")
        host.replace()
        await sink.state(host, "stopped")
        assert ("info", "on_stop") not in sink.logs, "another takes over: it must not close its position"
        host.start(Earlier(positions={"GCM3": 2}, saved=sink.saved[-1]))
        await sink.until(lambda: ("info", "new {'seen': 3} 2") in sink.logs)
        await sees(host, sink, 4, "new 4")
        assert pid_of(host) != old
        pids.extend((old, pid_of(host)))

    pids: list[int] = []
    play(tmp_path, scene)
    assert not any(map(alive, pids))


def test_one_that_is_stopped_meanwhile_stays_so(tmp_path: Path) -> None:
    async def scene(host: RealtimeHost, sink: Remembers, reload: Callable[[], Awaitable[str]]) -> None:
        write_strategy(tmp_path, "time.sleep(60)")
        loading = asyncio.ensure_future(reload())
        await asyncio.sleep(0.05)
        host.kill("by a person")
        assert await loading == "it has ended meanwhile"
        assert host.state == "stopped"

    play(tmp_path, scene)
