"""A headless run that stops itself once it may trade: `python -m tests.bench.start_child STATE IDLE`.

Prints one JSON object: CPU and wall seconds from the start of the process until trading is enabled, resident
memory (MiB) then and after IDLE seconds more, rows of the journal that were taken over, and the last of them
in the saved state that it went on from (0: all were folded).
"""

from __future__ import annotations

import time

BEGAN = time.monotonic()

import asyncio  # noqa: E402 - the clock starts before the imports, which are most of a start
import contextlib  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from app import logs, runner  # noqa: E402
from app.options import RunOptions  # noqa: E402
from app.paths import log_path  # noqa: E402
from app.session import Session  # noqa: E402
from app.settings import Settings  # noqa: E402
from engine.control.memory import MemoryLink  # noqa: E402
from tests.bench.figures import rss_mib  # noqa: E402


class StartedRunner(runner.Runner):
    """Notes when trading is enabled, idles, and stops."""

    idle = 0.0

    async def _drive(self, session: Session, clock: Any) -> runner.Outcome:
        script = asyncio.ensure_future(self._script(session))
        try:
            return await super()._drive(session, clock)
        finally:
            script.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await script

    async def _script(self, session: Session) -> None:
        rows = session.engine.core.journal.seq
        while not session.engine.view.enabled:  # noqa: ASYNC110 - looked at from outside the engine
            await asyncio.sleep(0.005)
        found = {"cpu_s": time.process_time(), "wall_s": time.monotonic() - BEGAN, "rss_mib": rss_mib()}
        await asyncio.sleep(self.idle)
        print(
            json.dumps({**found, "idle_rss_mib": rss_mib(), "rows": rows, "saved": session.went_on_from}),
            flush=True,
        )
        session.engine.request_stop("measured")


def main(state: Path, idle: float) -> None:
    StartedRunner.idle = idle
    # No sample strategy: its process has a start of its own.
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
        options = RunOptions(state_dir=state, config=None, feed="synthetic")
        StartedRunner(Settings(), options, MemoryLink(time.monotonic), logs.engine_log()).run()
    finally:
        logs.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
