"""How long the host has been up, and in which of its starts: what setting a clock does not change."""

from __future__ import annotations

import time
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def since_boot() -> tuple[str, int]:
    """The kernel's name of this start of the host (proc(5), random(4)) and the ns since then, time asleep
    included (CLOCK_BOOTTIME, clock_gettime(2)). Empty and 0 on systems that do not tell."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    if clock is None:
        return "", 0
    try:
        boot = _BOOT_ID.read_text().strip()
    except OSError:
        return "", 0
    return (boot, time.clock_gettime_ns(clock)) if boot else ("", 0)
