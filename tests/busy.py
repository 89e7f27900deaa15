"""What a busy machine costs a process: so that a promise about time is judged without it."""

from __future__ import annotations

from pathlib import Path


def kept_waiting(pid: int) -> float:
    """Seconds for which a process's living threads were ready to run and had no processor, in sum.

    Whoever sleeps, waits for a lock or for an answer is not ready: a hold-up of the program's own is none of
    it. 0 where the kernel does not count it.
    """
    found = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            found += int(thread.read_text(encoding="ascii").split()[1])
        except (OSError, IndexError):  # the thread has ended meanwhile
            continue
    return found / 1e9
