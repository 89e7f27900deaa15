"""The lease as a file: its word under an flock, which the kernel lets go of however its holder ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from engine.sentinel.lease import SIZE, Lease

_REPLACED: Final = 5
"""How often the file may be replaced in the midst of one look at it."""


class LeaseFile:
    """`engine.sentinel.lease.LeaseStore` on disk. One for each process; for one thread alone.

    Enter and leave are four short system calls. A lock on a file that was removed keeps nobody out: who finds
    another one in its place, or none, goes on with what lies there, and has lost what it held.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, an empty one of mode 0600 where there is none. Raises `OSError`."""
        self.path = path
        self._fd = self._open()
        self._read = b""
        self._lease = Lease()
        """What was read last, and what it says: it seldom changes."""

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _lies_there(self) -> bool:
        """Whether the file that is open is the one that others would open."""
        try:
            there, ours = self.path.stat(), os.fstat(self._fd)
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def enter(self) -> Lease | None:
        if not self._lock():
            return None
        try:
            text = os.pread(self._fd, SIZE, 0)
            if text != self._read:
                self._lease = Lease.decode(text) if text else Lease()
                self._read = text
            return self._lease
        except ValueError as error:
            self.leave()
            # Nobody knows then which epoch the other side believes in.
            raise OSError(f"{self.path}: {error}; stop engine and sentinel, and remove the file") from error
        except BaseException:
            self.leave()
            raise

    def _lock(self) -> bool:
        """Takes the lock of the file that lies there; False: the other side is inside. Raises `OSError`.

        First the lock of the one that was used so far, whatever lies there now: whoever stands inside it
        keeps the other side out. Then the look at what lies there: where the file is replaced after that
        look, who comes later finds the lock of the old one taken, or looks himself.
        """
        for _ in range(_REPLACED):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            try:
                if self._lies_there():
                    return True
            except BaseException:
                self.leave()
                raise
            try:
                fresh = self._open()
            except OSError:
                return True  # nobody else can open anything either: both go on with the one they have
            os.close(self._fd)
            self._fd = fresh
        return False

    def leave(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def write(self, lease: Lease) -> None:
        os.pwrite(self._fd, lease.encode(), 0)
        os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)
