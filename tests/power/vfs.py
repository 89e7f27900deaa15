"""A VFS between SQLite and its files, put under the very library that Python's own `sqlite3` runs on.

The journal's code, its SQL, its settings and the shipped SQLite run unchanged; every write, sync, truncation
and deletion passes a `Tap`, which may note it or let it fail. It is a copy of the platform's VFS whose file
methods are exchanged for callbacks that call the original ones.
"""

from __future__ import annotations

import ctypes
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p
from typing import Any

SQLITE_OK = 0
OPEN_CREATE = 0x4
OPEN_JOURNAL = 0x800
OPEN_WAL = 0x80000
_NAME = b"tap"


class Unavailable(Exception):
    """No VFS can be put under this Python's SQLite. The text says why."""


class Tap:
    """What passes between SQLite and a file. Names are full paths; a result other than 0 is SQLite's error
    code, returned instead of doing it."""

    def opened(self, name: str, flags: int, *, created: bool) -> int:
        return SQLITE_OK

    def write(self, name: str, offset: int, data: bytes) -> int:
        return SQLITE_OK

    def truncate(self, name: str, size: int) -> int:
        return SQLITE_OK

    def sync(self, name: str) -> int:
        return SQLITE_OK

    def delete(self, name: str, *, durable: bool) -> int:
        return SQLITE_OK


# Names as plain addresses: SQLite keeps the one that it hands to xOpen, and reads options behind its end.
_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Delete = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
_Access = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, POINTER(c_int))
_Close = CFUNCTYPE(c_int, c_void_p)
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)


class _Vfs(Structure):
    """`sqlite3_vfs`, version 3."""

    _fields_ = [
        ("version", c_int),
        ("file_size", c_int),
        ("max_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("delete", c_void_p),
        ("access", c_void_p),
        *((f"other{n}", c_void_p) for n in range(13)),
    ]


class _Methods(Structure):
    """`sqlite3_io_methods`, version 3."""

    _fields_ = [
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", c_void_p),
        ("truncate", c_void_p),
        ("sync", c_void_p),
        *((f"other{n}", c_void_p) for n in range(13)),
    ]


class _Files:
    """The callbacks for files with one table of original methods."""

    def __init__(self, original: int, tap: Tap, names: dict[int, str]) -> None:
        methods = _Methods.from_address(original)
        close, write = _Close(methods.close), _Write(methods.write)
        truncate, sync = _Truncate(methods.truncate), _Sync(methods.sync)

        def on_close(file: int) -> int:
            names.pop(file, None)
            return int(close(file))

        def on_write(file: int, data: int, size: int, offset: int) -> int:
            told = tap.write(names[file], offset, ctypes.string_at(data, size)) if file in names else 0
            return told or int(write(file, data, size, offset))

        def on_truncate(file: int, size: int) -> int:
            told = tap.truncate(names[file], size) if file in names else 0
            return told or int(truncate(file, size))

        def on_sync(file: int, flags: int) -> int:
            # The files themselves outlive the test's machine: what counts as durable is the tap's affair.
            return tap.sync(names[file]) if file in names else int(sync(file, flags))

        self.kept = (_Close(on_close), _Write(on_write), _Truncate(on_truncate), _Sync(on_sync))
        self.table = _Methods.from_buffer_copy(methods)
        for field, function in zip(("close", "write", "truncate", "sync"), self.kept, strict=True):
            setattr(self.table, field, ctypes.cast(function, c_void_p).value)


def _library() -> Any:
    import _sqlite3

    try:
        library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
        find, version = library.sqlite3_vfs_find, library.sqlite3_libversion
    except (OSError, AttributeError) as error:
        raise Unavailable(
            f"SQLite is linked into this Python so that nothing can be put under it ({error}): run these "
            "tests with a Python that uses the system's libsqlite3"
        ) from None
    find.restype, find.argtypes = c_void_p, [c_char_p]
    version.restype = c_char_p
    library.sqlite3_vfs_register.argtypes = [c_void_p, c_int]
    library.sqlite3_vfs_unregister.argtypes = [c_void_p]
    if version().decode() != sqlite3.sqlite_version:
        raise Unavailable(f"the SQLite found is {version().decode()}, Python's is {sqlite3.sqlite_version}")
    return library


@contextmanager
def tapped(tap: Tap) -> Iterator[None]:
    """While this lasts, every database that this process opens does so through `tap`.

    All of them must be closed before it ends. Raises `Unavailable`.
    """
    library = _library()
    address = library.sqlite3_vfs_find(None)
    original = _Vfs.from_address(address)
    open_, delete, access = _Open(original.open), _Delete(original.delete), _Access(original.access)
    names: dict[int, str] = {}
    tables: dict[int, _Files] = {}

    def on_open(_: int, at: int | None, file: int, flags: int, out: int) -> int:
        if at is None:  # a temporary file
            return int(open_(address, at, file, flags, out))
        name = ctypes.string_at(at).decode()
        there = c_int(0)
        access(address, at, 0, byref(there))
        told = tap.opened(name, flags, created=not there.value and bool(flags & OPEN_CREATE))
        code = told or int(open_(address, at, file, flags, out))
        slot = c_void_p.from_address(file)
        if told:
            slot.value = None
        elif slot.value:
            if slot.value not in tables:
                tables[slot.value] = _Files(slot.value, tap, names)
            names[file] = name
            slot.value = ctypes.addressof(tables[slot.value].table)
        return code

    def on_delete(_: int, at: int, durable: int) -> int:
        told = tap.delete(ctypes.string_at(at).decode(), durable=bool(durable))
        return told or int(delete(address, at, durable))

    mine = _Vfs.from_buffer_copy(original)
    kept = (_Open(on_open), _Delete(on_delete))
    mine.name = _NAME
    mine.next = None
    mine.open = ctypes.cast(kept[0], c_void_p).value
    mine.delete = ctypes.cast(kept[1], c_void_p).value
    library.sqlite3_vfs_register(byref(mine), 1)
    try:
        yield
    finally:
        library.sqlite3_vfs_unregister(byref(mine))
        library.sqlite3_vfs_register(address, 1)
    assert not names, f"still open: {sorted(names.values())}"
