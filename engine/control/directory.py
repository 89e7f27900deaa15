"""A directory of our own: what the engine keeps on disk and listens on is nobody else's to read."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class UnsafeDirectory(Exception):
    """The directory is not ours alone. The text says what to do."""


def private_directory(path: Path) -> Path:
    """Makes `path` a directory that only its owner may enter (0700), and answers it.

    Parents that are missing are made 0700 as well. Raises `UnsafeDirectory` where it belongs to somebody
    else, is no directory or cannot be made.
    """
    try:
        for directory in reversed([p for p in (path, *path.parents) if not p.exists()]):
            directory.mkdir(mode=0o700, exist_ok=True)
        found = path.stat()
    except OSError as error:
        raise UnsafeDirectory(f"{path}: {error.strerror}; choose another --state-dir") from error
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafeDirectory(f"{path} is no directory; choose another --state-dir")
    if found.st_uid != os.geteuid():
        raise UnsafeDirectory(
            f"{path} belongs to uid {found.st_uid}, we are uid {os.geteuid()}; choose another --state-dir"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)
    return path
