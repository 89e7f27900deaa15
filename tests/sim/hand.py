"""A person of some seeds who enters with brackets and takes parts of the position off by hand.

Whatever protects must follow: this is what nobody else of a world does often enough to matter.
"""

from __future__ import annotations

import random
from decimal import Decimal

from engine.control.commands import Submit
from engine.model import OrderType, Side
from engine.ordering import MANUAL
from tests.sim.world import World

TICKS = {"ES": Decimal("0.25"), "CL": Decimal("0.01")}
FAR = 60
"""Ticks from the market to stop and target: both are to stay."""


class Hand:
    """Stops typing when the faults stop. Draws from a stream of its own."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._pace = rng.uniform(1.0, 4.0)
        """Mean seconds between two commands."""
        self._symbol = rng.choice(("ES", "CL"))
        self._side = rng.choice((Side.BUY, Side.SELL))
        world.later(1.0, self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.quiet:
            return
        world.later(0.2 + self._rng.expovariate(1.0) * self._pace, self._turn)
        engine = world.engine
        if engine is None:
            return
        quote = engine.view.quote(self._symbol)
        if quote is None or quote.bid is None or quote.ask is None:
            return
        held = engine.core.books.positions.strategy_qty(MANUAL, self._symbol) * self._side.sign
        if held > 1 and self._rng.random() < 0.7:
            size = self._rng.randrange(1, min(held, 6))
            world.command(
                Submit(
                    symbol=self._symbol,
                    side=self._side.opposite,
                    size=Decimal(size),
                    type=OrderType.MARKET,
                )
            )
            return
        if held > 4:
            return
        instrument, sign = engine.core.books.instruments[self._symbol], self._side.sign
        touch = quote.ask if self._side is Side.BUY else quote.bid
        world.command(
            Submit(
                symbol=self._symbol,
                side=self._side,
                size=Decimal(self._rng.randint(2, 5)),
                limit=instrument.price(touch + sign),
                take_profit=instrument.price(touch + sign * FAR),
                stop_loss=instrument.price(touch - sign * FAR),
            )
        )
