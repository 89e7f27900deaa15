"""A disk that loses its power: what was written and synced, and what of it is left after a cut.

A write that was not synced may be there, be missing or be there in part: each sector of 512 bytes for itself,
whatever the order in which they were written, one of them torn in the middle; and the length of a file is
that of any moment since its last sync. A name that was made or removed counts only when its directory was
synced, which SQLite's unix VFS does at the first sync of a WAL or rollback journal that it made. A sync that
failed leaves its pages clean in memory and perhaps missing on the medium: no later sync brings them there
unless they are written anew.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tests.power.vfs import OPEN_JOURNAL, OPEN_WAL, SQLITE_OK, Tap

SECTOR = 512
PAGE = 4096
IOERR_FSYNC = 10 | 4 << 8
FULL = 13


class Op(NamedTuple):
    """One thing that happened, in the order in which it did."""

    kind: str
    """open, write, truncate, sync, failed sync, delete, ack."""
    name: str
    number: int = 0
    """write: offset; truncate: size; ack: the last acknowledged row; open, delete: 1 where a directory is
    synced with the next sync, or at once."""
    data: bytes = b""


class Recording(Tap):
    """Notes what SQLite does to its files, and acknowledgements in between."""

    def __init__(self, fault: Callable[[str, str], int] = lambda kind, name: SQLITE_OK) -> None:
        """`fault` may give an error code for a (kind, name)."""
        self.ops: list[Op] = []
        self._fault = fault

    def opened(self, name: str, flags: int, *, created: bool) -> int:
        if created:
            self.ops.append(Op("open", Path(name).name, int(bool(flags & (OPEN_WAL | OPEN_JOURNAL)))))
        return SQLITE_OK

    def write(self, name: str, offset: int, data: bytes) -> int:
        code = self._fault("write", name)
        if code == SQLITE_OK:
            self.ops.append(Op("write", Path(name).name, offset, data))
        return code

    def truncate(self, name: str, size: int) -> int:
        self.ops.append(Op("truncate", Path(name).name, size))
        return SQLITE_OK

    def sync(self, name: str) -> int:
        code = self._fault("sync", name)
        self.ops.append(Op("sync" if code == SQLITE_OK else "failed sync", Path(name).name))
        return code

    def delete(self, name: str, *, durable: bool) -> int:
        self.ops.append(Op("delete", Path(name).name, int(durable)))
        return SQLITE_OK

    def ack(self, seq: int) -> None:
        self.ops.append(Op("ack", "", seq))


Change = tuple[int, bytes] | int
"""(offset, data), or a new length."""


class File:
    """One file: what is on the medium, and what waits for a sync."""

    def __init__(self, content: bytes = b"") -> None:
        self.durable = bytearray(content)
        self.pending: list[Change] = []
        self.limbo: list[Change] = []
        """Changes whose sync failed."""
        self.syncs_directory = False

    def sync(self) -> None:
        touched = {page for change in self.pending for page in _units(change, PAGE)}
        kept: list[Change] = []
        for change in self.limbo:
            if touched.isdisjoint(_units(change, PAGE)):
                kept.append(change)
            else:
                _apply(self.durable, change)
        self.limbo = kept
        for change in self.pending:
            _apply(self.durable, change)
        self.pending = []

    def sync_failed(self) -> None:
        self.limbo += [change for change in self.pending if not isinstance(change, int)]
        # Lengths are the file system's own records, which it takes along with its next ones.
        self.pending = [change for change in self.pending if isinstance(change, int)]

    def after_cut(self, rng: random.Random) -> bytes:
        """What is found on the medium when the power is back."""
        changes = self.limbo + self.pending
        mode = rng.choice(("nothing", "everything", "prefix", "scattered", "scattered"))
        image = bytearray(self.durable)
        if mode == "nothing" or not changes:
            return bytes(image)
        if mode == "prefix":
            changes = changes[: rng.randint(0, len(changes))]
        versions: dict[int, list[bytes]] = {}
        sizes = [len(image)]
        for change in changes:
            _apply(image, change)
            sizes.append(len(image))
            for sector in _units(change, SECTOR):
                versions.setdefault(sector, []).append(_sector(image, sector))
        if mode == "scattered":
            share = rng.random()
            for sector, found in versions.items():
                old = _sector(self.durable, sector)
                new = rng.choice(found) if rng.random() < share else old
                _apply(image, (sector * SECTOR, new))
            torn = rng.choice(sorted(versions)) if versions else 0
            if versions:
                at = rng.randrange(1, SECTOR)
                mixed = versions[torn][-1][:at] + _sector(self.durable, torn)[at:]
                _apply(image, (torn * SECTOR, mixed))
            _apply(image, rng.choice(sizes))
        return bytes(image)


def _units(change: Change, size: int) -> Iterable[int]:
    if isinstance(change, int):
        return ()
    offset, data = change
    return range(offset // size, (offset + len(data) + size - 1) // size)


def _apply(image: bytearray, change: Change) -> None:
    if isinstance(change, int):
        del image[change:]
        image.extend(bytes(change - len(image)))
        return
    offset, data = change
    if len(image) < offset + len(data):
        image.extend(bytes(offset + len(data) - len(image)))
    image[offset : offset + len(data)] = data


def _sector(image: bytearray, number: int) -> bytes:
    return bytes(image[number * SECTOR : (number + 1) * SECTOR]).ljust(SECTOR, b"\0")


class Disk:
    """The files of one directory, brought forward operation by operation."""

    def __init__(self, start: dict[str, bytes]) -> None:
        """`start`: files that are there, whole and durable."""
        self._now: dict[str, File] = {name: File(content) for name, content in start.items()}
        self._names: dict[str, list[File | None]] = {name: [file] for name, file in self._now.items()}
        """What each name may lead to after a cut; the first is what its directory says for certain."""
        self.acknowledged = 0

    def apply(self, op: Op) -> None:
        match op.kind:
            case "open":
                self._file(op.name, anew=True).syncs_directory = bool(op.number)
            case "write":
                self._file(op.name).pending.append((op.number, op.data))
            case "truncate":
                self._file(op.name).pending.append(op.number)
            case "sync":
                file = self._file(op.name)
                file.sync()
                if file.syncs_directory:
                    file.syncs_directory = False
                    self._sync_directory()
            case "failed sync":
                self._file(op.name).sync_failed()
            case "delete":
                self._now.pop(op.name, None)
                self._names.setdefault(op.name, [None]).append(None)
                if op.number:
                    self._sync_directory()
            case "ack":
                self.acknowledged = op.number
            case _:
                raise AssertionError(op)

    def _file(self, name: str, *, anew: bool = False) -> File:
        """The file of a name, made where there is none: the journal makes some files without SQLite."""
        file = self._now.get(name)
        if file is None or anew:
            file = self._now[name] = File()
            self._names.setdefault(name, [None]).append(file)
        return file

    def _sync_directory(self) -> None:
        for found in self._names.values():
            del found[:-1]

    def after_cut(self, rng: random.Random) -> dict[str, bytes]:
        """The files that are found when the power is back."""
        found: dict[str, bytes] = {}
        for name, candidates in sorted(self._names.items()):
            file = rng.choice(candidates)
            if file is not None:
                found[name] = file.after_cut(rng)
        return found
