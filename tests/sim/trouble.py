"""What befalls a world: the faults of its options, each at its rate, until they stop."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from engine.control.commands import CancelAll, Flatten, Kill, Modify, Pause, Reload, Reset, Resume
from engine.model import NS, MarketState, Side
from engine.sim.faults import KINDS
from tests.sim import market
from tests.sim.hand import Hand
from tests.sim.setting import ACCOUNT
from tests.sim.world import World

COMMITS = (1, 1, 2, 2, 3, 4, 6)
"""At which of the next commits the power is cut: the first is mostly that of an order, the second that of the
note that it was sent."""

TRANSFERS = 0.3
"""Share of what somebody does at the account by hand that brings lots without an execution."""

TWINS = (0.0, 0.0, 0.2, 0.5)
"""Where a replace may leave two live orders at all: how likely one of a protective order does; once."""
HALTS = 0.15
"""Share of the seeds in which what watches over the account halts it now and then and cancels nothing: what
works there goes on and may fill."""
HALT_EVERY = 12.0
"""Mean time between two such halts, seconds."""
BY_HAND = 0.1
"""Share of the seeds with a person who trades brackets by hand; there is one wherever twins are aimed."""


class Trouble:
    """Starts a Poisson process for each fault that comes by the minute, and sets the others up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world._rng("trouble")
        self._aim = world._rng("aim of trouble")
        self._over = False
        self._undo: list[Callable[[], None]] = []
        if world.options.rate("lateness"):
            world.count("lateness")
        world.loop.lateness = int(world.options.rate("lateness") * NS / 10)
        for kind in KINDS:
            strike = getattr(self, f"_{kind.name}", None)
            rate = world.options.rate(kind.name)
            if kind.unit == "minute" and rate > 0.0:
                assert strike is not None, f"nothing does {kind.name}"
                self._arm(kind.name, rate, strike)

        twins = world._rng("twins")
        share = twins.choice(TWINS) if world.options.rate("twin_replace") else 0.0
        if share:
            # Aimed at protective orders, which are few among all that is replaced: of two live stops only one
            # can have the right size.
            world.exchange.twins = lambda: twins.random() < share
        hand = world._rng("hand")
        if hand.random() < BY_HAND or share:
            Hand(world, hand)
        self._halts = world._rng("halts of the account")
        if self._halts.random() < HALTS:
            self._halt_later()
        watched = world.watched
        if watched is not None:
            # As often as the engine stalls, and sometimes where nothing else goes wrong at all.
            rate = world.options.rate("stall") or 2.0
            self._arm("sentinel_death", rate, self._sentinel_death)
            self._arm("sentinel_stall", rate, lambda: watched.stall(self._seconds(1.5, 10.0)))
            if not world.options.rate("crash"):
                self._arm("crash", 2.0, self._crash)
            if not world.options.rate("stall"):
                self._arm("stall", 2.0, self._stall)

    def _arm(self, name: str, rate: float, strike: Callable[[], None]) -> None:
        self._world.later(self._rng.expovariate(rate / 60.0), self._strike, name, rate, strike)

    def _strike(self, name: str, rate: float, strike: Callable[[], None]) -> None:
        if self._over:
            return
        self._world.count(name)
        self._world.note(f"{self._world.loop.now_ns} fault {name}")
        strike()
        self._arm(name, rate, strike)

    def _halt_later(self) -> None:
        self._world.later(self._halts.expovariate(1.0 / HALT_EVERY), self._halt_account)

    def _halt_account(self) -> None:
        if self._over:
            return
        life = self._world.life
        if life is not None and life.engine is not None and life.started:
            self._world.count("account_halt")
            self._world.note(f"{self._world.loop.now_ns} the account is halted")
            life.wire.into_engine(life.engine.halt, "account", "", "screen_lost", "no screen looks on")
        self._halt_later()

    def stop(self) -> None:
        """All faults end: the line is up, the disk is well, markets are open, quotes are true."""
        self._over = True
        world = self._world
        world.quiet = True
        world.exchange.faults.clear()
        world.exchange.twins = lambda: False
        world.loop.lateness = 0
        world.wall_error = 0
        world.crash_armed = ""
        disk = world.disk
        disk.full = False
        disk.cut_before = disk.cut_after = 0
        disk.busy = disk.broken_before = disk.broken_after = disk.slow_until = 0
        world.inside.hang.clear()
        world.inside.die.clear()
        for walk in world.walks:
            walk.stale_until = walk.spoiled_until = walk.absurd = 0
        for undo in self._undo:
            undo()
        for symbol in ("ES", "CL"):
            world.exchange.set_limits(symbol, None, None)
        life = world.life
        if life is not None:
            life.wire.rates = {}
            life.wire.slow_until = 0
            if life.wire.session is not None and not life.wire.session.real.up:
                world.exchange.restore_link(ACCOUNT)

    # -- network

    def _session(self, act: Callable[[object], None]) -> None:
        life = self._world.life
        if life is not None and life.wire.session is not None:
            act(life.wire.session.real)

    def _seconds(self, mean: float, most: float = 60.0) -> float:
        return min(self._rng.expovariate(1.0 / mean), most)

    def _disconnect(self) -> None:
        self._world.exchange.drop_link(ACCOUNT, "connection reset", int(self._seconds(2.0, 20.0) * NS))

    def _half_open(self) -> None:
        silence, down = int(self._seconds(3.0, 20.0) * NS), int(self._seconds(1.0) * NS)
        self._session(lambda s: s.go_silent(silence, "no heartbeat", down))  # type: ignore[attr-defined]

    def _flapping(self) -> None:
        for number in range(3 + self._rng.randrange(6)):
            self._world.later(number * self._seconds(0.5, 2.0), self._flap)

    def _flap(self) -> None:
        if not self._over:
            self._world.exchange.drop_link(ACCOUNT, "flapping", int(self._seconds(0.2, 2.0) * NS))

    def _slow_consumer(self) -> None:
        life = self._world.life
        if life is not None:
            life.wire.slow_until = self._world.loop.now_ns + int(self._seconds(4.0, 20.0) * NS)

    # -- venue

    def _reject_storm(self) -> None:
        faults = self._world.exchange.faults
        usual = self._world.options.rate("reject")
        faults.set_ratios({"reject_new": 1.0})
        self._world.later(
            self._seconds(4.0, 15.0), lambda: self._over or faults.set_ratios({"reject_new": usual})
        )

    def _symbol(self) -> str:
        return self._rng.choice(("ES", "CL"))

    def _halt(self) -> None:
        self._world.set_state(self._symbol(), MarketState.HALTED, self._seconds(6.0, 20.0))

    def _reserved(self) -> None:
        self._world.set_state(self._symbol(), MarketState.RESERVED, self._seconds(5.0, 20.0))

    def _price_band(self) -> None:
        symbol, world = self._symbol(), self._world
        market_ = world.exchange.market(symbol)
        mark = market_.mark()
        if mark is None:
            return
        world.exchange.set_limits(symbol, mark - self._rng.randrange(1, 6), mark + self._rng.randrange(1, 6))
        world.later(self._seconds(8.0, 20.0), world.exchange.set_limits, symbol, None, None)

    def _rate_limit(self) -> None:
        world = self._world
        session = world.life.wire.session.real if world.life and world.life.wire.session else None
        if session is None:
            return
        usual, session._limit = session._limit, 2

        def undo() -> None:
            session._limit = usual

        self._undo.append(undo)
        world.later(self._seconds(4.0, 15.0), undo)

    def _foreign_order(self) -> None:
        world, symbol = self._world, self._symbol()
        mark = world.exchange.market(symbol).mark()
        if mark is None:
            return
        side = self._rng.choice((Side.BUY, Side.SELL))
        limit = mark - side.sign * self._rng.randint(-2, 10)
        world.exchange.foreign_order(ACCOUNT, symbol, side, 1 + self._rng.randrange(3), limit=limit)

    def _manual_trade(self) -> None:
        world, symbol = self._world, self._symbol()
        if world.exchange.market(symbol).mark() is not None:
            side = self._rng.choice((Side.BUY, Side.SELL))
            lots = 1 + self._rng.randrange(3)
            if self._aim.random() < TRANSFERS:
                world.exchange.transfer(symbol, side, lots)
            else:
                world.exchange.manual_trade(ACCOUNT, symbol, side, lots)

    # -- store

    def _store_slow(self) -> None:
        self._world.disk.slow_until = self._world.loop.now_ns + int(self._seconds(1.5, 10.0) * NS)

    def _store_busy(self) -> None:
        self._world.disk.busy += 1 + self._rng.randrange(3)

    def _store_full(self) -> None:
        disk = self._world.disk
        disk.full = True

        def room() -> None:
            disk.full = False

        self._world.later(self._seconds(6.0, 20.0), room)

    def _store_error(self) -> None:
        self._world.disk.broken_before += 1 + self._rng.randrange(3)

    def _store_error_late(self) -> None:
        self._world.disk.broken_after += 1

    def _power_before_commit(self) -> None:
        self._world.disk.cut_before = self._aim.choice(COMMITS)

    def _power_after_commit(self) -> None:
        self._world.disk.cut_after = self._aim.choice(COMMITS)

    # -- process

    def _crash(self) -> None:
        if self._rng.random() < self._world.options.crash_bias:
            self._world.arm_crash("killed with something in flight")
        else:
            self._world.crash("killed")

    def _restart_old(self) -> None:
        if self._world.has_older_state:
            self._world.exchange.forget_the_past()
            self._world.crash_on_older_state()

    def _graceful_stop(self) -> None:
        self._world.restart("the operator restarts it")

    def _stall(self) -> None:
        life = self._world.life
        if life is not None:
            self._world.loop.stall(life.process, self._world.loop.now_ns + int(self._seconds(1.5, 10.0) * NS))

    def _sentinel_death(self) -> None:
        watched = self._world.watched
        assert watched is not None
        watched.die("is killed")
        self._world.later(self._seconds(1.0, 5.0), watched.boot)

    def _strategy_hang(self) -> None:
        self._world.inside.hang.add(self._rng.choice(("dice", "trend")))

    def _strategy_death(self) -> None:
        self._world.inside.die.add(self._rng.choice(("dice", "trend")))

    # -- time

    def _wall_step(self) -> None:
        self._world.wall_error += int(self._rng.choice((-1, 1)) * 10 ** self._rng.uniform(-1, 2) * NS)

    # -- operator

    def _change_first(self, who: str | None) -> None:
        """Often an order has just been made larger: its row is on its way to the store when the next command
        comes."""
        engine = self._world.engine
        if engine is None or self._aim.random() < 0.5:
            return
        ours = [r for r in engine.core.books.orders.working(strategy=who) if not r.foreign]
        if ours:
            record = self._aim.choice(ours)
            self._world.command(Modify(order_id=record.order.id, size=Decimal(record.life.qty + 1)))

    def _kill(self) -> None:
        self._change_first(None)
        self._world.command(Kill(flatten=self._rng.random() < 0.8))

    def _flatten(self) -> None:
        self._world.command(Flatten(symbol=self._rng.choice((None, "ES", "CL"))))

    def _limit_change(self) -> None:
        world = self._world
        world.settings.limits = world.settings.limits.model_copy(
            update={
                "max_position": self._rng.choice((2, 5, 12, 12, 30)),
                "max_order_qty": self._rng.choice((1, 6, 6, 10)),
            }
        )
        world.command(Reload())

    def _reset(self) -> None:
        scope, target = self._rng.choice(
            (
                ("halt", ""),
                ("day_loss", ""),
                ("instrument", "ES"),
                ("instrument", "CL"),
                ("control", "reject_storm"),
                ("control", "error_rate"),
            )
        )
        self._world.command(Reset(scope=scope, target=target))  # type: ignore[arg-type]

    def _pause(self) -> None:
        who = self._rng.choice((None, "dice", "trend"))
        self._change_first(who)
        self._world.command(Pause(strategy=who))
        self._world.later(self._seconds(4.0), lambda: self._world.command(Resume(strategy=who)))

    def _cancel_all(self) -> None:
        self._world.command(CancelAll(symbol=self._rng.choice((None, "ES", "CL"))))

    # -- data

    def _walk(self) -> market.Walk:
        return self._rng.choice(self._world.walks)

    def _stale(self) -> None:
        self._walk().stale_until = self._world.loop.now_ns + int(self._seconds(8.0, 30.0) * NS)

    def _spoil(self, how: Callable[[market.Quote], market.Quote]) -> None:
        walk = self._walk()
        walk.spoil = how
        walk.spoiled_until = self._world.loop.now_ns + int(self._seconds(2.0, 10.0) * NS)

    def _one_sided(self) -> None:
        self._spoil(market.one_sided)

    def _crossed(self) -> None:
        self._spoil(market.crossed)

    def _zero_price(self) -> None:
        self._spoil(market.zero)

    def _negative_price(self) -> None:
        self._spoil(market.negative)

    def _absurd_print(self) -> None:
        self._walk().absurd += 1 + self._rng.randrange(3)
