"""The screen: where the panes stand at 80, 120 and 170 columns, and how a snapshot reaches them."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Input

from app.desk.grid import Grid
from app.desk.painting import ByMeaning, Lines
from app.desk.panes.alerts import AlertsPane
from app.desk.panes.health import HealthPane
from app.desk.panes.kill import KillPanel
from app.desk.panes.lines import AlarmLine, Banner, FooterLine, HealthLine, StatusLine, WhyLine
from app.desk.panes.orders import OrdersPane
from app.desk.panes.positions import PositionsPane
from app.desk.panes.risk import RiskPane
from app.desk.panes.strategies import StrategiesPane
from app.desk.view.cells import Cell
from engine.control.snapshot import Snapshot

FIXED_LINES = 4
"""Status, alarm, note and footer."""
TWO_PANES = 11
"""Lines under which two panes would show two rows each, or none."""
PANES = ("orders", "positions", "risk", "alerts", "strategies", "health")


class CommandLine(Input):
    """Where commands are typed; hidden until it is asked for. Tab does not lead out of it: the next letter
    would be a key of the desk."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab,shift+tab", "stay", "Stay", show=False)]

    def action_stay(self) -> None:
        """Nothing."""

    def __init__(self) -> None:
        super().__init__(id="command", placeholder="command, for example: pause NAME", select_on_focus=False)
        self.cursor_blink = False


class DeskScreen(Screen[None]):
    """The one screen of the desk."""

    AUTO_FOCUS = ""
    standing = False
    """True once the panes are there."""
    last_pane: Grid | None = None
    """The table that had the focus last; None at the desk's start and after F2."""
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - Textual's own attribute
        (0, "-narrow"),
        (110, "-medium"),
        (170, "-wide"),
    ]

    def compose(self) -> ComposeResult:
        yield StatusLine(id="status")
        yield WhyLine(id="why")
        yield AlarmLine(id="alarm")
        yield KillPanel(id="kill")
        with Container(id="body"):
            with Container(id="upper"):
                yield OrdersPane(id="orders")
            with Container(id="middle"):
                yield PositionsPane(id="positions")
                yield StrategiesPane(id="strategies")
            with Container(id="lower"):
                yield RiskPane(id="risk")
                yield AlertsPane(id="alerts")
                yield HealthPane(id="health")
        yield HealthLine(id="healthline")
        yield Lines(id="note")
        yield CommandLine()
        yield FooterLine(id="footer")
        yield Banner(id="banner")

    def on_mount(self) -> None:
        """The default arrangement."""
        self.add_class("-show-desk")
        self._panes: list[Grid] = [self.query_one(f"#{name}", Grid) for name in PANES]
        self._heads: list[ByMeaning] = [
            self.query_one(StatusLine),
            self.query_one(HealthLine),
            self.query_one(KillPanel),
        ]
        self.standing = True

    def on_descendant_focus(self) -> None:
        """Remembers the table that was used last; who goes there has left the command line."""
        if isinstance(self.focused, Grid):
            self.last_pane = self.focused
            if self.query_one(CommandLine).display:
                self.command_line(False)

    def pane(self, name: str) -> Grid:
        """A pane by name."""
        return self.query_one(f"#{name}", Grid)

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """Hands a new snapshot to every pane; each paints only what has changed."""
        for pane in self._panes:
            pane.look(snapshot, zone)  # type: ignore[attr-defined]

    def look_up(self, snapshot: Snapshot, age: float, zone: str, lit: bool) -> None:
        """The lines at the top and the kill panel: they go on while the panes are paused."""
        self.query_one(StatusLine).look(snapshot, age, zone)
        self.query_one(WhyLine).look(snapshot)
        self.query_one(AlarmLine).look(snapshot, zone, lit)
        self.query_one(KillPanel).look(snapshot)
        self.query_one(HealthLine).look(snapshot)
        self.fit_height()

    def fit_height(self) -> None:
        """Where there is no height for two panes, the chosen one stands alone; positions if none was."""
        kill = self.query_one(KillPanel)
        report = int(kill.styles.height.value) if kill.display and kill.styles.height else 0
        left = self.size.height - FIXED_LINES - int(self.query_one(WhyLine).display) - report
        self.set_class(left < TWO_PANES, "-tight")

    def banner(self, text: str, meaning: str, *, old: bool = False, still: bool = False) -> None:
        """Shows the banner, or hides it with an empty text.

        `old`: nothing on screen is live, everything fades. `still`: the panes alone stand still and fade.
        """
        self.query_one(Banner).say(text, meaning, 3 if old else 1)
        for pane in self._panes:
            pane.fade(old or still)
        for widget in self._heads:
            widget.fade(old)

    def note(self, text: str, meaning: str = "muted") -> None:
        """One line for answers, above the footer."""
        self.query_one("#note", Lines).show((Cell(f" {text}" if text else "", meaning),))

    def choose(self, name: str) -> None:
        """Brings a pane to the front (where there is no room for all) and gives it the focus."""
        for other in ("desk", *PANES):
            self.set_class(other == name, f"-show-{other}")
        if name == "orders":
            self.add_class("-show-desk")
        if name == "desk":
            self.set_focus(None)
            self.last_pane = None
        else:
            self.last_pane = self.pane(name)
            self.last_pane.take_cursor()
            self.set_focus(self.last_pane, scroll_visible=False)

    def command_line(self, shown: bool) -> None:
        """Opens or closes the command line."""
        line = self.query_one(CommandLine)
        line.display = shown
        self.query_one("#note").display = not shown
        line.value = ""
        # At once, not with `focus()`, which comes later: the next letter is no key of the desk any more.
        if shown:
            self.set_focus(line)
        elif self.focused is line:
            self.set_focus(self.last_pane)
