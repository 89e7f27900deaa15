"""A running control server for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from control_harness import Served


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    harness = Served(tmp_path / "state")
    harness.start()
    yield harness
    harness.stop()
