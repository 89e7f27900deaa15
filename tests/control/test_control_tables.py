"""What `ctl` prints for people: every topic has words, and an age is as of the picture."""

from __future__ import annotations

import pytest
from control_harness import make_snapshot, order_row

from app.tables import SHOW
from engine.control import wire
from engine.model import NS


@pytest.mark.parametrize("topic", list(SHOW))
def test_every_topic_is_shown(topic: wire.Topic) -> None:
    snapshot = make_snapshot()
    assert SHOW[topic](wire.topic_of(snapshot, topic), snapshot.ts).strip()


@pytest.mark.parametrize(("seconds", "shown"), [(-1, "0.0s"), (4, "4.0s"), (12, "12s"), (3_900, "1h05m")])
def test_an_order_is_as_old_as_the_picture_makes_it(seconds: int, shown: str) -> None:
    row = order_row(1)
    assert shown in SHOW["orders"]((row,), row.created + seconds * NS).split()
