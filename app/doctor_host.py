"""The form of what `breakwater doctor` finds, and its checks of the machine it runs on."""

from __future__ import annotations

import locale
import os
import resource
import shutil
import sys
import time
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.settings import Settings

State = Literal["PASS", "WARN", "FAIL"]

ZONES = ("UTC", "America/Chicago", "America/New_York", "Europe/London")
"""Zones that trading calendars are written in."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `remedy`: what to do; empty where nothing is to be done."""

    name: str
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """What the checks look at."""

    config: Path | None
    settings: Settings
    """The defaults where the configuration is bad."""
    state_dir: Path
    feed: str
    """The feed of the command line, else that of the settings."""
    env: Mapping[str, str]
    page: bool = False
    """Whether a test page is sent."""


def disk(place: Place) -> Iterator[Check]:
    path = next(p for p in (place.state_dir, *place.state_dir.parents) if p.exists())
    free = shutil.disk_usage(path).free // 1_000_000
    journal = place.settings.journal
    needed = journal.min_free_mb + journal.ballast_mb
    if free < needed:
        yield Check(
            "disk",
            "FAIL",
            f"{free} MB free under {path}; a start needs {needed} MB",
            "free some space, or lower journal.min_free_mb",
        )
        return
    text = f"{free} MB free under {path}"
    log_max = place.settings.log.rotate_mb * place.settings.log.keep
    if free < needed + log_max + 500:
        yield Check(
            "disk", "WARN", text, f"journal and log may need {needed + log_max + 500} MB in some weeks"
        )
    else:
        yield Check("disk", "PASS", text)
    inodes = os.statvfs(path)
    if inodes.f_files and inodes.f_favail < 100:
        yield Check("disk", "FAIL", f"only {inodes.f_favail} inodes left", "remove some files")


def clock(place: Place) -> Iterator[Check]:  # noqa: ARG001
    wall, mono = time.time_ns(), time.monotonic_ns()
    time.sleep(0.05)  # long enough to tell a clock that steps from one that ticks
    gap = abs((time.time_ns() - wall) - (time.monotonic_ns() - mono)) / 1e6
    missing = [name for name in ZONES if not _has_zone(name)]
    if time.gmtime().tm_year < 2024:
        yield Check("clock", "FAIL", f"the system's clock shows {time.gmtime().tm_year}", "set it; use NTP")
    elif gap > 10:
        yield Check(
            "clock",
            "WARN",
            f"wall and monotonic clock part by {gap:.0f} ms in 50 ms: it is being set, or the machine stalls",
            "let a time service slew it, and look again",
        )
    else:
        yield Check("clock", "PASS", f"steady (wall against monotonic: {gap:.2f} ms in 50 ms)")
    if missing:
        yield Check(
            "time zones",
            "FAIL",
            f"no data for {', '.join(missing)}",
            "say: pip install tzdata; sessions need it",
        )
    else:
        yield Check("time zones", "PASS", "present")


def _has_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, OSError, ValueError):
        return False
    return True


def limits(place: Place) -> Iterator[Check]:  # noqa: ARG001
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 256:
        yield Check("open files", "WARN", f"only {soft} open files are allowed", "say: ulimit -n 1024")
    else:
        yield Check("open files", "PASS", f"{soft} are allowed")


def terminal(place: Place) -> Iterator[Check]:  # noqa: ARG001
    if not sys.stdout.isatty():
        yield Check(
            "terminal", "WARN", "standard output is no terminal", "the desk needs one; headless does not"
        )
        return
    term = os.environ.get("TERM", "")
    size = shutil.get_terminal_size()
    encoding = locale.getpreferredencoding(False)
    if term in ("", "dumb"):
        yield Check("terminal", "FAIL", f"TERM is '{term}'", "set it, for example TERM=xterm-256color")
    elif "utf" not in encoding.lower():
        yield Check("terminal", "WARN", f"the locale's encoding is {encoding}", "say: export LANG=C.UTF-8")
    elif size.columns < 80 or size.lines < 24:
        yield Check("terminal", "WARN", f"{size.columns}×{size.lines} is small", "the desk needs 80×24")
    else:
        colours = (
            "true colour" if os.environ.get("COLORTERM") in ("truecolor", "24bit") else "256 colours or less"
        )
        yield Check("terminal", "PASS", f"{term}, {size.columns}×{size.lines}, {encoding}, {colours}")
