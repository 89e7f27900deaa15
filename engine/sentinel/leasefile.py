"""The lease as a file: its word under an flock, which the kernel lets go of however its holder ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from engine.sentinel.lease import SIZE, Lease


class LeaseFile:
    """`engine.sentinel.lease.LeaseStore` on disk. One for each process; for one thread alone.

    Enter and leave are three short system calls. The file is never removed or replaced, because a lock on
    another file of the same name would keep nobody out.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, an empty one of mode 0600 where there is none. Raises `OSError`."""
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def enter(self) -> Lease | None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        try:
            text = os.pread(self._fd, SIZE, 0)
            return Lease.decode(text) if text else Lease()
        except ValueError as error:
            self.leave()
            # Nobody knows then which epoch the other side believes in.
            raise OSError(f"{self.path}: {error}; stop engine and sentinel, and remove the file") from error
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def write(self, lease: Lease) -> None:
        os.pwrite(self._fd, lease.encode(), 0)
        os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)
