"""The files beside the database: the instance lock, the tail marker, the ballast; and moving a journal aside.

journal.db          the rows              journal.db.lock     held by the engine, carries its pid
journal.db-wal      SQLite's log          journal.db.tail     the last committed row, kept independently
journal.db.owed     whether records are     journal.db.ballast  space to give back when the disk is full
                    in memory only          journal.db.books    a saved state (`engine.journal.images`)
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import struct
import sys
import zlib
from pathlib import Path
from typing import Final

from engine.journal.errors import AlreadyRunning, DiskFull, Displaced, ReadOnly, StoreRefused

MB: Final = 1_000_000
WAL_LENGTH: Final = 4_200_000
"""Bytes to which SQLite's log grows before it is begun anew: `wal_autocheckpoint` pages and a batch more."""
_AMPLE: Final = 64
"""How many times a length must be free on the disk for it to be set aside."""
_SHARED_FIRST: Final = 0x40000002
_SHARED_SIZE: Final = 510
"""The bytes of a database that SQLite locks: shared by readers, whole by a writer that keeps others out."""
_FLOCK: Final = "hhqqi4x"
"""`struct flock`: kind, from where, first, length, process."""
_UNWRITABLE: Final = (errno.EROFS, errno.EACCES, errno.EPERM)


def beside(path: Path, suffix: str) -> Path:
    """The neighbour of a journal, such as `journal.db.lock` or `journal.db-wal`."""
    return path.with_name(path.name + suffix)


