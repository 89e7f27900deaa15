"""Where the power tests have their files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory in memory where there is one: durability is the model's affair here, speed the test's."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="bw-power-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
