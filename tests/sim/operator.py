"""The operator of a simulated run: everyday commands at random times, and repairs after a halt."""

from __future__ import annotations

from decimal import Decimal

from engine.control.commands import (
    Acknowledge,
    Adopt,
    Cancel,
    Claim,
    Modify,
    Reset,
    Resume,
    Submit,
)
from engine.model import NS, OrderType, Side
from tests.sim.world import World


class Operator:
    """A person at the desk. Stops typing when the faults stop."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world._rng("operator")
        self.patience = self._rng.uniform(2.0, 15.0)
        """Seconds after which it looks into a halt."""
        self._everyday()
        self._repair()

    # -- everyday

    def _everyday(self) -> None:
        world = self._world
        if world.quiet:
            return
        engine = world.engine
        if engine is not None:
            self._type()
        world.later(self._rng.expovariate(1.0) * world.options.command_ms / 1000, self._everyday)

    def _type(self) -> None:
        rng, world = self._rng, self._world
        engine = world.engine
        assert engine is not None
        books = engine.core.books
        working = list(books.orders.working())
        roll = rng.random()
        if working and roll < 0.2:
            world.command(Cancel(order_id=rng.choice(working).order.id))
        elif working and roll < 0.35:
            self._modify(rng.choice(working).order.id)
        elif roll < 0.42:
            world.command(Acknowledge())
        elif roll < 0.46:
            foreign = [r for r in working if r.foreign and r.life.broker_id]
            if foreign:
                world.command(Claim(broker_id=rng.choice(foreign).life.broker_id or "", strategy="manual"))
        else:
            self._submit()

    def _touch(self, symbol: str) -> tuple[Decimal, Decimal] | None:
        engine = self._world.engine
        assert engine is not None
        quote = engine.view.quote(symbol)
        if quote is None or quote.bid is None or quote.ask is None:
            return None
        instrument = engine.core.books.instruments[symbol]
        return instrument.price(quote.bid), instrument.price(quote.ask)

    def _submit(self) -> None:
        rng, world = self._rng, self._world
        symbol = rng.choice(("ES", "CL"))
        touch = self._touch(symbol)
        if touch is None:
            return
        tick = Decimal("0.25") if symbol == "ES" else Decimal("0.01")
        side = rng.choice((Side.BUY, Side.SELL))
        sign = side.sign
        near, far = touch if side is Side.BUY else (touch[1], touch[0])
        size = Decimal(1 + rng.randrange(6))
        kind = rng.random()
        if kind < 0.4:
            command = Submit(symbol=symbol, side=side, size=size, limit=near - sign * tick * rng.randrange(8))
        elif kind < 0.6:
            command = Submit(symbol=symbol, side=side, size=size, limit=far + sign * tick)
        elif kind < 0.7:
            command = Submit(symbol=symbol, side=side, size=size, type=OrderType.MARKET)
        elif kind < 0.8:
            command = Submit(
                symbol=symbol, side=side, size=size, type=OrderType.STOP, stop=far + sign * tick * 4
            )
        elif kind < 0.9:
            command = Submit(symbol=symbol, side=side, size=size, limit=far, reduce_only=True)
        else:
            command = Submit(
                symbol=symbol,
                side=side,
                size=size,
                limit=far + sign * tick,
                take_profit=far + sign * tick * 10,
                stop_loss=near - sign * tick * 10,
            )
        world.command(command)

    def _modify(self, order_id: str) -> None:
        engine = self._world.engine
        assert engine is not None
        record = engine.core.books.orders.get(order_id)
        if record is None:
            return
        instrument = engine.core.books.instruments[record.order.symbol]
        limit = record.life.limit
        self._world.command(
            Modify(
                order_id=order_id,
                size=Decimal(max(1, record.life.qty + self._rng.randint(-2, 3))),
                limit=None if limit is None else instrument.price(limit + self._rng.randint(-3, 3)),
            )
        )

    # -- repairs

    def _repair(self) -> None:
        world = self._world
        if world.quiet:
            return
        engine = world.engine
        if engine is not None and world.life is not None and world.life.started:
            for halt in engine.core.books.halts.all():
                if (engine.core.clock.now() - halt.ts) / NS >= self.patience:
                    self._look_into(halt.scope, halt.target, halt.code)
        world.later(1.0 + self._rng.random(), self._repair)

    def _look_into(self, scope: str, target: str, code: str) -> None:
        world = self._world
        if scope == "instrument":
            if code in ("DRIFT", "MANUAL_TRADE", "drift", "manual_trade"):
                world.command(Adopt(symbol=target))
            world.command(Reset(scope="instrument", target=target))
        elif scope == "strategy":
            world.command(Resume(strategy=target))
        elif target == "pause":
            world.command(Resume())
        else:
            world.command(Reset(scope="day_loss"))
            world.command(Reset(scope="halt"))
