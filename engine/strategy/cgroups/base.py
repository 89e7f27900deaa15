"""What both versions of the kernel's control groups have in common: a group for each strategy's process.

Limits of the process itself (`engine.strategy.child`) do not hold for what it starts; those of its group do,
and at its end nothing of the group is left, not even what has left the process group. The groups are made
below what somebody has delegated to the user of the engine; nothing above it is touched. What differs between
the versions is in `version1` and `version2`, and nowhere else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from engine.strategy.cgroups.members import kill, write

CONTROLLERS: Final = ("cpu", "memory", "pids")
ONE_VERSION: Final = (
    "have all of cpu, memory and pids in one: boot with systemd.unified_cgroup_hierarchy=1 for version 2, "
    "and without cgroup_no_v1= that names some"
)
"""What to do where the controllers are in both."""
_PERIOD: Final = 100_000
"""µs; the kernel's own default of a period of processor time."""
_SHORTEST: Final = 1_000
"""µs; the kernel takes no smaller share of a period."""
_HEADROOM: Final = 1.25
_RESERVE: Final = 64 << 20
"""Bytes above a strategy's memory: its own limit is met first, which says where in its file that was."""
_NAME: Final = re.compile(r"breakwater-(\d+)-(\d+)-[a-z0-9_]+-\d+\Z")
_LOOKS: Final = 20
LOOK_MS: Final = 100


class Unconfined(OSError):
    """No group can be made or entered. The text says why; `remedy` what to do."""

    def __init__(self, text: str, remedy: str = "") -> None:
        super().__init__(text)
        self.remedy = remedy


class Limits(NamedTuple):
    """Of one strategy: bytes of memory, share of one processor (None: any), processes and threads."""

    memory: int
    cpu: float | None
    tasks: int

    @property
    def group_memory(self) -> int:
        """Bytes for the process and all that it starts together."""
        return self.memory + _RESERVE

    @property
    def quota(self) -> tuple[int | None, int]:
        """µs of processor in each period, None for any number, and µs of the period."""
        # Above the share at which the engine stops it, so that this is measured still and peaks are cut.
        return None if self.cpu is None else max(_SHORTEST, round(self.cpu * _HEADROOM * _PERIOD)), _PERIOD


class Tree:
    """Makes and removes directories; in a tree of control groups the kernel fills and empties them."""

    def make(self, path: Path) -> None:
        path.mkdir(mode=0o755)

    def remove(self, path: Path) -> None:
        path.rmdir()


class Group(ABC):
    """One group. Raises `OSError`, with the file's name, where the kernel refuses what it is asked for."""

    kills_in: str
    """The file in which the kernel counts what it has killed for want of memory."""

    def __init__(self, at: Mapping[str, Path], tree: Tree) -> None:
        """`at`: the group's directory by controller; one may serve several."""
        self.at = at
        self.paths = tuple(dict.fromkeys(at.values()))
        self._tree = tree

    @abstractmethod
    def limit(self, limits: Limits) -> None:
        """Sets what its processes may use together."""

    def out_of_memory(self, killed: bool = False) -> bool:
        """Whether the kernel has killed in it because its memory was used up. `killed`: a process of it has
        died by a SIGKILL that we did not send: where the kernel does not count its own (before Linux 4.13),
        that and a limit that was met are put together."""
        kills = self._count("memory", self.kills_in, "oom_kill")
        return bool(kills) if kills is not None else killed and self._memory_was_full()

    def make(self) -> None:
        """Has its directories come into being: all or none."""
        made = []
        try:
            for path in self.paths:
                self._tree.make(path)
                made.append(path)
        except OSError:
            for path in made:
                with contextlib.suppress(OSError):
                    self._tree.remove(path)
            raise

    def add(self, pid: int) -> None:
        """Puts a process in; what it starts from now on is in as well."""
        for path in self.paths:
            write(path / "cgroup.procs", str(pid))

    @abstractmethod
    def processor(self) -> float:
        """Seconds of processor that its processes, those that have ended too, have used together, as far as
        the kernel tells: never more than they have, and 0 where it tells nothing."""

    def tasks_refused(self) -> int:
        """How often the kernel has refused its processes another process or thread."""
        return self._count("pids", "pids.events", "max") or 0

    def remove(self) -> None:
        """Kills what is left in it and removes it; may take two seconds. Raises `OSError` where it stays."""
        for look in range(_LOOKS):
            self._kill()
            try:
                for path in self.paths:
                    with contextlib.suppress(FileNotFoundError):
                        self._tree.remove(path)
            except OSError:
                if look == _LOOKS - 1:
                    raise
                self._wait()
            else:
                return

    def _kill(self) -> None:
        """Lets no more be born in it, and kills what is there."""
        for path in self.paths:
            with contextlib.suppress(OSError):  # of version 1 only one tree has it
                write(path / "pids.max", "0")
        kill(self.paths)

    @abstractmethod
    def _memory_was_full(self) -> bool:
        """Whether its processes have ever met the limit of memory."""

    @abstractmethod
    def _wait(self) -> None:
        """Until the kernel says that its processes are fewer, or a moment has passed."""

    def _count(self, controller: str, name: str, key: str) -> int | None:
        """One number of a file in which each line is a key and a number; None where there is none."""
        try:
            for line in (self.at[controller] / name).read_text().splitlines():
                found, _, value = line.partition(" ")
                if found == key:
                    return int(value)
        except (OSError, ValueError):
            return None
        return None


