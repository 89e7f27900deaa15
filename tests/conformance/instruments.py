"""Cases 10 to 15: what is traded, and that prices and sizes arrive as they were meant."""

from __future__ import annotations

from decimal import Decimal

from engine.facts import Acknowledged, Rejected
from tests.conformance.suite import (
    B,
    Bench,
    S,
    at_venue,
    case,
    live_at_venue,
    make,
    of,
    recorded,
    refused,
    submit,
    until_seen,
)


@case(10, "instruments")
async def instruments_are_exact(bench: Bench) -> None:
    """Given a venue that lists ES, when instruments are asked for, then tick, multiplier and currency are
    exact."""
    listed = {i.symbol: i for i in await bench.adapter.instruments()}
    es = listed["ES"]
    assert (es.tick, es.multiplier, es.currency) == (Decimal("0.25"), Decimal(50), "USD")
    assert es.tick_value == Decimal("12.50")


@case(11, "instruments")
async def an_unlisted_symbol_is_refused(bench: Bench) -> None:
    """Given a symbol that the venue does not list, when an order for it is handed over, then it is refused by
    name and nothing is live."""
    order = make(bench, B, 1, 100, symbol="ZZ")
    try:
        if refused(lambda: bench.adapter.submit(recorded(order))):
            return
        assert "ZZ" in (await until_seen(bench, Rejected, order.id)).reason
    finally:
        assert not await live_at_venue(bench, order.id)


@case(12, "instruments")
async def prices_arrive_on_their_tick(bench: Bench) -> None:
    """Given prices in ticks, when a limit and a stop are sent, then the venue has exactly these prices."""
    limit = await submit(bench, B, 1, 97)
    stop = await submit(bench, B, 1, 111, stop=109)
    await until_seen(bench, Acknowledged, limit)
    await until_seen(bench, Acknowledged, stop)
    (resting,) = await at_venue(bench, limit)
    (waiting,) = await at_venue(bench, stop)
    assert (resting.limit, resting.stop) == (97, None)
    assert (waiting.limit, waiting.stop) == (111, 109)


@case(13, "instruments")
async def side_size_and_account_arrive(bench: Bench) -> None:
    """Given an account on the order, when it is sent, then the venue has side, size, symbol and account as
    they were."""
    order_id = await submit(bench, S, 7, 110)
    await until_seen(bench, Acknowledged, order_id)
    (there,) = await at_venue(bench, order_id)
    assert (there.side, there.qty, there.symbol, there.account) == (S, 7, "ES", bench.account)


@case(14, "instruments", shows="prices at and below zero")
async def prices_below_zero_are_prices(bench: Bench) -> None:
    """Given an instrument whose price may be negative, when a buy at −5 ticks is sent, then it rests at
    −5."""
    order = make(bench, B, 1, -5, symbol="CL")
    bench.adapter.submit(recorded(order))
    await until_seen(bench, Acknowledged, order.id)
    (there,) = await at_venue(bench, order.id)
    assert there.limit == -5 and not of(bench, Rejected, order.id)


@case(15, "instruments")
async def instruments_do_not_change_between_two_questions(bench: Bench) -> None:
    """Given a session, when instruments are asked for twice, then both answers are the same."""
    assert list(await bench.adapter.instruments()) == list(await bench.adapter.instruments())
