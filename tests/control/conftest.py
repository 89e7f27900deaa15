"""A running control server for each test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from control_harness import Served

from app.link import SocketLink


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    harness = Served(tmp_path / "state")
    harness.start()
    yield harness
    harness.stop()


@pytest.fixture
def links(served: Served) -> Iterator[Callable[..., SocketLink]]:
    made: list[SocketLink] = []

    def make(**options: object) -> SocketLink:
        link = SocketLink(served.directory, rate=20, **options)  # type: ignore[arg-type]
        made.append(link)
        link.start()
        return link

    yield make
    for link in made:
        link.close(None)
