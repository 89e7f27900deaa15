"""What the kill drills once showed to be wrong, each as the smallest test that failed because of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from brokers.loopback.adapter import RemotePaperAdapter
from engine.books import Books
from engine.clock import RealClock
from engine.config import EngineConfig
from engine.facts import AnyFact, ForeignOrder, LinkDown
from engine.model import MarketState, Side
from engine.ports import QueryFailed
from engine.records import KillBegan, KillEnded, RunStarted
from tests.crash.kit import Story, engine, short_folder, venue
from tests.engine.rig import Rig


# engine/kill.py KillSwitch.begin: targets of a margin reduction are taken over although everything is to go.
def test_a_kill_to_flat_is_not_weakened_by_a_later_margin_reduction() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 10)
        rig.exchange.set_state("ES", MarketState.HALTED)
        await rig.sleep(0.2)
        rig.engine.kill.begin(KillBegan(reason="daily loss", symbol=None, flatten=True))
        await rig.sleep(1)
        rig.engine.kill.begin(KillBegan(reason="margin", symbol=None, flatten=True, targets={"ES": 7}))
        rig.exchange.set_state("ES", MarketState.OPEN)
        await rig.sleep(20)
        assert rig.position() == 0, rig.engine.kill.progress.verdict
        assert rig.engine.kill.progress.verdict.startswith("flat")

    Rig.play(script)


# engine/books.py Books._kill_began: the newer record replaces the older one instead of being merged with it.
@pytest.mark.parametrize(
    "second",
    [
        KillBegan(reason="operator", symbol=None, flatten=False),
        KillBegan(reason="margin", symbol=None, flatten=True, targets={"ES": 7}),
    ],
    ids=["kill that keeps positions", "margin reduction"],
)
def test_an_unfinished_flatten_of_everything_survives_a_weaker_request(second: KillBegan) -> None:
    books = Books(EngineConfig(), [])
    books.apply(KillBegan(reason="daily loss", symbol=None, flatten=True), 1)
    books.apply(second, 2)
    first, *_ = books.kills
    assert (first.flatten, first.targets) == (True, {}), "everything was to go to zero"
    books.apply(KillEnded(flat=True, verdict="flat"), 3)
    assert books.kills == ()


# brokers/loopback/adapter.py RemotePaperAdapter._keep: an exception of the sink ends the task, unseen.
def test_an_exception_while_a_report_is_taken_does_not_end_the_line_in_silence() -> None:
    async def script(folder: Path) -> str:
        heard: list[AnyFact] = []
        came = asyncio.Event()

        def sink(fact: AnyFact) -> None:
            heard.append(fact)
            if isinstance(fact, ForeignOrder):
                came.set()
                raise RuntimeError("drill: the engine could not take this report")

        with venue(folder, 31, "none") as market:
            clock = RealClock(asyncio.get_running_loop())
            adapter = RemotePaperAdapter(market.address, "PAPER", clock)
            adapter.bind(sink)
            await adapter.connect()
            order = {"account": "PAPER", "symbol": "ES", "side": Side.BUY, "qty": 1, "price": 100}
            await asyncio.to_thread(market.drill, "foreign", **order)
            await came.wait()
            await asyncio.sleep(0.5)
            told = any(isinstance(fact, LinkDown) for fact in heard)
            try:
                await adapter.positions()
            except QueryFailed as error:
                return "" if told else f"nobody was told, and: {error}"
            finally:
                await adapter.close()
        return ""

    with short_folder() as folder:
        assert asyncio.run(script(folder)) == ""


# engine/strategies.py StrategyDesk._start: open orders of an earlier run get no ref: they cannot be acted on.
@pytest.mark.slow
def test_a_strategy_may_cancel_what_it_left_behind_when_it_was_killed() -> None:
    with short_folder() as folder, venue(folder, 32) as market, engine(folder, market) as runner:
        runner.start(cap=200)
        runner.until_trading()
        runner.until(lambda p: len([o for o in p.orders if o.status == "WORKING"]) > 3, "resting orders")
        runner.kill()
        runner.start(rate=0, cancel=True)
        runner.until(
            lambda p: p.trading and not [o for o in p.orders if o.status == "WORKING"],
            "all that it left behind is cancelled",
        )


# app/commands/run.py _run: the log is opened, and may be rotated, before the state is known to be free.
@pytest.mark.slow
def test_a_refused_engine_leaves_the_log_of_the_running_one_alone() -> None:
    with short_folder() as folder, venue(folder, 33) as market, engine(folder, market) as runner:
        runner.start(rate=0)
        runner.until(lambda p: p.trading, "it trades")
        second = runner.spawn()
        second.communicate(timeout=60)
        lines = (runner.state / "log" / "breakwater.jsonl").read_text().splitlines()
        runner.stop()
        strange = [line for line in lines if json.loads(line)["event"].startswith("the run failed")]
        assert not strange


# app/session.py assemble: the install is drawn from the seed, which is 1 everywhere unless somebody sets it.
@pytest.mark.slow
def test_two_journals_never_hand_out_the_same_ids() -> None:
    """A journal that was lost or moved aside is followed by a new one, while the broker remembers all ids."""
    installs = []
    with short_folder() as folder, venue(folder, 34) as market:
        for name in ("one", "two"):
            with engine(folder, market, name) as runner:
                runner.start(rate=0)
                runner.until(lambda p: p.trading, "it trades")
                runner.stop()
                story = Story(runner.state)
                story.read()
                assert isinstance(story.records[0], RunStarted)
                installs.append(story.records[0].install)
    assert installs[0] != installs[1]
