"""Directories for control groups in the kernel's own trees, of whichever version it has the controllers in.

Each test has one of its own, which is removed afterwards; nothing else there is touched, but for the root of
a tree of version 2 that hands a controller on to nobody: it does as long as the test lasts.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from strategy_kit import INSTRUMENTS, HandClock, Remembers, config, write_strategy

from app.confine import try_out
from engine.strategy.cgroups.base import CONTROLLERS, Group, Groups, Tree
from engine.strategy.cgroups.directory import groups_of
from engine.strategy.cgroups.mounts import MOUNTINFO, mounts
from engine.strategy.cgroups.version1 import GroupV1
from engine.strategy.cgroups.version2 import GroupV2
from engine.strategy.confined import hosts
from engine.strategy.host import StrategyHost

NOBODY = 65_534
_numbers = itertools.count(1)


class Delegated(NamedTuple):
    """What is delegated to us."""

    version: int
    name: str
    """What `cgroup.directory` says."""
    at: dict[str, Path]
    """Its directory, by controller."""

    def inside(self, controller: str) -> list[Path]:
        return sorted(path for path in self.at[controller].iterdir() if path.is_dir())

    def one(self, controller: str) -> Path:
        (path,) = self.inside(controller)
        return path

    def empty(self) -> bool:
        return not any(self.inside(controller) for controller in self.at)

    def group(self, name: str) -> Group:
        kind = GroupV1 if self.version == 1 else GroupV2
        return kind({controller: path / name for controller, path in self.at.items()}, Tree())


def name_of_own() -> str:
    return f"breakwater-test-{os.getpid()}-{next(_numbers)}"


@contextlib.contextmanager
def version_1() -> Iterator[Delegated]:
    """A group of ours in the tree of each controller."""
    one = mounts().version_1
    if missing := [name for name in CONTROLLERS if name not in one]:
        pytest.skip(f"no control groups of version 1 are mounted here for {', '.join(missing)}")
    name = name_of_own()
    with _made(Delegated(1, name, {controller: one[controller] / name for controller in CONTROLLERS})) as it:
        yield it


@contextlib.contextmanager
def version_2(folder: Path, controllers: Sequence[str] = CONTROLLERS) -> Iterator[Delegated]:
    """A group of ours which these controllers are handed to, and which hands them to nobody yet."""
    with tree(folder) as root, _handing_on(root, controllers) as place:
        path = place / name_of_own()
        with _made(Delegated(2, str(path), dict.fromkeys(controllers, path))) as it:
            yield it


@contextlib.contextmanager
def serving(folder: Path, version: int) -> Iterator[Delegated]:
    """One in which groups can be made at once, as after the looks of a start."""
    with version_1() if version == 1 else version_2(folder) as delegated:
        try_out(groups_of(delegated.name))
        yield delegated


@contextlib.contextmanager
def tree(folder: Path) -> Iterator[Path]:
    """The root of the kernel's tree of version 2: where it is mounted, or else mounted in the folder."""
    for line in MOUNTINFO.read_text().splitlines():
        if " - cgroup2 " in line:
            yield Path(line.split()[4])
            return
    at = folder / "tree"
    at.mkdir()
    done = subprocess.run(
        ["mount", "-t", "cgroup2", "none", str(at)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no control group of version 2 can be mounted here: {done.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


@contextlib.contextmanager
def _handing_on(root: Path, controllers: Sequence[str]) -> Iterator[Path]:
    """A directory in which a process of ours can make groups that have these controllers."""
    present = (root / "cgroup.controllers").read_text().split()
    if missing := [name for name in controllers if name not in present]:
        elsewhere = "; version 1 has them" if set(missing) <= set(mounts().version_1) else ""
        pytest.skip(f"version 2 does not have {', '.join(missing)} in {root}{elsewhere}")
    lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one test at a time: the other's end would take them from this one
        # A process may only be moved within a directory whose cgroup.procs its user may write.
        (own,) = (
            line.removeprefix("0::/")
            for line in Path("/proc/self/cgroup").read_text().splitlines()
            if line.startswith("0::/")
        )
        for place in (root / own).parents if own else ():
            switch = place / "cgroup.subtree_control"
            ours = place.is_relative_to(root) and os.access(place / "cgroup.procs", os.W_OK)
            if ours and set(controllers) <= set(switch.read_text().split()):
                yield place
                return
        with _switched_on(root / "cgroup.subtree_control", controllers):
            yield root
    finally:
        os.close(lock)


@contextlib.contextmanager
def _switched_on(switch: Path, controllers: Sequence[str]) -> Iterator[None]:
    off = [name for name in controllers if name not in switch.read_text().split()]
    try:
        switch.write_text(" ".join(f"+{name}" for name in off))
    except OSError as error:
        pytest.skip(f"{switch} hands {', '.join(off)} on to nobody: {error.strerror}")
    try:
        yield
    finally:
        switch.write_text(" ".join(f"-{name}" for name in off))


@contextlib.contextmanager
def _made(delegated: Delegated) -> Iterator[Delegated]:
    made: list[Path] = []
    try:
        for path in dict.fromkeys(delegated.at.values()):
            try:
                path.mkdir()
            except OSError as error:
                pytest.skip(f"no control group can be made in {path.parent}: {error.strerror}")
            made.append(path)
        yield delegated
    finally:
        for left in {path.name for place in made for path in place.iterdir() if path.is_dir()}:
            delegated.group(left).remove()
        for path in made:
            path.rmdir()


_AS_NOBODY = """
import os, subprocess, sys
sys.path.insert(0, {folder!r})
from pathlib import PosixPath
from engine.strategy.cgroups.base import Unconfined
from {module} import {name}
groups = {name}({directory!r})
if {beside!r}:
    PosixPath({beside!r}, "cgroup.procs").write_text(str(os.getpid()))
os.setgid({nobody}); os.setuid({nobody})
idle = subprocess.Popen(["sleep", "600"])
try:
    groups.probe(idle.pid)
except Unconfined as error:
    print(error, error.remedy, sep="; ")
else:
    print("served")
finally:
    idle.kill()
"""


def tried_by_nobody(groups: Callable[..., Groups], directory: str | Path, beside: Path | None = None) -> str:
    """What a user without privileges is told who tries these groups; `served` where he can make them. Only
    root can ask. `beside`: the group that his process is in."""
    script = _AS_NOBODY.format(
        folder=str(Path(__file__).parent),
        module=groups.__module__,
        name=groups.__name__,
        directory=directory,
        beside=str(beside or ""),
        nobody=NOBODY,
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    return done.stdout.strip()


def made(folder: Path, delegated: Delegated, clock: Any, body: str, **changes: Any) -> StrategyHost:
    """A host of the kind that the clock is for, from the text of its methods; its sink is `host.sink`."""
    factory = hosts(groups_of(delegated.name), lockstep=isinstance(clock, HandClock))
    module = write_strategy(folder, body)
    sink = Remembers()
    host = factory(config(module, **changes), INSTRUMENTS, clock, sink, import_paths=[str(folder)])
    host.sink = sink  # type: ignore[attr-defined]
    return host


def logs(host: StrategyHost) -> list[str]:
    return [text for _, text in host.sink.logs]  # type: ignore[attr-defined]
