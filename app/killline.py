"""The kill's own connection: nothing that happens to a screen's stream or main thread holds it up."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path
from typing import Final

from engine.control import wire
from engine.control.client import ControlClient, Unreachable
from engine.control.commands import Answer, Kill
from engine.control.link import AnswerSink

SEND_WITHIN: Final = 10.0
"""Seconds for which a kill that cannot be sent is tried again."""
SILENT_AFTER: Final = 2.0
"""Seconds without an answer after which the operator is told so."""
LISTEN: Final = 0.05
"""Seconds of listening for answers before the next kill in the queue gets its turn."""
LOOK_EVERY: Final = 1.0
"""Seconds between two looks at an idle line."""
BETWEEN_TRIES: Final = 0.1
"""Seconds between two attempts to connect."""


class _Sent:
    """A kill under way. `accepted`: the engine has it on disk, and does not need to be told again."""

    def __init__(self, command: Kill, answer: AnswerSink) -> None:
        self.command = command
        self.answer = answer
        self.at = time.monotonic()
        self.accepted = False
        self.told_silent = False


class KillLine:
    """A thread with a standing connection to the engine of a state directory. `send` never waits."""

    def __init__(self, directory: Path, tty: str | None = None) -> None:
        self._directory = directory
        self._tty = tty
        self._queue: queue.SimpleQueue[_Sent | None] = queue.SimpleQueue()
        self._client: ControlClient | None = None
        self._pending: dict[int, _Sent] = {}
        self._thread = threading.Thread(target=self._run, name="kill-line", daemon=True)

    def start(self) -> None:
        """Connects, so that a kill finds the line open."""
        self._thread.start()

    def send(self, command: Kill, answer: AnswerSink | None) -> None:
        """Sends a kill; safe from every thread."""
        self._queue.put(_Sent(command, answer or (lambda _: None)))

    def close(self) -> None:
        """Sends what waits, and ends."""
        self._queue.put(None)
        self._thread.join(SEND_WITHIN)

    # ---- on the thread

    def _run(self) -> None:
        self._look_after()
        while True:
            try:
                sent = self._queue.get(block=not self._pending, timeout=LOOK_EVERY)
            except queue.Empty:
                if self._pending:
                    self._listen()
                else:
                    self._look_after()
                continue
            if sent is None:
                break
            self._deliver(sent)
        self._drop()

    def _look_after(self) -> None:
        """Keeps the line open while there is nothing to send, also through a restart of the engine."""
        try:
            self._connected().receive(0.001)
        except Unreachable:
            self._drop()

    def _connected(self) -> ControlClient:
        if self._client is None:
            client = ControlClient(self._directory, name="desk kill", tty=self._tty)
            client.connect()
            self._client = client
        return self._client

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _deliver(self, sent: _Sent) -> None:
        """Tries until it is sent. Twice is no harm: a kill that has begun is not begun again."""
        deadline = time.monotonic() + SEND_WITHIN
        pause = 0.0  # a line that broke unnoticed is opened anew at once
        while True:
            try:
                request = self._connected().start(sent.command)
            except Unreachable as error:
                self._lost()
                if time.monotonic() >= deadline:
                    text = f"{error}. Act at the broker directly"
                    sent.answer(Answer(ok=False, text=text, data={"outcome": "not sent"}))
                    return
                time.sleep(pause)
                pause = BETWEEN_TRIES
                continue
            self._pending[request] = sent
            return

    def _listen(self) -> None:
        """Passes answers on; tells once when there is none."""
        client = self._client
        if client is None:
            self._lost()
            return
        try:
            message = client.receive(LISTEN)
        except Unreachable:
            self._lost()
            return
        if isinstance(message, wire.Reply) and message.id in self._pending:
            sent = self._pending[message.id]
            sent.accepted = True
            if message.answer.final:
                del self._pending[message.id]
            sent.answer(message.answer)
        elif isinstance(message, wire.Problem) and message.id in self._pending:
            self._pending.pop(message.id).answer(Answer(ok=False, text=message.text))
        for sent in self._pending.values():
            if not sent.accepted and not sent.told_silent and time.monotonic() - sent.at > SILENT_AFTER:
                sent.told_silent = True
                text = (
                    f"the kill is sent, and the engine has not answered for {SILENT_AFTER:g} s: it is stuck "
                    "or stopped. It acts on it as soon as it runs; until then act at the broker directly"
                )
                sent.answer(Answer(ok=False, text=text, final=False, data={"outcome": "unknown"}))

    def _lost(self) -> None:
        """The line broke: what the engine has on disk it finishes by itself, the rest is sent again."""
        self._drop()
        pending, self._pending = self._pending, {}
        for sent in pending.values():
            if sent.accepted:
                text = (
                    "the connection broke while the kill runs: the engine goes on with it, also after a "
                    "restart. Look at its verdict on the screen or with 'breakwater ctl status'"
                )
                sent.answer(Answer(ok=False, text=text, data={"outcome": "unknown"}))
            else:
                self._queue.put(sent)
