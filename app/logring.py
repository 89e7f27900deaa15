"""The newest lines of the log in memory, as they were written: what the log screen reads."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

from app.logsink import SCHEMA
from engine.control.questions import MAX_LINES, LogTail
from engine.control.replies import LogLine, LogLines

KEPT: Final = 5_000
"""Lines that are kept: about 2 MB."""

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_OWN: Final = frozenset(("timestamp", "component", "level", "event", "order_id", "symbol", "correlation_id"))
_decoder: Final = msgspec.json.Decoder(dict[str, Any])


class LogRing:
    """A sink that forgets. For the log writer's thread alone."""

    def __init__(self, kept: int = KEPT) -> None:
        self.failures = 0
        self._lines: deque[bytes] = deque(maxlen=kept)
        self._last = 0

    def write(self, line: bytes) -> None:
        self._lines.append(line)
        self._last += 1

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """What it holds can still be read."""

    def tail(self, question: LogTail) -> LogLines:
        """The newest lines that fit, oldest first. Lines are looked into only where they may fit."""
        most = min(max(question.lines, 0), MAX_LINES)
        first = self._last - len(self._lines) + 1
        wanted = LEVELS[LEVELS.index(question.level) :]
        marks = [f'"level":"{level}"'.encode() for level in wanted]
        about = question.about.encode()
        found: list[LogLine] = []
        n = self._last
        for raw in reversed(self._lines):
            if n <= question.after or len(found) >= most:
                break
            if any(mark in raw for mark in marks) and about in raw:
                line = _line(n, raw, question.about)
                if line is not None and line.level in wanted:
                    found.append(line)
            n -= 1
        missed = max(0, first - question.after - 1) if question.after else 0
        return LogLines(
            lines=tuple(reversed(found)), last=self._last, first=first if self._lines else 0, missed=missed
        )


def _line(n: int, raw: bytes, about: str) -> LogLine | None:
    """A stored line; None where it is about something else."""
    row = _decoder.decode(raw)
    if about and about not in (row.get("correlation_id"), row.get("cause_id"), row.get("order_id")):
        return None
    known = [key for key in SCHEMA if key not in _OWN]
    rest = [(key, row[key]) for key in known if row.get(key) not in (None, "")]
    rest += [(key, value) for key, value in row.items() if key not in SCHEMA and value not in (None, "")]
    return LogLine(
        n=n,
        ts=_text(row["timestamp"]),
        level=_text(row["level"]),
        component=_text(row["component"]),
        event=_text(row["event"]),
        order_id=_text(row["order_id"]),
        correlation=_text(row["correlation_id"]),
        symbol=_text(row["symbol"]),
        rest=" ".join(f"{key}={_text(value)}" for key, value in rest),
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
