"""Real processes for drills and tests: an exchange, engines on one state directory, and how they end.

Everything is killed by its own pid. Nothing here judges how long something took; who waits gives up after
`PATIENCE` and says for what.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from app.sentinel.asking import ask
from brokers.exchange.messages import Audit
from brokers.loopback.line import Line
from brokers.loopback.wire import Address, Drill
from engine.clock import RealClock
from engine.control.client import ControlClient, Refused, Unreachable
from engine.control.commands import Answer, AnyCommand
from engine.control.snapshot import Snapshot
from engine.model import NS

ROOT = Path(__file__).parents[2]
"""Where the packages lie: processes are started there, so that they run the same code as this one."""
PATIENCE = 60.0
"""Seconds after which a wait is given up."""

T = TypeVar("T")


class NeverSeen(AssertionError):
    """What was waited for did not come in time."""


class Ended(AssertionError):
    """A process ended, or never came up, while something was wanted of it; the text has its last words."""


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for the name of a Unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="bw-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(look: Callable[[], T | None], what: str, every: float = 0.02, patience: float = PATIENCE) -> T:
    """The first answer of `look` that is true. Raises `NeverSeen`."""
    end = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() >= end:
            raise NeverSeen(f"never seen within {patience:g} s: {what}")
        time.sleep(every)


def alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def end_sentinel(state: Path) -> None:
    """Kills the sentinel of a state directory, by the pid that it says, where one runs."""
    said = ask(state)
    if said is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(said.pid, signal.SIGKILL)
        wait_for(lambda: not alive(said.pid), "the sentinel ends")


class ExchangeProcess:
    """The exchange process. It outlives every engine; with its ledger also its own death."""

    def __init__(
        self, folder: Path, seed: int, feed: str = "walk:ES,NQ@25", options: Sequence[str] = ()
    ) -> None:
        """`options`: more words of its command line, see `brokers.loopback.server`."""
        self.address = Address(path=folder / "x.sock")
        self.ledger = folder / "exchange.db"
        self._command = [sys.executable, "-m", "brokers.loopback.server", "--socket", str(self.address.path)]
        self._command += ["--seed", str(seed), "--feed", feed, "--cash", "10000000"]
        self._command += ["--ledger", str(self.ledger), *options]
        self.start()

    def start(self) -> None:
        """Starts it, also after `kill`. Raises `Ended` where it does not come up."""
        # A group of its own: what is pressed at the terminal is for who started it, and who ends it in order.
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdout=subprocess.PIPE, text=True, process_group=0
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Ended(f"the exchange process did not come up: exit {self._process.wait(10)}")
        assert json.loads(line)["ready"]

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL; `start` brings it back with what its ledger kept."""
        self._process.kill()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def forget(self) -> None:
        """While it is down: all that it ever knew is gone, orders, executions, positions and its counters."""
        for file in self.ledger.parent.glob(self.ledger.name + "*"):
            file.unlink()

    def audit(self) -> Audit:
        """The exchange's own books, asked over a line that trades nothing."""
        return asyncio.run(self._with_line(lambda line: line.audit("PAPER", 20 * NS)))

    def drill(self, kind: str, **fields: Any) -> None:
        """A command for a drill, see `brokers.loopback.wire.Drill`."""
        asyncio.run(self._with_line(lambda line: line.drill(Drill(n=0, kind=kind, **fields), 20 * NS)))

    async def _with_line(self, ask: Callable[[Line], Awaitable[T]]) -> T:
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
        if self._process.poll() is None:
            self.kill()
        elif self._process.stdout is not None:
            self._process.stdout.close()


class EngineProcess:
    """One headless engine after another on one state directory."""

    def __init__(
        self,
        state: Path,
        config: Path | None,
        feed: str,
        env: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = ("-m", "app.cli"),
        prefix: Sequence[str] = (),
        sentinel: bool = False,
        root: Path = ROOT,
    ) -> None:
        """`feed`: empty for that of the configuration; `env`: the whole environment of the process, by
        default ours without settings; `wrapper`: what Python runs before the words of the command line;
        `prefix`: words before Python, which must end by becoming it; `sentinel`: whether the configuration's
        sentinel watches over it, else none does; `root`: where the packages lie that it runs."""
        self._place = state
        self._root = root
        self._prefix = tuple(prefix)
        self.state = state
        """Where others find its control socket and its journal."""
        self.config = config
        self._feed = feed
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("BREAKWATER_", "XDG_"))}
        self._env = {**clean, "HOME": str(state.parent)} if env is None else dict(env)
        if not sentinel:
            self._env["BREAKWATER__SENTINEL__POLICY"] = "off"
        self._wrapper = tuple(wrapper)
        self._process: subprocess.Popen[str] | None = None

    # -- life

    def begin(self, *options: str) -> None:
        """Starts it; does not wait for anything."""
        self._process = self.spawn(*options)

    def spawn(self, *options: str) -> subprocess.Popen[str]:
        """Another process on the same configuration and state."""
        command = [*self._prefix, sys.executable, *self._wrapper, "headless", "--json"]
        command += ["--state-dir", str(self._place)]
        if self._feed:
            command += ["--feed", self._feed]
        if self.config is not None:
            command += ["--config", str(self.config)]
        return subprocess.Popen(
            [*command, *options],
            cwd=self._root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._env,
            process_group=0,
        )

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None, "start it first"
        return self._process

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

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
        code = self.process.returncode
        self._process = None
        if code != -signal.SIGKILL or errors:
            raise Ended(f"it ended by itself with {code}: {errors}")
        wait_for(lambda: not any(alive(pid) for pid in children), "the strategies end with the engine")

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, dict[str, Any], str]:
        """Asks for the graceful stop: exit code, summary and what stood on stderr."""
        self.send(number)
        return self.ended()

    def ended(self) -> tuple[int, dict[str, Any], str]:
        """Waits for its end: exit code, summary and what stood on stderr. Raises `Ended` where no summary
        came."""
        out, errors = self.process.communicate(timeout=PATIENCE)
        code = self.process.returncode
        self._process = None
        try:
            return code, json.loads(out), errors
        except ValueError:
            raise Ended(f"exit {code}, no summary: {out!r} {errors}") from None

    def give_up(self) -> None:
        """At the end, however it was reached."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.communicate()

    def limit_files(self, size: int | None) -> None:
        """From now on no file of it may grow beyond `size` bytes (None: may again); the kernel refuses."""
        soft = resource.RLIM_INFINITY if size is None else size
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (soft, hard))

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

    # -- looking and asking

    def picture(self) -> Snapshot | None:
        """The newest picture over the control socket; None while there is none. Raises `Ended`."""
        try:
            with ControlClient(self.state, tty="") as client:
                picture: Snapshot = client.ask("snapshot")
                return picture
        except (Unreachable, Refused):
            if self.process.poll() is not None:
                raise Ended(f"it ended: {self.process.communicate()}") from None
            return None

    def until(self, look: Callable[[Snapshot], T | None], what: str, patience: float = PATIENCE) -> T:
        """The first true answer of `look`, asked of one picture after another."""

        def once() -> T | None:
            picture = self.picture()
            return look(picture) if picture is not None else None

        return wait_for(once, what, every=0.05, patience=patience)

    def command(self, command: AnyCommand, within: float = PATIENCE) -> Answer:
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
