"""Groups of version 2: one directory, in one tree for all controllers.

Source of the rules: the kernel's "Control Group v2" (Documentation/admin-guide/cgroup-v2.rst).
"""

from __future__ import annotations

import contextlib
import errno
import select
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from engine.strategy.cgroups.base import (
    CONTROLLERS,
    LOOK_MS,
    ONE_VERSION,
    Group,
    Groups,
    Limits,
    Tree,
    Unconfined,
)
from engine.strategy.cgroups.members import write
from engine.strategy.cgroups.mounts import CONTROLLERS_FILE, Mounts, mounts

_VERSION_1: Final = 'this machine has version 1: name a group of it without its mount, such as "trading"'
_EVENTS: Final = 4_096
"""Bytes in which the whole of `cgroup.events` is."""


class GroupV2(Group):
    """A group in the one tree."""

    kills_in = "memory.events"

    def __init__(self, at: Mapping[str, Path], tree: Tree) -> None:
        super().__init__(at, tree)
        (self.path,) = self.paths

    def limit(self, limits: Limits) -> None:
        write(self.path / "memory.max", str(limits.group_memory))
        write(self.path / "pids.max", str(limits.tasks))
        quota, period = limits.quota
        write(self.path / "cpu.max", f"{'max' if quota is None else quota} {period}")
        for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
            with contextlib.suppress(FileNotFoundError):  # a kernel without swap, or an old one
                write(self.path / name, value)

    def processor(self) -> float:
        return (self._count("cpu", "cpu.stat", "usage_usec") or 0) / 1e6

    def _memory_was_full(self) -> bool:
        return bool(self._count("memory", self.kills_in, "max"))

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            write(self.path / "cgroup.kill", "1")
            return
        super()._kill()  # before Linux 5.14

    def _wait(self) -> None:
        with contextlib.suppress(OSError), (self.path / "cgroup.events").open("rb", buffering=0) as events:
            events.read(_EVENTS)  # of a file that nobody has read yet the kernel tells a change at once
            told = select.poll()
            told.register(events, select.POLLPRI)
            told.poll(LOOK_MS)


class GroupsV2(Groups):
    """The groups in one directory, which hands its controllers on to them."""

    controllers: Sequence[str] = CONTROLLERS
    """Those that it hands on: what its groups limit."""
    outside = (
        "the engine itself must run below what is delegated to its user: start it in a sub-group "
        "beside the strategies' (systemd: Delegate=yes with DelegateSubgroup=engine)"
    )

    def __init__(self, directory: Path, tree: Tree | None = None) -> None:
        super().__init__(tree)
        self.directory = directory
        self.where = str(directory)

    def delegated(self) -> Mapping[str, Path]:
        return dict.fromkeys(self.controllers, self.directory)

    def weaker(self) -> str:
        return ""

    def _group(self, at: Mapping[str, Path]) -> Group:
        return GroupV2(at, self._tree)

    def _prepare(self) -> None:
        self._look()
        self._enable()

    def _look(self) -> None:
        path = self.directory
        found = mounts()
        if not path.is_dir():
            one = all(name in found.version_1 for name in self.controllers)
            raise Unconfined(
                f"there is no directory {path}",
                _VERSION_1 if one else "name one that is delegated to your user",
            )
        try:
            present = (path / CONTROLLERS_FILE).read_text().split()
        except OSError:
            raise Unconfined(f"{path} is no control group of version 2", _instead(path, found)) from None
        missing = [name for name in self.controllers if name not in present]
        if missing and all(name in found.version_1 for name in missing):
            raise Unconfined(
                f"{path} may not limit {', '.join(missing)}: on this machine version 1 has "
                f"{'it' if len(missing) == 1 else 'them'}",
                _VERSION_1 if all(name in found.version_1 for name in self.controllers) else ONE_VERSION,
            )
        if missing:
            raise Unconfined(
                f"{path} may not limit {', '.join(missing)}: the controllers are not delegated to it",
                f"have them delegated (systemd: Delegate={' '.join(self.controllers)})",
            )

    def _enable(self) -> None:
        """Has the directory hand its controllers on to the groups in it."""
        switch = self.directory / "cgroup.subtree_control"
        try:
            if set(self.controllers) <= set(switch.read_text().split()):
                return
            write(switch, " ".join(f"+{name}" for name in self.controllers))
        except OSError as error:
            busy = error.errno == errno.EBUSY
            raise Unconfined(
                f"{self.directory} does not hand its controllers on: {error.strerror}",
                "it must have no processes of its own: start the engine in a sub-group of it (systemd: "
                "DelegateSubgroup=engine)"
                if busy
                else "have it delegated to your user (systemd: Delegate=yes)",
            ) from None


def _instead(path: Path, found: Mounts) -> str:
    """What to name in place of a directory that is no group of version 2."""
    for point in found.version_1.values():
        if path.is_relative_to(point):
            name = path.relative_to(point)
            return f'it is in the tree of version 1 at {point}: name it without that, "{name}"'
    if all(name in found.version_1 for name in CONTROLLERS):
        return _VERSION_1
    below = found.version_2.get("memory")
    return f"name one below {below}" if below is not None else "mount them, or leave it out"
