"""Sets the stage of a night: exchange, engine, terminal; and clears it away, however the night ended."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.drill.processes import short_folder
from tests.nights.night import Night

Begin = Callable[..., Night]


@pytest.fixture
def begin(request: pytest.FixtureRequest) -> Iterator[Begin]:
    """Begins the night; its engine runs in the desk's process, or apart from it."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed: an operator's terminal cannot be played")
    nights: list[Night] = []
    with short_folder() as folder:

        def one(**options: Any) -> Night:
            night = Night(folder, f"breakwater-night-{os.getpid()}", **options)
            nights.append(night)
            night.begin()
            return night

        try:
            yield one
        finally:
            for night in nights:
                night.close()
