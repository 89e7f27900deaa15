"""What adapters share: the outlet for facts, the message lanes, and the demand for proof."""

from __future__ import annotations

import pytest
from exchange_kit import START

from brokers.base import Lanes, Outlet, require_recorded
from engine.facts import AnyFact, Gap
from engine.model import NS
from engine.ports import NotSent
from engine.sim.loop import VirtualClock, VirtualLoop


def test_orders_leave_room_for_cancels() -> None:
    loop = VirtualLoop(START)
    clock = VirtualClock(loop)
    lanes = Lanes(clock, 10)
    for _ in range(8):
        lanes.take(cancel=False)
    with pytest.raises(NotSent, match="lane for orders is full"):
        lanes.take(cancel=False)
    lanes.take(cancel=True)
    lanes.take(cancel=True)
    with pytest.raises(NotSent, match="lane for cancels is full"):
        lanes.take(cancel=True)
    loop.run_until_complete(clock.sleep(NS))
    lanes.take(cancel=False)


def test_a_venue_without_a_limit_has_endless_lanes() -> None:
    lanes = Lanes(VirtualClock(VirtualLoop(START)), None)
    for _ in range(1000):
        lanes.take(cancel=False)


def test_the_outlet_hands_over_later_and_once() -> None:
    loop = VirtualLoop(START)
    clock = VirtualClock(loop)
    outlet = Outlet(clock)
    facts: list[AnyFact] = []
    with pytest.raises(RuntimeError, match="bind"):
        outlet.now(Gap(ts=0, reason=""))
    outlet.bind(facts.append)
    outlet.soon(Gap(ts=0, reason="x"))
    assert facts == []
    loop.run_until_complete(clock.sleep(1))
    assert len(facts) == outlet.facts == 1
    with pytest.raises(RuntimeError, match="bound already"):
        outlet.bind(facts.append)


def test_only_recorded_may_be_sent() -> None:
    with pytest.raises(TypeError, match="only what is recorded"):
        require_recorded("order")
