"""The sample strategies trade, moderately, and leave flat: on a made-up market and on recorded days."""

from __future__ import annotations

import csv
import gzip
import itertools
import math
import os
from collections import Counter, deque
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from strategy_kit import DAY, GOLD

from engine.model import NS, Bar, Instrument, OrderStatus, OrderType, Quote, Side, Trade
from engine.strategy.messages import (
    Batch,
    CancelRef,
    Intend,
    Place,
    ReplaceRef,
    SetTimer,
    Start,
    Stop,
    StrategyFill,
    StrategyOrder,
    Timer,
)
from engine.strategy.netting import Wanted, Working, plan
from engine.strategy.runtime import Runtime

REVERSION = "engine.strategy.samples.meanrev:MeanReversion"
TREND = "engine.strategy.samples.trend:Trend"
COLUMNS = {Quote: "q", Bar: "b", StrategyOrder: "o", StrategyFill: "f", Timer: "w"}
FIELDS = {"q": "quotes", "b": "bars", "o": "orders", "f": "fills", "w": "timers"}


class Venue:
    """The plainest market there can be: no delay, filled at the touch or when a print goes through."""

    def __init__(self, module: str, instrument: Instrument, now: int, **params: Any) -> None:
        self.symbol = instrument.symbol
        self.quote: Quote | None = None
        self.position = 0
        self.most = 0
        self.allowed: int | None = None
        """Lots that no position may exceed; what would is refused, and refused again at each look."""
        self.told: tuple[int, Side] | None = None
        self.shut: list[int] | None = None
        """The times at which what is placed was rejected; None: nothing is."""
        self.counts: Counter[str] = Counter()
        self.now = now
        self.target: int | None = None
        self.orders: dict[int, StrategyOrder] = {}
        self.waiting: deque[Any] = deque()
        self.timers: dict[str, int] = {}
        self.own_refs = 0
        start = Start(
            module,
            "it",
            params,
            (self.symbol,),
            {self.symbol: instrument},
            {},
            (),
            1,
            (),
            now,
            "1",
            1,
            64,
            0,
            (),
        )
        self.runtime = Runtime(start)
        ready = self.runtime.start(0)
        self.wants = ready.wants
        self.act(ready.actions)

    def feed(self, event: Quote | Trade | Bar) -> None:
        self.now = event.start + event.span if isinstance(event, Bar) else event.ts
        for name, due in sorted(self.timers.items()):
            if due <= self.now:
                del self.timers[name]
                self.waiting.append(Timer(name))
        if isinstance(event, Quote):
            self.quote = event
            self.runtime.session.quotes[self.symbol] = event
            self.match(None)
        if isinstance(event, Trade):
            self.match(event.price)
        elif type(event).__name__.lower() in self.wants:
            self.waiting.append(event)
        self.deliver()

    def stop(self) -> None:
        self.act(self.runtime.stop(Stop(0, self.now, "over")).actions)
        self.waiting.clear()

    def deliver(self) -> None:
        self.chase()
        while self.waiting:
            event = self.waiting.popleft()
            letter = COLUMNS[type(event)]
            columns: dict[str, Any] = {FIELDS[letter]: (event,)}
            self.act(self.runtime.take(Batch(1, self.now, letter, (), **columns)).actions)
            self.chase()

    def act(self, actions: tuple[Any, ...]) -> None:
        for action in actions:
            self.counts[type(action).__name__] += 1
            match action:
                case Place():
                    self.add(action.ref, action.side, action.qty, action.limit)
                case CancelRef() if action.ref in self.orders:
                    self.close(self.orders[action.ref], OrderStatus.CANCELED)
                case ReplaceRef() if action.ref in self.orders:
                    order = structs.replace(self.orders[action.ref], limit=action.limit)
                    self.orders[action.ref] = order
                    self.waiting.append(order)
                    self.match(None)
                case Intend():
                    self.target = action.lots
                    self.chase()
                case SetTimer():
                    self.timers[action.name] = self.now + action.delay

    def chase(self) -> None:
        if self.target is None:
            return
        alive = [
            Working(id=str(ref), side=order.side, leaves=order.leaves, limit=order.limit)
            for ref, order in self.orders.items()
        ]
        made = plan(self.target, self.position, alive, self.quote)
        for ident in made.cancels:
            self.close(self.orders[int(ident)], OrderStatus.CANCELED)
        if made.order is not None and self.refuses(made.order):
            self.counts["refused"] += 1
        elif made.order is not None:
            self.own_refs -= 1
            self.counts["netted"] += 1
            self.add(self.own_refs, made.order.side, made.order.qty, made.order.limit)

    def refuses(self, order: Wanted) -> bool:
        """A refusal is told once, as long as nothing else is declared."""
        reached = self.position + order.side.sign * order.qty
        if self.allowed is None or abs(reached) <= self.allowed:
            return False
        if self.told != (self.counts["Intend"], order.side):
            self.told = (self.counts["Intend"], order.side)
            self.refuse(
                order.side, f"max_position: worst case {reached:+d} lots, the limit is {self.allowed}"
            )
        return True

    def refuse(self, side: Side, reason: str) -> None:
        """Tells it that an order towards what it has declared is refused."""
        self.waiting.append(
            StrategyOrder(
                symbol=self.symbol,
                side=side,
                type=OrderType.LIMIT,
                qty=1,
                cum=0,
                leaves=0,
                status=OrderStatus.REJECTED,
                reason=reason,
            )
        )

    def add(self, ref: int, side: Side, qty: int, limit: int) -> None:
        order = StrategyOrder(
            symbol=self.symbol,
            side=side,
            type=OrderType.LIMIT,
            qty=qty,
            cum=0,
            leaves=qty,
            status=OrderStatus.WORKING,
            ref=ref,
            order_id=str(ref),
            limit=limit,
        )
        if self.shut is not None:
            self.shut.append(self.now)
            self.waiting.append(structs.replace(order, status=OrderStatus.REJECTED, leaves=0))
            return
        self.orders[ref] = order
        if ref > 0:
            self.waiting.append(order)
        self.match(None)

    def match(self, printed: int | None) -> None:
        for order in list(self.orders.values()):
            assert self.quote is not None and order.limit is not None
            far = self.quote.ask if order.side is Side.BUY else self.quote.bid
            if far is not None and (order.limit - far) * order.side.sign >= 0:
                self.fill(order, far)
            elif printed is not None and (order.limit - printed) * order.side.sign > 0:
                self.fill(order, order.limit)

    def fill(self, order: StrategyOrder, price: int) -> None:
        self.position += order.side.sign * order.leaves
        self.most = max(self.most, abs(self.position))
        self.counts["fills"] += 1
        self.close(order, OrderStatus.FILLED)
        if order.ref is not None and order.ref > 0:
            self.waiting.append(
                StrategyFill(
                    symbol=self.symbol,
                    side=order.side,
                    qty=order.leaves,
                    price=price,
                    ts=self.now,
                    position=self.position,
                    ref=order.ref,
                )
            )

    def close(self, order: StrategyOrder, status: OrderStatus) -> None:
        assert order.ref is not None
        del self.orders[order.ref]
        if order.ref > 0:
            self.waiting.append(structs.replace(order, status=status, leaves=0))


