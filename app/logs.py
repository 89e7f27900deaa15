"""The log: JSON lines with the same keys in the same order everywhere, written by a thread of its own.

A call costs its caller a dictionary and a queue; rendering, redaction, writing and rotation happen on the
writer's thread. The queue is bounded: what does not fit is counted, and the count is logged. Nothing here
raises into the caller and nothing is ever written to standard error.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from app.logring import LogRing
from app.logsink import FileSink, Renderer, Sink, StdoutSink
from engine.control.questions import LogTail, ReplySink
from engine.control.replies import Declined

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
MAX_WAITING: Final = 20_000
"""Events that may wait for the writer."""
GATHERED: Final = 0.01
"""Seconds that the first event after a calm waits for others. To render it at once took the interpreter from
the engine in the middle of the order that the line is about."""

Event = dict[str, Any]


class _Stop:
    """Tells the writer to end, after everything before it."""


class LogWriter:
    """The queue, and the thread that empties it into the sinks."""

    def __init__(
        self, renderer: Renderer, sinks: Sequence[Sink], *, lossless: bool, max_waiting: int = MAX_WAITING
    ) -> None:
        self.dropped = 0
        """Events that found the queue full, in all."""
        self._renderer = renderer
        self._sinks = tuple(sinks)
        self._lossless = lossless
        self._max = max_waiting
        self._queue: queue.SimpleQueue[Event | _Stop | threading.Event | Callable[[], None]]
        self._queue = queue.SimpleQueue()
        self._room = threading.Event()
        self._told = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Takes one event; never blocks unless the log is lossless, and then only while the queue is full."""
        while self._queue.qsize() >= self._max:
            if not self._lossless or not self._thread.is_alive():
                self.dropped += 1
                return
            self._room.clear()
            self._room.wait(0.1)
        self._queue.put(event)

    def do(self, job: Callable[[], None]) -> None:
        """Runs a job on the writer's thread, after what was put before. It must not raise."""
        self._queue.put(job)
        if not self._thread.is_alive():
            self._do_rest()

    def _do_rest(self) -> None:
        """Jobs that came after the end."""
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._queue.get_nowait()
                if callable(item):
                    item()

    def flush(self, within: float = 2.0) -> bool:
        """Waits until all that was put is written; False where that takes more than `within` seconds."""
        done = threading.Event()
        self._queue.put(done)
        return done.wait(within)

    def close(self, within: float = 2.0) -> None:
        """Writes what waits, and ends."""
        self._queue.put(_Stop())
        self._thread.join(within)

    @property
    def failures(self) -> int:
        """Lines that could not be written (disk full, no such directory)."""
        return sum(sink.failures for sink in self._sinks)

    def _run(self) -> None:
        while True:
            calm = self._queue.empty()
            item = self._queue.get()
            if calm and isinstance(item, dict):
                time.sleep(GATHERED)
            if isinstance(item, threading.Event):
                self._flush_sinks()
                item.set()
                continue
            if isinstance(item, _Stop):
                self._tell_dropped()
                break
            if callable(item):
                item()
                continue
            self._write(item)
            if self._queue.empty():
                self._tell_dropped()
                self._flush_sinks()
            if self._queue.qsize() < self._max // 2:
                self._room.set()
        for sink in self._sinks:
            sink.close()
        self._do_rest()

    def _tell_dropped(self) -> None:
        if self.dropped > self._told:
            lost, self._told = self.dropped - self._told, self.dropped
            self._write(
                {
                    "event": f"{lost} log lines dropped: they came faster than they could be written",
                    "level": "warning",
                    "component": "log",
                    "ts": time.time_ns(),
                    "dropped": lost,
                }
            )

    def _write(self, event: Event) -> None:
        line = self._renderer.line(event)
        for sink in self._sinks:
            sink.write(line)

    def _flush_sinks(self) -> None:
        for sink in self._sinks:
            sink.flush()


class _Router:
    """What structlog calls last: hands the event to the current writer, if there is one."""

    writer: LogWriter | None = None
    ring: LogRing | None = None
    level = LEVELS["info"]
    now: Callable[[], int] = time.time_ns

    def __getattr__(self, _name: str) -> Callable[[Event], None]:
        return self.take

    def take(self, event: Event) -> None:
        if self.writer is not None:
            self.writer.put(event)


_router: Final = _Router()


