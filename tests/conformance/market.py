"""Cases 130 to 133 and 140 to 145: market states and limits, market data, account figures."""

from __future__ import annotations

from decimal import Decimal

from engine.facts import Acknowledged, Executed, MarketStateChanged, Rejected
from engine.model import MarketState
from engine.ports import NotSent, QueryFailed
from tests.conformance.suite import (
    B,
    Bench,
    S,
    case,
    filled,
    of,
    submit,
    until_filled,
    until_seen,
)


@case(130, "market data", shows="market states")
async def states_are_told(bench: Bench) -> None:
    """Given an open market, when it changes to the reserved state, then MarketStateChanged tells so."""
    await bench.state(MarketState.RESERVED)
    await bench.until(
        lambda: any(f.state is MarketState.RESERVED for f in of(bench, MarketStateChanged)), "the new state"
    )


@case(131, "market data")
async def a_reserved_market_takes_limits_only(bench: Bench) -> None:
    """Given a market in the reserved state, when a market order is sent, then it is refused, and a limit is
    taken."""
    await bench.state(MarketState.RESERVED)
    barred, taken = await submit(bench, B, 1), await submit(bench, B, 1, 103)
    await until_seen(bench, Rejected, barred)
    await until_filled(bench, taken, 1)
    assert not of(bench, Executed, barred)


@case(132, "market data")
async def prices_outside_the_limits_are_refused(bench: Bench) -> None:
    """Given daily limits of 80 and 120, when a buy at 130 is sent, then it is refused with a reason."""
    await bench.limits(80, 120)
    order_id = await submit(bench, B, 1, 130)
    assert (await until_seen(bench, Rejected, order_id)).reason
    await until_seen(bench, Acknowledged, await submit(bench, B, 1, 80))


@case(133, "market data")
async def market_data_comes_or_is_refused(bench: Bench) -> None:
    """Given symbols to watch, when they are subscribed, then the adapter has data or says plainly that it has
    none."""
    try:
        bench.adapter.subscribe(("ES",))
    except NotSent as problem:
        assert "ES" in str(problem)


@case(140, "account", shows="account figures")
async def figures_follow_trades(bench: Bench) -> None:
    """Given an account, when 2 lots are bought, then equity falls by spread and fees and margin is held."""
    before = await bench.adapter.account_values()
    await until_filled(bench, await submit(bench, B, 2), 2)
    await bench.settle()
    after = await bench.adapter.account_values()
    assert before.equity is not None and after.equity is not None and after.equity < before.equity
    assert after.initial_margin == Decimal(24_000) and not before.initial_margin


@case(141, "account")
async def figures_name_the_account(bench: Bench) -> None:
    """Given the account that is traded, when its figures are read, then they bear its name and currency."""
    values = await bench.adapter.account_values()
    assert (values.account, values.currency) == (bench.account, "USD")
    assert bench.adapter.account == bench.account


@case(142, "account")
async def trades_by_hand_move_the_position(bench: Bench) -> None:
    """Given a flat account, when somebody trades by hand, then the position is the broker's, not ours."""
    await bench.manual_trade(S, 4)
    await bench.until(lambda: bool(of(bench, Executed)), "the manual trade")
    assert [(p.symbol, p.qty) for p in (await bench.adapter.positions()).positions] == [("ES", -4)]


@case(143, "account")
async def a_position_has_an_average_price(bench: Bench) -> None:
    """Given lots bought at 101, when positions are read, then the average price is 101 ticks or unknown."""
    order_id = await submit(bench, B, 2)
    await until_filled(bench, order_id, 2)
    (position,) = (await bench.adapter.positions()).positions
    assert filled(bench, order_id) == 2 and position.avg_price in (None, Decimal(101))


@case(144, "account", shows="margin before an order")
async def what_an_order_needs_is_told_before_it_is_sent(bench: Bench) -> bool:
    """Given a flat account, when it is asked what 3 lots would need, then the figure comes and nothing is
    placed."""
    try:
        needed = await bench.adapter.what_if("ES", B, 3)
    except QueryFailed:
        assert not bench.adapter.capabilities.what_if
        return False
    assert needed == Decimal(36_000) and bench.adapter.capabilities.what_if
    audit = await bench.truth()
    assert audit.orders == () and (await bench.adapter.open_orders()).ours == ()
    return True


@case(145, "account", shows="the broker's own profit of the day")
async def the_profit_of_the_day_follows_trades(bench: Bench) -> bool:
    """Given an account, when 2 lots are bought across the spread, then the broker's profit of the day is a
    loss; where he tells none it is unknown, never zero."""
    before = await bench.adapter.account_values()
    await until_filled(bench, await submit(bench, B, 2), 2)
    if "day_pnl" not in bench.adapter.capabilities.tells:
        assert before.day_pnl is None and (await bench.adapter.account_values()).day_pnl is None
        return False
    assert before.day_pnl == 0
    for _ in range(100):
        after = await bench.adapter.account_values()
        if after.day_pnl:
            break
        await bench.settle()
    assert after.day_pnl is not None and after.equity is not None and before.equity is not None
    assert after.day_pnl == after.equity - before.equity
    return True
