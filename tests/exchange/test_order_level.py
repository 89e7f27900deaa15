"""Order-by-order input: true queue positions, true depth, and the recorded hour with its auction."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from exchange_kit import FAST, B, S, World

from brokers.exchange import AccountConfig, Exchange, ExchangeConfig
from brokers.exchange.messages import New
from engine.facts import AnyFact, Executed
from engine.feeds.mbo import MboMessage
from engine.feeds.open import open_feed
from engine.model import NS, MarketState, Order, OrderType, Quote, Side, TimeInForce, Trade
from engine.sim.loop import VirtualClock, VirtualLoop

Action = Literal["R", "A", "C", "M", "T", "F"]


class Tape:
    """Writes order-level messages into a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def say(
        self, action: Action, side: Side | None, oid: int, price: int, size: int, last: bool = True
    ) -> None:
        message = MboMessage("ES", self.world.clock.now(), action, side, oid, price, size, last)
        self.world.exchange.on_mbo(message)

    def trade(self, aggressor: Side, price: int, fills: list[tuple[int, int, int]]) -> None:
        """A print and what it fills: (order id, lots, lots left)."""
        self.say("T", aggressor, 0, price, sum(lots for _, lots, _ in fills), last=False)
        for oid, lots, _ in fills:
            self.say("F", aggressor.opposite, oid, price, lots, last=False)
        for n, (oid, lots, left) in enumerate(fills):
            last = n == len(fills) - 1
            if left:
                self.say("M", aggressor.opposite, oid, price, left, last)
            else:
                self.say("C", aggressor.opposite, oid, price, lots, last)


@pytest.fixture
def tape() -> Tape:
    tape = Tape(World())
    for oid, (side, price, size) in enumerate(
        [(B, 100, 5), (B, 100, 7), (B, 99, 4), (S, 101, 3), (S, 101, 2), (S, 103, 9)], start=1
    ):
        tape.say("A", side, oid, price, size)
    return tape


def test_true_place_in_the_queue(tape: Tape) -> None:
    world = tape.world
    oid = world.send(B, 4, 100)
    order = next(iter(world.exchange.books.open.values()))
    assert order.ahead == 12
    tape.say("A", B, 10, 100, 50)  # behind us
    tape.say("C", B, 1, 100, 5)  # ahead of us
    tape.say("M", B, 2, 100, 6)  # ahead, smaller: keeps its place
    tape.trade(S, 100, [(2, 6, 0), (10, 1, 49)])  # one lot reaches us; the recording gave it to number 10
    world.run(5)
    assert world.pairs(oid) == [(1, 100)]
    tape.trade(S, 100, [(10, 9, 40)])
    world.run(5)
    assert world.pairs(oid) == [(1, 100), (3, 100)]


def test_an_order_that_grows_or_moves_goes_behind_us(tape: Tape) -> None:
    world = tape.world
    world.send(B, 4, 100)
    order = next(iter(world.exchange.books.open.values()))
    book = world.exchange.market("ES").book
    tape.say("M", B, 1, 100, 6)  # grew
    assert book.ahead(order) == 7
    tape.say("M", B, 2, 99, 7)  # went away
    tape.say("M", B, 3, 100, 4)  # came
    assert book.ahead(order) == 0


def test_true_depth_is_taken_from_the_front_and_stays_taken(tape: Tape) -> None:
    world = tape.world
    assert world.pairs(world.send(B, 7)) == [(5, 101), (2, 103)]
    assert world.pairs(world.send(B, 2, 102, tif=TimeInForce.IOC)) == []
    tape.say("A", S, 20, 101, 1)  # one new lot
    assert world.pairs(world.send(B, 3, 102, tif=TimeInForce.IOC)) == [(1, 101)]
    tape.say("M", S, 6, 103, 12)  # grew: back of the queue, and new
    assert world.pairs(world.send(B, 20, 103, tif=TimeInForce.IOC)) == [(12, 103)]


def test_two_prints_in_one_event_see_each_other(tape: Tape) -> None:
    world = tape.world
    oid = world.send(B, 4, 100)  # behind five and seven
    tape.say("T", S, 0, 100, 5, last=False)
    tape.say("F", B, 1, 100, 5, last=False)
    tape.say("T", S, 0, 100, 8, last=False)  # the book still shows number 1, but it is filled
    tape.say("F", B, 2, 100, 7, last=False)
    tape.say("C", B, 1, 100, 5, last=False)
    tape.say("C", B, 2, 100, 7, last=True)
    world.run(5)
    assert world.pairs(oid) == [(1, 100)]


def test_nothing_is_read_within_an_event_and_quotes_are_ignored(tape: Tape) -> None:
    world = tape.world
    oid = world.send(B, 1, 100)
    tape.say("A", S, 30, 99, 5, last=False)  # crossed within the event only
    tape.say("C", S, 30, 99, 5, last=True)
    world.quote(90, 5, 91, 5)
    world.trade(91, 50, S)
    world.run(5)
    assert not world.fills(oid)
    assert world.exchange.market("ES").ignored == 2
    tape.say("A", S, 31, 99, 5)  # the recorded book is crossed with its own bids: nothing is matched
    world.run(5)
    assert not world.fills(oid)
    for other in (1, 2, 3):
        tape.say("C", B, other, 100 if other < 3 else 99, 9)
    world.run(5)
    assert world.pairs(oid) == [(1, 100)]


