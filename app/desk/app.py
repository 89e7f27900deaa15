"""The Textual application: it paints the newest snapshot at a steady rate and turns keys into commands."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path, PurePath
from typing import Any, ClassVar, Final, cast

from rich.color import ColorSystem
from rich.console import RenderableType
from textual import events
from textual.app import App
from textual.binding import BindingType
from textual.filter import ANSIToTruecolor, LineFilter
from textual.screen import Screen
from textual.widgets import Input

from app.desk import crash, strips, themes
from app.desk.dialogs import Ask, KillAsk
from app.desk.driver import SafeDriver
from app.desk.entry.form import Form
from app.desk.history import History
from app.desk.keymap import for_textual
from app.desk.keymap import load as load_keymap
from app.desk.keys import KILL_KEYS, bindings
from app.desk.notifying import notification
from app.desk.options import DEFAULTS, DeskOptions
from app.desk.ordering import Ordering
from app.desk.plain import wants_ascii
from app.desk.remembered import Remembered
from app.desk.result import DeskResult, Reason
from app.desk.screen import DeskScreen
from app.desk.screens import SCREENS
from app.desk.storypage import StoryPage
from app.desk.theming import LOOK_EVERY
from app.desk.view.alerts import said, unacknowledged
from app.desk.view.cells import clean
from app.desk.view.formats import age as age_text
from app.desk.view.formats import clock
from app.desk.view.killing import left_open, scope_all
from app.desk.view.status import STALE_AFTER
from app.desk.welcome import WelcomePage
from app.desk.welcome import lines as welcome_lines
from engine.control.commands import ScreenFailed
from engine.control.link import Link
from engine.control.snapshot import Snapshot

LOAD_EVERY: Final = 0.2
"""Seconds between two screens that are loaded ahead."""
FAILURE_STAYS: Final = 600.0
"""Seconds for which it is said that a screen failed, unless something else is said."""
BELL_EVERY: Final = 2.0
"""Seconds between two bells."""
_THEMES = Path(str(resources.files("themes")))
_STYLES: Final = [
    _THEMES / "desk.tcss",
    *(path for screen in SCREENS[1:] if (path := _THEMES / f"{screen.name}.tcss").is_file()),
]
"""The style sheet of frame and desk, then each other screen's."""


