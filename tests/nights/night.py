"""A night: the stage with exchange, engine and desk, and the few things that an operator does every time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.desk.entry.confirm import GUARD
from app.drill import tmpdisk
from app.drill.configfile import write_values
from app.drill.processes import EngineProcess, wait_for
from engine.control.client import ControlClient
from engine.control.commands import Answer, AnyCommand, Submit
from engine.model import Side
from tests.live.workstation import environment, program
from tests.nights.terminal import Terminal
from tests.nights.venue import Venue

WIDE, NARROW = (120, 40), (80, 24)

PATIENT: Mapping[str, Any] = {
    "reconcile": {"every": 0.5, "settle": 0.3},
    "orders": {"answer_after": 0.5},
    "kill": {"confirm_every": 0.1, "reprice_after": 0.3},
    "link": {"retry_first": 0.1, "retry_max": 0.5, "retry_urgent": 0.2, "heartbeat": 0.3, "patience": 1.5},
}
"""Shorter waits than by default, so that a night takes seconds; everything else is as it comes."""


class Night:
    """What stands at the beginning: an exchange with ES at 5000.00, an engine, a desk that is SAFE."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        size: tuple[int, int] = WIDE,
        apart: bool = False,
        megabytes: int = 0,
        faults: Mapping[str, float] | None = None,
        strategies: Sequence[Mapping[str, Any]] = (),
        **sections: Mapping[str, Any],
    ) -> None:
        """`apart`: the engine is a process of its own and the desk attaches to it; `megabytes`: the
        size of a disk of that engine's own, 0: none; `faults` of the exchange, by ratio; `sections` go over
        `PATIENT`."""
        self.folder = folder
        self.venue = Venue(folder, faults or {})
        self.desk = Terminal(name, folder, size)
        self.state = folder / "state"
        self.config = folder / "breakwater.toml"
        self._settings = {s: {**PATIENT.get(s, {}), **sections.get(s, {})} for s in {**PATIENT, **sections}}
        self._strategies = strategies
        self._own_disk = bool(megabytes)
        self.write_config()
        self.engine: EngineProcess | None = None
        if apart:
            words = tmpdisk.prefix(self.state, megabytes) if megabytes else ()
            if megabytes:
                self.state.mkdir(mode=0o700)
            self.engine = EngineProcess(self.state, self.config, self._feed, prefix=words)

    @property
    def _feed(self) -> str:
        return f"exchange:{self.venue.address}"

    def write_config(self) -> None:
        write_values(self.config, {"strategies": self._strategies, **self._settings})

    # -- life

    def begin(self) -> None:
        if self.engine is not None:
            self.engine.begin()
            if self._own_disk:
                self.engine.state = tmpdisk.seen_from_outside(self.engine.pid, self.state)
            self.engine.until(lambda p: p.trading, "the engine trades")
        self.sit_down()

    def sit_down(self) -> None:
        """The operator opens the screen and waits for it to stand."""
        where = ["--state-dir", str(self.state), "--config", str(self.config)]
        if self.engine is None:
            words = [*program(), "desk", *where, "--feed", self._feed]
        else:
            words = [
                *program(),
                "attach",
                "--state-dir",
                str(self.engine.state),
                "--config",
                str(self.config),
            ]
        environ = {**environment(self.folder), "LC_ALL": "C.UTF-8"}
        self.desk.run(words, environ, self.folder)
        self.desk.shows(" SAFE ", "F12 KILL", "BRK ✓", "MD ✓")

    def close(self) -> None:
        try:
            if self.engine is not None:
                self.engine.give_up()
            self.desk.close()
        finally:
            self.venue.close()

    # -- what the operator does

    def arms(self) -> None:
        """Lets this desk send orders."""
        self.desk.keys("C-o")
        self.desk.shows("ARMED: this desk sends orders")

    def says(self, line: str) -> None:
        """Types a line into the command line."""
        self.desk.keys(":")
        self.desk.shows("Tab completes")
        self.desk.type(line)
        self.desk.shows(line)
        self.desk.keys("Enter")

    def orders(self, line: str) -> None:
        """Types an order, reads what it would do, and confirms it."""
        self.says(line)
        self.desk.shows("Enter again does it")
        time.sleep(1.5 * GUARD)  # as long as the desk wants it to be read
        self.desk.keys("Enter")
        self.desk.shows("✓ " + line.split()[0], lacks=["Enter again does it"])

    def types_word(self, question: str, word: str) -> None:
        """Types the word that a question asks for."""
        self.desk.answer(question, *word, "Enter")

    def kills_and_flattens(self) -> None:
        """F12, which halts at once, and then the word."""
        self.desk.keys("F12")
        self.desk.shows(" HALTED ", "operator: kill key")
        self.types_word("Type FLATTEN", "FLATTEN")
        self.desk.shows("Kill and flatten", lacks=["Type FLATTEN"])

    def reads_refusal(self, line: str, *reasons: str) -> None:
        """Types an order that must be refused, reads why, and tries to send it all the same."""
        self.says(line)
        self.desk.shows("ORDER TICKET", "it would be refused: nothing is sent", *reasons)
        self.desk.keys("Enter")
        self.leaves("ORDER TICKET")

    def leaves(self, dialog: str) -> None:
        """Esc, until the dialog is gone."""
        self.desk.shows(dialog)
        self.desk.keys("Escape")
        self.desk.shows("F12 KILL", lacks=[dialog])

    def resets(self, line: str) -> None:
        """Takes a halt or a control back, with the typed word."""
        self.says(line)
        self.types_word("Type RESET", "RESET")
        self.desk.shows(f"✓ {line}")

    # -- what is true

    def does(self, command: AnyCommand) -> Answer:
        """A command given elsewhere than on the screen."""
        with ControlClient(self.engine.state if self.engine else self.state, tty="") as client:
            return client.command(command, 20)

    def does_until_refused(self) -> None:
        """Sends small orders until the engine takes none: what was to break has broken by then."""
        for distance in range(400):
            price = 4900 - Decimal(distance) / 4
            if not self.does(Submit(symbol="ES", side=Side.BUY, size=Decimal(1), limit=price)).ok:
                return
        raise AssertionError("400 orders were taken")

    def at_venue(self, look: Callable[[Venue], bool], what: str) -> None:
        """Waits until it is so at the exchange."""
        wait_for(lambda: look(self.venue), what, every=0.1, patience=20)
