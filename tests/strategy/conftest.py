"""Fixtures of the strategy tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from strategy_kit import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    for host in rig.hosts:
        host.kill()
