"""Control groups of the kernel's own version 2, where one can be mounted: nothing outlives its group.

Limits need controllers that are not bound to version 1; where none are free, the refusal is what is tested.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.strategy.cgroups.base import CONTROLLERS, Group, Tree, Unconfined
from engine.strategy.cgroups.version2 import GroupsV2, GroupV2

FAMILY = "read go; setsid sleep 600 & setsid sleep 600 & echo started; exec sleep 600"
"""A process that starts two others, which leave its session, once it is told to."""


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """The root of a tree of the kernel's own."""
    at = tmp_path / "tree"
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


def begin(group: Group) -> subprocess.Popen[str]:
    """The family, put in before it has children."""
    family = subprocess.Popen(["sh", "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    group.add(family.pid)
    assert family.stdin is not None and family.stdout is not None
    family.stdin.write("go\n")
    family.stdin.flush()
    assert family.stdout.readline() == "started\n"
    return family


def test_what_a_process_starts_is_in_its_group_and_ends_with_it(tree: Path) -> None:
    path = tree / f"breakwater-test-{os.getpid()}"
    path.mkdir()
    group = GroupV2(path, Tree())
    family = begin(group)
    try:
        inside = {int(pid) for pid in (path / "cgroup.procs").read_text().split()}
        assert family.pid in inside and len(inside) == 3, "its children are in, whatever session they made"
    finally:
        group.remove()
    assert family.wait(10) == -9
    assert not path.exists(), "the kernel removes a group only when nothing runs in it"


def test_a_tree_without_the_controllers_is_refused_by_their_names(tree: Path) -> None:
    present = (tree / "cgroup.controllers").read_text().split()
    missing = [name for name in CONTROLLERS if name not in present]
    if not missing:
        pytest.skip("all controllers are free here")
    with pytest.raises(Unconfined, match=f"may not limit {', '.join(missing)}"):
        GroupsV2(tree).probe(os.getpid())
    assert not list(tree.glob("breakwater-*-probe-*"))
