"""What enters orders on the desk: ticket, changes, limits, the ladder's keys, ARMED or SAFE, and the line
that is typed, with its history, its completion and what the engine thinks of it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from textual.widgets import Input

from app.desk.commanding import Commanding
from app.desk.dialogs import Ask, wrapped
from app.desk.entry.arming import Arming as ArmState
from app.desk.entry.confirm import QUIET, OneKey
from app.desk.entry.form import CALM, Form
from app.desk.entry.judging import GIVE_UP, Case, Judge
from app.desk.entry.limit import LimitChange
from app.desk.entry.modify import Change
from app.desk.entry.rolling import RollAsk
from app.desk.entry.ticket import Ticket
from app.desk.grid import Grid
from app.desk.history import History
from app.desk.painting import Lines
from app.desk.panes.market import Ladder
from app.desk.screen import CommandLine
from app.desk.speaking import context
from app.desk.view.cells import Cell
from app.desk.view.orders import is_working
from app.desk.view.preview import Line, one_line
from app.desk.view.status import STALE_AFTER
from app.desk.welcome import WelcomePage
from app.grammar.completion import completed
from app.grammar.saying import say
from app.grammar.tokens import Context, Misspoken, words
from app.grammar.verbs import VERBS, Arming, OfDesk, Spoken, Theming, parse
from engine.control.commands import (
    Answer,
    AnyCommand,
    Modify,
    Reload,
    Roll,
    ScreenSaid,
    SetLimit,
    Submit,
)
from engine.control.replies import MarketSeen
from engine.control.snapshot import OrderRow, PositionRow, Snapshot
from engine.model import OrderType, Side, TimeInForce

STANDS: Final = 86_400.0
"""Seconds for which it is said why the desk is SAFE again, unless something else is said."""
SMALL: Final = Decimal(1)
"""Size of an order for whose symbol none is set (`desk.sizes`), and no lot is known."""


class Ordering(Commanding):
    """Mixin of the app; `set_up_orders` comes first."""

    def set_up_orders(self, history: History, safe_after: float, sizes: Mapping[str, Decimal]) -> None:
        """`safe_after`: seconds without a key after which the desk is SAFE again, 0: never."""
        self.arming = ArmState(self._now, safe_after)
        self.history = history
        self._sizes = dict(sizes)
        self._lots: dict[str, Decimal] = {}
        """The least size of what has been looked at, by symbol."""
        self._one_key = OneKey()
        self._last_symbol = ("", "")
        """Screen and symbol of the row that was selected last."""
        self._typed = 0
        """Counts changes of the command line."""
        self._line = Judge(self.preview, lambda: self.now(), self._line_judged, self._line_unheard)
        """What the engine thinks of the line that is being typed."""

    # ARMED and SAFE

    def action_arm(self) -> None:
        """SAFE at once; ARMED at once on paper, after the typed word where money is real."""
        if self.arming.armed:
            self._set_armed(False)
            return
        snapshot = self._link.latest()
        if snapshot is None or not self._link.alive():
            self.note("there is no engine to send orders to", "heading")
        elif snapshot.recorded:
            self.note("this is a recording: there is nothing to arm", "heading")
        elif self._link.role() != "control":
            self.note("this screen only looks on: ':take control' first", "heading")
        elif snapshot.mode != "LIVE":
            self._set_armed(True, snapshot.stops)
        elif not self._asking("arm"):
            stops = snapshot.stops
            body = wrapped(
                f"Orders of this desk go to LIVE account {snapshot.account}, real money.", "heading"
            )
            hint = "Type ARM and Enter. Esc leaves it SAFE."

            def chosen(outcome: str | None) -> None:
                if outcome:
                    self._set_armed(True, stops)

            self.push_screen(Ask("ARM", body, words={"ARM": "yes"}, hint=hint, kind="arm"), chosen)

    def action_kill(self) -> None:
        """Whoever kills sends no orders for a while: the desk is SAFE from here on."""
        if self.arming.armed:
            self.arming.safe()
            self._armed_changed()
        super().action_kill()

    def _set_armed(self, armed: bool, stops: int = 0) -> None:
        if armed:
            self.arming.arm(stops)
            self.note("ARMED: this desk sends orders. Ctrl+O makes it SAFE", "armed")
        else:
            self.arming.safe()
            self.note("SAFE: orders are previewed only; kill, cancel and flatten always work", "heading")
        self._armed_changed()

    def _armed_changed(self) -> None:
        self.paint()
        for screen in self.screen_stack:
            if isinstance(screen, Form):
                screen.look()

    def watch_arming(self, snapshot: Snapshot) -> None:
        """With every frame: what makes the desk SAFE without its operator."""
        why = self.arming.fell_safe(snapshot, self._link.role(), self._link.alive())
        if why:
            # Until something else is said: who comes back after a while must find out.
            self.note(f"SAFE again: {why}. Ctrl+O arms", "heading", stays=STANDS)
            self._tell_log(f"SAFE again: {why}")
            self._armed_changed()

    def _tell_log(self, text: str) -> None:
        """Into log and journal of the engine, if it is there."""
        # The engine is gone, or the line to it: the screen says so by itself.
        with contextlib.suppress(OSError, RuntimeError):
            if self._link.alive():
                self._link.send(ScreenSaid(text=text), self._who, None)

    # Previews and forms

    def preview(self, command: AnyCommand, answered: Callable[[Answer], None]) -> None:
        """Asks the engine what it would say; `answered` runs on the app's loop."""

        def came(answer: Answer) -> None:
            self.on_loop(answered, answer)

        try:
            self._link.send(command, self._who, came)
        except Exception as error:  # noqa: BLE001 - whatever a link does, the operator must learn that it failed
            answered(Answer(ok=False, text=f"not asked: {type(error).__name__}: {error}"))

    def open_form(self, form: Form) -> None:
        """Shows a form and sends what it is dismissed with; one of a kind at a time."""
        if any(isinstance(screen, Form) and screen.kind == form.kind for screen in self.screen_stack):
            return

        def chosen(command: AnyCommand | None) -> None:
            if command is not None:
                self.send(command, say(command))

        self.push_screen(form, chosen)

    def push_screen(self, screen: Any, *args: Any, **more: Any) -> Any:
        """An old message does not stand under a new question, nor the welcome: it would come back."""
        if isinstance(screen, Ask | Form):
            self.note("")
        if self.screen_stack and isinstance(self.screen_stack[-1], WelcomePage):
            self.pop_screen()
        return super().push_screen(screen, *args, **more)

    def action_ticket(self) -> None:
        """A new order in the symbol of the selected row, or of the market that is shown."""
        snapshot = self._link.latest()
        if snapshot is not None and snapshot.recorded:
            self.hint("this is a recording: no order leaves from it")
            return
        row = self.position_row(self._looked_at())
        symbol = row.symbol if row is not None else ""
        self.open_form(Ticket(self.known_words(), symbol=symbol))

    def _looked_at(self) -> str:
        """Symbol of the row that was selected last on this screen, even if it has left the table since: the
        ticket shows it and sends nothing by itself."""
        sheet = self.desk.sheet
        where, symbol = self._last_symbol
        return (
            self._selected_symbol() or getattr(sheet, "symbol", "") or (symbol if where == sheet.id else "")
        )

    def on_grid_moved(self, message: Grid.Moved) -> None:
        """Remembers which symbol was looked at."""
        row = message.grid.selected
        if row is not None and row.symbol:
            self._last_symbol = self.desk.sheet.id or "", row.symbol

    def action_modify_order(self) -> None:
        """Changes the order under the cursor in a table of orders; on the ladder, ours at the price."""
        ladder = self.desk.focused
        if isinstance(ladder, Ladder):
            ours = [own.id for own in ladder.orders_here]
            if len(ours) != 1:
                many = f"{len(ours)} orders of ours stand at that price: choose one on F3"
                self.hint(many if ours else "no order of ours stands at that price")
                return
            name = ours[0]
        else:
            row = self.selected_order("m modifies")
            name = row.key if row is not None else ""
        order = self.order_row(name)
        if name and order is None:
            self.hint(f"{name} cannot be modified from here: it is not ours, or gone")
        elif order is not None and not is_working(order):
            self.hint(f"{order.id} is {order.status}: nothing is left to modify")
        elif order is not None:
            self.open_form(Change(order))

    def edit_limit(self, name: str, value: str = "", *, confirm: bool = False) -> None:
        """Changes a limit: a symbol's, or a control's."""
        self.open_form(LimitChange(name, value, confirm=confirm))

    def size_of(self, symbol: str) -> Decimal:
        """The size of an order that is entered with one key: the operator's, else one lot."""
        lot = self._lots.get(symbol, SMALL)
        return self._sizes.get(symbol, self._sizes.get("*", lot))

    def learn(self, seen: MarketSeen) -> None:
        """Keeps the lot of a market that was asked about."""
        self._lots[seen.symbol] = seen.lot

    def trade_at(self, side: Side, symbol: str, price: Decimal) -> None:
        """A limit order at this price with one key: sent where the desk is ARMED, else previewed. A key that
        is held sends one order."""
        order = Submit(
            symbol=symbol,
            side=side,
            size=self.size_of(symbol),
            type=OrderType.LIMIT,
            limit=price,
            tif=TimeInForce.DAY,
        )
        if not self.arming.armed:
            self.open_form(Ticket(self.known_words(), order))
            return
        if self._link.age() > STALE_AFTER:
            self.note("NOT SENT: no news from the engine, this price may be long gone", "halted")
            return
        at = time.monotonic()
        acts = self._one_key.pressed(at)
        if acts:
            self.send(order, say(order))
        elif acts is None:
            self.set_timer(QUIET, lambda: self._trade_if_alone(order, at))

    def _trade_if_alone(self, order: Submit, at: float) -> None:
        if not self.arming.armed:
            return
        if self._one_key.stands(at):
            self.send(order, say(order))
        else:
            self.note("the key is held: one order was sent, no more", "alarm-warning")

    def action_cancel_order(self) -> None:
        """On the ladder: our orders at the price under the cursor; elsewhere the selected order."""
        ladder = self.desk.focused
        if not isinstance(ladder, Ladder):
            super().action_cancel_order()
            return
        found = ladder.orders_here
        for own in found:
            self._cancel(own.id)
        if not found:
            self.note("no order of ours stands at that price", "heading")

    def known_words(self) -> Context:
        """Names and the time, for the command language."""
        return context(self._link.latest(), self._zone)

    def order_row(self, order_id: str) -> OrderRow | None:
        """An order of the newest snapshot."""
        snapshot = self._link.latest()
        rows = snapshot.orders if snapshot is not None else ()
        return next((order for order in rows if order.id == order_id), None)

    def position_row(self, symbol: str) -> PositionRow | None:
        """A position of the newest snapshot."""
        snapshot = self._link.latest()
        rows = snapshot.positions if snapshot is not None else ()
        return next((row for row in rows if row.symbol == symbol), None)

    # The command line

    def entered(self, spoken: Spoken) -> bool:
        """Commands that are confirmed in a form of their own. False for all others."""
        match spoken.command:
            case Arming(armed=armed):
                if armed != self.arming.armed:
                    self.action_arm()
            case Theming(name=name):
                self.use_theme(name)
            case Reload():
                self.action_reload()
            case Submit(preview=False) as order:
                self.open_form(Ticket(self.known_words(), order, confirm=True))
            case Modify(preview=False, order_id=order_id) as change:
                row = self.order_row(order_id)
                if row is None:
                    self.note(f"there is no order {order_id} on the screen", "heading")
                else:
                    self.open_form(Change(row, change, confirm=True))
            case Roll(preview=False) as roll:
                self._ask_roll(roll)
            case SetLimit(preview=False, name=name, value=value):
                self.edit_limit(name, value, confirm=True)
            case _:
                return False
        return True

    def _ask_roll(self, roll: Roll) -> None:
        """Asks before a roll, where the desk is ARMED; it stands there with what the engine says of it."""

        def chosen(outcome: str | None) -> None:
            if outcome:
                self.send(roll, say(roll))

        if not self._asking(RollAsk.KIND):
            self.push_screen(RollAsk(roll), chosen)

    def line_submitted(self, text: str) -> None:
        """Remembers it, and runs it."""
        if text:
            self.history.add(text)
        super().line_submitted(text)

    def action_command_line(self) -> None:
        """Opens the command line, with what it can do below it."""
        super().action_command_line()
        self.history.rest()
        self.desk.query_one("#hint", Lines).show(self._thought("")[0])

    def complete_line(self, line: CommandLine) -> None:
        """Tab: the word at the end, as far as it is certain."""
        line.value = completed(line.value, self.known_words())
        line.cursor_position = len(line.value)

    def recall_line(self, line: CommandLine, older: bool) -> None:
        """Up and Down: what was typed before."""
        line.value = self.history.older(line.value) if older else self.history.newer()
        line.cursor_position = len(line.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """What the typed line would do, below it."""
        if not isinstance(event.input, CommandLine):
            return
        self._typed += 1
        self._line.about(None)
        hint, asked = self._thought(event.value)
        self.desk.query_one("#hint", Lines).show(hint)
        if asked is not None:
            typed = self._typed
            self.set_timer(CALM, lambda: self._ask_about(asked, typed))

    def _thought(self, text: str) -> tuple[Line, AnyCommand | None]:
        """What can be said at once, and what the engine is to be asked."""
        found = words(text)
        if not found:
            return (Cell(" Tab completes, Up recalls, F1 lists all commands", "muted"),), None
        verb = VERBS.get(found[0].lower)
        try:
            spoken = parse(text, self.known_words())
        except Misspoken as error:
            unfinished = error.start >= len(text.rstrip()) or (error.end >= len(text) and text[-1:] != " ")
            if verb is not None and unfinished:
                return (Cell(f" {verb.form}", "muted"), Cell(f"  {verb.help}", "muted")), None
            return (Cell(f" △ {error}", "alarm-warning"),), None
        command = spoken.command
        if isinstance(command, Submit | Modify | SetLimit | Roll):
            asked = parse(say(command) + ("" if command.preview else " preview")).command
            assert not isinstance(asked, OfDesk)
            return (Cell(" … the engine is asked", "muted"),), asked
        return (Cell(f" {say(command)}: {verb.help if verb is not None else ''}", "muted"),), None

    def _ask_about(self, asked: AnyCommand, typed: int) -> None:
        if typed == self._typed:
            self._line.about(Case(asked, asked))

    def follow_line(self) -> None:
        """With each frame: what stands below an open command line is asked anew each second."""
        if isinstance(self.desk.focused, CommandLine):
            self._line.pulse()
        else:
            self._line.about(None)

    def _line_judged(self, _: Case, answer: Answer) -> None:
        self._below_line(one_line(answer))

    def _line_unheard(self) -> None:
        self._below_line((Cell(f" △ the engine has not answered for {GIVE_UP:.0f} s", "stale"),))

    def _below_line(self, line: Line) -> None:
        if self.screen_stack and isinstance(self.desk.focused, CommandLine):
            self.desk.query_one("#hint", Lines).show(line)
