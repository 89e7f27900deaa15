"""Starts exchange and engine as processes, kills them by their own pid, and reads what each side wrote."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from brokers.exchange.messages import Audit
from brokers.loopback.line import Line
from brokers.loopback.walk import INSTRUMENTS
from brokers.loopback.wire import Address, Drill
from engine.books import Books
from engine.clock import RealClock
from engine.config import EngineConfig, OrderConfig
from engine.control.client import ControlClient, Refused, Unreachable
from engine.control.snapshot import Snapshot
from engine.journal import schema
from engine.journal.rows import Row, row_checksum
from engine.model import NS
from engine.records import decode

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PATIENCE = 60.0
"""Seconds after which a test gives up waiting; nothing is judged by how long it took."""

T = TypeVar("T")

CONFIG = """
[risk]
daily_loss_pct = {loss_pct}
max_drawdown_pct = 100
order_rate = 300
order_burst = 300
cancel_rate = 1000
duplicate_window = 0
max_position = 200
max_order_qty = 100
max_gross = 1000000000
max_net = 1000000000
max_executions = 1000000
reject_storm = 10000
error_storm = 10000
{risk}

[orders]
answer_after = 0.5

[reconcile]
every = 0.5
settle = 0.3

[kill]
confirm_every = 0.1

[[strategies]]
module = "strategies:Churn"
name = "churn"
symbols = {symbols}
max_position = 200
max_working = 400
hang_timeout = {hang}

[strategies.params]
rate = {rate}
cap = {cap}
mark = "{mark}"
intent = {intent}
stuck = {stuck}
cancel = {cancel}
"""


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for the name of a Unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="bw-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(look: Callable[[], T | None], what: str, every: float = 0.02, patience: float = PATIENCE) -> T:
    """The first answer of `look` that is true."""
    end = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"never seen within {patience:g} s: {what}"
        time.sleep(every)


class Venue:
    """The exchange process. It outlives every engine of the test; with its ledger also its own death."""

    def __init__(self, folder: Path, seed: int, feed: str = "walk:ES,NQ@25") -> None:
        self.address = Address(path=folder / "x.sock")
        self._command = [sys.executable, "-m", "brokers.loopback.server", "--socket", str(self.address.path)]
        self._command += ["--seed", str(seed), "--feed", feed, "--cash", "10000000"]
        self._command += ["--ledger", str(folder / "exchange.db")]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert json.loads(self._process.stdout.readline())["ready"]

    def audit(self) -> Audit:
        """The exchange's own books, asked over a line that trades nothing."""
        audit: Audit = asyncio.run(self._with_line(lambda line: line.audit("PAPER", 20 * NS)))
        return audit

    def drill(self, kind: str, **fields: Any) -> None:
        asyncio.run(self._with_line(lambda line: line.drill(Drill(n=0, kind=kind, **fields), 20 * NS)))

    async def _with_line(self, ask: Callable[[Line], Any]) -> Any:
        line = Line(RealClock(asyncio.get_running_loop()), lambda _: None)
        await line.open(self.address, None)
        reading = asyncio.ensure_future(line.run(NS))
        try:
            return await ask(line)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """The exchange takes nothing and says nothing meanwhile; what is sent to it waits in the socket."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextlib.contextmanager
def venue(folder: Path, seed: int, feed: str = "walk:ES,NQ@25") -> Iterator[Venue]:
    process = Venue(folder, seed, feed)
    try:
        yield process
    finally:
        process.close()


class Engine:
    """One engine process after another on one state directory."""

    def __init__(self, folder: Path, market: Venue, name: str = "state") -> None:
        self.state = folder / name
        self.folder = folder
        self.mark = folder / f"{name}.trading"
        self._feed = f"exchange:{market.address.path}"
        self._process: subprocess.Popen[str] | None = None
        self._children: list[int] = []

    # -- life

    def start(
        self,
        *options: str,
        rate: float = 50.0,
        cap: int = 6,
        symbols: tuple[str, ...] = ("ES", "NQ"),
        risk: str = "",
        loss_pct: float = 100,
        intent: bool = False,
        stuck: bool = False,
        cancel: bool = False,
        hang: float = 30.0,
    ) -> None:
        """Starts it with the churning strategy. `rate` 0: the strategy is there and does nothing; `stuck`: it
        never ends its last callback; `cancel`: it withdraws whatever it finds open; `hang`: seconds after
        which it counts as hung."""
        self.mark.unlink(missing_ok=True)
        text = CONFIG.format(
            symbols=json.dumps(symbols),
            rate=float(rate),
            cap=cap,
            mark=self.mark,
            risk=risk,
            loss_pct=loss_pct,
            intent=str(intent).lower(),
            stuck=str(stuck).lower(),
            cancel=str(cancel).lower(),
            hang=hang,
        )
        (self.folder / "breakwater.toml").write_text(text)
        # The strategy's module is looked for beside the configuration.
        shutil.copy(HERE / "strategies.py", self.folder / "strategies.py")
        self._process = self.spawn(*options)

    def spawn(self, *options: str) -> subprocess.Popen[str]:
        """Another process on the same configuration and state."""
        command = [sys.executable, "-m", "app.cli", "headless", "--json", "--feed", self._feed]
        command += ["--state-dir", str(self.state), "--config", str(self.folder / "breakwater.toml")]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("BREAKWATER_", "XDG_"))}
        return subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**clean, "HOME": str(self.folder)},
        )

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None, "start it first"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, wherever it is. Its strategies must follow it."""
        children = self.strategy_pids()
        self.send(signal.SIGKILL)
        _, errors = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == -signal.SIGKILL, (self.process.returncode, errors)
        assert not errors, errors
        self._process = None
        wait_for(lambda: not any(alive(pid) for pid in children), "the strategies end with the engine")

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, dict[str, Any], str]:
        """Asks for the graceful stop: exit code, summary and what stood on stderr."""
        self.send(number)
        return self.ended()

    def ended(self) -> tuple[int, dict[str, Any], str]:
        """Waits for its end: exit code, summary and what stood on stderr."""
        out, errors = self.process.communicate(timeout=PATIENCE)
        code = self.process.returncode
        self._process = None
        try:
            return code, json.loads(out), errors
        except ValueError:
            raise AssertionError(f"exit {code}, no summary: {out!r} {errors}") from None

    def give_up(self) -> None:
        """At the end of a test that failed."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def strategy_pids(self) -> list[int]:
        """Processes of its strategies: children of the engine that have not ended."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                state, parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:2]
                strategy = b"engine.strategy.child" in (entry / "cmdline").read_bytes()
                if int(parent) == self.pid and strategy and state != "Z":
                    found.append(int(entry.name))
            except (OSError, ValueError):
                continue
        return found

    # -- looking

    def until_trading(self) -> None:
        """Waits until the strategy of this start has placed something."""

        def look() -> bool:
            code = self.process.poll()
            assert code is None, f"ended with {code}: {self.process.communicate()}"
            return self.mark.exists()

        wait_for(look, "the strategy trades", every=0.005)

    def picture(self) -> Snapshot | None:
        """The newest picture over the control socket; None while there is none."""
        try:
            with ControlClient(self.state, tty="") as client:
                picture: Snapshot = client.ask("snapshot")
                return picture
        except (Unreachable, Refused):
            assert self.process.poll() is None, f"it ended: {self.process.communicate()}"
            return None

    def until(self, look: Callable[[Snapshot], T | None], what: str, patience: float = PATIENCE) -> T:
        """The first true answer of `look`, asked of one picture after another."""

        def once() -> T | None:
            picture = self.picture()
            return look(picture) if picture is not None else None

        return wait_for(once, what, every=0.05, patience=patience)

    def command(self, command: Any, within: float = PATIENCE) -> Any:
        """Gives a command over the control socket and waits for its last answer."""
        with ControlClient(self.state, tty="") as client:
            return client.command(command, within)

    def errors_in_log(self) -> list[str]:
        """Lines of the log that tell of an exception that nobody handled."""
        found: list[str] = []
        for file in sorted((self.state / "log").glob("*.jsonl*")):
            for line in file.read_text().splitlines():
                # A second engine that is refused says so in the same place.
                refused = "AlreadyRunning" in line
                if ("Traceback" in line or '"status":"ERROR"' in line) and not refused:
                    found.append(line)
        return found


