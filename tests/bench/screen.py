"""Section `screen`: what a frame costs, how soon a key is seen, how soon the desk stands, what it weighs."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from textual.screen import Screen

from app.collector import tame_collector
from app.desk.screens.market import EVERY as LOOK
from tests.bench.figures import Figures, rss_mib, spread, table
from tests.bench.screen_child import Trading, pictures

ROWS, CHANGED = 5_000, 50
UPDATES = 200
"""Orders that change from frame to frame, ten frames a second: 2,000 updates a second."""
SIZE = (200, 50)
TARGETS = {"cpu_ms": 10.0, "bytes": 8_192.0, "key_p50_ms": 20.0, "key_p95_ms": 100.0, "start_s": 0.6}
SCREENS = {"desk": "", "orders": "f3", "market": "7"}
"""Screens whose frames are measured, and the keys that lead there."""
ECHOING = "import os, tty; tty.setraw(0); os.write(1, b'ready')\nwhile True: os.write(1, os.read(0, 1))"
"""The control: a process that does nothing but send each key back."""
ECHO = b"~"
"""A sign that no picture of the desk has."""


def run(quick: bool) -> Figures:
    frames, keys, starts = (20, 15, 1) if quick else (200, 150, 5)
    found: Figures = {name: asyncio.run(_frames(key, frames)) for name, key in SCREENS.items()}
    with _desk(ROWS, UPDATES) as (master, process):
        os.write(master, b"\x1bOR:")
        _read_for(master, 1.0)
        with _terminal("-c", ECHOING) as (other, _):
            _until(other, b"ready", 60.0)
            found["key_ms"], found["key_control_ms"] = _keys(master, keys), _keys(other, keys)
        found["rss_mb"] = {"5,000 orders": rss_mib(process.pid)}
    found["start_s"], found["start_cpu_s"], found["rss_mb"]["14 orders"] = _starts(starts)
    table(
        f"Frames at {ROWS:,} orders, {CHANGED} changed cells, {SIZE[0]}×{SIZE[1]} (≤ 10 ms, ≤ 8,192 bytes)",
        ("screen", "CPU ms p50", "CPU ms p99", "of it waiting", "bytes"),
        [
            (name, one["cpu_ms"]["p50"], one["cpu_ms"]["p99"], one["idle_ms"]["p50"], one["bytes"])
            for name, one in ((name, found[name]) for name in SCREENS)
        ],
    )
    key, weight = found["key_ms"], found["rss_mb"]
    print(f"  key to paint under {10 * UPDATES:,} updates a second: p50 {key['p50']:.1f} ms (≤ 20), ", end="")
    control = found["key_control_ms"]
    print(f"p95 {key['p95']:.1f} ms (≤ 100); control {control['p50']:.1f}, {control['p95']:.1f}")
    print(f"  start of the process to first paint: {found['start_s']:.2f} s (≤ 0.6), ", end="")
    print(f"{found['start_cpu_s']:.2f} s of it CPU; memory ", end="")
    print(f"{weight['14 orders']:.0f} MB, with {ROWS:,} orders {weight['5,000 orders']:.0f} MB")
    found["targets"] = TARGETS
    return found


async def _frames(key: str, frames: int) -> Figures:
    """CPU of this thread and bytes for the terminal, a frame. `idle_ms`: what waiting for the screen costs by
    itself, without a frame."""
    from app.desk.app import DeskApp
    from app.desk.options import DeskOptions

    written = 0

    class Counting(DeskApp):
        def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
            nonlocal written
            if hasattr(renderable, "render_segments"):
                written += len(renderable.render_segments(self.console).encode())
            super()._display(screen, renderable)

    link = Trading(pictures(ROWS, CHANGED))
    moment = 0.0
    app = Counting(link, DeskOptions(frame_rate=0, now=lambda: moment))
    spent = []
    tame_collector()
    async with app.run_test(size=SIZE) as pilot:
        if key:
            await pilot.press(key)
        idle = []
        for _ in range(frames):
            began = time.thread_time_ns()
            await pilot.pause()
            idle.append(time.thread_time_ns() - began)
        for number in range(frames + 5):
            if number == 5:
                written = 0
            moment += LOOK  # each frame has a new book on the market screen, the worst that there is
            began = time.thread_time_ns()
            app.paint()
            await pilot.pause()
            spent.append(time.thread_time_ns() - began)
    return {
        "cpu_ms": spread(spent[5:], 1_000_000),
        "idle_ms": spread(idle, 1_000_000),
        "bytes": round(written / frames),
    }


@contextmanager
def _terminal(*argv: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A Python process on a terminal of its own, and the terminal's other side."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("TEXTUAL", "NO_COLOR"))}
    process = subprocess.Popen(
        [sys.executable, *argv],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        cwd=Path(__file__).resolve().parents[2],
        env={**environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"},
    )
    os.close(slave)
    try:
        yield master, process
    finally:
        process.send_signal(signal.SIGTERM)
        _drain(master, process)
        os.close(master)


@contextmanager
def _desk(rows: int, changed: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The desk on a terminal, once its footer stands."""
    with _terminal("-m", "tests.bench.screen_child", str(rows), str(changed)) as (master, process):
        _until(master, b"KILL", 60.0)
        yield master, process


def _until(master: int, wanted: bytes, patience: float) -> None:
    """Reads until something stands in what was written. Raises `TimeoutError`."""
    seen = b""
    end = time.monotonic() + patience
    while wanted not in seen:
        if not select.select([master], [], [], max(0.0, end - time.monotonic()))[0]:
            raise TimeoutError(f"no {wanted!r} on the terminal within {patience} s")
        seen = seen[-64:] + os.read(master, 65_536)


def _drain(master: int, process: subprocess.Popen[bytes]) -> None:
    """Reads on while the process ends, so that it can."""
    end = time.monotonic() + 10.0
    while process.poll() is None and time.monotonic() < end:
        if select.select([master], [], [], 0.05)[0]:
            try:
                os.read(master, 65_536)
            except OSError:
                break
    if process.poll() is None:
        process.kill()
    process.wait()


def _keys(master: int, count: int) -> dict[str, float]:
    """From the key's byte to its sign in what the desk writes; the sign is taken back each time."""
    taken = []
    for number in range(count):
        _read_for(master, 0.03 + 0.007 * (number % 11))  # at any moment between two frames
        began = time.perf_counter()
        os.write(master, ECHO)
        _until(master, ECHO, 10.0)
        taken.append(1_000 * (time.perf_counter() - began))
        os.write(master, b"\x7f")
    taken.sort()
    return {"n": count, "p50": statistics.median(taken), "p95": taken[int(count * 0.95)], "max": taken[-1]}


def _read_for(master: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([master], [], [], left)[0]:
            os.read(master, 65_536)


def _starts(count: int) -> tuple[float, float, float]:
    """Medians from the start of the process to the footer on its terminal: seconds, CPU seconds, memory."""
    took, cpu, weights = [], [], []
    for _ in range(count):
        began = time.perf_counter()
        with _desk(14, 0) as (_, process):
            took.append(time.perf_counter() - began)
            cpu.append(_cpu_s(process))
            weights.append(rss_mib(process.pid))
    return statistics.median(took), statistics.median(cpu), statistics.median(weights)


def _cpu_s(process: subprocess.Popen[bytes]) -> float:
    """CPU of the process so far: what its start takes where nothing else runs, at the most."""
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
