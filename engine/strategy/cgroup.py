"""A control group of its own (Linux, cgroup version 2) for each strategy's process and all that it starts.

Source of the rules: the kernel's "Control Group v2" (Documentation/admin-guide/cgroup-v2.rst). Limits of the
process itself (`engine.strategy.child`) do not hold for what it starts; those of its group do, and at its end
nothing of the group is left, not even what has left the process group. The groups are made below a directory
that somebody has delegated to the user of the engine; nothing above it is touched.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

CONTROLLERS: Final = ("cpu", "memory", "pids")
ROOT: Final = Path("/sys/fs/cgroup")
"""Where systems mount control groups."""
_PERIOD: Final = 100_000
"""µs; the kernel's own default of a period of cpu.max."""
_HEADROOM: Final = 1.25
_RESERVE: Final = 64 << 20
"""Bytes above a strategy's memory: its own limit is met first, which says where in its file that was."""
_NAME: Final = re.compile(r"breakwater-(\d+)-(\d+)-[a-z0-9_]+-\d+\Z")
_LOOKS: Final = 20
_LOOK_MS: Final = 100
_EVENTS: Final = 4_096
"""Bytes in which the whole of `cgroup.events` is."""


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


class Tree:
    """Makes and removes directories; in a tree of control groups the kernel fills and empties them."""

    def make(self, path: Path) -> None:
        path.mkdir(mode=0o755)

    def remove(self, path: Path) -> None:
        path.rmdir()


