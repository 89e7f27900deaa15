"""The lease as a file: its word under the lock of the directory that it lies in, which the kernel lets go of
however its holder ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

from engine.sentinel.lease import SIZE, Lease

_REPLACED: Final = 5
"""How often the directory may be replaced in the midst of one look at it."""
_NONE: Final = -1
"""No file is open."""


class LeaseFile:
    """`engine.sentinel.lease.LeaseStore` on disk. One for each process; for one thread alone.

    Enter and leave are five short system calls. The lock is the directory's, because a file may be removed
    and made anew while somebody stands inside: whatever became of it, both sides meet at the directory. What
    lies there counts; who finds another file than the one that he knew reads that, and who finds none makes
    an empty one.
    """

    def __init__(self, path: Path) -> None:
        """Opens the directory, which must exist. Raises `OSError`."""
        self.path = path
        self.trouble = ""
        self._folder = str(path.parent)
        # Plain text and plain calls: before every order these are made.
        self._name = path.name
        self._directory = self._open_directory()
        self._file = _NONE
        self._known = (0, 0)
        """Device and number of the file that is open."""
        self._read = b""
        self._lease = Lease()
        """What was read last, and what it says: it seldom changes."""

    def enter(self) -> Lease | None:
        if not self._lock():
            return None
        self.trouble = ""
        try:
            self._find()
            text = os.pread(self._file, SIZE, 0)
            if text != self._read:
                self._lease = Lease.decode(text) if text else Lease()
                self._read = text
        except (OSError, ValueError) as error:
            self.trouble = f"{self.path}: {getattr(error, 'strerror', None) or error}"
            self._read, self._lease = b"", Lease()
        except BaseException:
            self.leave()
            raise
        return self._lease

    def leave(self) -> None:
        fcntl.flock(self._directory, fcntl.LOCK_UN)

    def write(self, lease: Lease) -> None:
        word = lease.encode()
        # In its place first, which needs no room on a disk that has none.
        with contextlib.suppress(OSError):
            self._find()
            os.pwrite(self._file, word, 0)
            os.fdatasync(self._file)
            return
        try:
            self._replace(word)
        except OSError as error:
            raise OSError(f"{self.path} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        self._forget_file()
        os.close(self._directory)

    # -- the lock

    def _open_directory(self) -> int:
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        found = os.fstat(fd)
        self._place = (found.st_dev, found.st_ino)
        return fd

    def _lock(self) -> bool:
        """Takes the lock of the directory that lies there; False: the other side is inside. Raises `OSError`.

        First the lock of the one that was used so far, whatever lies there now: whoever stands inside it
        keeps the other side out. Then the look at what lies there, which may be another one, moved there
        whole. Where nothing can be opened any more both go on with what they have.
        """
        for _ in range(_REPLACED):
            try:
                fcntl.flock(self._directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            try:
                there = os.stat(self._folder)  # noqa: PTH116 - before every order
                if (there.st_dev, there.st_ino) == self._place:
                    return True
                fresh = self._open_directory()
            except OSError:
                return True
            except BaseException:
                self.leave()
                raise
            self._forget_file()
            os.close(self._directory)
            self._directory = fresh
        return False

    # -- the file, while the lock is held

    def _find(self) -> None:
        """The file that is open is the one that lies there. Raises `OSError` where it cannot be."""
        try:
            there = os.stat(self._name, dir_fd=self._directory)
            if self._file != _NONE and (there.st_dev, there.st_ino) == self._known:
                return
        except FileNotFoundError:
            pass
        how = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            fresh = os.open(self._name, how, 0o600, dir_fd=self._directory)
        except FileNotFoundError:
            if self._file == _NONE:
                raise
            return  # the directory is removed: nobody can make another file in it
        self._forget_file()
        found = os.fstat(fresh)
        self._file, self._known = fresh, (found.st_dev, found.st_ino)

    def _replace(self, word: bytes) -> None:
        """Another file in the place of one that cannot be opened or written. Raises `OSError`."""
        fresh = f"{self._name}.new"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=self._directory)
        try:
            os.pwrite(fd, word, 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(fresh, self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        os.fsync(self._directory)

    def _forget_file(self) -> None:
        if self._file != _NONE:
            os.close(self._file)
            self._file = _NONE
