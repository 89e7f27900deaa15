"""The wire on file: every message both ways as one JSON line, read back, checked, or played to a client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

import msgspec

from brokers.loopback.tws.framing import WireError
from brokers.loopback.tws.messages import read_reply, read_request
from engine.model import Value

Direction = Literal["in", "out", "open", "close"]


class Entry(Value, frozen=True, kw_only=True):
    """One line of a recording."""

    ts: int
    """Gateway time, UTC ns."""
    line: int
    """Number of the connection."""
    way: Direction
    fields: tuple[str, ...] = ()
    version: int = 0
    """Of the connection; with `open`."""
    note: str = ""


class Recorder:
    """Writes a recording. Nothing of it is secret: the protocol has no passwords."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("ab")

    def note(self, entry: Entry) -> None:
        self._file.write(msgspec.json.encode(entry) + b"\n")
        if entry.way != "out":
            self._file.flush()  # a process that is killed leaves all up to the last request

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> Iterator[Entry]:
    """The entries of a recording. Raises `WireError` with file and line where it is damaged."""
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            try:
                yield msgspec.json.decode(text, type=Entry)
            except msgspec.MsgspecError as error:
                raise WireError(f"{path}, line {number}: {error}") from error


def check(path: Path) -> list[str]:
    """Everything in a recording that the layouts do not explain to the last field: empty where all is."""
    versions: dict[int, int] = {}
    problems = []
    for number, entry in enumerate(read(path), 1):
        if entry.way == "open":
            versions[entry.line] = entry.version
        elif entry.way in ("in", "out"):
            way = read_request if entry.way == "in" else read_reply
            try:
                way(list(entry.fields), versions[entry.line])
            except (WireError, KeyError) as error:
                problems.append(f"{path.name}, line {number}: {error}")
    return problems