@contextlib.contextmanager
def engine(folder: Path, market: Venue, name: str = "state") -> Iterator[Engine]:
    runner = Engine(folder, market, name)
    try:
        yield runner
        unhandled = runner.errors_in_log()
        assert not unhandled, unhandled[0]
    finally:
        runner.give_up()


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Story:
    """What a journal says, read row by row from a copy, so that the next start finds what the kill left.

    Checks with every reading that the rows are a chain that only grows, and folds them into books.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / "journal.db"
        self.rows: list[Row] = []
        self.records: list[Any] = []
        self.keys: list[tuple[str, str, str, str]] = []
        """The table of executions, in the order of their rows."""
        self.books = new_books()

    def read(self) -> list[Row]:
        """The rows that are new since the last reading."""
        with tempfile.TemporaryDirectory(prefix="bw-copy-") as copy:
            for file in (self._path, self._path.with_name("journal.db-wal")):
                if file.exists():
                    shutil.copy(file, copy)
            connection = sqlite3.connect(Path(copy) / "journal.db")
            try:
                last = self.rows[-1].seq if self.rows else 0
                fresh = [Row._make(r) for r in connection.execute(schema.SELECT_CHAIN) if r[0] > last]
                kept = connection.execute(schema.SELECT_TAIL).fetchone()
                self.keys = [tuple(r[:4]) for r in connection.execute(schema.SELECT_KEYS, (0, 2**62))]
            finally:
                connection.close()
        assert kept is None or kept[0] >= last, "rows that had been committed are gone"
        for row in fresh:
            before = self.rows[-1] if self.rows else None
            assert row.seq == (before.seq + 1 if before else 1), "a row is missing"
            assert row.crc == row_checksum(before.crc if before else 0, row)
            self.rows.append(row)
            record = decode(row.kind, row.body)
            self.records.append(record)
            self.books.apply(record, row.ts)
        return fresh

    def fold(self) -> Books:
        """All rows folded anew."""
        books = new_books()
        for row, record in zip(self.rows, self.records, strict=True):
            books.apply(record, row.ts)
        return books


def new_books() -> Books:
    return Books(EngineConfig(orders=OrderConfig(answer_after=0.5)), INSTRUMENTS)
