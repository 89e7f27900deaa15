"""`breakwater` in a process of its own on a pseudo-terminal, and what can be learnt of it from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.desk.dialogs import GUARD
from app.drill.processes import wait_for
from engine.control import wire
from engine.control.client import ControlClient, Refused, Unreachable
from engine.control.commands import Answer, AnyCommand, Submit
from engine.control.snapshot import HealthRow, KillView, OrderRow, PositionRow, StrategyRow
from engine.model import OrderType, Side
from tests.desk.pseudoterminal import PATIENCE, PseudoTerminal

F12 = b"\x1b[24~"
CTRL_Q = b"\x11"
CTRL_O = b"\x0f"
TICKS = os.sysconf("SC_CLK_TCK")


def program() -> list[str]:
    """The command as it is installed; where it is not, its module."""
    installed = Path(sys.executable).with_name("breakwater")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "app.cli"]


def environment(home: Path) -> dict[str, str]:
    """This process's, without anything that would reach the program's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BREAKWATER", "XDG_"))}
    root = str(Path(__file__).resolve().parents[2])
    return kept | {"HOME": str(home), "TERM": "xterm-256color", "PYTHONPATH": root}


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The program without a terminal, to its end."""
    return subprocess.run(
        [*program(), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(folder),
        cwd=folder,
    )


class Headless:
    """The engine in a process of its own, without a terminal."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        with (folder / "headless.out").open("ab") as out:
            self.process = subprocess.Popen(
                [*program(), "headless", "--state-dir", str(self.state), *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment(folder),
                cwd=folder,
                start_new_session=True,
            )

    def up(self) -> Headless:
        """Waits until it answers: who attaches before that may be turned away."""
        wait_for(lambda: self._answers() or self.process.poll() is not None, "an engine that answers")
        assert self.process.poll() is None, (self.folder / "headless.out").read_text(encoding="utf-8")
        return self

    def _answers(self) -> bool:
        try:
            with ControlClient(self.state, tty="") as client:
                client.ask("status")
        except (Unreachable, Refused):
            return False
        return True

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Workstation(PseudoTerminal):
    """The desk on a terminal: with its engine, or as `attach` with one that runs elsewhere."""

    def __init__(
        self, folder: Path, *options: str, size: tuple[int, int] = (120, 40), word: str = "desk"
    ) -> None:
        self.folder = folder
        self.state = folder / "state"
        argv = [*self.program(), word, "--state-dir", str(self.state), *options]
        super().__init__(argv, environment(folder), size)

    def program(self) -> list[str]:
        """What is run."""
        return program()

    def told(self) -> str:
        log = self.state / "log" / "breakwater.jsonl"
        end = log.read_text(encoding="utf-8")[-2000:] if log.exists() else "no log"
        return f"exit {self.process.poll()}\n{self.text()}\n{end}"

    def shows(self, *texts: str) -> None:
        """Waits until all of these stand on the screen at once."""

        def there() -> bool:
            shown = self.text()
            return all(text in shown for text in texts)

        self.until(there, f"{texts} on the screen")

    def armed(self) -> None:
        """Waits until the desk stands and orders may leave."""
        self.shows(" SAFE ", "F12 KILL")

    def answer(self, keys: bytes, question: str) -> None:
        """Types at a question, once it has stood long enough to take an answer."""
        self.shows(question)
        time.sleep(2 * GUARD)  # the question's guard is real time
        self.type(keys)

    def summary(self) -> str:
        """The last words of the process, once it has ended."""
        self.until(lambda: b"run ended: " in self.output, "the summary")
        self.until(lambda: self.output.endswith(b"\r\n"), "the end of the summary")
        with self.lock:
            return self.output.decode("utf-8", "replace").rsplit("run ended: ", 1)[1]

    # -- the engine, through its socket

    def ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`breakwater ctl` as a user would call it."""
        command, *rest = words
        return run(self.folder, "ctl", "--state-dir", str(self.state), command, *rest)

    def ask(self, topic: wire.Topic) -> Any:
        """A topic of the control socket; one connection for each."""
        with ControlClient(self.state, tty="") as client:
            return client.ask(topic)

    def do(self, command: AnyCommand) -> Answer:
        """A command's last answer."""
        with ControlClient(self.state, tty="") as client:
            return client.command(command)

    def hold(self, symbol: str, size: int) -> None:
        """Buys at the market and waits until the broker shows it."""
        assert self.price(symbol)
        answer = self.do(Submit(symbol=symbol, side=Side.BUY, size=Decimal(size), type=OrderType.MARKET))
        assert answer.ok, answer
        self.until(lambda: self.position(symbol).broker == size, f"{size} {symbol} at the broker")

    def rest(self, symbol: str) -> str:
        """Places a bid one per cent below the market, which stays; its id."""
        limit = Decimal(int(self.price(symbol) * Decimal("0.99")))
        answer = self.do(Submit(symbol=symbol, side=Side.BUY, size=Decimal(1), limit=limit))
        assert answer.ok, answer
        mine = [order.id for order in self.orders() if order.limit == limit and order.symbol == symbol]
        self.until(lambda: self.order(mine[0]).status == "WORKING", "the order to work")
        return mine[0]

    def price(self, symbol: str) -> Decimal:
        """The bid, once there is one."""
        found: list[Decimal] = []

        def there() -> bool:
            row = self.position(symbol)
            found[:] = [row.bid] if row.bid is not None and row.ask is not None else []
            return bool(found)

        self.until(there, f"a quote of {symbol}")
        return found[0]

    def flat(self) -> bool:
        """Whether no symbol has a position, by our executions and by the broker's word."""
        return all(row.executed == 0 and row.broker == 0 for row in self.positions())

    def position(self, symbol: str) -> PositionRow:
        return next(row for row in self.positions() if row.symbol == symbol)

    def order(self, order_id: str) -> OrderRow:
        return next(row for row in self.orders() if row.id == order_id)

    def status(self) -> wire.Status:
        found: wire.Status = self.ask("status")
        return found

    def health(self) -> HealthRow:
        found: HealthRow = self.ask("health")
        return found

    def orders(self) -> Sequence[OrderRow]:
        found: Sequence[OrderRow] = self.ask("orders")
        return found

    def positions(self) -> Sequence[PositionRow]:
        found: Sequence[PositionRow] = self.ask("positions")
        return found

    def strategies(self) -> Sequence[StrategyRow]:
        found: Sequence[StrategyRow] = self.ask("strategies")
        return found

    def kill_view(self) -> KillView | None:
        found: KillView | None = self.ask("kill")
        return found

    def listens(self) -> bool:
        try:
            self.status()
        except Unreachable:
            return False
        return True

    def counted(self, name: str) -> int:
        """A counter of `ctl health`."""
        return self.health().counters.get(name, 0)

    def grows(self, what: Callable[[], float], by: float, name: str) -> None:
        """Waits until a figure has grown."""
        least = what() + by
        self.until(lambda: what() >= least, f"{name} to grow by {by}")

    def cpu(self) -> float:
        """Seconds of processor time that the process has used, its children left out."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        fields = stat.rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


Start = Callable[..., Workstation]
