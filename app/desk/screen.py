"""The frame of the desk: the lines that every screen has, and the sheet of panes that is shown between."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Input

from app.desk.finding import FindLine
from app.desk.grid import Grid
from app.desk.host import host_of
from app.desk.painting import ByMeaning, Lines
from app.desk.panes.kill import KillPanel
from app.desk.panes.lines import AlarmLine, Banner, FooterLine, StatusLine, WhyLine
from app.desk.screens import SCREENS, entry
from app.desk.sheet import Sheet
from app.desk.view.cells import Cell
from app.desk.view.status import mode
from engine.control.snapshot import ScreenRole, Snapshot

FIXED_LINES = 4
"""Status, alarm, note and footer."""
TWO_PANES = 11
"""Lines under which two panes would show two rows each, or none."""
FIRST = "desk"
"""The screen that is shown first."""


class CommandLine(Input):
    """Where commands are typed; hidden until it is asked for. Tab does not lead out of it: the next letter
    would be a key of the desk."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", show=False),
        Binding("shift+tab", "stay", "Stay", show=False),
        Binding("up", "recall(True)", "Older", show=False),
        Binding("down", "recall(False)", "Newer", show=False),
    ]

    async def action_submit(self) -> None:
        """At once, and not by a message that waits behind the keys which follow: they would still be typed
        into this line, and not be met by the question that it opens."""
        host_of(self).line_submitted(self.value.strip())

    def action_stay(self) -> None:
        """Nothing."""

    def action_complete(self) -> None:
        """The word at the end, as far as it is certain."""
        host_of(self).complete_line(self)

    def action_recall(self, older: bool) -> None:
        """What was typed before."""
        host_of(self).recall_line(self, older)

    def __init__(self) -> None:
        super().__init__(
            id="command",
            placeholder="for example: buy 2 ESZ6 @ 5012.25 stop 5008 target 5020",
            select_on_focus=False,
        )
        self.cursor_blink = False


