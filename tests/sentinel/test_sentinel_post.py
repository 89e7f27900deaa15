"""The engine's way to its sentinel: a process that ends at once is started again, ever more slowly."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from app.options import RunOptions
from app.sentinel.post import SentinelPost


def test_a_process_that_ends_at_once_is_tried_again_with_longer_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[float] = []
    real = subprocess.Popen

    def popen(command: list[str], **kwargs: Any) -> subprocess.Popen[bytes]:
        assert kwargs["start_new_session"], "what ends the engine's terminal must not reach it"
        assert command[3] == "sentinel" and "--spawned" in command
        starts.append(time.monotonic())
        return real(["false"])

    monkeypatch.setattr(subprocess, "Popen", popen)

    async def script() -> str:
        options = RunOptions(state_dir=tmp_path, config=None, feed="exchange:x.sock")
        post = SentinelPost(options, "flatten", 5.0, lambda *_, **__: None)
        end = time.monotonic() + 4
        while time.monotonic() < end:
            post.tend()
            await asyncio.sleep(0.02)
        await post.close()
        return post.problem

    assert "ended with 1" in asyncio.run(script())
    waits = [b - a for a, b in itertools.pairwise(starts)]
    assert len(waits) >= 2, starts
    assert waits[0] >= 0.5 and waits[1] >= 1.0
    assert len(starts) <= 4


def test_the_policy_off_starts_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def popen(*_: Any, **__: Any) -> None:
        raise AssertionError("nobody was to be started")

    monkeypatch.setattr(subprocess, "Popen", popen)

    async def script() -> None:
        options = RunOptions(state_dir=tmp_path, config=None, feed="exchange:x.sock")
        post = SentinelPost(options, "off", 5.0, lambda *_, **__: None)
        for _ in range(5):
            post.tend()
            await asyncio.sleep(0.05)
        regained = await post.regain()
        assert regained is not None and regained.rows == ()
        assert post.hold.why_not() == ""
        await post.close()

    asyncio.run(script())