def swings(hours: int) -> Iterator[Quote]:
    """A market that swings by ±20 ticks every ten minutes, one quote a second."""
    for second in range(hours * 3_600):
        bid = 20_000 + round(20 * math.sin(second / 600 * 2 * math.pi))
        yield Quote("GCM3", DAY + second * NS, bid, 5, bid + 1, 5)


def climb() -> Iterator[Quote]:
    """A market that goes up a tick a second, for an hour from three in the morning."""
    for second in range(3 * 3_600, 4 * 3_600):
        yield Quote("GCM3", DAY + second * NS, 20_000 + second, 5, 20_001 + second, 5)


def bars(quotes: Iterator[Quote], span: int) -> Iterator[Quote | Bar]:
    for quote in quotes:
        yield quote
        start = quote.ts - span + NS
        if (quote.ts + NS) % span == 0 and quote.bid is not None:
            yield Bar("GCM3", start, span, quote.bid, quote.bid, quote.bid, quote.bid, 10, 5)


def test_mean_reversion_trades_the_swings_and_leaves_flat() -> None:
    venue = Venue(REVERSION, GOLD, DAY)
    for quote in swings(3):
        venue.feed(quote)
    assert venue.most == 1
    assert 20 <= venue.counts["fills"] <= venue.counts["Place"] <= 1_000
    venue.stop()
    assert (venue.position, venue.orders) == (0, {})


