"""The engine process of the risk benchmark: a real run on the synthetic feed whose risk rounds are recorded.

`python -m tests.bench.risk_engine JOB`, a JSON object: state, out (paths), begin, end (ns, monotonic clock),
strategies (tables as in the configuration), feed, desk (true: with the screen, in this terminal), ib
(settings of the link to a gateway, with the feed `ib`), orders (a second),
slow_ms (what a commit takes longer).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from app import hosting, ibrun, logs, runner
from app.desk.remembered import Remembered
from app.options import RunOptions
from app.paths import log_path
from app.session import Session
from app.settings import Settings
from brokers.ib.config import IbConfig
from engine.config import StrategyConfig
from engine.control.commands import Answer, Kill
from engine.control.memory import MemoryLink
from engine.journal.connection import Batch, JournalConnection
from engine.model import Order, OrderType, Side
from tests.bench.bed import WIDE
from tests.bench.figures import rss_mib
from tests.bench.ticker import Periods

Job = dict[str, Any]
RESTING = 40
"""Orders of the load that rest at a time: no more than the paper account has margin for."""


class MeasuredRunner(runner.Runner):
    """A run that notes its risk rounds, is killed at the end of the window, and then stops itself."""

    job: Job
    sent = 0
    refusal = ""

    async def _drive(self, session: Session, clock: Any) -> runner.Outcome:
        seen = Periods(self.job["begin"], self.job["end"])
        ticker = session.engine._ticker
        own = ticker._hook
        assert own is not None

        def hook(period: int, lateness: int) -> None:
            seen(period, lateness)
            own(period, lateness)

        ticker._hook = hook
        script = asyncio.ensure_future(self._script(session, seen))
        try:
            return await super()._drive(session, clock)
        finally:
            script.cancel()

    async def _script(self, session: Session, seen: Periods) -> None:
        engine = session.engine
        load = asyncio.ensure_future(self._orders(session))
        await asyncio.sleep(max(0.0, (self.job["end"] - time.monotonic_ns()) / 1e9))
        if load.done() and (problem := load.exception()) is not None:
            sys.stderr.write(f"{problem}\n")
            engine.request_stop("the load failed")
            return
        load.cancel()
        screens = len(engine.seats.rows())
        rows = [(r.name, r.state, r.reason, r.fills) for r in engine.status.strategy_rows()]
        verdict: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def answered(answer: Answer) -> None:
            if answer.final and not verdict.done():
                verdict.set_result(answer)

        began = time.monotonic_ns()
        engine.command(Kill(reason="end of the window"), "bench", answered)
        kill = {"flat": False, "text": "no verdict within 20 s", "ms": None}
        try:
            async with asyncio.timeout(20):
                answer = await verdict
            kill = {"flat": answer.ok, "text": answer.text, "ms": (time.monotonic_ns() - began) / 1e6}
        except TimeoutError:
            pass
        alerts = [a.text for a in engine.core.books.alerts.rows(200) if a.code == "strategy"]
        stages = {
            p.stage: {"p50": p.p50, "p99": p.p99, "max": p.max} for p in engine.core.metrics.percentiles()
        }
        out = Path(self.job["out"])
        seen.write(
            out.with_suffix(".tmp"),
            rows=rows,
            kill=kill,
            alerts=alerts,
            stages=stages,
            screens=screens,
            sent=self.sent,
            refusal=self.refusal,
            rss_mib=rss_mib(),
            ticks=getattr(session.adapter, "ticks", None),
        )
        out.with_suffix(".tmp").rename(out)
        engine.request_stop("measured")

    async def _orders(self, session: Session) -> None:
        """So many new orders a second, far from the touch, the oldest canceled."""
        rate = self.job["orders"]
        if not rate:
            return
        engine, core = session.engine, session.engine.core
        await asyncio.sleep(max(0.0, (self.job["begin"] - time.monotonic_ns()) / 1e9))
        while not engine.view.enabled:  # noqa: ASYNC110 - a benchmark looks from outside the engine
            await asyncio.sleep(0.01)
        since = time.monotonic_ns()
        working: deque[str] = deque()
        while True:
            due = int((time.monotonic_ns() - since) / 1e9 * rate)
            quote = engine.view.quote("ES")
            while self.sent < due and quote is not None and quote.bid is not None:
                order = Order(
                    id=core.ids.order_id("manual"),
                    strategy="manual",
                    account=core.config.account,
                    symbol="ES",
                    side=Side.BUY,
                    qty=1,
                    type=OrderType.LIMIT,
                    limit=quote.bid - 20 - self.sent % 50,
                    created=core.clock.now(),
                    correlation=core.ids.correlation(),
                )
                refusal = engine.intake.submit(order)
                if refusal is not None:
                    self.refusal = f"refused by {refusal.control}: {refusal.text}"
                    break
                working.append(order.id)
                self.sent += 1
                if len(working) > RESTING:
                    engine.intake.cancel(working.popleft())
            await asyncio.sleep(0.003)


def _slow_disk(extra: float) -> None:
    """Every commit takes so many seconds longer, on its own thread."""
    own = JournalConnection.write

    def write(connection: JournalConnection, batch: Batch) -> int:
        time.sleep(extra)
        return own(connection, batch)

    JournalConnection.write = write  # type: ignore[method-assign]


def main(job: Job) -> None:
    state = Path(job["state"])
    strategies = tuple(StrategyConfig.model_validate(s) for s in job["strategies"])
    settings = Settings().model_copy(update={"strategies": strategies})
    if job.get("orders"):
        settings = settings.model_copy(update={"risk": WIDE})
    if job.get("slow_ms"):
        _slow_disk(job["slow_ms"] / 1_000)
    if job.get("ib"):  # the settings of the link to a gateway
        settings = settings.model_copy(
            update={"broker": "ib", "account": ibrun.ACCOUNT, "ib": IbConfig.model_validate(job["ib"])}
        )
    options = RunOptions(state_dir=state, config=None, feed=job["feed"])
    MeasuredRunner.job = job
    # No sample strategy where none was asked for.
    runner.with_default_strategies = lambda settings, *_: settings  # type: ignore[assignment]
    logs.configure(
        level="info",
        file=log_path(state),
        stdout=False,
        rotate_mb=20,
        keep=2,
        secrets=(),
        lossless=False,
    )
    try:
        if job["desk"]:
            remembered = Remembered(state)
            remembered.looks.welcomed = True  # nothing lies over the desk whose frames are to be in the way
            remembered.keep()
            hosting.Runner = MeasuredRunner  # type: ignore[misc]
            hosting.run_desk(settings, options, logs.engine_log())
        else:
            MeasuredRunner(settings, options, MemoryLink(time.monotonic), logs.engine_log()).run()
    finally:
        logs.shutdown()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
