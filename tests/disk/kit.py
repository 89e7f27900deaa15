"""Ways for a disk to fail under a real engine, each with its end."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.kit import Engine, Venue
from tests.power.vfs import Tap, Unavailable, tapped

MB = 1_000_000


class Trouble:
    """A state directory whose disk can be made to fail, and an engine on it."""

    def __init__(self, runner: Engine, begin: Callable[[], None], end: Callable[[], None]) -> None:
        self.runner = runner
        self.begin = begin
        self.end = end


def mount(*words: str) -> None:
    """Skips with the reason where this machine does not let us."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk; the injected faults are tested all the same")
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here ({done.stderr.strip()}); the injected faults are tested")


@contextlib.contextmanager
def mounted(target: Path, *words: str) -> Iterator[Path]:
    target.mkdir(mode=0o700)
    mount(*words, str(target))
    try:
        target.chmod(0o700)
        yield target
    finally:
        subprocess.run(["umount", "-l", str(target)], check=True)


def fill(folder: Path) -> None:
    """Takes the last free byte."""
    with (folder / "filler").open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


@contextlib.contextmanager
def full_disk(folder: Path, market: Venue) -> Iterator[Trouble]:
    """A real file system of 12 MB that is filled to the last byte."""
    with mounted(folder / "state", "-t", "tmpfs", "-o", "size=12m", "tmpfs") as target:
        yield Trouble(Engine(folder, market), lambda: fill(target), (target / "filler").unlink)


@contextlib.contextmanager
def read_only_disk(folder: Path, market: Venue) -> Iterator[Trouble]:
    """A real ext4 that meets an error under the running engine and goes read-only, as ext4 does."""
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(48 * MB)
    done = subprocess.run(
        ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", str(image)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mkfs.ext4 does not work here; the injected fault is tested all the same")
    target = folder / "state"
    with mounted(target, "-o", "loop,errors=remount-ro", str(image)):

        def abort() -> None:
            subprocess.run(["mount", "-o", "remount,abort", str(target)], capture_output=True, check=False)

        yield Trouble(Engine(folder, market), abort, lambda: None)


@contextlib.contextmanager
def injected(folder: Path, market: Venue, fault: str) -> Iterator[Trouble]:
    """SQLite itself is told that the disk fails; needs no rights."""
    try:
        with tapped(Tap()):
            pass
    except Unavailable as reason:
        pytest.skip(str(reason))
    control = folder / "fault"
    runner = Engine(folder, market, wrapper=("-m", "tests.disk.faulty", str(control)))

    def begin() -> None:
        part = folder / "fault.part"
        part.write_text(fault)
        part.rename(control)

    yield Trouble(runner, begin, control.unlink)
