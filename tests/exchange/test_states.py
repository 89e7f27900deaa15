"""Market states, the opening auction, price bands, expiry, and the calendar."""

from __future__ import annotations

import pytest
from exchange_kit import BTC, CL, ES, MS, B, S, World

from brokers.exchange.auction import equilibrium
from brokers.exchange.config import Bands
from engine.facts import (
    Acknowledged,
    Canceled,
    Executed,
    Expired,
    MarketStateChanged,
    Rejected,
    Released,
    Suspended,
)
from engine.model import NS, Instrument, MarketState, OrderType, Side, TimeInForce


@pytest.fixture
def world() -> World:
    w = World()
    w.quote(100, 20, 101, 10)
    return w


@pytest.mark.parametrize(
    ("state", "market", "limit", "ioc", "cancels"),
    [
        # what happens to: a market order, a marketable limit, an IOC, a cancel
        (MarketState.PRE_OPEN, "waits", "waits", "refused", True),
        (MarketState.OPEN, "fills", "fills", "fills", True),
        (MarketState.RESERVED, "refused", "fills", "fills", True),
        (MarketState.HALTED, "refused", "refused", "refused", True),
        (MarketState.UNKNOWN, "refused", "refused", "refused", True),
        (MarketState.CLOSED, "refused", "refused", "refused", True),
    ],
)
def test_each_state(state: MarketState, market: str, limit: str, ioc: str, cancels: bool) -> None:
    w = World()
    w.quote(100, 20, 101, 10)
    resting = w.send(B, 1, 90, tif=TimeInForce.GTC)
    w.state(state)
    w.quote(100, 20, 101, 10)

    def outcome(oid: str) -> str:
        if w.of(Rejected, oid):
            return "refused"
        assert w.of(Acknowledged, oid)
        return "fills" if w.fills(oid) else "waits"

    assert outcome(w.send(B, 1)) == market
    assert outcome(w.send(B, 1, 105)) == limit
    assert outcome(w.send(B, 1, 105, tif=TimeInForce.IOC)) == ioc
    w.cancel(resting)
    assert bool(w.of(Canceled, resting)) is cancels


def test_reserved_without_matching_and_halt_that_accepts() -> None:
    w = World(reserved_matching=False, halted_accepts=True)
    w.quote(100, 20, 101, 10)
    for state in (MarketState.RESERVED, MarketState.HALTED):
        w.state(state)
        oid = w.send(B, 1, 103)
        w.trade(90, 50, S)
        w.quote(99, 5, 100, 5)
        w.run(5)
        assert w.of(Acknowledged, oid) and not w.fills(oid)
    w.state(MarketState.OPEN)
    assert not w.fills()  # what stood before the halt is no market
    w.quote(104, 5, 105, 5)
    w.run(5)
    assert not w.fills()
    w.quote(100, 5, 101, 5)
    w.run(5)
    assert len(w.fills()) == 2


def test_an_order_after_a_halt_meets_the_first_new_quote_not_the_old_one(world: World) -> None:
    world.state(MarketState.HALTED)
    world.state(MarketState.OPEN)
    oid = world.send(B, 1, 105)
    assert world.of(Acknowledged, oid) and not world.fills(oid)
    assert world.of(Rejected, world.send(B, 1))  # nobody to trade with yet
    world.quote(102, 5, 103, 5)
    world.run(5)
    assert world.pairs(oid) == [(1, 103)]


def test_nothing_matches_in_a_halt_and_resting_orders_survive_it(world: World) -> None:
    oid = world.send(B, 2, 100)
    world.state(MarketState.HALTED)
    world.trade(99, 50, S)
    world.quote(90, 5, 91, 5)
    world.run(5)
    assert not world.fills()
    world.state(MarketState.OPEN)
    world.quote(90, 5, 91, 5)
    world.run(5)
    assert world.pairs(oid) == [(2, 100)]


def test_suspension_is_reported_where_the_venue_does_so() -> None:
    w = World(suspend_on_halt=True)
    w.quote(100, 20, 101, 10)
    oid = w.send(B, 2, 99)
    w.state(MarketState.HALTED)
    w.run(5)
    assert w.of(Suspended, oid)
    w.state(MarketState.OPEN)
    w.run(5)
    assert w.of(Released, oid)


def test_scripted_states_and_timed_halt(world: World) -> None:
    now = world.clock.now()
    world.exchange.script(
        [(now + 50 * MS, "ES", MarketState.RESERVED), (now + 90 * MS, "ES", MarketState.OPEN)]
    )
    world.run(200)
    assert [f.state for f in world.of(MarketStateChanged)] == [MarketState.RESERVED, MarketState.OPEN]
    world.exchange.set_state("ES", MarketState.HALTED, until=world.clock.now() + 30 * MS)
    world.run(100)
    assert [f.state for f in world.of(MarketStateChanged)][2:] == [MarketState.HALTED, MarketState.OPEN]


