"""The order in which the files are tried, long ones first, so that no worker ends with one alone; and a heap
that the collector need not walk again and again.

With `--dist loadfile` a file is tried by one worker, and pytest-xdist hands those with the most tests out
first. Here those with the fewest take longest: an engine in a process of its own is one test and half a
minute. `make test` therefore takes the order from here (`--no-loadscope-reorder`)."""

from __future__ import annotations

import gc
from collections import Counter
from pathlib import Path

import pytest

SECONDS = {
    "bench/test_bench_smoke.py": 60,
    "acceptance/test_recorded_days.py": 50,
    "ib/test_ib_processes.py": 50,
    "live/test_live_attach.py": 50,
    "crash/test_kill.py": 45,
    "desk/test_desk_snapshots.py": 45,
    "sentinel/test_sentinel_processes.py": 45,
    "app/test_app_cli.py": 40,
    "conformance/test_ib.py": 35,
    "crash/test_halts.py": 35,
    "crash/test_signals.py": 35,
    "desk/test_desk_entry.py": 35,
    "desk/test_desk_pty.py": 35,
    "disk/test_damaged_files.py": 35,
    "disk/test_running_engine.py": 35,
    "live/test_live_desk.py": 35,
    "recovery/test_processes.py": 35,
    "acceptance/test_determinism.py": 30,
    "app/test_app_ib.py": 30,
    "live/test_live_attach_trouble.py": 30,
    "live/test_live_signals.py": 30,
    "nights/test_nights_account.py": 30,
    "nights/test_nights_line.py": 30,
    "nights/test_nights_machine.py": 30,
    "nights/test_nights_market.py": 30,
    "acceptance/test_resume.py": 25,
    "ib/test_ib_storm.py": 25,
    "sim/test_faults.py": 25,
    "strategy/test_strategy_failures.py": 25,
    "desk/test_desk_kill.py": 20,
    "ib/test_ib_roll.py": 20,
    "shadow/test_shadow_processes.py": 20,
    "sim/test_sentinel.py": 20,
    "desk/test_desk_commands.py": 15,
    "sim/test_determinism.py": 15,
    "strategy/test_strategy_realtime.py": 15,
}
"""What the longest files take, roughly, on two processors. A name that is gone from here, or missing, costs
some seconds at the end of a run and nothing else."""

SLOW, MOST = 8, 32
"""Seconds that a test marked `slow` is taken for, and all of a file, where the file is not named above."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    weights: Counter[Path] = Counter()
    for path in {item.path for item in items}:
        weights[path] = SECONDS.get(path.relative_to(here).as_posix(), 0)
    guessed = {path for path, seconds in weights.items() if not seconds}
    for item in items:
        if item.path in guessed and item.get_closest_marker("slow"):
            weights[item.path] += SLOW
    for path in guessed:
        weights[path] = min(weights[path], MOST)
    items.sort(key=lambda item: -weights[item.path])


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Thousands of tests and their modules live to the end: a collector that looks at them every time costs
    the tests of the screen a tenth of their time."""
    gc.collect()
    gc.freeze()