class Group:
    """One group. Raises `OSError` where the kernel refuses what it is asked for."""

    def __init__(self, path: Path, tree: Tree) -> None:
        self.path = path
        self._tree = tree

    def limit(self, limits: Limits) -> None:
        """Sets what its processes may use together."""
        self._write("memory.max", str(limits.memory + _RESERVE))
        self._write("pids.max", str(limits.tasks))
        # Above the share at which the engine stops it, so that this is measured still and peaks are cut.
        quota = "max" if limits.cpu is None else str(max(1_000, round(limits.cpu * _HEADROOM * _PERIOD)))
        self._write("cpu.max", f"{quota} {_PERIOD}")
        for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
            with contextlib.suppress(FileNotFoundError):  # a kernel without swap, or an old one
                self._write(name, value)

    def add(self, pid: int) -> None:
        """Puts a process in; what it starts from now on is in as well."""
        self._write("cgroup.procs", str(pid))

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed in it because its memory was used up."""
        try:
            events = dict(line.split() for line in (self.path / "memory.events").read_text().splitlines())
        except (OSError, ValueError):
            return False
        return events.get("oom_kill", "0") != "0"

    def remove(self) -> None:
        """Kills what is left in it and removes it; may take two seconds. Raises `OSError` where it stays."""
        for look in range(_LOOKS):
            self._kill()
            try:
                self._tree.remove(self.path)
            except FileNotFoundError:
                return
            except OSError:
                if look == _LOOKS - 1:
                    raise
                self._wait()
            else:
                return

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            self._write("cgroup.kill", "1")
            return
        # Before Linux 5.14. What is started meanwhile is met at the next look.
        with contextlib.suppress(OSError, ValueError):
            for line in (self.path / "cgroup.procs").read_text().split():
                if int(line) > 1:  # 0 stands for a process that this one cannot see
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(int(line), signal.SIGKILL)

    def _wait(self) -> None:
        """Until the kernel says that something about it has changed, or a moment has passed."""
        with contextlib.suppress(OSError), (self.path / "cgroup.events").open("rb", buffering=0) as events:
            events.read(_EVENTS)  # of a file that nobody has read yet the kernel tells a change at once
            told = select.poll()
            told.register(events, select.POLLPRI)
            told.poll(_LOOK_MS)

    def _write(self, name: str, value: str) -> None:
        _write(self.path / name, value)


class Groups:
    """The groups of one engine below `directory`, which is delegated to its user."""

    def __init__(self, directory: Path, tree: Tree | None = None) -> None:
        self.directory = directory
        self._tree = tree or Tree()
        self._made = 0
        pid = os.getpid()
        self._mark = f"breakwater-{pid}-{_started(pid)}"

    def make(self, name: str, limits: Limits) -> Group:
        """A new group with these limits, without a process. Raises `Unconfined`."""
        self._made += 1
        path = self.directory / f"{self._mark}-{name}-{self._made}"
        group = Group(path, self._tree)
        try:
            self._tree.make(path)
        except OSError as error:
            raise Unconfined(f"no control group can be made in {self.directory}: {error.strerror}") from None
        try:
            group.limit(limits)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._tree.remove(path)
            what = Path(error.filename).name if error.filename else "its limits"
            raise Unconfined(f"{path} does not take {what}: {error.strerror}") from None
        return group

    def sweep(self) -> list[str]:
        """Removes the groups of engines that are gone, with what runs in them. Returns the names of those
        that stay; raises nothing."""
        stay = []
        for path in self._leftovers():
            try:
                Group(path, self._tree).remove()
            except OSError as error:
                stay.append(f"{path.name}: {error.strerror}")
        return stay

    def _leftovers(self) -> Iterator[Path]:
        try:
            found = sorted(self.directory.iterdir())
        except OSError:
            return
        for path in found:
            match = _NAME.match(path.name)
            # A process id is given again; with the time at which its process began it is not.
            if match is not None and _started(int(match[1])) != int(match[2]):
                yield path

    def probe(self, pid: int) -> None:
        """Makes a group, puts the process `pid`, a child of ours that is good for nothing else, in, and
        removes both. Raises `Unconfined` with why it cannot be done."""
        self._look()
        self._enable()
        group = self.make("probe", Limits(64 << 20, 1.0, 16))
        try:
            group.add(pid)
        except OSError as error:
            raise Unconfined(
                f"no process can be put into a group in {self.directory}: {error.strerror}",
                "the engine itself must run below what is delegated to its user: start it in a sub-group "
                "beside the strategies' (systemd: Delegate=yes with DelegateSubgroup=engine)",
            ) from None
        finally:
            with contextlib.suppress(OSError):
                group.remove()

    def _look(self) -> None:
        path = self.directory
        if sys.platform != "linux":
            raise Unconfined("control groups are a matter of Linux", "leave it out on this system")
        if not path.is_dir():
            raise Unconfined(f"there is no directory {path}", "name one that is delegated to your user")
        try:
            present = (path / "cgroup.controllers").read_text().split()
        except OSError:
            version_1 = (ROOT / "memory").is_dir() and not (ROOT / "cgroup.controllers").exists()
            raise Unconfined(
                f"{path} is no control group of version 2"
                + (": this machine has version 1 mounted" if version_1 else ""),
                "boot with systemd.unified_cgroup_hierarchy=1, or leave it out"
                if version_1
                else f"name one below {ROOT}",
            ) from None
        missing = [name for name in CONTROLLERS if name not in present]
        if missing:
            raise Unconfined(
                f"{path} may not limit {', '.join(missing)}: the controllers are not delegated to it",
                "have them delegated (systemd: Delegate=cpu memory pids)",
            )

    def _enable(self) -> None:
        """Has the directory hand its controllers on to the groups in it."""
        switch = self.directory / "cgroup.subtree_control"
        try:
            if set(CONTROLLERS) <= set(switch.read_text().split()):
                return
            _write(switch, " ".join(f"+{name}" for name in CONTROLLERS))
        except OSError as error:
            busy = error.errno == errno.EBUSY
            raise Unconfined(
                f"{self.directory} does not hand its controllers on: {error.strerror}",
                "it must have no processes of its own: start the engine in a sub-group of it (systemd: "
                "DelegateSubgroup=engine)"
                if busy
                else "have it delegated to your user (systemd: Delegate=yes)",
            ) from None


def _write(path: Path, value: str) -> None:
    # Never O_CREAT: in a directory that is no control group nothing must come into being.
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _started(pid: int) -> int:
    """When a process began, in ticks since the machine did; 0 where there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0
