"""What the desk's app is to what is built into it: to the widgets on it, and to the parts of itself.

The parts (`commanding`, `killkeys`, `orderkeys`, `moving`, `ordering`, `recording`, `theming`) are classes
that `DeskApp` is put together from; each may use whatever stands here, whichever part has it. Widgets reach
it with `host_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from textual.actions import ActionParseResult
    from textual.dom import DOMNode
    from textual.screen import Screen
    from textual.widget import Widget

    from app.desk.entry.arming import Arming
    from app.desk.keys import Key
    from app.desk.result import Reason
    from app.desk.screen import CommandLine, DeskScreen
    from app.desk.view.cells import Row
    from app.grammar.verbs import Spoken
    from engine.control.commands import Answer, AnyCommand
    from engine.control.link import Link
    from engine.control.replies import MarketSeen
    from engine.control.snapshot import Snapshot
    from engine.model import Side


class Host(Protocol):
    """The desk as its widgets and its own parts see it."""

    _link: Link
    _who: str
    _zone: str
    _now: Callable[[], float]
    _lined: Snapshot | None
    """What the lines at the top show."""
    _shown: Snapshot | None
    """What the panes show."""
    _note_until: float
    _painting: bool
    keys: tuple[Key, ...]
    """The table of keys, with the operator's own."""
    arming: Arming
    now: Callable[[], float]
    """A monotonic clock in seconds."""

    # Of Textual's app

    screen_stack: Any
    screen: Any
    push_screen: Callable[..., Any]
    pop_screen: Callable[..., Any]
    call_after_refresh: Callable[..., Any]
    set_timer: Callable[..., Any]
    register_theme: Callable[..., None]
    theme: str
    _watch_theme: Callable[..., Any]

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool: ...

    # Looking

    @property
    def link(self) -> Link:
        """The engine, as panes may ask it."""

    @property
    def desk(self) -> DeskScreen:
        """The desk's screen, whatever dialog lies over it."""

    def on_loop(self, callback: Callable[..., object], *args: object) -> None:
        """Has a callback run on the app's loop; from any thread."""

    def paint(self) -> None:
        """Paints what is new."""

    async def action_show(self, name: str) -> None:
        """Shows a screen."""

    async def show_log(self, ident: str) -> None:
        """The log, with only what is about an id."""

    def finish(self, reason: Reason, detail: str = "") -> None:
        """Ends the screen."""

    # Saying

    def note(self, text: str, meaning: str = "muted", stays: float = ..., *, here: bool = False) -> None:
        """Says something on the note line for a while."""

    def hint(self, text: str) -> None:
        """Says why a key did nothing here, until another screen or a question comes."""

    def leave_hint(self) -> None:
        """What was said about where the operator was does not stand where he is now."""

    # Commanding

    def send(self, command: AnyCommand, said: str, then: Callable[[Answer], None] | None = None) -> None:
        """Sends a command; its answers go to `then`, or appear on the note line, after `said`."""

    def preview(self, command: AnyCommand, answered: Callable[[Answer], None]) -> None:
        """Asks the engine what it would say; `answered` runs on the app's loop."""

    def run_line(self, text: str) -> None:
        """Runs a command as it would be typed, after its confirmation where it needs one."""

    def begin_line(self, text: str) -> None:
        """Opens the command line with a command that is to be completed."""

    def line_submitted(self, text: str) -> None:
        """Runs what was typed on the command line."""

    def complete_line(self, line: CommandLine) -> None:
        """Tab: the word at the end, as far as it is certain."""

    def recall_line(self, line: CommandLine, older: bool) -> None:
        """Up and Down: what was typed before."""

    def entered(self, spoken: Spoken) -> bool:
        """Takes a command that is confirmed in a form of its own; False where it is none."""

    def jumped(self, text: str) -> bool:
        """Takes a typed line that names a moment of a recording."""

    def edit_limit(self, name: str, value: str = "", *, confirm: bool = False) -> None:
        """Changes a limit: a symbol's, or a control's."""

    def trade_at(self, side: Side, symbol: str, price: Decimal) -> None:
        """A limit order at this price with one key."""

    def size_of(self, symbol: str) -> Decimal:
        """The size of an order that is entered with one key."""

    def learn(self, seen: MarketSeen) -> None:
        """Keeps the lot of a market that was asked about."""

    def kill_ahead(self) -> None:
        """Stage one of the kill, on the input thread."""

    def action_kill(self) -> None:
        """Stage one of the kill, and the question of stage two."""

    def selected_order(self, does: str) -> Row | None:
        """The order under the cursor of the sheet's table of orders."""

    def _selected_symbol(self) -> str:
        """Symbol of the selected row; empty where none is selected."""

    def _show_answer(self, said: str, answer: Answer) -> None:
        """An answer on the note line."""

    def _asking(self, kind: str) -> bool:
        """Whether a question of that kind stands."""

    def _ask_for(self, command: AnyCommand, text: str, scope: str, word: str, *more: str) -> None:
        """Sends a command after its word; `more`: what it would do, in paragraphs."""

    def _cancel(self, order_id: str) -> None:
        """Cancels an order; one that protects a position only after a y."""

    def _flatten(self, symbol: str) -> None:
        """Flattens one symbol after a y."""

    def action_flatten_all(self) -> None:
        """Flattens everything after the typed word."""


def host_of(widget: Widget | Screen[Any]) -> Host:
    """The app that a widget stands in; what it asks for must stand in `Host`."""
    return cast(Host, widget.app)


if TYPE_CHECKING:
    Part = Host
    """Base of a part of the app: it has what stands in `Host`."""
else:
    Part = object