# -- the opening auction


def preopen(**config: object) -> World:
    w = World(**config)
    w.state(MarketState.PRE_OPEN)
    w.quote(110, 5, 90, 5)  # crossed, as pre-open books are
    return w


def test_auction_by_the_first_print_at_its_single_price() -> None:
    w = preopen()
    market = w.send(B, 3)
    better = w.send(B, 4, 105)
    at = w.send(B, 2, 100)
    worse = w.send(B, 2, 99)
    seller = w.send(S, 2, 108)
    assert not w.fills()
    w.state(MarketState.OPEN)
    w.trade(100, 44)
    w.run(5)
    assert w.pairs(market) == [(3, 100)] and w.pairs(better) == [(4, 100)]
    assert not w.fills(at) and not w.fills(worse) and not w.fills(seller)
    w.quote(99, 20, 101, 10)
    w.run(5)
    assert sum(f.qty for f in w.fills()) == 7


def test_auction_fills_no_more_than_was_auctioned_and_the_rest_trades_on() -> None:
    w = preopen()
    oid = w.send(B, 10, 105)
    w.state(MarketState.OPEN)
    w.trade(100, 4)
    w.run(5)
    assert w.pairs(oid) == [(4, 100)]
    w.quote(99, 20, 102, 3)
    w.run(5)
    assert w.pairs(oid)[1] == (3, 102)


def test_auction_without_a_print_is_computed_from_the_first_sane_book() -> None:
    w = preopen()
    oid = w.send(B, 3, 104)
    w.state(MarketState.OPEN)
    w.quote(99, 20, 101, 10)
    w.run(5)
    assert w.pairs(oid) == [(3, 101)]


def test_a_late_first_print_is_no_auction() -> None:
    w = preopen(auction_ms=100)
    oid = w.send(B, 3, 104)
    w.state(MarketState.OPEN)
    w.run(500)
    w.trade(100, 44)
    w.run(5)
    assert not w.fills(oid)


@pytest.mark.parametrize(
    ("bids", "asks", "reference", "expected"),
    [
        ([], [], 100, None),
        ([(99, 5)], [(101, 5)], 100, None),
        ([(101, 5)], [(99, 5)], 100, (100, 5)),
        ([(101, 5)], [(99, 5)], 90, (99, 5)),
        ([(102, 5), (101, 5)], [(100, 8)], None, (101, 8)),
        ([(102, 8)], [(100, 5), (101, 5)], None, (101, 8)),  # most volume
        ([(103, 10), (102, 2)], [(100, 5), (102, 5)], None, (103, 10)),  # least surplus
        ([(None, 4)], [(100, 9)], 120, (100, 4)),
        ([(None, 4)], [(None, 9)], 120, None),  # nobody names a price
    ],
)
def test_equilibrium(
    bids: list[tuple[int | None, int]],
    asks: list[tuple[int | None, int]],
    reference: int | None,
    expected: tuple[int, int] | None,
) -> None:
    assert equilibrium(bids, asks, reference) == expected


# -- validity, bands, margin


def test_daily_limits_collar_and_new_limits() -> None:
    w = World(bands={"ES": Bands(low=80, high=120, collar=10)})
    w.quote(100, 20, 101, 10)
    for side, price, ok in [
        (B, 111, True),
        (B, 112, False),  # more than 10 through the offer
        (S, 90, True),
        (S, 89, False),
        (B, 80, True),
        (B, 79, False),
        (S, 120, True),
        (S, 121, False),
    ]:
        oid = w.send(side, 1, price, tif=TimeInForce.GTC)
        assert bool(w.of(Rejected, oid)) is not ok, price
    w.exchange.set_limits("ES", 95, 105)
    w.run(5)
    changed = w.of(MarketStateChanged)[-1]
    assert (changed.low_limit, changed.high_limit) == (95, 105)
    assert w.of(Rejected, w.send(S, 1, 106))


def test_nothing_trades_beyond_the_daily_limit() -> None:
    w = World(bands={"ES": Bands(high=102)}, depth={"ES": (5,)})
    w.quote(100, 20, 101, 10)
    assert w.pairs(w.send(B, 50)) == [(10, 101), (5, 102)]