def test_mean_reversion_leaves_in_the_middle_of_a_position() -> None:
    venue = Venue(REVERSION, GOLD, DAY)
    for quote in swings(3):
        venue.feed(quote)
        if venue.position:
            break
    assert venue.position
    venue.stop()
    assert (venue.position, venue.orders) == (0, {})


def test_mean_reversion_gives_up_when_it_goes_the_wrong_way() -> None:
    venue = Venue(REVERSION, GOLD, DAY, stop=10, hold=3_600.0, half_life=600.0)
    prices = [20_000] * 700 + list(range(19_990, 19_950, -1))
    held: list[int] = []
    for second, bid in enumerate(prices):
        venue.feed(Quote("GCM3", DAY + second * NS, bid, 5, bid + 1, 5))
        if venue.position:
            held.append(bid)
        elif held:
            break
    entry = held[0]
    assert entry - 13 <= min(held) <= entry - 9


@pytest.mark.parametrize("held", [False, True], ids=["to get in", "to get out"])
def test_mean_reversion_asks_ever_more_seldom_for_what_is_refused(held: bool) -> None:
    venue = Venue(REVERSION, GOLD, DAY, rest=0.0, hold=60.0)
    market = swings(3)
    for quote in market:
        venue.feed(quote)
        if venue.runtime.session.now > DAY + 1_800 * NS and (venue.position != 0) is held:
            break
    venue.shut = []
    for _ in range(600):
        venue.feed(next(market))
    asked = [(after - before) // NS for before, after in itertools.pairwise(venue.shut)]
    assert asked[:3] == [1, 2, 4] and len(asked) > 5
    assert max(asked[:5]) == (4 if held else 16)


def test_mean_reversion_asks_again_at_once_after_one_that_was_let_through() -> None:
    venue = Venue(REVERSION, GOLD, DAY, rest=0.0, hold=60.0)
    market = swings(3)
    venue.shut = []
    while len(venue.shut) < 5:
        venue.feed(next(market))
    venue.shut = None
    while not venue.position:
        venue.feed(next(market))
    venue.shut = []
    while len(venue.shut) < 3:
        venue.feed(next(market))
    first, second, third = venue.shut
    assert ((second - first) // NS, (third - second) // NS) == (1, 2)


def test_trend_holds_what_the_averages_say_and_leaves_flat() -> None:
    venue = Venue(TREND, GOLD, DAY, size=2)
    sides: set[int] = set()
    for event in bars(swings(3), 30 * NS):
        venue.feed(event)
        sides.add(venue.position)
    assert sides == {-2, 0, 2}
    assert 10 <= venue.counts["Intend"] <= 100
    venue.stop()
    assert (venue.position, venue.orders) == (0, {})


@pytest.mark.parametrize("allowed", [0, 1, 2, 3])
def test_trend_wants_what_it_can_have_and_tries_for_more_after_a_while(allowed: int) -> None:
    venue = Venue(TREND, GOLD, DAY, size=5, again=60.0)
    venue.allowed = allowed
    sides: set[int] = set()
    for event in bars(swings(3), 30 * NS):
        venue.feed(event)
        sides.add(venue.position)
    most = {0: 0, 1: 1, 2: 2, 3: 2}[allowed]
    assert sides == {-most, 0, most}, "it halves until it passes"
    assert venue.counts["refused"] <= 1_200, "a few a minute, not one at each of 10,800 quotes"
    venue.allowed = None
    for event in bars(climb(), 30 * NS):
        venue.feed(event)
    assert venue.position == 5, "all of it, once it is let"


def test_trend_wants_no_more_for_a_while_where_fewer_lots_would_not_help() -> None:
    venue = Venue(TREND, GOLD, DAY, size=5, again=300.0)
    market = bars(climb(), 30 * NS)
    while not venue.position:
        venue.feed(next(market))
    venue.position, venue.target = 2, None  # three are still missing
    venue.runtime.session.positions["GCM3"] = 2
    venue.refuse(Side.BUY, "spread: 9 ticks wide")
    venue.deliver()
    assert venue.position == venue.target == 2, "what it holds it keeps"
    refused = venue.now
    while venue.position == 2:
        venue.feed(next(market))
    assert venue.position == 5 and venue.now >= refused + 300 * NS


@pytest.mark.parametrize(
    ("held", "wanted", "reason"),
    [(-5, 5, "max_position: any"), (-5, 0, "max_position: any"), (0, 5, "duplicate: of one a moment ago")],
    ids=["a turn's first half", "closing", "what passes soon"],
)
def test_trend_goes_on_wanting(held: int, wanted: int, reason: str) -> None:
    venue = Venue(TREND, GOLD, DAY, size=5)
    market = bars(climb(), 30 * NS)
    while not venue.position:
        venue.feed(next(market))
    session = venue.runtime.session
    session.positions["GCM3"], session.intents["GCM3"] = held, wanted
    venue.target = None
    venue.refuse(Side.BUY, reason)
    venue.deliver()
    assert venue.target is None and session.intents["GCM3"] == wanted


@pytest.mark.parametrize("module", [REVERSION, TREND])
def test_flat_by_holds_from_then_on(module: str) -> None:
    venue = Venue(module, GOLD, DAY, flat_by="01:30")
    before = False
    for event in bars(swings(3), 30 * NS):
        venue.feed(event)
        if venue.now < DAY + 5_400 * NS:
            before = before or venue.position != 0
        elif venue.now > DAY + 5_430 * NS:
            assert venue.position == 0
    assert before


def recorded(name: str, instrument: Instrument, span: int) -> Iterator[Quote | Trade | Bar]:
    """The normalised recording, with bars of `span` ns from its prints."""
    folder = Path(os.environ.get("BREAKWATER_DATA", Path(__file__).parents[3] / "shared" / "data"))
    path = folder / name / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip(f"no recorded data at {path}: set BREAKWATER_DATA to its folder")
    symbol = instrument.symbol
    bar: list[int] = []
    with gzip.open(path, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            ts = int(row["ts_ns"])
            if row["kind"] == "quote":
                bid = instrument.nearest_ticks(row["bid_px"]) if row["bid_px"] else None
                ask = instrument.nearest_ticks(row["ask_px"]) if row["ask_px"] else None
                yield Quote(symbol, ts, bid, 1, ask, 1)
                continue
            price = instrument.nearest_ticks(row["px"])
            if bar and bar[0] != ts // span:
                yield Bar(symbol, bar[0] * span, span, bar[1], bar[1], bar[1], bar[1], 1, 1)
            bar = [ts // span, price]
            yield Trade(symbol, ts, price, 1)


BITCOIN = Instrument(
    symbol="BTCUSDT-PERP", venue="SIM", asset_class="crypto", tick=Decimal("0.1"), lot=Decimal("0.001")
)
DAYS: dict[str, tuple[str, str, Instrument, dict[str, Any], int, tuple[int, int]]] = {
    "gold reversion": ("gc_l5_20230501", REVERSION, GOLD, {}, NS, (100, 2_000)),
    "gold trend": ("gc_l5_20230501", TREND, GOLD, {}, 60 * NS, (40, 1_000)),
    "bitcoin reversion": (
        "btcusdt_perp_20240808",
        REVERSION,
        BITCOIN,
        {"entry": 40, "stop": 200, "half_life": 10, "hold": 20, "rest": 2},
        NS,
        (50, 2_000),
    ),
    "bitcoin trend": ("btcusdt_perp_20240808", TREND, BITCOIN, {"margin": 20}, NS, (5, 200)),
}


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "module", "instrument", "params", "span", "orders"), DAYS.values(), ids=DAYS
)
def test_moderate_on_a_recorded_day(
    name: str, module: str, instrument: Instrument, params: dict[str, Any], span: int, orders: tuple[int, int]
) -> None:
    venue: Venue | None = None
    for event in recorded(name, instrument, span):
        if venue is None:
            venue = Venue(module, instrument, event.start if isinstance(event, Bar) else event.ts, **params)
        if venue.quote is not None or isinstance(event, Quote):
            venue.feed(event)
    assert venue is not None
    venue.stop()
    low, high = orders
    assert low <= venue.counts["Place"] + venue.counts["netted"] <= high
    assert venue.counts["fills"] >= low // 10
    assert venue.most == 1
    assert (venue.position, venue.orders) == (0, {})