class Groups(ABC):
    """The groups of one engine below what is delegated to its user."""

    where: str
    """What is delegated, in words."""
    outside: str
    """What to do where the kernel lets no process of ours into a group."""

    def __init__(self, tree: Tree | None = None) -> None:
        self._tree = tree or Tree()
        self._made = 0
        pid = os.getpid()
        self._mark = f"breakwater-{pid}-{_started(pid)}"

    @abstractmethod
    def delegated(self) -> Mapping[str, Path]:
        """The directory in which groups are made, by controller. Raises `Unconfined` where one is missing."""

    @abstractmethod
    def weaker(self) -> str:
        """Which limit cannot be had here, and how it could; empty where all can."""

    @abstractmethod
    def _group(self, at: Mapping[str, Path]) -> Group:
        """The group of these directories, which need not be there yet."""

    @abstractmethod
    def _prepare(self) -> None:
        """Looks whether groups with limits can be made, and does what must be done before the first. Raises
        `Unconfined`."""

    def make(self, name: str, limits: Limits) -> Group:
        """A new group with these limits, without a process. Raises `Unconfined`."""
        self._made += 1
        group = self._called(f"{self._mark}-{name}-{self._made}")
        try:
            group.make()
        except OSError as error:
            place = Path(error.filename).parent if error.filename else self.where
            raise Unconfined(
                f"no control group can be made in {place}: {error.strerror}",
                "give it to your user (chown)" if error.errno in (errno.EACCES, errno.EPERM) else "",
            ) from None
        try:
            group.limit(limits)
        except OSError as error:
            for path in group.paths:
                with contextlib.suppress(OSError):
                    self._tree.remove(path)
            file = Path(error.filename)
            above = f"what {file.parents[1]} is allowed itself must be as much"
            raise Unconfined(
                f"{file.parent} does not take {file.name}: {error.strerror}",
                above if error.errno == errno.EINVAL else "",
            ) from None
        return group

    def sweep(self) -> list[str]:
        """Removes the groups of engines that are gone, with what runs in them. Returns the names of those
        that stay; raises nothing."""
        stay = []
        try:
            for name in self._leftovers():
                try:
                    self._called(name).remove()
                except OSError as error:
                    stay.append(f"{name}: {error.strerror}")
        except Unconfined:
            return stay  # whoever asks for a group is told
        return stay

    def _leftovers(self) -> Iterator[str]:
        found = set()
        for path in set(self.delegated().values()):
            with contextlib.suppress(OSError):
                found |= {inside.name for inside in path.iterdir()}
        for name in sorted(found):
            match = _NAME.match(name)
            # A process id is given again; with the time at which its process began it is not.
            if match is not None and _started(int(match[1])) != int(match[2]):
                yield name

    def probe(self, pid: int) -> None:
        """Makes a group, puts the process `pid`, a child of ours that is good for nothing else, in, and
        removes both. Raises `Unconfined` with why it cannot be done."""
        if sys.platform != "linux":
            raise Unconfined("control groups are a matter of Linux", "leave it out on this system")
        self._prepare()
        group = self.make("probe", Limits(64 << 20, 1.0, 16))
        try:
            group.add(pid)
        except OSError as error:
            raise Unconfined(
                f"no process can be put into a group in {self.where}: {error.strerror}", self.outside
            ) from None
        finally:
            with contextlib.suppress(OSError):
                group.remove()

    def _called(self, name: str) -> Group:
        return self._group({controller: path / name for controller, path in self.delegated().items()})


def _started(pid: int) -> int:
    """When a process began, in ticks since the machine did; 0 where there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0
