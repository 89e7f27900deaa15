"""Gross, net and class exposure in the worst case, kept up to date by versions."""

from __future__ import annotations

from decimal import Decimal

from fakeview import BUY, CL, ES, EX, SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import OrderStatus, Replace
from engine.risk.ask import Ask
from engine.risk.worst import WorstCase

LOT = ES.money(20000)
"""250,000 USD: one lot of ES at the reference."""


def test_gross_counts_working_orders_and_other_symbols() -> None:
    bench = Bench()
    bench.view.set_limits(max_gross=4 * LOT)
    bench.view.put_position("ES", 1)
    bench.view.put_exposure("ES", 1, 0)
    assert bench.refusal(bench.order(BUY, 2)) == ""
    assert bench.refusal(bench.order(BUY, 3)) == "gross"
    bench.view.put_position("CL", -1)  # 60,010 USD
    assert bench.refusal(bench.order(BUY, 2, 19999)) == "gross"
    assert bench.refusal(bench.order(BUY, 1)) == ""


def test_net_lets_a_hedge_pass() -> None:
    bench = Bench()
    bench.view.set_limits(max_net=2 * LOT)
    bench.view.put_position("ES", 2)
    assert bench.refusal(bench.order(BUY, 1)) == "net"
    assert bench.refusal(bench.order(SELL, 8, 6000, symbol="CL")) == ""
    bench.view.put_position("CL", -9)
    assert bench.refusal(bench.order(BUY, 2)) == ""
    # What only works does not hedge: it may not be filled.
    bench.view.put_position("CL", 0)
    bench.view.put_exposure("CL", 0, 9)
    assert bench.refusal(bench.order(BUY, 1, 19999)) == "net"


def test_class_cap_only_where_there_is_one() -> None:
    bench = Bench()
    bench.view.set_limits(max_gross_by_class={"energy": Decimal(100_000)})
    assert bench.refusal(bench.order(BUY, 10)) == ""
    assert bench.refusal(bench.order(BUY, 1, 6000, symbol="CL")) == ""
    assert bench.refusal(bench.order(BUY, 2, 6000, symbol="CL")) == "class_gross"
    bench.view.put_position("ES", 5)
    assert bench.refusal(bench.order(BUY, 1, 6000, symbol="CL")) == "", "what another class holds is not its"
    bench.view.put_position("CL", 2)
    assert ("Breach", "class_gross", "energy") in bench.tick()
    bench.view.set_limits(max_gross_by_class={})
    assert ("Cleared", "class_gross", "energy") in bench.tick()


def test_unvalued_position_refuses_what_opens_anywhere() -> None:
    bench = Bench()
    bench.view.put_position("ES", 2)
    bench.view.put_position("EX", 1)
    assert "EX" in bench.text(bench.order(BUY, 1))
    assert bench.refusal(bench.order(SELL, 1)) == ""
    bench.tick()
    assert bench.state("gross") == bench.state("net") == "UNKNOWN"


def test_loop_trips_on_prices_alone() -> None:
    bench = Bench()
    bench.view.set_limits(max_gross=LOT)
    bench.view.put_position("ES", 1)
    bench.tick()
    assert bench.state("gross") == "WARN"
    bench.view.put_quote("ES", 20100, 20101)
    assert bench.tick() == [("Breach", "gross", "")]


def test_replace_takes_the_larger_size() -> None:
    bench = Bench()
    bench.view.set_limits(max_gross=4 * LOT)
    order = bench.working(bench.order(BUY, 3), status=OrderStatus.WORKING)
    assert bench.refusal(Replace(id="r", order_id=order.id, qty=4, limit=20000)) == ""
    assert bench.refusal(Replace(id="r", order_id=order.id, qty=5, limit=20000)) == "gross"


def test_negative_prices_count_by_size() -> None:
    bench = Bench()
    bench.view.put_quote("CL", -3763, -3762)
    bench.view.put_position("CL", 3)
    worst = WorstCase()
    worst.refresh(bench.view)
    assert worst.gross == 3 * CL.money(3763)


@settings(max_examples=150, deadline=None)
@given(
    es=st.tuples(st.integers(-20, 20), st.integers(0, 20), st.integers(0, 20)),
    cl=st.tuples(st.integers(-20, 20), st.integers(0, 20), st.integers(0, 20)),
    ex=st.tuples(st.integers(-20, 20), st.integers(0, 20), st.integers(0, 20)),
    price=st.integers(-5000, 5000),
    qty=st.integers(1, 20),
    side=st.sampled_from([BUY, SELL]),
)
def test_totals_after_an_order_are_the_worst_of_all_fills(
    es: tuple[int, int, int],
    cl: tuple[int, int, int],
    ex: tuple[int, int, int],
    price: int,
    qty: int,
    side: object,
) -> None:
    bench = Bench()
    view = bench.view
    view.rates["EUR"] = Decimal("1.25")
    view.put_quote("EX", 4000, 4000)
    view.put_quote("CL", price, price)
    worst = WorstCase()
    worst.refresh(view)
    for symbol, (position, buy, sell) in (("ES", es), ("CL", cl), ("EX", ex)):
        view.put_position(symbol, position)
        view.put_exposure(symbol, buy, sell)
    after = worst.after(Ask(bench.order(side, qty, price, symbol="CL"), view), view)  # type: ignore[arg-type]
    gross = up = down = margin = Decimal(0)
    for thing, symbol, (position, buy, sell), at, rate in (
        (ES, "ES", es, 20000, Decimal(1)),
        (CL, "CL", cl, price, Decimal(1)),
        (EX, "EX", ex, 4000, Decimal("1.25")),
    ):
        if symbol == "CL":
            buy, sell = (buy + qty, sell) if side is BUY else (buy, sell + qty)
        unit = thing.money(abs(at)) * rate
        ends = (position + buy, position - sell)
        gross += max(map(abs, ends)) * unit
        up += ends[0] * unit
        down += ends[1] * unit
        margin += (max(map(abs, ends)) - abs(position)) * thing.initial_margin * rate
    assert after.gross == gross
    assert after.net == max(abs(up), abs(down))
    assert after.margin == margin
