"""Fixtures of the live tests: a workstation that trades by itself, and one that does as it is told."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.attaching import Engines, attach
from tests.live.workstation import Headless, Start, Workstation

QUIET = """\
[reconcile]
every = 0.5

[[strategies]]
name = "quiet"
module = "engine.strategy.samples.trend:Trend"
symbols = ["BTCUSDT-PERP"]
bar_seconds = 60.0
params = { slow = 10000 }
"""
"""A strategy that lives and does not trade, so that positions are those of the test alone."""


@pytest.fixture
def thawed() -> None:
    """For who counts what the program itself has taken out of the collector's sight."""
    gc.unfreeze()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts workstations, and ends those that a test has left."""
    started: list[Workstation] = []

    def one(*options: str, **more: Any) -> Workstation:
        started.append(Workstation(tmp_path, *options, **more))
        return started[-1]

    yield one
    for workstation in started:
        workstation.close()


@pytest.fixture
def quiet_config(tmp_path: Path) -> Path:
    """A configuration with nothing that trades by itself."""
    path = tmp_path / "quiet.toml"
    path.write_text(QUIET, encoding="utf-8")
    return path


@pytest.fixture
def quiet(quiet_config: Path, start: Start) -> Workstation:
    """A workstation that stands on its terminal, is armed, and trades only what it is told to."""
    workstation = start("--config", str(quiet_config))
    workstation.armed()
    return workstation


@pytest.fixture
def headless(tmp_path: Path, quiet_config: Path) -> Iterator[Callable[..., Headless]]:
    """Starts engines without a screen that trade only what they are told to, in the same state directory as
    `start`; ends those that a test has left."""
    started: list[Headless] = []

    def one(*options: str) -> Headless:
        started.append(Headless(tmp_path, "--config", str(quiet_config), *options))
        return started[-1].up()

    yield one
    for engine in started:
        engine.close()


@pytest.fixture
def attached(headless: Engines, start: Start) -> Workstation:
    """A screen on a terminal, attached to an engine that trades only what it is told to."""
    headless()
    return attach(start)
