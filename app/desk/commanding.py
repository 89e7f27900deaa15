"""What the desk's keys and its command line do: questions asked, commands sent, answers shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from textual.widgets import Input

from app.desk.dialogs import Ask, wrapped
from app.desk.entry.limit import widening
from app.desk.keys import KEYS, Key
from app.desk.killkeys import Killing
from app.desk.moving import Moving
from app.desk.orderkeys import OrderKeys
from app.desk.recording import Recorded
from app.desk.screen import DeskScreen
from app.desk.speaking import context
from app.desk.theming import Themed
from app.desk.view.alerts import unacknowledged
from app.desk.view.killing import brief, scope_all
from app.desk.view.meant import meant
from app.grammar.tokens import Misspoken
from app.grammar.verbs import OfDesk, parse
from engine.control.commands import (
    Acknowledge,
    Answer,
    AnyCommand,
    Cancel,
    Flatten,
    Kill,
    Reload,
    Reset,
)
from engine.control.link import Link

_FAILED: Final = {"unknown": "? NOT KNOWN", "not sent": "✕ NOT SENT"}
"""What is said of a command that the engine has not refused, by its answer's outcome."""
NOTE_STAYS: Final = 20.0
"""Seconds for which an answer is shown."""


class Commanding(Killing, OrderKeys, Moving, Recorded, Themed):
    """Part of the app: what sends a command and says what came of it."""

    _note_here: bool = False
    keys: tuple[Key, ...] = KEYS
    """The table of keys, with the operator's own."""

    @property
    def link(self) -> Link:
        """The engine, as panes may ask it."""
        return self._link

    @property
    def desk(self) -> DeskScreen:
        """The desk's screen, whatever dialog lies over it."""
        screen: Any = self.screen_stack[0]
        assert isinstance(screen, DeskScreen)
        return screen

    # Commands

    def send(self, command: AnyCommand, said: str, then: Callable[[Answer], None] | None = None) -> None:
        """Sends a command; its answers go to `then`, or appear on the note line, after `said`."""

        def answered(answer: Answer) -> None:
            # On a thread of the link's choosing.
            if then is None:
                self.on_loop(self._show_answer, said, answer)
            else:
                self.on_loop(then, answer)

        self.note(f"{said} …")
        try:
            self._link.send(command, self._who, answered)
        except Exception as error:  # noqa: BLE001 - whatever a link does, the operator must learn that it failed
            self.note(f"NOT SENT: {said}: {type(error).__name__}: {error}", "halted")

    def _show_answer(self, said: str, answer: Answer) -> None:
        if not self.screen_stack:
            return
        text = brief(answer.text, self.desk.size.width, self._zone)
        if answer.ok:
            self.note(f"{'✓' if answer.final else '…'} {said}: {text}", "heading")
        else:
            self.note(f"{_FAILED.get(answer.data.get('outcome', ''), '✕ REFUSED')} {said}: {text}", "halted")

    def note(
        self, text: str, meaning: str = "muted", stays: float = NOTE_STAYS, *, here: bool = False
    ) -> None:
        """Says something on the note line for a while, `stays` in seconds; `here`: it is about what is shown
        now, and goes with it."""
        if self.screen_stack:
            self.desk.note(text, meaning)
            self._note_until = self._now() + stays
            self._note_here = here

    def hint(self, text: str) -> None:
        """Says why a key did nothing here, until another screen or a question comes."""
        self.note(text, "heading", here=True)

    def leave_hint(self) -> None:
        """What was said about where the operator was does not stand where he is now."""
        if self._note_here:
            self.note("")

    def _asking(self, kind: str) -> bool:
        return any(isinstance(screen, Ask) and screen.kind == kind for screen in self.screen_stack)

    def _selected_symbol(self) -> str:
        # With the command line in focus: the table that had it before.
        pane = self.desk.last_pane
        row = pane.selected if pane is not None else None
        return row.symbol if row is not None else ""

    def action_ack(self) -> None:
        """Acknowledges the alarm that the alarm line shows, not one that came a moment later."""
        waiting = unacknowledged(self._lined) if self._lined is not None else []
        if waiting:
            self.send(Acknowledge(alert_id=waiting[0].id), f"acknowledge {waiting[0].code}")

    def action_ack_all(self) -> None:
        """Acknowledges all alarms."""
        self.send(Acknowledge(), "acknowledge all alarms")

    def action_reload(self) -> None:
        """Reads the risk limits again; what lets more through needs the word for widening, and then only what
        was shown is taken over."""
        said = "reload risk limits"

        def answered(answer: Answer) -> None:
            data = answer.data
            if data.get("effect") != "wider" or "digest" not in data:
                self._show_answer(said, answer)
            elif not self._asking("widen"):
                self.note("")
                changed = "again" in data
                why = "The file has CHANGED since it was shown" if changed else "The file lets MORE through"
                ask = widening(*data["changes"].split("\n"), why=f"{why}; reading it again means:")
                self.push_screen(ask, chosen(data["digest"]))

        def chosen(digest: str) -> Callable[[str | None], None]:
            def take(outcome: str | None) -> None:
                if outcome:
                    self.send(Reload(shown=digest), said, answered)

            return take

        self.send(Reload(), said, answered)

    # Command line

    def action_command_line(self) -> None:
        """Opens the command line."""
        self.desk.command_line(True)

    def begin_line(self, text: str) -> None:
        """Opens the command line with a command that is to be completed."""
        self.desk.command_line(True)
        line = self.desk.query_one("#command", Input)
        line.value = text
        line.cursor_position = len(text)

    def line_submitted(self, text: str) -> None:
        """Runs what was typed on the command line."""
        self.desk.command_line(False)
        if text and not self.jumped(text):
            self.run_line(text)

    def run_line(self, text: str) -> None:
        """Runs a command as it would be typed, after its confirmation where it needs one.

        Keys that act on a row come here as well: what a key does can be typed, and asks the same question.
        """
        try:
            spoken = parse(text, context(self._link.latest(), self._zone))
        except Misspoken as error:
            self.hint(str(error))
            return
        if self.entered(spoken):
            return
        command, word = spoken
        assert not isinstance(command, OfDesk), "that is entered"
        if isinstance(command, Kill) and not command.flatten:
            self.action_kill()
        elif isinstance(command, Flatten) and command.symbol is not None:
            self._flatten(command.symbol)
        elif isinstance(command, Flatten):
            self.action_flatten_all()
        elif isinstance(command, Cancel):
            self._cancel(command.order_id)
        elif not word:
            self.send(command, text)
        else:
            self._confirm(command, text, word)

    def _confirm(self, command: AnyCommand, text: str, word: str) -> None:
        snapshot = self._link.latest()
        scope = f"{text} · {snapshot.mode} account {snapshot.account}" if snapshot is not None else text
        if (
            isinstance(command, Reset)
            and command.scope == "halt"
            and snapshot is not None
            and snapshot.halted
        ):
            scope += f". Halted: {snapshot.halt_reason}. After this, opening orders may leave again."
        self._ask_for(command, text, scope, word, *meant(command, snapshot))

    def _ask_for(self, command: AnyCommand, text: str, scope: str, word: str, *more: str) -> None:
        """`more`: what it would do, in paragraphs."""

        def chosen(outcome: str | None) -> None:
            if outcome == "stop":
                self.finish("stop-engine", "stopped from the desk (:shutdown)")
            elif outcome:
                self.send(command, text)

        body = [*wrapped(scope, "heading"), *(line for part in more for line in [(), *wrapped(part)])]
        if word == "y":
            ask = Ask(text, body, single={"y": "yes"}, hint="y does it. Esc does nothing.", kind="command")
        else:
            outcome = "stop" if word == "STOP" else "yes"
            hint = f"Type {word} and Enter. Esc does nothing."
            ask = Ask(text, body, words={word: outcome}, hint=hint, kind="command")
        self.push_screen(ask, chosen)

    def action_ask_quit(self) -> None:
        """Asks what is to end: the screen or the engine."""
        if self._asking("quit"):
            return
        if not self._link.alive():
            self.finish("quit-screen", "closed by the operator; the engine had gone")
            return
        latest = self._link.latest()
        if latest is not None and latest.recorded:
            self.finish("quit-screen", "the recording was closed")
            return

        def chosen(outcome: str | None) -> None:
            if outcome == "close":
                self.finish("quit-screen", "closed by the operator")
            elif outcome == "stop":
                self.finish("stop-engine", "stopped from the desk")

        snapshot = self._link.latest()
        body = wrapped(scope_all(snapshot), "heading")
        hint = (
            "c closes the screen, the engine goes on. Type STOP and Enter to stop the engine. Esc: neither."
        )
        ask = Ask(
            "QUIT", body, words={"STOP": "stop"}, single={"c": "close"}, hint=hint, danger=False, kind="quit"
        )
        self.push_screen(ask, chosen)
