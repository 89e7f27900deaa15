"""How a log event becomes a line (fixed keys, no secrets), and where lines go: rotated files, stdout."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from pydantic import SecretStr

from app.problems import SECRET_WORD

SCHEMA: Final = (
    "timestamp",
    "component",
    "level",
    "event",
    "order_id",
    "broker_id",
    "symbol",
    "qty",
    "price",
    "status",
    "exec_id",
    "correlation_id",
)
"""Keys of every line, in this order; null where they do not apply. Anything else follows."""

STARS: Final = "**********"
_NOT_SECRET: Final = frozenset({"exec_key"})
_DEPTH: Final = 8


class Renderer:
    """Makes lines. A value that cannot be written as JSON becomes its `repr`; nothing is raised."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets = tuple(sorted((s for s in secrets if len(s) >= 4), key=len, reverse=True))
        self._encoder = msgspec.json.Encoder(enc_hook=self._odd)

    def line(self, event: Mapping[str, Any]) -> bytes:
        """One JSON object with a line end."""
        rest = dict(event)
        row: dict[str, Any] = {"timestamp": timestamp(rest.pop("ts", None))}
        for key in SCHEMA[1:]:
            row[key] = self._clean(rest.pop(key, None), 0)
        for key, value in rest.items():
            name = str(key)
            row[name] = STARS if is_secret_name(name) and value is not None else self._clean(value, 0)
        try:
            return self._encoder.encode(row) + b"\n"
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            plain = {k: self._clean(str(v), 0) for k, v in row.items()}
            return self._encoder.encode(plain | {"log_error": repr(error)}) + b"\n"

    def _clean(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return self.blank(value)
        if isinstance(value, SecretStr):
            return STARS
        if depth >= _DEPTH:
            return self.blank(repr(value))
        if isinstance(value, msgspec.Struct):
            value = msgspec.structs.asdict(value)
        if isinstance(value, Mapping):
            return {
                self.blank(str(k)): STARS
                if is_secret_name(str(k)) and v is not None
                else self._clean(v, depth + 1)
                for k, v in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self._clean(v, depth + 1) for v in value]
        if isinstance(value, (set, frozenset)):
            return [self._clean(v, depth + 1) for v in sorted(value, key=repr)]
        return self._odd(value)

    def _odd(self, value: Any) -> str:
        """Decimals, paths, exceptions and whatever else, as text."""
        return self.blank(repr(value) if isinstance(value, BaseException) else str(value))

    def blank(self, text: str) -> str:
        """The text with every secret in it replaced by stars."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, STARS)
        return text


@lru_cache(1_000)
def is_secret_name(name: str) -> bool:
    """Whether a key's value must not be shown, by its name."""
    return name not in _NOT_SECRET and SECRET_WORD.search(name) is not None


def timestamp(ts: Any) -> str:
    """UTC ns → `2026-11-21T02:24:13.123456789Z`; nothing is lost."""
    if not isinstance(ts, int):
        return str(ts)
    seconds, ns = divmod(ts, 1_000_000_000)
    try:
        return f"{_second(seconds)}.{ns:09d}Z"
    except (OverflowError, ValueError, OSError):
        return str(ts)


@lru_cache(8)
def _second(seconds: int) -> str:
    """All lines of one second have it in common."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


class Sink(Protocol):
    """Where lines go. Never raises."""

    failures: int

    def write(self, line: bytes) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class FileSink:
    """A file of mode 0600 that is begun anew when it is full; `name.1` is the newest of the older ones.

    A line is never torn by rotation. Where the disk is full lines are counted as failures, and writing is
    tried again with the next line.
    """

    def __init__(self, path: Path, rotate_bytes: int, keep: int) -> None:
        self.failures = 0
        self._path = path
        self._limit = rotate_bytes
        self._keep = keep
        self._fd = -1
        self._size = 0
        self._waiting: list[bytes] = []
        self._waiting_size = 0

    def write(self, line: bytes) -> None:
        self._waiting.append(line)
        self._waiting_size += len(line)
        if self._waiting_size >= 64 * 1024 or self._size + self._waiting_size >= self._limit:
            self.flush()

    def flush(self) -> None:
        lines, self._waiting, self._waiting_size = self._waiting, [], 0
        try:
            while lines:
                self._open()
                batch = self._fitting(lines)
                self._put(b"".join(batch))
                del lines[: len(batch)]
                if self._size >= self._limit or (lines and self._size + len(lines[0]) > self._limit):
                    self._rotate()
        except OSError:
            self.failures += len(lines)
            self.close()

    def close(self) -> None:
        if self._waiting:
            self.flush()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _fitting(self, lines: list[bytes]) -> list[bytes]:
        """As many lines as the current file takes; at least one, however long."""
        room = self._limit - self._size
        count = 0
        for line in lines:
            room -= len(line)
            if room < 0 and count:
                break
            count += 1
        return lines[:count]

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            self._size += written
            view = view[written:]

    def _open(self) -> None:
        if self._fd < 0:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            found = os.fstat(self._fd)
            if stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) != 0o600:
                os.fchmod(self._fd, 0o600)
            self._size = found.st_size
            if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
                self._put(b"\n")  # a crash tore the last line of an earlier run

    def _rotate(self) -> None:
        os.close(self._fd)
        self._fd = -1
        self._size = 0
        older = [self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._keep)]
        if not older:
            self._path.unlink(missing_ok=True)
            return
        older[-1].unlink(missing_ok=True)
        for source, target in zip(reversed(older[:-1]), reversed(older[1:]), strict=True):
            if source.exists():
                source.replace(target)
        self._path.replace(older[0])


class StdoutSink:
    """Standard output, for service managers. A reader that went away ends it, and nothing else."""

    def __init__(self) -> None:
        self.failures = 0
        self._gone = False

    def write(self, line: bytes) -> None:
        if self._gone:
            self.failures += 1
            return
        try:
            sys.stdout.buffer.write(line)
        except (OSError, ValueError):
            self._gone = True
            self.failures += 1

    def flush(self) -> None:
        if not self._gone:
            try:
                sys.stdout.buffer.flush()
            except (OSError, ValueError):
                self._gone = True

    def close(self) -> None:
        self.flush()
