"""A small disk of its own for one engine process, which a drill can fill: a tmpfs in a mount namespace.

It needs no rights beyond those of the user where the kernel lets users have namespaces; elsewhere `SmallDisk`
is refused and the drill falls back to a limit on the size of files.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


def available() -> bool:
    """Whether this user may mount a tmpfs of its own."""
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return False
    probe = "mount -t tmpfs -o size=1m tmpfs /tmp"
    try:
        return subprocess.run([*_UNSHARE, "sh", "-c", probe], capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def prefix(place: Path, megabytes: int) -> Sequence[str]:
    """Words to put before a command so that it finds a disk of that size at `place`; ends with the command
    itself as the process."""
    script = f'mount -t tmpfs -o size={megabytes}m,mode=700 tmpfs {shlex.quote(str(place))} && exec "$@"'
    return (*_UNSHARE, "sh", "-c", script, "sh")


def seen_from_outside(pid: int, place: Path) -> Path:
    """Where the disk of that process can be looked at and filled by others of the same user."""
    return Path(f"/proc/{pid}/root") / place.relative_to("/")


def fill(folder: Path) -> Path:
    """Writes until there is no space left; returns the file to remove."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return filler
