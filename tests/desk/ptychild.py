"""The desk in a real process on a real pseudo-terminal, beside a thread that stands for the engine.

Run as `ptychild.py LOG [crash]`. Every event is a line of JSON in LOG; the file LOG.freeze makes the
"engine" stand still, and the desk's own idea of its screen goes to LOG.screen on SIGUSR2. SIGUSR1 freezes the
desk's loop until LOG.thaw is there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import app.desk  # noqa: E402, F401, I001 - first: it takes Textual's switches out of the environment
from app.desk import running  # noqa: E402
from app.desk.dialogs import Ask  # noqa: E402
from app.desk.options import DeskOptions  # noqa: E402
from deskpilot import text_of  # noqa: E402
from fakelink import FakeLink, change, snapshot  # noqa: E402
from engine.control.commands import AnyCommand  # noqa: E402
from engine.control.link import AnswerSink  # noqa: E402
from engine.control.snapshot import Snapshot  # noqa: E402

LOG = Path(sys.argv[1])
FREEZE = LOG.with_suffix(".freeze")
SCREEN = LOG.with_suffix(".screen")
THAW = LOG.with_suffix(".thaw")


made: list[running.DeskApp] = []


def log(**fields: Any) -> None:
    line = json.dumps(fields).encode() + b"\n"
    number = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(number, line)
    os.close(number)


class Engine(FakeLink):
    """Makes 40 snapshots a second and notes the longest time in which the desk did not ask for one."""

    def __init__(self) -> None:
        super().__init__(snapshot())
        self.first = self.snapshot
        self.ticks = 0
        self.asked = time.monotonic()
        self.longest_gap = 0.0
        self.times = 0
        self.question: object = None
        self.stopped = threading.Event()

    def latest(self) -> Snapshot | None:
        now = time.monotonic()
        self.longest_gap = max(self.longest_gap, now - self.asked)
        self.asked = now
        self.times += 1
        if self.times % 20 == 0:
            log(asked=self.times)
        screen = made[-1].screen if made else None
        if isinstance(screen, Ask) and screen is not self.question and screen.ripe(now):
            self.question = screen
            log(ripe=screen.kind)
        return self.snapshot

    def send(self, command: AnyCommand, who: str, answer: AnswerSink | None = None) -> None:
        log(sent=type(command).__name__, thread=threading.current_thread().name)
        super().send(command, who, answer)

    def run(self) -> None:
        assert self.first is not None
        while not self.stopped.wait(0.025):
            self.ticks += 1
            if FREEZE.exists():
                continue
            rows = tuple(
                change(row, open_pnl=Decimal(self.ticks * (place + 1)), realised_pnl=Decimal(-self.ticks))
                for place, row in enumerate(self.first.positions)
            )
            self.snapshot = change(
                self.first,
                seq=self.ticks,
                ts=self.first.ts + self.ticks * 25_000_000,
                day_pnl=Decimal(self.ticks),
                positions=rows,
            )


def main() -> int:
    engine = Engine()
    thread = threading.Thread(target=engine.run, name="engine", daemon=True)
    thread.start()

    class Watched(running.DeskApp):
        def on_ready(self) -> None:
            super().on_ready()
            made.append(self)
            log(ready=True)

    running.DeskApp = Watched  # type: ignore[misc]

    def freeze() -> None:
        log(frozen=True)
        while not THAW.exists():
            time.sleep(0.01)
        log(thawed=True)

    def dump() -> None:
        SCREEN.with_suffix(".part").write_text(text_of(made[-1]), encoding="utf-8")
        SCREEN.with_suffix(".part").rename(SCREEN)

    def broken(*_args: object) -> None:
        raise ValueError("the pane is broken")

    signal.signal(signal.SIGUSR1, lambda *_: made[-1].on_loop(freeze))
    signal.signal(signal.SIGUSR2, lambda *_: made[-1].on_loop(dump))
    if "crash" in sys.argv or "crash-once" in sys.argv:
        from app.desk.panes.risk import RiskPane

        sound = RiskPane.look
        RiskPane.look = broken  # type: ignore[assignment]

    def crashed(result: running.DeskResult) -> None:
        log(crashed=result.detail)
        if "crash-once" in sys.argv:
            RiskPane.look = sound  # type: ignore[method-assign]

    result = running.run_desk_app(engine, DeskOptions(frame_rate=40, report_dir=LOG.parent, on_crash=crashed))
    ticks = engine.ticks
    output = getattr(made[-1]._driver, "output", None) if made else None
    skipped = output.skipped if output is not None else None
    log(reason=result.reason, detail=result.detail, gap=engine.longest_gap, skipped=skipped)
    while thread.is_alive() and engine.ticks < ticks + 5:
        time.sleep(0.01)
    # What a headless engine does next must not fail on the dead terminal.
    print("summary", flush=True)
    print("summary", file=sys.stderr, flush=True)
    log(ticked_on=engine.ticks - ticks)
    return result.return_code


if __name__ == "__main__":
    sys.exit(main())
