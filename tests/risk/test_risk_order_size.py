"""Order quantity and notional caps, with signed prices and multipliers."""

from __future__ import annotations

from decimal import Decimal

from fakeview import BUY, ES, MKT, SELL, STP, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import InstrumentLimits, RiskLimits
from engine.model import Instrument, Purpose


def test_quantity_cap_also_for_what_reduces() -> None:
    bench = Bench()
    assert bench.refusal(bench.order(BUY, 20)) == ""
    assert bench.refusal(bench.order(BUY, 21)) == "order_qty"
    bench.view.put_position("ES", 40)
    assert bench.refusal(bench.order(SELL, 21)) == "order_qty"
    assert bench.refusal(bench.order(SELL, 40, purpose=Purpose.FLATTEN)) == ""


def test_quantity_cap_of_the_instrument() -> None:
    bench = Bench()
    bench.view.set_limits(instruments={"ES": InstrumentLimits(max_order_qty=2)})
    assert bench.refusal(bench.order(BUY, 3)) == "order_qty"


def test_notional_at_the_cap() -> None:
    bench = Bench()
    # 20000 ticks are 5000 points, times 50 USD: 250,000 a lot.
    bench.view.set_limits(max_order_notional=Decimal(500_000))
    assert bench.refusal(bench.order(BUY, 2, 20000)) == ""
    assert bench.refusal(bench.order(BUY, 2, 20001)) == "order_notional"
    assert bench.refusal(bench.order(BUY, 3, None, type=MKT)) == "order_notional"
    assert bench.refusal(bench.order(BUY, 2, None, type=STP, stop=20001)) == "order_notional"


def test_a_sell_typed_far_too_low_counts_at_the_market() -> None:
    bench = Bench()
    bench.view.set_limits(max_order_notional=Decimal(500_000), collar_pct=Decimal(100))
    assert bench.refusal(bench.order(SELL, 3, 1)) == "order_notional"


def test_no_price_and_no_rate_are_unknown() -> None:
    bench = Bench()
    del bench.view.references["ES"]
    names = [r.control for r in bench.gate.preview(bench.order(BUY, 1, None, type=MKT), bench.view)]
    assert "order_notional" in names
    bench = Bench()
    bench.view.put_quote("EX", 4000, 4001)
    names = [r.control for r in bench.gate.preview(bench.order(BUY, 1, 4000, symbol="EX"), bench.view)]
    assert names[0] == "instruments" and "order_notional" in names
    bench.view.rates["EUR"] = Decimal("1.1")
    bench.view.bump("EX")
    assert bench.refusal(bench.order(BUY, 1, 4000, symbol="EX")) == ""


@settings(max_examples=200, deadline=None)
@given(
    reference=st.integers(-5000, 5000),
    offset=st.integers(-300, 300),
    qty=st.integers(1, 20),
    multiplier=st.decimals("0.01", "1000", places=2),
    tick=st.sampled_from([Decimal("0.01"), Decimal("0.25"), Decimal(1), Decimal("0.0001")]),
    rate=st.decimals("0.01", "100", places=2),
    cap=st.decimals("1", "1e6", places=2),
)
def test_no_sign_slips_under_the_cap(
    reference: int, offset: int, qty: int, multiplier: Decimal, tick: Decimal, rate: Decimal, cap: Decimal
) -> None:
    thing = Instrument(
        symbol="XX",
        venue="V",
        asset_class="spread",
        tick=tick,
        multiplier=multiplier,
        currency="EUR",
        nonpositive_price=True,
    )
    bench = Bench(RiskLimits(max_order_notional=cap, max_gross=Decimal(10**15), max_net=Decimal(10**15)))  # type: ignore[call-arg]
    view = bench.view
    view.instruments["XX"] = thing
    view.versions["XX"] = 1
    view.markets["XX"] = view.markets["ES"]
    view.rates["EUR"] = rate
    view.put_quote("XX", reference, reference)
    limit = reference + offset
    refused = bench.refusal(bench.order(BUY, qty, limit, symbol="XX"))
    notional = max(abs(limit), abs(reference)) * tick * multiplier * qty * rate
    assert refused == ("order_notional" if notional > cap else "")


def test_tick_value_is_what_notional_is_made_of() -> None:
    assert ES.money(20000 * 2) == Decimal(500_000)
