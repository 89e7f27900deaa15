"""The drill on a terminal: progress while it runs, and a page at the end."""

from __future__ import annotations

import io
import shlex
import shutil
import sys
from collections.abc import Sequence
from typing import TextIO

from app.drill.case import Case
from app.drill.marks import NO_GATE, SIGN, WORD, duration, seconds, verdict
from app.drill.model import GROUPS, OWN_EXCHANGE, PROFILE, CaseResult, DrillReport
from app.tables import plain

_COLOUR = {"passed": "32", "failed": "31", "skipped": "33"}


class Progress:
    """One line for each case as it ends; on a terminal also the one that runs. Where nobody reads any more, a
    closed terminal or pipe, it falls silent: the drill goes on, and its report is kept."""

    def __init__(self, cases: Sequence[Case], out: TextIO) -> None:
        self._cases = list(cases)
        self._out = out
        self._live = out.isatty()
        self._done = 0
        self._group = 0

    def begin(self) -> None:
        self._running()

    def say(self, text: str) -> None:
        """Writes, as long as somebody reads."""
        try:
            self._out.write(text)
            self._out.flush()
        except OSError:
            self._out = io.StringIO()

    def done(self, result: CaseResult) -> None:
        """A case has ended."""
        self._done += 1
        self._clear()
        if result.group != self._group:
            self._group = result.group
            self.say(f"\n{result.group}  {GROUPS.get(result.group, '')}\n")
        sign = paint(SIGN[result.status], _COLOUR[result.status], self._live)
        self.say(f"  {sign} {result.id:5} {plain(result.title)}  ({duration(result)})\n")
        if result.status != "passed":
            for line in why(result):
                self.say(f"          {plain(line)}\n")
        self._running()

    def end(self) -> None:
        self._clear()

    def _running(self) -> None:
        if not self._live or self._done >= len(self._cases):
            return
        case = self._cases[self._done]
        width = shutil.get_terminal_size().columns
        text = f"  {self._done + 1}/{len(self._cases)}  {case.id} {case.title} …"
        self.say(text[: max(width - 1, 20)])

    def _clear(self) -> None:
        if self._live:
            self.say("\r\x1b[K")


def paint(text: str, colour: str, live: bool) -> str:
    """The text in a colour, on a terminal."""
    return f"\x1b[{colour}m{text}\x1b[0m" if live else text


def why(result: CaseResult) -> list[str]:
    """What a case failed or was skipped for."""
    lines = [result.problem] if result.problem else []
    lines += [f"{c.what}: {c.saw}" for c in result.checks if not c.ok]
    return lines


def closing(report: DrillReport, files: Sequence[str], out: TextIO | None = None) -> str:
    """The last words."""
    live = (out or sys.stdout).isatty()
    head = paint(verdict(report), "32" if report.passed else "31", live)
    lines = ["", f"{head}; {seconds(report.wall)}; seed {report.seed}; against {report.against}."]
    failed = [c for c in report.cases if c.status == "failed"]
    if failed:
        again = " ".join(c.id for c in failed)
        where = (
            ""
            if report.against == OWN_EXCHANGE
            else f" --against {shlex.quote(report.against.removeprefix(PROFILE))}"
        )
        command = f"breakwater drill --seed {report.seed}{where} --only {again}"
        lines.append(f"Run the failed ones again with: {command}")
    if not report.opens_gates:
        lines.append(NO_GATE)
    lines += [f"  {file}" for file in files]
    return "\n".join(lines) + "\n"


def listing(cases: Sequence[Case]) -> str:
    """`--list`."""
    lines: list[str] = []
    group = 0
    for case in cases:
        if case.order[0] != group:
            group = case.order[0]
            lines += ["", f"{group}  {GROUPS.get(group, '')}"]
        kind = "real processes" if case.live is not None else "virtual time"
        anywhere = "" if case.own_exchange or case.live is None else ", any paper account"
        lines.append(f"  {case.id:5} {case.title}  [{kind}{anywhere}]")
        lines.append(f"        {case.why}")
    return "\n".join(lines[1:]) + "\n"


__all__ = ["WORD", "Progress", "closing", "listing", "why"]
