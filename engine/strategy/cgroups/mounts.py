"""Where the kernel's control groups are mounted, and with which of their two versions each controller is.

Source: proc(5), /proc/pid/mountinfo; cgroups(7). A machine may have both versions mounted; each controller is
with one of them at a time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

MOUNTINFO: Final = Path("/proc/self/mountinfo")
CONTROLLERS_FILE: Final = "cgroup.controllers"
_KNOWN: Final = Path("/proc/cgroups")
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
_POINT, _FLAGS = 4, 2
"""Fields of a line, before and after its dash: the mount's directory and the file system's own options."""


class Mounts(NamedTuple):
    """`version_1`: the directory at which each controller of version 1 is mounted, by its name. `version_2`:
    the controllers that are with a mounted tree of version 2, and its directory."""

    version_1: Mapping[str, Path]
    version_2: Mapping[str, Path]


def mounts() -> Mounts:
    """What this process sees mounted; nothing where the system does not tell."""
    one: dict[str, Path] = {}
    two: dict[str, Path] = {}
    for line in _lines(MOUNTINFO):
        before, dash, after = line.partition(" - ")
        fields, system = before.split(" "), after.split(" ")
        if not dash or len(fields) <= _POINT or len(system) <= _FLAGS:
            continue
        point = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[_POINT]))
        if system[0] == "cgroup":
            for option in system[_FLAGS].split(","):
                one.setdefault(option, point)
        elif system[0] == "cgroup2":
            for name in " ".join(_lines(point / CONTROLLERS_FILE)).split():
                two.setdefault(name, point)
    return Mounts(one, two)


def disabled(controller: str) -> bool:
    """Whether the kernel knows the controller and was booted without it."""
    return any(
        line.split()[0] == controller and line.split()[-1] == "0" for line in _lines(_KNOWN) if line.strip()
    )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
