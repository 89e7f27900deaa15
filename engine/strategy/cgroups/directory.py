"""From what `cgroup.directory` says to the version of control groups that it means."""

from __future__ import annotations

from pathlib import Path

from engine.strategy.cgroups.base import Groups
from engine.strategy.cgroups.version1 import GroupsV1
from engine.strategy.cgroups.version2 import GroupsV2


def groups_of(directory: str) -> Groups:
    """A full path is a directory of version 2; any other is a group's name in each tree of version 1."""
    return GroupsV2(Path(directory)) if directory.startswith("/") else GroupsV1(directory)