def test_after_a_clear_we_are_at_the_back(tape: Tape) -> None:
    world = tape.world
    world.send(B, 1, 100)
    order = next(iter(world.exchange.books.open.values()))
    tape.say("R", None, 0, 0, 0, last=False)
    tape.say("A", B, 40, 100, 8)
    tape.say("A", S, 41, 101, 8)
    assert world.exchange.market("ES").book.ahead(order) == 8


# -- recorded days


def data() -> Path:
    folder = Path(os.environ.get("BREAKWATER_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no recorded market data at {folder}; set BREAKWATER_DATA")
    return folder


class Client:
    """Trades at random around the touch and checks every fill against the book that it came from."""

    def __init__(self, spec: str, *, every: int, limit: int, order_by_order: bool) -> None:
        self.feed = open_feed(spec, seed=1, start_ns=0, order_by_order=order_by_order)
        start = self.feed.start_time()
        assert start is not None
        self.loop = VirtualLoop(start)
        self.clock = VirtualClock(self.loop)
        config = ExchangeConfig(**{**FAST, "margin_check": False, "depth_levels": 20})
        symbol = self.feed.instruments[0]
        account = AccountConfig(fx={symbol.currency: 1})  # type: ignore[dict-item]
        self.exchange = Exchange(self.feed.instruments, self.clock, random.Random(2), config, account)
        self.symbol = symbol.symbol
        self.market = self.exchange.market(self.symbol)
        self.facts: list[AnyFact] = []
        self.session = self.exchange.open_session("A", self.facts.append)
        self.session.open()
        self.rng = random.Random(3)
        self.every, self.left = every, limit
        self.count = 0
        self.orders: dict[str, Order] = {}
        execute = self.exchange.desk.execute

        def checked(order, qty, price, maker):  # type: ignore[no-untyped-def]
            self._check(order.side, price, maker)
            return execute(order, qty, price, maker)

        self.market._host.execute = checked  # type: ignore[method-assign]

    def _check(self, side: Side, price: int, maker: bool | None) -> None:
        assert self.market.state in (MarketState.OPEN, MarketState.RESERVED)
        if maker is False:
            far = self.market.book.best(side.opposite)
            near = self.market.book.best(side)
            assert far is not None and (price - far) * side.sign >= 0
            assert near is None or (far - near) * side.sign > 0

    def on_quote(self, quote: Quote) -> None:
        self.exchange.on_quote(quote)
        self._turn()

    def on_trade(self, trade: Trade) -> None:
        self.exchange.on_trade(trade)
        self._turn()

    def on_mbo(self, message: MboMessage) -> None:
        self.exchange.on_mbo(message)
        if message.last:
            self._turn()

    def on_market_state(self, symbol: str, state: MarketState, ts: int) -> None:
        self.exchange.on_market_state(symbol, state, ts)

    def on_batch_end(self, ts: int) -> None:
        self.exchange.on_batch_end(ts)

    def on_feed_end(self, reason: str) -> None:
        self.left = 0

    def _turn(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise StopIteration
        self.count += 1
        if self.count % self.every:
            return
        side = self.rng.choice((B, S))
        mark = self.market.mark()
        limit = None if mark is None or self.rng.random() < 0.2 else mark + self.rng.randrange(-4, 5)
        order = Order(
            id=f"r-{self.count}",
            strategy="r",
            account="A",
            symbol=self.symbol,
            side=side,
            qty=self.rng.randrange(1, 9),
            type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            limit=limit,
        )
        self.orders[order.id] = order
        self.session.send(New(order))

    def run(self) -> None:
        async def go() -> None:
            try:
                await self.feed.run(self.clock, self)
            except (StopIteration, RuntimeError):
                assert self.left <= 0
            await self.clock.sleep(NS)

        self.loop.run_until_complete(go())
        assert not self.loop.errors, self.loop.errors

    def fills(self) -> Iterator[Executed]:
        return (f for f in self.facts if isinstance(f, Executed))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "order_by_order", "limit"),
    [
        ("es_mbo_20231225", True, 70_000),
        ("es_mbo_20231225", False, 70_000),
        ("gc_l5_20230501", False, 60_000),
        ("btcusdt_perp_20240808", False, 60_000),
        ("es_trades_20110731", False, 20_000),
        ("xauusd_quotes_20140502", False, 20_000),
        ("ethfut_l5_20230804", False, 20_000),
    ],
)
def test_recorded_days_give_no_absurd_fills(name: str, order_by_order: bool, limit: int) -> None:
    path = data() / name / f"{name}.csv.gz"
    client = Client(f"replay:{path}", every=50, limit=limit, order_by_order=order_by_order)
    client.run()
    fills = list(client.fills())
    assert len(fills) > 20
    for fact in fills:
        fill = fact.fill
        order = client.orders[fill.order_id or ""]
        assert order.limit is None or (order.limit - fill.price) * order.side.sign >= 0
    position = client.exchange.books.account("A").position(client.symbol)
    assert position == sum(f.fill.side.sign * f.fill.qty for f in fills)
    if name.startswith("es_mbo"):
        opening = 1_703_545_200 * NS
        assert min(f.fill.ts for f in fills) >= opening
        auction = [f.fill for f in fills if f.fill.maker is None]
        assert {f.price for f in auction} == ({19_201} if order_by_order else set())  # 4800.25 for all
