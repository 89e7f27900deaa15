"""The one-line widgets: status, its reason, the alarm, compact health, the banner and the footer."""

from __future__ import annotations

from app.desk import keys
from app.desk.footer import footer
from app.desk.painting import Lines
from app.desk.view import alerts, formats, health, status
from app.desk.view.cells import Cell
from engine.control.snapshot import ScreenRole, Snapshot


class StatusLine(Lines):
    """Mode, may we trade, alarms, result, links, clock."""

    def look(self, snapshot: Snapshot, age: float, zone: str, sends: bool) -> None:
        """`age`: of the snapshot, in seconds; `sends`: the desk is armed."""
        self.show(status.line(snapshot, age, zone, self.size.width, sends))


class WhyLine(Lines):
    """The reason behind HALTED, PAUSED or NOT READY, or why nothing is sent; not there while armed."""

    def look(self, snapshot: Snapshot, zone: str, role: ScreenRole) -> None:
        """Shows or hides itself."""
        said = status.why(snapshot, role, self.app.size.width)
        cells = tuple(cell._replace(text=formats.local(cell.text, zone)) for cell in said)
        self.display = bool(cells)
        self.show(cells)


class AlarmLine(Lines):
    """The most urgent unacknowledged alarm, in one line or two; only here does anything flash."""

    def look(self, snapshot: Snapshot, zone: str, lit: bool) -> None:
        """`lit`: which half of the flash."""
        lines = alerts.alarm_lines(snapshot, zone, lit=lit, width=self.size.width or 10_000)
        if len(lines) != len(self.lines):
            self.styles.height = len(lines)
        self.show(*lines)


class HealthLine(Lines):
    """Health in one line."""

    def look(self, snapshot: Snapshot, zone: str) -> None:  # noqa: ARG002 - all panes alike
        """Shows the figures."""
        self.show(health.line(snapshot, self.size.width))


class Banner(Lines):
    """Lies over the panes when what they show is old or painting is paused."""

    def say(self, text: str, meaning: str, height: int) -> None:
        """A text in the middle of a filled block of 1 or 3 lines; an empty text hides the banner."""
        self.display = bool(text)
        if text:
            width = max(len(text), self.size.width or self.app.size.width)
            full = (Cell(" " * width, meaning),)
            line = (Cell(text.center(width), meaning),)
            self.styles.height = height
            self.show(*((line,) if height == 1 else (full, line, full)))


class FooterLine(Lines):
    """Keys from the table of keys, KILL first; the screen that is shown stands out."""

    current = ""
    mode = ""

    def look(self, current: str, mode: str) -> None:
        """`current`: name of the screen that is shown; `mode`: the engine's."""
        if (current, mode) != (self.current, self.mode):
            self.current, self.mode = current, mode
            self.on_resize()

    def on_resize(self) -> None:
        """Shows as many keys as fit."""
        cells: list[Cell] = []
        shown = footer(self.size.width, self.mode, getattr(self.app, "keys", keys.KEYS))
        crowded = sum(one.width + 1 for one in shown) > self.size.width
        for one in shown:
            key = one.key.id
            if key == "kill":
                cells += [Cell(f" {one.first} ", "halted"), Cell(one.label, "heading")]
            else:
                here = key == f"show_{self.current}"
                cells += [Cell(f"{one.first} ", "heading"), Cell(one.label, "heading" if here else "muted")]
            cells.append(Cell(" " if crowded else "  "))
        self.show(cells)