class DeskApp(Ordering, App[DeskResult]):
    """The desk. It holds a link and no engine state; `desk_result` says how it ended."""

    CSS_PATH = cast("list[str | PurePath]", _STYLES)
    TITLE = "Breakwater"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("everywhere", "screen")]

    def __init__(self, link: Link, options: DeskOptions = DEFAULTS, failed: str = "") -> None:
        """`failed`: how the screen failed that this one stands in for."""
        strips.install()
        # Before App.__init__, which asks for the style sheet's variables.
        clock(0, options.zone)  # an unknown zone is refused here, not in the middle of painting
        self.begin_theme(options.theme)
        super().__init__(driver_class=SafeDriver)
        self.options = options
        self.ascii_only = wants_ascii(options.glyphs)
        """Read by the driver."""
        if options.plain:
            self.console._color_system = ColorSystem.STANDARD
        self.few_colours = (
            options.plain
            or self.console.color_system in (None, "standard")
            or bool(os.environ.get("NO_COLOR"))
        )
        """Whether grounds may look alike."""
        if self._desk_theme.name == themes.DEFAULT and self.console.color_system == "standard":
            self.begin_theme(themes.FOR_SIXTEEN)
        self.register_theme(self._desk_theme.to_textual())
        self.theme = self._desk_theme.name
        self.keys = load_keymap(options.keymap)
        self.set_keymap(for_textual(self.keys))
        self.animation_level = "none"
        self.desk_result: DeskResult | None = None
        self._link = link
        self._rate = options.frame_rate
        self._now = self.now = options.now
        """The clock; for widgets without the line before its name."""
        self._who = options.who
        self._zone = options.zone
        self.set_up_orders(History(options.state_dir), options.safe_after, options.sizes)
        self.remembered = Remembered(options.state_dir)
        """The operator's looks."""
        self._failed = failed
        self._shown: Snapshot | None = None
        """What the panes show."""
        self._lined: Snapshot | None = None
        """What the lines at the top show."""
        self._bell_at = float("-inf")
        self._last_alarm = 0
        self._window_title = ""
        self._note_until = float("-inf")

    def get_default_screen(self) -> Screen[Any]:
        return DeskScreen()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(self._desk_theme.to_textual().variables)

    # Painting

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Without the one that turns a terminal's own colours into others: themes have none, and it would
        make every line once more."""
        return [one for one in super().get_line_filters() if not isinstance(one, ANSIToTruecolor)]

    def on_ready(self) -> None:
        """Starts to paint."""
        self.paint()
        if self.options.welcome and not self.remembered.looks.welcomed:
            self.remembered.looks.welcomed = True
            self.remembered.keep()
            self.push_screen(WelcomePage(welcome_lines(self.options.welcome, self._link.latest())))
        if self._rate > 0:
            self.set_interval(1 / self._rate, self.paint, name="frames")
            self.set_interval(LOOK_EVERY, self.watch_theme_file, name="theme")
            self.set_timer(LOAD_EVERY, self._load_rest, name="screens")
        if self._failed:
            self._tell_of_failure()

    def _load_rest(self) -> None:
        """The other screens, one after the other, so that no frame waits long."""
        if self.screen_stack and self.desk.load_rest():
            self.set_timer(LOAD_EVERY, self._load_rest, name="screens")

    def _tell_of_failure(self) -> None:
        """This screen stands in for one that failed: here, and in the engine's alarms and log."""
        snapshot, text = self._link.latest(), f"{self._failed}. This is a new one, SAFE; the engine went on"
        if snapshot is None or not snapshot.recorded:
            try:
                self._link.send(ScreenFailed(text=self._failed), self._who, None)
            except Exception as error:  # noqa: BLE001 - whatever a link does, the operator must learn of it
                text += f" (it could not be told: {type(error).__name__})"
        self.note(text, "alarm-warning", stays=FAILURE_STAYS)

    def paint(self) -> None:
        """Paints the newest snapshot; cheap when nothing is new."""
        if not self.screen_stack or self._exit or not self.desk.standing:
            return
        if over := self.options.over():
            self.finish("engine-ended", over)
            return
        snapshot = self._link.latest()
        age = self._link.age()
        with self.batch_update():
            self._paint_banner(snapshot, age)
            if snapshot is None:
                return
            if self._painting and snapshot is not self._shown:
                self.desk.look(snapshot, self._zone)
                self._shown = snapshot
            lit = int(self._now() * 2) % 2 == 0 if self._rate > 0 else True
            self.watch_arming(snapshot)
            sends = self.arming.armed
            self.desk.look_up(snapshot, age, self._zone, lit, self._link.role(), sends)
            self._lined = snapshot
            self._alarm(snapshot)
            self.follow_line()
            for screen in self.screen_stack:
                if isinstance(screen, KillAsk):
                    screen.look(snapshot, scope_all(snapshot), left_open(snapshot))
                elif isinstance(screen, StoryPage):
                    screen.look(snapshot)
                elif isinstance(screen, Form):
                    screen.follow(snapshot, age)
            if self._now() > self._note_until:
                self._note_until = float("inf")
                self.desk.note("")

    def _paint_banner(self, snapshot: Snapshot | None, age: float) -> None:
        if not self._link.alive():
            self.desk.banner("ENGINE GONE: nothing on this screen is live", "halted", old=True)
        elif snapshot is None:
            self.desk.banner("waiting for the engine's first picture", "paused", old=True)
        elif age > STALE_AFTER:
            said = f"STALE {age_text(age)[:-1]} s: no news from the engine, nothing here is live"
            self.desk.banner(said, "stale", old=True)
        elif not self._painting:
            self.desk.banner(
                "FROZEN: the panes stand still, the engine goes on; p resumes", "paused", still=True
            )
        else:
            self.desk.banner("", "text")

    def _alarm(self, snapshot: Snapshot) -> None:
        waiting = unacknowledged(snapshot)
        newest = max((max(alert.id, alert.newest) for alert in waiting), default=0)
        if newest > self._last_alarm and self._now() - self._bell_at >= BELL_EVERY:
            self._last_alarm = newest
            self._bell_at = self._now()
            if self.options.bell:
                self.bell()
            if self.options.notify != "no" and self._driver is not None:
                first = waiting[0]
                self._driver.write(notification(self.options.notify, f"{snapshot.mode} {said(first)}"))
        state = "HALTED " if snapshot.halted else ""
        title = f"Breakwater {snapshot.mode} {state}" + (f"({len(waiting)}!)" if waiting else "")
        if title != self._window_title and self._driver is not None:
            self._window_title = title
            self._driver.write(f"\x1b]2;{clean(title).strip()}\x07")

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Leaves a frame out when the terminal does not keep up; a full one follows when it does."""
        driver = self._driver
        if isinstance(driver, SafeDriver) and driver.congested:
            driver.skip_frame()
            return
        super()._display(screen, renderable)

    def repaint_everything(self) -> None:
        """The terminal has caught up: the whole screen once, so that nothing that was left out is missing."""
        if self._running and self.screen_stack:
            screen = self.screen
            whole = screen._compositor.render_update(full=True, screen_stack=self._background_screens)
            self._display(screen, whole)

    # Keys

    async def on_event(self, event: events.Event) -> None:
        """Keys in the order in which they were pressed, and none that is older than its question.

        On a slow line many keys arrive at once. Textual would forward them all before the first one has
        taken effect; `:pause x` would then be a colon and seven keys of the desk. So the desk's keys act
        here, one after the other, and keys that were pressed before a question could be read are dropped.
        """
        if isinstance(event, events.Key) and not event.is_forwarded and self.screen_stack:
            self.arming.touch()
            screen = self.screen
            if isinstance(screen, Ask):
                exempt = event.key in KILL_KEYS or event.key == "escape"
                if not exempt and not screen.ripe(event.time):
                    screen.too_quick()
                    return
            elif isinstance(screen.focused, Input):
                # Letters would be there before the backspaces that were pressed before them.
                line = screen.focused
                bound = await self._check_bindings(event.key, priority=True)
                if not (bound or await self._check_bindings(event.key)):
                    await line._on_key(event)
                return
            elif isinstance(screen, DeskScreen):
                if not screen.standing and event.key not in KILL_KEYS:
                    return  # pressed before there was anything to press it for
                bound = await self._check_bindings(event.key, priority=True)
                if not (bound or await self._check_bindings(event.key)):
                    await screen.sheet.take_table_key(event.key)
                return
        await super().on_event(event)

    # Ending

    def on_loop(self, callback: Callable[..., object], *args: object) -> None:
        """Has a callback run on the app's loop, from any thread; what it raises ends the screen in order."""

        def guarded() -> None:
            try:
                # Other threads have not the context in which Textual finds its app.
                with self._context():
                    callback(*args)
            except Exception as error:  # noqa: BLE001 - as for every other handler of the app: report, end
                self._handle_exception(error)

        loop = self._loop
        if loop is not None:
            # RuntimeError: the loop has closed; there is no screen left to tell.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(guarded)

    async def action_quit(self) -> None:
        """Textual's own way out asks as well."""
        self.action_ask_quit()

    def action_help_quit(self) -> None:
        """Textual's own hint is not needed."""

    def finish(self, reason: Reason, detail: str = "") -> None:
        """Ends the screen; the first reason counts."""
        if self.desk_result is None:
            self.desk_result = DeskResult(reason, detail)
        self.exit(self.desk_result)

    def terminal_lost(self, what: str) -> None:
        """Called by the driver: there is no terminal any more."""
        self.finish("terminal-lost", f"terminal lost: {what}")

    def _handle_exception(self, error: Exception) -> None:
        """A failed screen: a report without variables in a private file, and an orderly end."""
        self._return_code = 1
        if self._exception is None:
            report = crash.write_report(error, self.options.report_dir, self.options.redact)
            if self.desk_result is None:
                place = f"; report in {report}" if report is not None else "; no report could be written"
                self.desk_result = DeskResult(
                    "crash", f"the screen failed: {type(error).__name__}{place}", report
                )
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()
