"""Hands events to a strategy's callbacks and collects what it answers; no process or clock in here."""

from __future__ import annotations

import importlib
import io
import traceback
from collections.abc import Callable
from pathlib import PurePath
from typing import Final

from pydantic import BaseModel, ValidationError

from engine.strategy.api import Strategy
from engine.strategy.board import CALLBACKS, Stopwatch
from engine.strategy.messages import Batch, Done, Failed, Ready, Start, Stop
from engine.strategy.session import MAX_LINE, Session, StrategyError

MAX_TRACE: Final = 8_000
"""Characters of a traceback that are sent."""
MAX_REASON: Final = 500
MAX_GIVEN: Final = 40
"""Characters of a refused parameter's value that are said again."""


class Runtime:
    """One strategy instance and its session. Every exception of the author's code goes through."""

    def __init__(self, start: Start, watch: Stopwatch | None = None) -> None:
        """`watch` is told of each callback; None: nobody measures."""
        self.session = Session(start)
        self._start = start
        self._watch = watch
        self.where = "loading"
        """What is being run, for the message when it fails."""
        self._strategy: Strategy | None = None

    def check(self) -> Done:
        """Imports the class and makes one with its parameters, and throws it away."""
        cls = load(self._start.module, self._start.import_paths)
        self._make(cls)
        return Done(0, (), *self.session.take()[1:])

    def _make(self, cls: type[Strategy]) -> Strategy:
        self.where = "__init__"
        try:
            return cls.make(self.session, self._start.params)
        except ValidationError as error:
            raise StrategyError(_params_complaint(error, cls.Params)) from None

    def start(self, baseline: int) -> Ready:
        """Imports the class, checks its parameters and runs `on_start`."""
        cls = load(self._start.module, self._start.import_paths)
        strategy = self._strategy = self._make(cls)
        self._begin("s", "on_start")
        strategy.on_start()
        spent = self._rest()
        saved = self._saved()
        actions, logs, dropped = self.session.take()
        return Ready(cls.wanted(), baseline, actions, logs, dropped, spent, saved)

    def take(self, batch: Batch) -> Done:
        """Runs the callbacks for each event of a batch, in order."""
        session, strategy = self.session, self._strategy
        assert strategy is not None, "a batch before the start"
        session.now = batch.now
        for mark in batch.marks:
            session.quotes[mark.symbol] = mark
        watch = self._watch
        events = batch.events()
        for index, letter in enumerate(batch.kinds):
            event = events[index]
            session.cause = index
            self.where = CALLBACKS.get(letter, "the engine's own part")
            if watch is not None:
                watch.begin(letter)
            match letter:
                case "q":
                    session.quotes[event.symbol] = event
                    strategy.on_quote(event)
                case "t":
                    strategy.on_trade(event)
                case "b":
                    strategy.on_bar(event)
                case "f":
                    session.positions[event.symbol] = event.position
                    strategy.on_fill(event)
                case "o":
                    session.see_order(event)
                    strategy.on_order(event)
                case "w":
                    session.timer_fired(event.name)
                    strategy.on_timer(event.name)
                case "p":
                    session.position_set(event)
                case "h":
                    session.paused = (event.reason or "paused") if event.paused else ""
            if watch is not None:
                watch.end()
        session.cause = -1
        spent = () if watch is None else watch.rest()
        saved = self._saved()
        return Done(batch.seq, *session.take(), spent, saved)

    def stop(self, stop: Stop) -> Done:
        """Runs `on_stop`; what it asks for is the last that counts."""
        assert self._strategy is not None, "a stop before the start"
        self.session.now = stop.now
        self.session.cause = -1
        spent: tuple[int, ...] = ()
        if not stop.quiet:
            self._begin("e", "on_stop")
            self._strategy.on_stop(stop.reason)
            spent = self._rest()
        saved = self._saved(at_once=True)
        return Done(stop.seq, *self.session.take(), spent, saved)

    def _saved(self, at_once: bool = False) -> str | None:
        self.where = "what it left in self.saved"
        return self.session.saved.due(self.session.now, at_once)

    def _begin(self, letter: str, where: str) -> None:
        self.where = where
        if self._watch is not None:
            self._watch.begin(letter)

    def _rest(self) -> tuple[int, ...]:
        if self._watch is None:
            return ()
        self._watch.end()
        return self._watch.rest()

    def failure(self, error: BaseException, memory_mb: int) -> Failed:
        """The last message about an exception that came out of the author's code."""
        _, logs, dropped = self.session.take()
        place = _place(error)
        where = f"in {self.where}, {place}" if place else f"in {self.where}"
        match error:
            case MemoryError():
                reason = f"memory limit {memory_mb} MB ({where})"
            case SystemExit():
                reason = f"called sys.exit({_said(error)}) {where}"
            case StrategyError():
                reason = f"{_said(error)} ({where})"
            case _:
                reason = f"{type(error).__name__}: {_said(error)} ({where})"
        try:
            trace = "".join(traceback.format_exception(error, limit=-20))
        except Exception as broken:  # noqa: BLE001 - an exception's own __str__ may raise
            trace = f"no traceback: {type(broken).__name__}"
        return Failed(_bounded(reason, MAX_REASON), trace[-MAX_TRACE:], logs, dropped)


def load(where: str, import_paths: tuple[str, ...]) -> type[Strategy]:
    """The strategy class at `package.module:Class`. Raises `StrategyError` with the remedy."""
    module_name, _, class_name = where.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        places = ", ".join(import_paths) or "the installed packages only"
        raise StrategyError(
            f"there is no module {module_name!r}: put its file beside the configuration (looked in {places})"
        ) from None
    cls = getattr(module, class_name, None)
    if not isinstance(cls, type) or not issubclass(cls, Strategy) or cls is Strategy:
        found = [
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, Strategy) and value.__module__ == module.__name__
        ]
        raise StrategyError(
            f"{module_name} has no strategy class {class_name!r}; it has: {', '.join(found) or 'none'}"
        )
    return cls


class Printed(io.TextIOBase):
    """Stands for stdout and stderr in the strategy's process: whole lines go to the log, bounded."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        *lines, rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(line)
        self._rest = rest[:MAX_LINE]
        return len(text)


def _params_complaint(error: ValidationError, params: type[BaseModel]) -> str:
    """What is wrong with each parameter, what was given, and which there are where a name is unknown."""
    details, unknown = [], False
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"]) or "params"
        match item["type"]:
            case "extra_forbidden":
                unknown = True
                details.append(f"{name}: there is no such parameter")
            case "missing":
                details.append(f"{name}: {item['msg']}")
            case _:
                given = _bounded(repr(item["input"]), MAX_GIVEN)
                details.append(f"{name} = {given}: {item['msg']}")
    if unknown:
        details.append(f"it has: {', '.join(params.model_fields) or 'none'}")
    return "parameters refused: " + "; ".join(details)


def _place(error: BaseException) -> str:
    """File and line of the author's code in which it happened: the innermost frame outside this package."""
    own = str(PurePath(__file__).parent)
    samples = str(PurePath(__file__).parent / "samples")
    for summary in reversed(traceback.extract_tb(error.__traceback__)):
        ours = summary.filename.startswith(own) and not summary.filename.startswith(samples)
        loader = summary.filename.startswith("<frozen") or "importlib" in PurePath(summary.filename).parts
        if not ours and not loader:
            return f"{PurePath(summary.filename).name} line {summary.lineno}"
    return ""


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - an exception's own __str__ may raise
        return f"(no text: {type(broken).__name__})"


def _bounded(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
