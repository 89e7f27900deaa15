"""The watch over the engine's loop: real threads, a loop that really stands still, files that are there."""

from __future__ import annotations

import asyncio
import ctypes
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.stallwatch import KEPT, StallWatch


def watched(folder: Path, late: float, script: Callable[[], None], backs: int) -> tuple[list[str], list[str]]:
    """Lines of log and what was told on the loop, once `backs` things were told."""
    logged: list[str] = []
    told: list[str] = []

    def log(level: str, event: str, **fields: Any) -> None:
        assert (level, fields["status"]) == ("error", "STALL"), event
        logged.append(event)

    async def run() -> None:
        enough = asyncio.Event()

        def back(text: str) -> None:
            told.append(text)
            if len(told) == backs:
                enough.set()

        watch = StallWatch(folder, late, log, back)
        watch.start()
        await asyncio.sleep(2 * late)
        script()
        if backs:
            async with asyncio.timeout(20):
                await enough.wait()
        watch.stop()

    asyncio.run(run())
    return logged, told


def stands_in_here(seconds: float) -> None:
    time.sleep(seconds)


def test_where_the_engine_stands_is_written_down_and_told_when_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "stalls"
    logged, told = watched(folder, 0.3, lambda: stands_in_here(1.2), backs=1)
    (path,) = folder.glob("stall-*.txt")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first, _, rest = path.read_text().partition("thread the engine:")
    assert "thread" not in first, "the engine comes first"
    assert "in stands_in_here\n    time.sleep(seconds)" in rest
    assert len(logged) == 1 and "stands in stands_in_here, test_live_stalls.py line" in logged[0]
    assert told[0].startswith("the engine stood still for ") and str(path) in told[0]
    assert " s in stands_in_here, test_live_stalls.py line" in told[0]


def test_a_process_that_did_not_run_is_told_so_and_no_stacks_are_read(tmp_path: Path) -> None:
    """Something held the interpreter, or it was stopped: nobody of ours could look."""
    held = ctypes.PyDLL(None).usleep
    logged, told = watched(tmp_path, 0.2, lambda: held(1_500_000), backs=1)
    assert told[0].startswith("nothing in this process ran for ")
    assert not list(tmp_path.glob("stall-*.txt")) and logged == told


def test_a_loop_that_turns_is_left_alone_and_files_are_bounded(tmp_path: Path) -> None:
    for number in range(KEPT + 5):
        (tmp_path / f"stall-2020010{number:03}.txt").touch()
    assert watched(tmp_path, 0.5, lambda: None, backs=0) == ([], [])
    watched(tmp_path, 0.2, lambda: stands_in_here(0.8), backs=1)
    assert len(list(tmp_path.glob("stall-*.txt"))) == KEPT


def test_a_folder_that_cannot_be_written_is_no_reason_to_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    logged: list[str] = []

    async def run() -> None:
        watch = StallWatch(
            tmp_path / "file" / "stalls", 0.2, lambda level, event, **_: logged.append(event), logged.append
        )
        watch.start()
        await asyncio.sleep(0.3)
        stands_in_here(0.8)
        watch.stop()
        await asyncio.sleep(0)

    asyncio.run(run())
    assert any("stands in stands_in_here" in line and "could not be kept" in line for line in logged)
