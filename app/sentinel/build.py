"""Which build of the sentinel's code this process runs, so that engine and sentinel can tell whether they are
of one."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import app.sentinel
import engine.sentinel


def build_mark() -> str:
    """Version of the package and a digest of the code that watches and acts: `0.1.0+3fa9c1d2`. It is read
    from disk, so to be asked for once, when a process starts."""
    digest = hashlib.sha256()
    for package in (engine.sentinel, app.sentinel):
        assert package.__file__ is not None
        for source in sorted(Path(package.__file__).parent.glob("*.py")):
            digest.update(source.read_bytes())
    try:
        number = version("breakwater")
    except PackageNotFoundError:  # run from a folder that is not installed
        number = "0"
    return f"{number}+{digest.hexdigest()[:8]}"
