"""Groups of version 1 (RHEL 8 and older, Debian 10 and older): one directory for each controller.

Source of the rules: the kernel's "Control Groups version 1" (Documentation/admin-guide/cgroup-v1: memory.rst,
pids.rst; Documentation/scheduler/sched-bwc.rst). Each controller has a tree of its own, and a process is in
one group of each. Three things that version 2 does are made up for here:

- Nothing kills a group as a whole. No more processes are allowed in it first, so that none is born while
  those that are listed are killed.
- Nothing tells that a group has become empty. The end of its processes is waited for instead.
- The kernel kills one process where the group's memory is used up, not all of it. It counts that, and the
  host, which looks each second, stops the strategy then.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Mapping
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
from engine.strategy.cgroups.members import wait, write
from engine.strategy.cgroups.mounts import disabled, mounts

_SWAP: Final = "memory.memsw.limit_in_bytes"
"""Memory and swap together."""

_BATCH: Final = 1 << 20
"""Bytes; the kernel grants memory in batches, so that a peak may be less than its limit by one."""


class GroupV1(Group):
    """A group with the same name in the tree of each controller."""

    kills_in = "memory.oom_control"
    _quota = 0
    """µs of processor in a period; 0: any number."""

    def limit(self, limits: Limits) -> None:
        memory, cpu = self.at["memory"], self.at["cpu"]
        write(memory / "memory.limit_in_bytes", str(limits.group_memory))
        try:
            write(memory / _SWAP, str(limits.group_memory))  # after the other, which it may not be less than
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EOPNOTSUPP):
                raise
            with contextlib.suppress(OSError):  # the kernel counts no swap, and can be asked to use none
                write(memory / "memory.swappiness", "0")
        write(self.at["pids"] / "pids.max", str(limits.tasks))
        quota, period = limits.quota
        write(cpu / "cpu.cfs_period_us", str(period))
        write(cpu / "cpu.cfs_quota_us", str(-1 if quota is None else quota))
        self._quota = quota or 0

    def processor(self) -> float:
        with contextlib.suppress(OSError, ValueError):
            return int((self.at["cpu"] / "cpuacct.usage").read_text()) / 1e9
        # The controller that counts is in another tree, unlike on most systems. Of each period in which the
        # group was held up all of the quota was used.
        return (self._count("cpu", "cpu.stat", "nr_throttled") or 0) * self._quota / 1e6

    def _memory_was_full(self) -> bool:
        # The peak, and not memory.failcnt: whether the latter counts every refusal depends on the kernel.
        try:
            peak, most = (
                int((self.at["memory"] / name).read_text())
                for name in ("memory.max_usage_in_bytes", "memory.limit_in_bytes")
            )
        except (OSError, ValueError):
            return False
        return peak > most - _BATCH

    def _wait(self) -> None:
        wait(self.paths, LOOK_MS)


class GroupsV1(Groups):
    """The groups below `name` in the tree of each controller."""

    outside = "the processes must be your user's own"

    def __init__(self, name: str, tree: Tree | None = None) -> None:
        super().__init__(tree)
        self._name = name
        self.where = f"{name} of {', '.join(CONTROLLERS)} (control groups of version 1)"

    def delegated(self) -> Mapping[str, Path]:
        if ".." in Path(self._name).parts:
            raise Unconfined(f"{self._name} leads out of the controllers' trees", "name it without ..")
        one, two = mounts()
        elsewhere = [name for name in CONTROLLERS if name not in one and name in two]
        if len(elsewhere) == len(CONTROLLERS):
            raise Unconfined(
                f"{self._name} names a group of version 1, and this machine has its controllers in version 2",
                f"name a directory of version 2, such as {two[elsewhere[0]] / self._name}",
            )
        if elsewhere:
            raise Unconfined(
                f"{', '.join(elsewhere)} are in version 2 on this machine and the others in version 1",
                ONE_VERSION,
            )
        missing = [name for name in CONTROLLERS if name not in one]
        if missing:
            off = [name for name in missing if disabled(name)]
            mount = f"mount -t cgroup -o {missing[0]} none /sys/fs/cgroup/{missing[0]}"
            raise Unconfined(
                f"no control groups of {', '.join(missing)} are mounted",
                f"boot without cgroup_disable={','.join(off)}"
                if off
                else f"mount them ({mount}), or leave it out",
            )
        return {name: one[name] / self._name for name in CONTROLLERS}

    def weaker(self) -> str:
        if (self.delegated()["memory"] / _SWAP).exists():
            return ""
        return "its swap is not counted (boot with swapaccount=1 where the machine has any)"

    def _group(self, at: Mapping[str, Path]) -> Group:
        return GroupV1(at, self._tree)

    def _prepare(self) -> None:
        absent = [str(path) for path in dict.fromkeys(self.delegated().values()) if not path.is_dir()]
        if absent:
            raise Unconfined(
                f"there is no control group {', '.join(absent)}",
                f"make it for your user, as root: mkdir -p {' '.join(absent)} and chown it",
            )