class DeskScreen(Screen[None]):
    """The one Textual screen of the desk; its sheets take turns in `#body`."""

    AUTO_FOCUS = ""
    standing = False
    """True once the first sheet is there."""
    last_pane: Grid | None = None
    """The table that had the focus last on this sheet; None while no row can be selected."""
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - Textual's own attribute
        (0, "-narrow"),
        (110, "-medium"),
        (170, "-wide"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._sheet_classes: dict[str, type[Sheet]] = {}
        self.sheet: Sheet = self._class_of(FIRST)(id=FIRST)
        """The one that is shown."""
        self._sheets: dict[str, Sheet] = {FIRST: self.sheet}
        self._looked: tuple[Snapshot, str] | None = None
        """What was last looked at: what a sheet shows at once when it is chosen."""

    def compose(self) -> ComposeResult:
        yield StatusLine(id="status")
        yield WhyLine(id="why")
        yield AlarmLine(id="alarm")
        yield KillPanel(id="kill")
        with Container(id="body"):
            yield self.sheet
        yield Lines(id="note")
        yield CommandLine()
        yield Lines(id="hint")
        yield FindLine()
        yield FooterLine(id="footer")
        yield Banner(id="banner")

    def on_mount(self) -> None:
        """The sheet stands; what comes now is painted."""
        self._heads: list[ByMeaning] = [self.query_one(StatusLine), self.query_one(KillPanel)]
        self._faded = False
        self.set_focus(self.sheet)
        self.sheet.shown()
        self.standing = True

    def on_descendant_focus(self) -> None:
        """Remembers the table that was used last; who goes there has left the command line."""
        if isinstance(self.focused, Grid):
            self.last_pane = self.focused
        if not isinstance(self.focused, CommandLine) and self.query_one(CommandLine).display:
            self.command_line(False)
        if not isinstance(self.focused, FindLine) and self.query_one(FindLine).display:
            self.query_one(FindLine).end()

    def pane(self, name: str) -> Grid:
        """A pane of the sheet that is shown, by its id."""
        return self.sheet.query_one(f"#{name}", Grid)

    def load_rest(self) -> bool:
        """Loads the class of one more screen; False once all are there. A program that is upgraded in place
        would not be found whole when a screen is first shown, hours later."""
        missing = next((screen for screen in SCREENS if screen.name not in self._sheet_classes), None)
        if missing is not None:
            self._sheet_classes[missing.name] = missing.load()
        return missing is not None

    def _class_of(self, name: str) -> type[Sheet]:
        if name not in self._sheet_classes:
            self._sheet_classes[name] = entry(name).load()
        return self._sheet_classes[name]

    async def choose(self, name: str) -> None:
        """Shows a sheet and gives its main pane the focus. Awaited: the next key is for what it shows."""
        self.command_line(False)
        if name != self.sheet.id:
            before = self.sheet
            sheet = self._sheets.get(name)
            if sheet is None:
                sheet = self._sheets[name] = self._class_of(name)(id=name)
                await self.query_one("#body").mount(sheet)
            before.display = False
            before.hidden()
            self.sheet = sheet
            self._fade()
            sheet.display = True
            sheet.shown()
            if self._looked is not None:
                sheet.look(*self._looked)
        main = self.sheet.main_pane
        self.last_pane = main
        if main is not None:
            main.take_cursor()
        self.set_focus(main or self.sheet, scroll_visible=False)

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """Hands a new snapshot to the sheet that is shown."""
        self._looked = snapshot, zone
        self.sheet.look(snapshot, zone)

    def look_up(
        self, snapshot: Snapshot, age: float, zone: str, lit: bool, role: ScreenRole, sends: bool
    ) -> None:
        """The lines at the top and the kill panel: they go on while the panes are paused. `sends`: armed."""
        self.query_one(StatusLine).look(snapshot, age, zone, sends)
        self.query_one(WhyLine).look(snapshot, zone, role)
        self.query_one(AlarmLine).look(snapshot, zone, lit)
        self.query_one(KillPanel).look(snapshot, zone)
        self.query_one(FooterLine).look(self.sheet.id or "", mode(snapshot))
        self.fit_height()

    def fit_height(self) -> None:
        """Where there is no height for two panes, a sheet shows one."""
        kill = self.query_one(KillPanel)
        report = int(kill.styles.height.value) if kill.display and kill.styles.height else 0
        alarm = max(1, len(self.query_one(AlarmLine).lines)) - 1
        left = self.size.height - FIXED_LINES - int(self.query_one(WhyLine).display) - report - alarm
        self.set_class(left < TWO_PANES, "-tight")

    def banner(self, text: str, meaning: str, *, old: bool = False, still: bool = False) -> None:
        """Shows the banner, or hides it with an empty text.

        `old`: nothing on screen is live, everything fades. `still`: the panes alone stand still and fade.
        """
        self.query_one(Banner).say(text, meaning, 3 if old else 1)
        if (old or still) != self._faded:
            self._faded = old or still
            self._fade()
        for widget in self._heads:
            widget.fade(old)

    def _fade(self) -> None:
        for widget in self.sheet.faders:
            widget.fade(self._faded)

    def note(self, text: str, meaning: str = "muted") -> None:
        """One line for answers, above the footer."""
        for line in self.query("#note").results(Lines):  # none while the screen is being made
            line.show((Cell(f" {text}" if text else "", meaning),))

    def command_line(self, shown: bool) -> None:
        """Opens or closes the command line."""
        line = self.query_one(CommandLine)
        line.display = shown
        self.query_one("#note").display = not shown
        self.query_one("#hint").display = shown
        line.value = ""
        # At once, not with `focus()`, which comes later: the next letter is no key of the desk any more.
        if shown:
            self.set_focus(line)
        elif self.focused is line:
            self.set_focus(self.last_pane or self.sheet)
