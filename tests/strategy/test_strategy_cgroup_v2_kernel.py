"""What only version 2 of the kernel's control groups has, in its own tree: a directory that hands its
controllers on, and groups that are killed as a whole.

Most machines that keep cpu, memory and pids with version 1 leave `hugetlb` to version 2: a controller whose
files have the same form as those of memory. How controllers are handed on, limits written and counts read is
tested with it there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from cgroup_kit import NOBODY, name_of_own, tree, tried_by_nobody, version_2
from strategy_kit import alive

from app.confine import try_out
from engine.strategy.cgroups.base import CONTROLLERS, Limits, Tree, Unconfined
from engine.strategy.cgroups.members import write
from engine.strategy.cgroups.version2 import GroupsV2, GroupV2

FAMILY = "read go; setsid sleep 600 & setsid sleep 600 & echo started; exec sleep 600"
"""A process that starts two others, which leave its session, once it is told to."""
MAX, EVENTS = "hugetlb.2MB.max", "hugetlb.2MB.events"
TOUCH = """
import mmap
NORESERVE, HUGETLB = 0x4000, 0x40000
input()
mmap.mmap(-1, 2 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE | HUGETLB)[0] = 1
"""
"""Asks for one large page, once it is told to; the group's limit is met before the machine's pages are."""


class LargePages(GroupV2):
    """A group that limits large pages as `GroupV2` does memory."""

    kills_in = EVENTS

    def limit(self, limits: Limits) -> None:
        write(self.path / MAX, str(limits.group_memory))


class LargePagesOnly(GroupsV2):
    """Groups in a directory that has no other controller to hand on."""

    controllers = ("hugetlb",)

    def _group(self, at: Mapping[str, Path]) -> LargePages:
        return LargePages(at, self._tree)


class Given(NamedTuple):
    """A directory that has these controllers and hands them to nobody yet, and what is to be made in it."""

    directory: Path
    groups: GroupsV2
    limit: str
    """The file with the limit of memory, or of large pages."""

    def hands_on(self) -> set[str]:
        return set((self.directory / "cgroup.subtree_control").read_text().split())

    def groups_inside(self) -> list[Path]:
        return list(self.directory.glob("breakwater-*"))


@pytest.fixture(params=[GroupsV2, LargePagesOnly], ids=["cpu memory pids", "hugetlb"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Given]:
    kind = request.param
    with version_2(tmp_path, kind.controllers) as delegated:
        groups = kind(Path(delegated.name))
        yield Given(groups.directory, groups, MAX if kind is LargePagesOnly else "memory.max")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def begin(group: GroupV2) -> subprocess.Popen[str]:
    """The family, put in before it has children."""
    family = subprocess.Popen(["sh", "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    group.add(family.pid)
    assert family.stdin is not None and family.stdout is not None
    family.stdin.write("go\n")
    family.stdin.flush()
    assert family.stdout.readline() == "started\n"
    return family


def test_what_a_process_starts_is_in_its_group_and_ends_with_it(tmp_path: Path) -> None:
    """Without any controller."""
    with tree(tmp_path) as root:
        path = root / name_of_own()
        try:
            path.mkdir()
        except OSError as error:
            pytest.skip(f"no control group can be made in {root}: {error.strerror}")
        group = GroupV2({"memory": path}, Tree())
        family = begin(group)
        try:
            inside = {int(pid) for pid in (path / "cgroup.procs").read_text().split()}
            assert family.pid in inside and len(inside) == 3, "its children are in, in whatever session"
        finally:
            group.remove()
        assert family.wait(10) == -9
        assert not path.exists(), "the kernel removes a group only when nothing runs in it"


def test_a_tree_without_the_controllers_is_refused_by_their_names(tmp_path: Path) -> None:
    with tree(tmp_path) as root:
        present = (root / "cgroup.controllers").read_text().split()
        missing = [name for name in CONTROLLERS if name not in present]
        if not missing:
            pytest.skip("all controllers are free here")
        with pytest.raises(Unconfined, match=f"may not limit {', '.join(missing)}"):
            GroupsV2(root).probe(os.getpid())
        assert not list(root.glob("breakwater-*-probe-*"))


def test_the_directory_hands_its_controllers_on_and_its_groups_are_limited(given: Given) -> None:
    assert given.hands_on() == set()
    try_out(given.groups)
    assert given.hands_on() == set(given.groups.controllers)
    assert not given.groups_inside()
    group = given.groups.make("trend", Limits(16 << 20, 0.5, 8))
    assert (group.paths[0] / given.limit).read_text() == f"{80 << 20}\n"
    group.remove()
    try_out(given.groups)


def test_a_directory_with_processes_of_its_own_serves_once_they_are_in_a_group_beside(
    given: Given, sleeper: subprocess.Popen[bytes]
) -> None:
    """Which is what `DelegateSubgroup=engine` of systemd does."""
    write(given.directory / "cgroup.procs", str(sleeper.pid))
    refusal = f"{given.directory} does not hand its controllers on: Device or resource busy"
    with pytest.raises(Unconfined) as told:
        try_out(given.groups)
    assert str(told.value) == refusal
    assert told.value.remedy.endswith(
        "start the engine in a sub-group of it (systemd: DelegateSubgroup=engine)"
    )
    assert given.hands_on() == set() and not given.groups_inside()
    beside = given.directory / "engine"
    beside.mkdir()
    write(beside / "cgroup.procs", str(sleeper.pid))
    try_out(given.groups)
    sleeper.kill()
    sleeper.wait()
    beside.rmdir()


def test_a_directory_that_its_parent_hands_nothing_to_is_refused(given: Given) -> None:
    below = given.directory / "below"
    below.mkdir()
    names = given.groups.controllers
    with pytest.raises(Unconfined) as told:
        try_out(type(given.groups)(below))
    assert str(told.value) == (
        f"{below} may not limit {', '.join(names)}: the controllers are not delegated to it"
    )
    assert told.value.remedy == f"have them delegated (systemd: Delegate={' '.join(names)})"
    below.rmdir()


def test_a_limit_that_the_kernel_does_not_take_leaves_no_group(given: Given) -> None:
    try_out(given.groups)
    with pytest.raises(Unconfined, match=rf"does not take {given.limit}: Invalid argument"):
        given.groups.make("trend", Limits(-(1 << 30), None, 8))
    assert not given.groups_inside()


def test_what_an_engine_that_is_gone_has_left_is_removed_with_what_runs_in_it(given: Given) -> None:
    left = given.directory / "breakwater-1-7-trend-1"  # process 1 began at another time
    left.mkdir()
    family = begin(GroupV2({"memory": left}, Tree()))
    inside = [int(pid) for pid in (left / "cgroup.procs").read_text().split()]
    assert given.groups.sweep() == []
    assert family.wait(10) == -9
    assert not any(map(alive, inside)) and not left.exists()


@pytest.mark.parametrize("given", [LargePagesOnly], indirect=True)
def test_a_limit_that_is_met_is_counted_by_the_kernel(given: Given) -> None:
    """Of memory it is tested with a strategy that eats it."""
    try_out(given.groups)
    group = given.groups.make("trend", Limits(16 << 20, None, 8))
    write(group.paths[0] / MAX, "0")
    assert group._count("hugetlb", EVENTS, "max") == 0
    with subprocess.Popen([sys.executable, "-c", TOUCH], stdin=subprocess.PIPE) as process:
        group.add(process.pid)
        process.communicate(b"\n")
        assert process.returncode == -signal.SIGBUS
    assert group._count("hugetlb", EVENTS, "max") == 1
    assert group._count("hugetlb", EVENTS, "oom_kill") is None, "another controller's line"
    group.remove()


def test_a_user_without_privileges_needs_what_a_service_manager_delegates(given: Given) -> None:
    """The directory and two files in it, and that its own process is in a group beside the strategies'."""
    if os.getuid() != 0:
        pytest.skip("only root can become nobody")
    directory = given.directory

    kind = type(given.groups)
    assert tried_by_nobody(kind, directory) == (
        f"{directory} does not hand its controllers on: Permission denied; "
        "have it delegated to your user (systemd: Delegate=yes)"
    )
    for path in (directory, directory / "cgroup.procs", directory / "cgroup.subtree_control"):
        os.chown(path, NOBODY, NOBODY)
    assert tried_by_nobody(kind, directory) == (
        f"no process can be put into a group in {directory}: Permission denied; {given.groups.outside}"
    )
    beside = directory / "engine"
    beside.mkdir()
    assert tried_by_nobody(kind, directory, beside) == "served"
    beside.rmdir()
    assert not given.groups_inside()