class InstanceLock:
    """An flock on `<journal>.lock`, held while this object is; it goes with the process, however it ends.

    The engine holds it exclusively and writes its pid; tools that read a stopped journal hold it shared.
    The file may be removed while it is held, and then means nothing: whoever finds it free looks as well
    whether SQLite's own lock, which lies on the journal itself, keeps everybody out.
    Child processes must be started by exec (they then do not inherit it), never by a bare fork.
    """

    def __init__(self, fd: int | None) -> None:
        self._fd = fd

    @classmethod
    def exclusive(cls, path: Path) -> InstanceLock:
        """Raises `AlreadyRunning` with the holder's pid, or `ReadOnly`."""
        name = beside(path, ".lock")
        try:
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise os_refusal(path, error) from error
        try:
            _flock(path, fd, fcntl.LOCK_EX)
            _unwritten(path)
            os.ftruncate(fd, 0)
            os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        except BaseException:
            os.close(fd)
            raise
        return cls(fd)

    @classmethod
    def shared(cls, path: Path) -> InstanceLock:
        """For reading: raises `AlreadyRunning` while an engine has the journal. Writes nothing."""
        try:
            fd = os.open(beside(path, ".lock"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            _unwritten(path)
            return cls(None)
        except OSError as error:
            raise os_refusal(path, error) from error
        try:
            _flock(path, fd, fcntl.LOCK_SH)
            _unwritten(path)
        except BaseException:
            os.close(fd)
            raise
        return cls(fd)

    def release(self) -> None:
        """The file stays, because removing it would race with the next holder."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> InstanceLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _flock(path: Path, fd: int, how: int) -> None:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError as error:
        text = os.pread(fd, 32, 0).strip()
        raise AlreadyRunning(path, int(text) if text.isdigit() else None) from error


def _unwritten(path: Path) -> None:
    """Raises `AlreadyRunning` where another process has the journal open for writing: its SQLite then holds
    the bytes that a reader would have to share (https://www.sqlite.org/src/file/src/os.h, SHARED_FIRST).

    Never while this process has it open itself: to close a second descriptor lets go of SQLite's locks.
    Who asks either finds the lock above held, or has not opened the journal yet.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return  # none is there, or whoever opens it for good says what is wrong with it
    try:
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
    except (BlockingIOError, PermissionError) as error:
        raise AlreadyRunning(path, _writer(fd)) from error
    finally:
        os.close(fd)


def _writer(fd: int) -> int | None:
    """The process that holds those bytes, where the system tells it in the form of 64-bit Linux."""
    if sys.platform != "linux" or sys.maxsize < 2**32:
        return None
    asked = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, _SHARED_FIRST, _SHARED_SIZE, 0)
    kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    return pid if kind != fcntl.F_UNLCK and pid > 0 else None


def os_refusal(path: Path, error: OSError) -> StoreRefused:
    """What an error of the operating system means for someone who wants to open a journal."""
    if error.errno == errno.ENOSPC:
        return DiskFull(path, free_bytes(path), MB)
    return ReadOnly(path, error.strerror or str(error))


def free_bytes(path: Path) -> int:
    """Bytes that this user may still write on the journal's file system."""
    return shutil.disk_usage(path.parent).free


def make_directory(path: Path) -> None:
    """Makes the journal's directory (mode 0700) where it is missing. Raises `ReadOnly`.

    Before a first start everything above the journal is synced too, whoever made it: a power cut must not
    take a directory with acknowledged rows in it.
    """
    first = not path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise os_refusal(path, error) from error
    for folder in path.absolute().parent.parents if first else ():
        with contextlib.suppress(OSError):  # a directory that this user cannot even open is not new
            sync_directory(folder)


def check_writable(path: Path) -> None:
    """Opens the file for writing, an empty one of mode 0600 when there is none.

    Raises `ReadOnly` or `DiskFull`.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise os_refusal(path, error) from error


def write_anew(path: Path) -> None:
    """Brings a file's bytes to the disk by writing them again; does nothing where there is no file.

    A sync that failed leaves pages clean in memory that never reached the disk, and no later sync takes them
    there (the "fsyncgate" of 2018; PostgreSQL, Linux and ext4). A WAL that is read back from memory, by this
    process or the next, would then promise rows that a power cut still takes. Raises `OSError`.
    """
    try:
        with path.open("rb+") as file:
            data = file.read()
            file.seek(0)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        return


def lengthen(path: Path, size: int) -> None:
    """Makes a file `size` bytes long, with zeros that are on disk, where the disk has ample room for it.

    A sync of what is written into a file costs half of what it does where the file grows by it: the new
    length need not be brought to the disk as well. A log that cannot be lengthened grows as it is written.
    """
    with contextlib.suppress(OSError), path.open("rb+") as file:
        missing = size - file.seek(0, os.SEEK_END)
        if missing > 0 and free_bytes(path) >= _AMPLE * size:
            file.write(bytes(missing))
            file.flush()
            os.fsync(file.fileno())


def written(path: Path) -> int:
    """Bytes of a file up to the last one that is not zero: how much of its length is used."""
    return len(path.read_bytes().rstrip(b"\0"))


class Tail:
    """The last committed row (`seq`, `crc`) in a small file of its own, written after every commit.

    SQLite silently ignores what it cannot read of its WAL: a truncated, removed or damaged WAL looks like a
    shorter journal in good order. This marker is the independent witness that finds it, and a database that
    was deleted or put back from an older copy too. It is written without a sync, after the commit has been
    told of. So it can be behind the database by what a crash or a power cut took from it, never ahead with
    `durability = power`.
    What it cannot show: the loss of rows behind its own last state, and the loss of both files or their
    common replacement by older ones; only the broker knows then.
    """

    _FORM: Final = struct.Struct("<8sQQI")
    _HEAD: Final = struct.Struct("<8sQQ")
    _CHECKSUM: Final = struct.Struct("<I")
    _MAGIC: Final = b"BWTAIL01"

    def __init__(self, path: Path) -> None:
        self._fd = os.open(beside(path, ".tail"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.error = ""
        """Why the marker could not be written; empty while all is well. Rows do not depend on it."""

    def write(self, seq: int, crc: int) -> None:
        head = self._HEAD.pack(self._MAGIC, seq, crc)
        try:
            os.pwrite(self._fd, head + self._CHECKSUM.pack(zlib.crc32(head)), 0)
            self.error = ""
        except OSError as error:
            self.error = f"tail marker not written: {error.strerror}"

    def close(self, *, sync: bool) -> None:
        if self._fd < 0:
            return
        if sync:
            with contextlib.suppress(OSError):  # the marker is a witness more; it may be behind
                os.fsync(self._fd)
        os.close(self._fd)
        self._fd = -1

    @classmethod
    def read(cls, path: Path) -> tuple[int, int] | None:
        """(seq, crc) of the last committed row; None where there is no marker, or a torn one."""
        try:
            data = beside(path, ".tail").read_bytes()
        except FileNotFoundError:
            return None
        if len(data) != cls._FORM.size:
            return None
        magic, seq, crc, own = cls._FORM.unpack(data)
        if magic != cls._MAGIC or own != zlib.crc32(data[:-4]):
            return None
        return seq, crc


class Watch:
    """Notices at the next commit that a file of the running journal was taken away.

    SQLite goes on writing into a file that has no name any more, or whose beginning was cut off, and every
    commit succeeds; with the end of the process all of it would be gone.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        # Plain text: twice at every commit these are looked at, and a Path costs as much as the look.
        self._seen = {name: self._stat(name) for name in (self._path, str(beside(path, "-wal")))}

    @staticmethod
    def _stat(name: str) -> os.stat_result:
        try:
            return os.stat(name)  # noqa: PTH116 - see above
        except OSError as error:
            raise Displaced(f"{name} was removed under the running engine ({error.strerror})") from error

    def look(self) -> None:
        """Raises `Displaced`."""
        for name, before in self._seen.items():
            now = self._stat(name)
            if (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino):
                raise Displaced(f"another file was put in the place of {name} under the running engine")
            if now.st_size < before.st_size:
                raise Displaced(f"{name} was cut short under the running engine")
            self._seen[name] = now

    def is_ours(self, name: Path) -> bool:
        """Whether the database's name leads to the file that is open."""
        now, before = self._stat(str(name)), self._seen[self._path]
        return (now.st_dev, now.st_ino) == (before.st_dev, before.st_ino)


class Owed:
    """A mark beside the journal: emergency records are in memory only, because the store takes none.

    It stands from the first such record until all of them are written, so a process that dies in between
    leaves it for the next start: a halt that was latched in memory must not be forgotten. The file is as long
    from the start as it will ever be, so a full disk can still take it; a file system that has become
    read-only cannot.
    """

    _CLEAR: Final = b"nothing is owed      \n"
    _SET: Final = b"records were not kept\n"

    def __init__(self, path: Path) -> None:
        """Raises a `StoreRefused`."""
        name = beside(path, ".owed")
        try:
            self._fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self.found = os.pread(self._fd, len(self._SET), 0) == self._SET
            """Whether an earlier run left it."""
            if not self.found:
                os.pwrite(self._fd, self._CLEAR, 0)
        except OSError as error:
            raise os_refusal(path, error) from error
        self._is_set = self.found

    def mark(self) -> None:
        """Not synced: the process is what is likely to die, and a disk in trouble must not hold it up."""
        self._put(True)

    def clear(self) -> None:
        self._put(False)
        self.found = False

    def close(self) -> None:
        os.close(self._fd)

    def _put(self, wanted: bool) -> None:
        if wanted is not self._is_set:
            with contextlib.suppress(OSError):  # then nothing can be kept at all, and the alarm says so
                os.pwrite(self._fd, self._SET if wanted else self._CLEAR, 0)
                self._is_set = wanted


class Ballast:
    """A file of real blocks that is deleted when the disk is full, so that emergency records find space.

    16 MB hold about 4,000 emergency commits.
    """

    def __init__(self, path: Path, megabytes: int) -> None:
        self._path = path
        self._name = beside(path, ".ballast")
        self._size = megabytes * MB

    def allocate(self) -> None:
        """Reserves the space. Raises `DiskFull` when it is not there."""
        if self._size == 0:
            self.release()
            return
        try:
            fd = os.open(self._name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _reserve(fd, self._size)
            finally:
                os.close(fd)
        except OSError as error:
            self.release()
            if error.errno == errno.ENOSPC:
                raise DiskFull(self._path, free_bytes(self._path), self._size) from error
            raise os_refusal(self._path, error) from error

    @property
    def held(self) -> bool:
        """Whether it is there, or is not to be."""
        return self._size == 0 or self._name.exists()

    def release(self) -> bool:
        """Gives the space back; False when there was none to give."""
        try:
            self._name.unlink()
        except OSError:
            return False
        return True


def _reserve(fd: int, size: int) -> None:
    held = os.fstat(fd)
    if held.st_size == size and held.st_blocks * 512 >= size:
        return
    os.ftruncate(fd, size)
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
    else:  # macOS: write the blocks
        block = bytes(MB)
        for offset in range(0, size, MB):
            os.pwrite(fd, block[: size - offset], offset)


def rotate(path: Path) -> Path:
    """Moves a stopped journal aside under the next free numbered name and returns that name.

    `journal.db` becomes `journal-0001.db`, together with its WAL and its tail marker. At every moment at
    least one of the two names is a complete journal. Raises `AlreadyRunning`, `ReadOnly`, or
    `FileNotFoundError`.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no journal at {path}")
    with InstanceLock.exclusive(path):
        number = 1
        while (target := path.with_name(f"{path.stem}-{number:04d}{path.suffix}")).exists():
            number += 1
        try:
            for suffix in ("-wal", "-journal", ".tail"):
                _give_second_name(beside(path, suffix), beside(target, suffix))
            # The old tail goes first: without it the next journal may start from nothing.
            beside(path, ".tail").unlink(missing_ok=True)
            path.rename(target)
            for suffix in ("-wal", "-journal", "-shm", ".ballast", ".owed", ".books"):
                beside(path, suffix).unlink(missing_ok=True)
            sync_directory(path.parent)
        except OSError as error:
            raise os_refusal(path, error) from error
    return target


def _give_second_name(old: Path, new: Path) -> None:
    new.unlink(missing_ok=True)
    if not old.exists():
        return
    try:
        os.link(old, new)
    except OSError:  # a file system without hard links
        shutil.copy2(old, new)


def sync_directory(directory: Path) -> None:
    """Makes renames in it durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def publish(part: Path, dest: Path) -> None:
    """Makes a finished file durable and gives it its name."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.rename(dest)
    sync_directory(dest.parent)
