"""Outlives a drill by a moment, whatever ended it: kills the processes that it left, removes its folder.

A drill stops, starves and kills engines on purpose, so one that is killed itself would leave such an engine
behind: stopped for good, or trading on at a paper account with nobody who looks. The guardian, a process of
its own, waits at a pipe for the drill's end. What belongs to a drill is known by a word in its environment,
which those have too that its engines started.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

WORD: Final = "BW_DRILL"
"""Name of the word in the environment."""
WITHIN: Final = 10.0
"""Seconds after which processes that do not end are left behind."""
ROOT: Final = Path(__file__).parents[2]


@contextlib.contextmanager
def guarded() -> Iterator[Path]:
    """A folder for all that the drill makes meanwhile, temporary files included; its name is so short that
    sockets fit below it. When it is left, or this process dies, what runs is killed and the folder removed.
    Raises `OSError` where there can be no folder or process."""
    before = {name: os.environ.get(name) for name in (WORD, "TMPDIR")}
    folder = Path(tempfile.mkdtemp(prefix="bw-drill-"))
    word = uuid.uuid4().hex
    command = [sys.executable, "-m", "app.drill.guardian", word, str(folder)]
    try:
        guardian = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what is pressed at the terminal must not reach it
        )
    except OSError:
        folder.rmdir()
        raise
    os.environ.update({WORD: word, "TMPDIR": str(folder)})
    tempfile.tempdir = None
    try:
        yield folder
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        tempfile.tempdir = None
        assert guardian.stdin is not None
        guardian.stdin.close()
        guardian.wait()
        shutil.rmtree(folder, ignore_errors=True)  # in case somebody killed the guardian


def belonging(word: str) -> list[int]:
    """Processes with this word in their environment, this one left out. Those of others cannot be read."""
    entry = f"{WORD}={word}".encode()
    found = []
    for place in Path("/proc").iterdir():
        if not place.name.isdecimal() or int(place.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if entry in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
    return found


def clear(word: str, folder: Path) -> None:
    """Kills what belongs to the drill and removes its folder."""
    end = time.monotonic() + WITHIN
    while (pids := belonging(word)) and time.monotonic() < end:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    clear(sys.argv[1], Path(sys.argv[2]))