@pytest.mark.parametrize(
    "more",
    [
        {"qty": 0},
        {"qty": -1},
        {"type": OrderType.LIMIT},
        {"type": OrderType.STOP},
        {"type": OrderType.MARKET, "limit": 5},
        {"type": OrderType.STOP, "limit": 5, "stop": 5},
        {"limit": 0},
        {"limit": -3},
        {"stop": 0},
        {"limit": 100, "tif": TimeInForce.GTD},
        {"limit": 100, "tif": TimeInForce.GTD, "expire": 1},
        {"post_only": True},
        {"limit": 100, "post_only": True, "tif": TimeInForce.IOC},
        {"account": "SOMEBODY"},
        {"symbol": "NOPE"},
        {"symbol": "BTC", "limit": 100},  # no rate from USDT
    ],
)
def test_malformed_orders_are_refused_with_a_reason(world: World, more: dict[str, object]) -> None:
    fields = dict(more)
    side, qty, limit = B, fields.pop("qty", 1), fields.pop("limit", None)
    oid = world.send(side, qty, limit, **fields)  # type: ignore[arg-type]
    assert world.of(Rejected, oid)[0].reason
    assert not world.exchange.books.open
    assert world.exchange.audit().orders[-1].reason


def test_prices_at_and_below_zero_where_the_instrument_has_them() -> None:
    w = World()
    w.quote(-3, 5, -2, 5, symbol="CL")
    buy = w.send(B, 2, -2, symbol="CL")
    rest = w.send(B, 1, -3, symbol="CL")
    w.trade(-4, 9, S, symbol="CL")
    w.run(5)
    assert w.pairs(buy) == [(2, -2)] and w.pairs(rest) == [(1, -3)]
    assert w.exchange.books.account("A").cash() < 10_000_000  # fees only: no profit is realised


def test_margin_counts_the_worst_case_and_lets_reducing_orders_pass() -> None:
    w = World(cash=50_000)  # four ES at 12,000
    w.quote(100, 20, 101, 20)
    assert not w.of(Rejected, w.send(B, 3))
    assert not w.of(Rejected, w.send(B, 1, 90))
    assert "margin" in w.of(Rejected, w.send(B, 1, 91))[0].reason
    assert not w.of(Rejected, w.send(S, 6, 150))  # 3 long: at worst 3 short
    assert w.of(Rejected, w.send(S, 2, 150))


# -- ends


def test_day_orders_end_with_the_session_others_stay(world: World) -> None:
    day = world.send(B, 1, 90)
    gtc = world.send(B, 1, 91, tif=TimeInForce.GTC)
    world.state(MarketState.CLOSED)
    world.run(5)
    assert world.of(Expired, day) and not world.of(Expired, gtc)


def test_gtd_ends_at_its_time(world: World) -> None:
    oid = world.send(B, 1, 90, tif=TimeInForce.GTD, expire=world.clock.now() + 100 * MS)
    world.run(80)
    assert not world.of(Expired, oid)
    world.run(30)
    assert world.of(Expired, oid)


@pytest.mark.parametrize("by_data", [True, False])
def test_the_calendar_opens_and_closes_the_market(by_data: bool) -> None:
    future = Instrument(
        symbol="ESH4",
        venue="CME",
        asset_class="equity",
        tick=ES.tick,
        multiplier=ES.multiplier,
        calendar="cme_equity",
    )
    before_close = 1_703_278_740 * NS  # Friday 2023-12-22 20:59 UTC; that day closes at 22:00
    w = World(instruments=(future, CL, BTC), start=before_close)
    market = w.exchange.market("ESH4")
    assert market.state is MarketState.OPEN
    w.quote(100, 20, 101, 10, symbol="ESH4")
    oid = w.send(B, 1, 90, symbol="ESH4")
    if by_data:
        w.exchange.on_quote(_stamped(w, before_close + 3700 * NS))
    else:
        w.run(3_700_000)
    w.run(5)
    assert market.state is MarketState.CLOSED
    assert w.of(Expired, oid)
    day = w.exchange.desk.trading_day(future, before_close + 74 * 3600 * NS)
    assert day == "2023-12-26"  # the holiday's evening belongs to the next day


def _stamped(w: World, ts: int):  # type: ignore[no-untyped-def]
    from engine.model import Quote

    return Quote("ESH4", ts, 100, 20, 101, 10)


def test_execution_ids_start_again_each_trading_day() -> None:
    w = World()
    w.quote(100, 20, 101, 10)
    w.send(B, 1)
    w.run(24 * 3600 * 1000)
    w.quote(100, 21, 101, 11)
    w.send(B, 1)
    keys = [f.key for f in w.fills()]
    assert keys[0].exec_id == keys[1].exec_id and keys[0].trading_day != keys[1].trading_day


@pytest.mark.parametrize("side", [B, S])
def test_fees_by_lot_and_by_notional(side: Side) -> None:
    from decimal import Decimal

    w = World(fx={"USDT": Decimal(1)})
    w.quote(100, 20, 101, 20)
    w.quote(600_000, 5_000, 600_001, 5_000, symbol="BTC")
    w.send(side, 4)
    w.send(side, 1_500, symbol="BTC")
    fees = [f.fill.fee for f in w.of(Executed)]
    price = 600_001 if side is B else 600_000
    assert fees == [Decimal("9.00"), Decimal(price) / 10 * Decimal("1.5") * Decimal("0.0004")]
