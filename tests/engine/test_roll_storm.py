"""Rolls in a storm: faults of line and venue, halts, lost lines and restarts, drawn by a seed.

At the venue itself both months together never hold more than at the start; each roll that begins ends once;
what it says it closed and opened is what the venue executed; and no stop is left standing unsaid for lots
that are gone.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.control.commands import Pause, Resume, Roll
from engine.model import NS, OrderType
from engine.records import OrderStored, RollEnded, RollStarted
from tests.effort import effort
from tests.engine.operator_kit import journalled
from tests.engine.rig import Rig
from tests.engine.roll_kit import TOUCH, begin, bracketed, hold, play

FAULTS = (
    "reject_new",
    "reject_cancel",
    "lose_request",
    "no_ack",
    "late_ack",
    "fill_before_ack",
    "drop_report",
    "duplicate_report",
    "delay_report",
    "reorder_report",
    "fill_after_cancel",
)
LOTS = 6


class Storm:
    """What happens to one run after another of the same state."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"roll storm {seed}")
        self.guarded = False
        """Whether the position came with a bracket."""
        self.late = False
        """Whether the venue may tell of a fill after it has confirmed the cancel: that is after the end."""

    def venue(self, rig: Rig) -> tuple[int, int]:
        return rig.venue_position("ESH6"), rig.venue_position("ESM6")

    def check(self, rig: Rig) -> None:
        near, far = self.venue(rig)
        assert near >= 0 and far >= 0, (near, far)
        assert near + far <= LOTS, (near, far)

    async def first(self, rig: Rig) -> None:
        self.guarded = self.rng.random() < 0.5
        if self.guarded:
            await bracketed(rig, LOTS)
        else:
            await hold(rig, LOTS)
        await self.go_on(rig)

    async def go_on(self, rig: Rig) -> None:
        rng = self.rng
        self.check(rig)
        picked = rng.sample(FAULTS, rng.randint(0, 4))
        if self.guarded and "fill_after_cancel" in picked:
            picked.remove(
                "fill_after_cancel"
            )  # a stop that fills after its cancel opens a position by itself
        self.late |= "fill_after_cancel" in picked
        rig.exchange.faults.set_ratios({name: rng.uniform(0.05, 0.5) for name in picked})
        ends = rng.randint(10, 60)
        for _ in range(ends):
            self.act(rig)
            for _ in range(rng.randint(1, 6)):
                await rig.sleep(rng.choice((0.003, 0.02, 0.1, 0.4)))
                self.check(rig)
        if rng.random() < 0.7:
            rig.engine._stopping = "killed"  # as after kill -9: nothing is taken back

    def act(self, rig: Rig) -> None:
        rng, what = self.rng, self.rng.random()
        if what < 0.35:
            size = rng.choice((None, 1, 2, 3))
            symbols = ("ESH6", "ESM6")
            begin(rig, Roll(source=symbols[0], target=symbols[1], size=size, within=rng.choice((None, 0, 5))))
        elif what < 0.8:
            symbol = rng.choice(("ESH6", "ESM6"))
            low = TOUCH[symbol][0] + rng.randint(-3, 3)
            rig.sizes[symbol] = rng.choice((1, 1, 2, 50))
            rig.touch[symbol] = (low, low + rng.choice((1, 1, 1, 2, 6)))
            rig.quote_all()
        elif what < 0.84:
            rig.engine.command(Pause(), "ann")
        elif what < 0.92:
            rig.engine.command(Resume(), "ann")
        elif what < 0.95:
            rig.exchange.drop_link(rig.config.account, down_for=rng.randint(1, 4) * NS)

    async def rest(self, rig: Rig) -> None:
        """Everything is well again: what is under way comes to its end, and the numbers add up."""
        self.check(rig)
        rig.exchange.faults.clear()
        rig.touch.update(TOUCH)
        rig.sizes.clear()
        rig.engine.command(Resume(), "ann")
        await rig.sleep(90)
        self.check(rig)
        books = rig.engine.core.books
        assert not books.rolls.active, books.rolls.active
        assert (rig.position("ESH6"), rig.position("ESM6")) == self.venue(rig)
        records = await journalled(rig)
        stops = [r for r in books.orders.working("ESH6") if r.order.type is OrderType.STOP]
        told = any(r.order.id in e.text for r in stops for e in records if isinstance(e, RollEnded))
        assert told or sum(r.life.leaves for r in stops) <= max(rig.position("ESH6"), 0), stops
        began = {r.roll: r for r in records if isinstance(r, RollStarted)}
        ended = [r for r in records if isinstance(r, RollEnded)]
        assert sorted(began) == sorted(r.roll for r in ended), "each ends once"
        executions = rig.exchange.audit(rig.config.account).executions
        for end in ended:
            begun = began[end.roll]
            orders = {
                r.order.id: r.order.symbol
                for r in records
                if isinstance(r, OrderStored) and r.order.correlation == end.roll
            }
            done = {s: sum(f.qty for f in executions if orders.get(f.order_id or "") == s) for s in TOUCH}
            assert done[begun.target] <= done[begun.source] <= begun.lots
            assert end.closed <= done[begun.source] and end.opened <= done[begun.target], (end, done)
            if not self.late:
                assert (end.closed, end.opened) == (done[begun.source], done[begun.target]), (end, done)


@pytest.mark.parametrize("seed", range(effort(12, 200)))
def test_no_storm_makes_more_of_it(tmp_path: Path, seed: int) -> None:
    storm = Storm(seed)
    config = {"roll": {"patience": 2.0}, "risk": {"reject_storm": 10_000}}
    play(storm.first, directory=tmp_path, config=config)
    for _ in range(storm.rng.randint(0, 2)):
        play(storm.go_on, directory=tmp_path, config=config)
    play(storm.rest, directory=tmp_path, config=config)
