"""What things are worth, and when that counts as changed: most quotes bring new sizes alone."""

from __future__ import annotations

import random

from engine.model import Quote, Side, Trade
from tests.engine.rig import Rig


def reference_of(market: object) -> int | None:
    """As it is defined: the middle of the newest quote with two sides, else the last trade."""
    quote, last = market.quote, market.last  # type: ignore[attr-defined]
    if quote is not None and quote.bid is not None and quote.ask is not None:
        return int((quote.bid + quote.ask) // 2)
    return None if last is None else int(last)


def test_the_worth_of_a_market_is_counted_exactly_when_it_changes() -> None:
    async def script(rig: Rig) -> None:
        rig.quoting = False
        await rig.fill(Side.BUY, 1)
        engine, rng = rig.engine, random.Random(7)
        market, view = engine.markets.by_symbol["ES"], engine.view
        moved = still = 0
        for _ in range(600):
            await rig.sleep(0.01)
            before = market.reference, market.mark_twice
            counted, account, total = market.valued, view.account_version(), engine.markets.valued
            now, low = rig.clock.now(), 24_000 + rng.choice((0, 0, 0, 1))
            bid, ask = rng.choice(((low, low + 1), (low, low + 1), (None, low + 1), (low, None), (low, low)))
            if rng.random() < 0.3:
                engine.on_trade(Trade("ES", now, low + rng.choice((0, 0, 1)), 1, Side.BUY))
            else:
                engine.on_quote(Quote("ES", now, bid, rng.randrange(1, 9), ask, rng.randrange(1, 9)))
            after = market.reference, market.mark_twice
            assert market.reference == reference_of(market)
            found = view.reference("ES")
            assert (None if found is None else found.price) == market.reference
            changed = after != before
            assert (market.valued != counted) is changed is (engine.markets.valued != total)
            assert changed or view.account_version() == account, "no figure of the account follows sizes"
            moved, still = moved + changed, still + (not changed)
        assert moved > 100 and still > 100

    Rig.play(script)


def test_a_round_after_new_sizes_alone_leaves_the_account_as_it_was() -> None:
    async def script(rig: Rig) -> None:
        rig.quoting = False
        await rig.fill(Side.BUY, 1)
        await rig.sleep(1)
        loop, view = rig.engine.risk, rig.engine.view
        loop.tick(view)
        idle = loop.evaluations
        loop.tick(view)
        assert loop.evaluations == idle, "nothing moved"
        rig.quote("ES", 24_000, 24_001, 77)
        loop.tick(view)
        sizes = loop.evaluations - idle
        rig.quote("ES", 24_004, 24_005, 77)
        loop.tick(view)
        assert 0 < sizes < loop.evaluations - idle - sizes, "prices move the account's figures as well"

    Rig.play(script)
