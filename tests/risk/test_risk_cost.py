"""What gate and loop cost, printed (`pytest -s`) and never judged: machines differ."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from decimal import Decimal

from fakeview import BUY, ES, SELL, Bench

from engine.model import MarketState
from engine.risk.view import Market


def best(run: Callable[[], int], rounds: int = 5) -> float:
    """µs for one of what `run` does, the best of some rounds."""
    figures = []
    gc.collect()
    for _ in range(rounds):
        start = time.perf_counter_ns()
        done = run()
        figures.append((time.perf_counter_ns() - start) / done / 1000)
    return min(figures)


def ten_instruments() -> Bench:
    bench = Bench()
    bench.view.set_limits(order_rate=100_000, order_burst=100_000, duplicate_window=0.5)
    for i in range(8):
        symbol = f"S{i}"
        bench.view.instruments[symbol] = ES.__class__(
            symbol=symbol, venue="V", asset_class="x", tick=Decimal("0.25"), multiplier=Decimal(50)
        )
        bench.view.markets[symbol] = Market(MarketState.OPEN)
        bench.view.put_quote(symbol, 20000, 20001)
        bench.view.put_position(symbol, i - 4)
    del bench.view.instruments["EX"]
    return bench


def test_cost_of_one_order() -> None:
    bench = ten_instruments()
    orders = iter([bench.order(BUY if i % 2 else SELL, 1 + i // 2000, 19000 + i % 2000) for i in range(5000)])
    passed = 0

    def run() -> int:
        nonlocal passed
        before = bench.gate.approved
        for _ in range(1000):
            bench.gate.check(next(orders), bench.view)
        passed += bench.gate.approved - before
        return 1000

    figure = best(run)
    assert passed == 5000
    print(
        f"\ngate: {figure:.1f} µs for one order, {len(bench.controls.for_opening)} controls, 10 instruments"
    )


def test_cost_of_one_round() -> None:
    bench = ten_instruments()
    view, loop = bench.view, bench.loop
    loop.tick(view)
    symbols = view.symbols()
    quotes = [[(20000 + k, 20001 + k + j) for k in range(20)] for j in range(len(symbols))]

    def idle() -> int:
        for _ in range(500):
            loop.tick(view)
        return 500

    def busy(width: int) -> Callable[[], int]:
        def run() -> int:
            for n in range(100):
                for j, symbol in enumerate(symbols[:width]):
                    view.put_quote(symbol, *quotes[0][(n + j) % 20])
                view.account_changed()
                loop.tick(view)
            return 100

        return run

    def quotes_only(width: int) -> Callable[[], int]:
        def run() -> int:
            for n in range(100):
                for j, symbol in enumerate(symbols[:width]):
                    view.put_quote(symbol, *quotes[0][(n + j) % 20])
            return 100

        return run

    assert len(symbols) == 10
    print(f"\nround, nothing changed: {best(idle):.1f} µs")
    for width in (1, 10):
        cost = best(busy(width)) - best(quotes_only(width))
        print(f"round, {width} of 10 instruments and the account changed: {cost:.1f} µs")
    assert loop.rounds > 1000