def _filter_and_stamp(_logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
    """Level and time, on the caller's thread; everything else is the writer's work."""
    level = "error" if method == "exception" else "warning" if method == "warn" else method
    if LEVELS.get(level, 20) < _router.level or _router.writer is None:
        raise structlog.DropEvent
    event["level"] = level
    if "ts" not in event:
        event["ts"] = _router.now()
    if event.get("exc_info"):
        event["exc_info"] = traceback.format_exc() if event["exc_info"] is True else str(event["exc_info"])
    return ((event,), {})


def configure(
    *,
    level: str = "info",
    file: Path | None = None,
    stdout: bool = False,
    rotate_mb: int = 20,
    keep: int = 10,
    secrets: Sequence[str] = (),
    now: Callable[[], int] | None = None,
    lossless: bool = False,
) -> LogWriter:
    """Starts the log, in place of one that runs. Without `file` and `stdout` it goes nowhere.

    `now`: engine time in UTC ns, for events that carry no `ts`. `secrets`: values that are blanked out
    wherever they occur. `lossless`: callers wait when the queue is full instead of dropping; only for virtual
    time, where nobody is waiting for them.
    """
    shutdown()
    sinks: list[Sink] = []
    if file is not None:
        sinks.append(FileSink(file, rotate_mb * 1_000_000, keep))
    if stdout:
        sinks.append(StdoutSink())
    _router.ring = LogRing()
    sinks.append(_router.ring)
    _router.level = LEVELS[level]
    _router.now = now or time.time_ns
    _router.writer = LogWriter(Renderer(secrets), sinks, lossless=lossless)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _filter_and_stamp],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        logger_factory=lambda *_: _router,
        cache_logger_on_first_use=True,
    )
    _catch_standard_logging()
    return _router.writer


def get(component: str) -> Any:
    """The logger of one component: `get("journal").warning("slow commit", correlation_id=…)`."""
    return structlog.get_logger().bind(component=component)


def engine_log(component: str = "engine") -> Callable[..., None]:
    """The log in the form that the engine takes: `log(level, event, **fields)`. Fields of the fixed schema
    are those of `app.logsink.SCHEMA`; `ts` is engine time in UTC ns."""

    def log(level: str, event: str, **fields: object) -> None:
        writer = _router.writer
        if writer is None or LEVELS.get(level, 20) < _router.level:
            return
        fields.setdefault("component", component)
        fields.setdefault("ts", _router.now())
        fields["event"] = event
        fields["level"] = level
        writer.put(fields)

    return log


def set_clock(now: Callable[[], int]) -> None:
    """From now on events without `ts` carry this clock's time (UTC ns)."""
    _router.now = now


def tail(question: LogTail, sink: ReplySink) -> None:
    """Answers a screen's question about the newest lines, on the writer's thread."""
    writer, ring = _router.writer, _router.ring
    if writer is None or ring is None:
        sink(Declined(text="no log runs in this process"))
        return

    def answer() -> None:
        try:
            sink(ring.tail(question))
        except Exception as error:  # noqa: BLE001 - the log goes on, whatever becomes of an answer
            sink(Declined(text=f"the log cannot be read: {error!r}"))

    writer.do(answer)


def shutdown(within: float = 2.0) -> None:
    """Writes what waits and ends the log; later events go nowhere."""
    writer, _router.writer = _router.writer, None
    if writer is not None:
        writer.close(within)


def counters() -> Mapping[str, int]:
    """Lines dropped and lines that could not be written, for the health screen."""
    writer = _router.writer
    if writer is None:
        return {"log.dropped": 0, "log.failures": 0}
    return {"log.dropped": writer.dropped, "log.failures": writer.failures}


class _StandardHandler(logging.Handler):
    """Brings what libraries log (asyncio, warnings) into the same file."""

    def emit(self, record: logging.LogRecord) -> None:
        event: Event = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "component": record.name,
            "ts": int(record.created * 1_000_000_000),
        }
        if record.exc_info:
            event["exc_info"] = "".join(traceback.format_exception(*record.exc_info))
        _router.take(event)


def _catch_standard_logging() -> None:
    root = logging.getLogger()
    if not any(isinstance(handler, _StandardHandler) for handler in root.handlers):
        root.handlers[:] = [_StandardHandler(logging.WARNING)]  # nothing may reach standard error
    logging.captureWarnings(True)


atexit.register(shutdown)
