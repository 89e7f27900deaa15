"""What the kill key and the flatten keys do: stage one at once, then the question, and what was left open."""

from __future__ import annotations

import time
from typing import Final

from app.desk.dialogs import Ask, KillAsk, wrapped
from app.desk.host import Part
from app.desk.view.killing import left_open, scope_all, scope_symbol
from engine.control.commands import Answer, Flatten, Kill

KILL_REPEAT: Final = 0.25
"""Seconds within which a held kill key counts as one press."""


class Killing(Part):
    """Part of the app."""

    _kill_sent_at: float = float("-inf")
    _kills_ahead: int = 0
    """Kill keys that the input thread has sent; only that thread counts here."""
    _kills_taken: int = 0
    """Those of them that the app's loop has seen; only the loop counts here."""
    _kill_left_at: float = float("-inf")
    _kill_answer: tuple[float, Answer] | None = None
    """When the newest answer to a kill came, and what it was: it may be there before the question is."""

    def kill_ahead(self) -> None:
        """Stage one, on the input thread: nothing here may wait for the app's loop."""
        moment = time.monotonic()
        if moment - self._kill_sent_at >= KILL_REPEAT and not self._send_kill("kill key"):
            return
        self._kill_sent_at = moment
        self._kills_ahead += 1

    def _send_kill(self, source: str) -> bool:
        def answered(answer: Answer) -> None:
            self.on_loop(self._kill_answered, answer)

        self._kill_left_at = time.monotonic()
        try:
            self._link.send(Kill(flatten=False, reason=f"operator: {source}"), self._who, answered)
        except Exception as error:  # noqa: BLE001 - the operator must learn that the kill did not leave
            text = f"KILL NOT SENT: {type(error).__name__}: {error}"
            self.on_loop(self._kill_answered, Answer(ok=False, text=text))
            return False
        return True

    def _kill_answered(self, answer: Answer) -> None:
        self._kill_answer = time.monotonic(), answer
        self._show_answer("kill", answer)
        for screen in self.screen_stack:
            if isinstance(screen, KillAsk):
                screen.answered(answer.ok, answer.text)

    def action_kill(self) -> None:
        """Stage one where the input thread has not sent it already; then the question of stage two."""
        if self._kills_taken < self._kills_ahead:
            self._kills_taken += 1
        else:
            self._send_kill("kill key")
        latest = self._link.latest()
        if latest is not None and latest.recorded:
            return  # the recording's answer says that there is nothing to kill
        if not self._asking("kill"):
            ask = KillAsk(scope_all(latest), left_open(latest), self._zone)
            if self._kill_answer is not None and self._kill_answer[0] >= self._kill_left_at:
                ask.answered(self._kill_answer[1].ok, self._kill_answer[1].text)
            self.push_screen(ask, lambda outcome: self._kill_chosen(outcome, ask))

    def _kill_chosen(self, outcome: str | None, ask: KillAsk) -> None:
        if outcome == "flatten":
            self.send(Kill(flatten=True, reason="operator: kill key, FLATTEN typed"), "KILL and FLATTEN ALL")
            return
        latest = self._link.latest()
        if latest is None or not latest.halted:
            told = f"NOT halted, as far as is known: {ask.refused}"
            sent = "kill sent; the engine has not said that it is halted. F12 sends it again"
            self.note(told if ask.refused else sent, "halted")
        elif left := left_open(latest):
            self.note(f"halted; {left}. F12 asks again", "heading")
        else:
            self.note("halted; nothing is open. When you are ready, ':reset halt'", "heading")

    def action_flatten_symbol(self) -> None:
        """Flattens what the cursor stands on."""
        symbol = self._selected_symbol()
        if not symbol:
            self.hint("F8 flattens the selected symbol: select a position (F4) or an order (F3) first")
            return
        self._flatten(symbol)

    def _flatten(self, symbol: str) -> None:
        if self._asking("flatten"):
            return

        def chosen(outcome: str | None) -> None:
            if outcome:
                self.send(Flatten(symbol=symbol), f"flatten {symbol}")

        body = wrapped(scope_symbol(self._link.latest(), symbol), "heading")
        hint = f"y flattens {symbol}. Esc does nothing."
        title = f"FLATTEN {symbol}"
        self.push_screen(Ask(title, body, single={"y": "yes"}, hint=hint, kind="flatten"), chosen)

    def action_flatten_all(self) -> None:
        """Flattens everything, without the halt that the kill key latches."""
        if self._asking("flatten"):
            return

        def chosen(outcome: str | None) -> None:
            if outcome:
                self.send(Flatten(), "FLATTEN ALL")

        body = wrapped(scope_all(self._link.latest()), "heading")
        hint = "Type FLATTEN and Enter to close all positions. Esc does nothing."
        words = {"FLATTEN": "yes"}
        self.push_screen(Ask("FLATTEN ALL", body, words=words, hint=hint, kind="flatten"), chosen)
