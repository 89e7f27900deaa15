"""Validity: shape of an order, stops, expiry, signs, replaces."""

from __future__ import annotations

from typing import Any

import pytest
from fakeview import BUY, LMT, MKT, SELL, STL, STP, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import OrderStatus, Purpose, Replace, TimeInForce


@pytest.mark.parametrize(
    "fields",
    [
        {"qty": 0},
        {"qty": -1},
        {"qty": 1.0},
        {"limit": None},
        {"limit": 20000.0},
        {"limit": 0},
        {"limit": -5},
        {"stop": 20100},
        {"type": MKT, "limit": 20000},
        {"type": MKT, "limit": None, "post_only": True},
        {"type": STP, "limit": None},
        {"type": STP, "stop": 20100},
        {"type": STL, "limit": None, "stop": 20100},
        {"type": STL, "stop": None},
        {"tif": TimeInForce.GTD},
        {"tif": TimeInForce.GTD, "expire": 5},
        {"post_only": True, "tif": TimeInForce.IOC},
        {"post_only": True, "tif": TimeInForce.FOK},
        {"reduce_only": True},
        {"purpose": Purpose.FLATTEN, "type": MKT, "limit": None, "side": SELL},
    ],
)
def test_refused(fields: dict[str, Any]) -> None:
    bench = Bench()
    assert bench.refusal(bench.order(**fields)) == "validity"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"type": MKT, "limit": None},
        {"type": STP, "limit": None, "stop": 20100},
        {"type": STL, "limit": 20110, "stop": 20100},
        {"tif": TimeInForce.GTD, "expire": 1_700_000_001 * 10**9},
        {"post_only": True},
        {"tif": TimeInForce.IOC},
        {"symbol": "CL", "limit": 5990},
    ],
)
def test_passes(fields: dict[str, Any]) -> None:
    bench = Bench()
    assert bench.text(bench.order(**fields)) == ""


def test_stops_stand_on_their_side_of_the_market() -> None:
    bench = Bench()
    assert bench.refusal(bench.order(BUY, 1, None, type=STP, stop=20000)) == "validity"
    assert bench.refusal(bench.order(BUY, 1, None, type=STP, stop=20001)) == ""
    assert bench.refusal(bench.order(SELL, 1, None, type=STP, stop=20000)) == "validity"
    assert bench.refusal(bench.order(SELL, 1, None, type=STP, stop=19999)) == ""


def test_a_protective_stop_that_the_market_has_passed_goes_out_all_the_same() -> None:
    bench = Bench()
    bench.view.put_position("ES", 1)
    order = bench.order(SELL, 1, None, type=STP, stop=20050, purpose=Purpose.PROTECT)
    assert bench.refusal(order) == ""


@pytest.mark.parametrize(
    ("status", "cum", "qty", "limit", "word"),
    [
        (OrderStatus.FILLED, 0, 5, 19990, "new order"),
        (OrderStatus.WORKING, 3, 3, 19990, "cancel"),
        (OrderStatus.WORKING, 3, 2, 19990, "cancel"),
        (OrderStatus.WORKING, 0, 5, None, "limit price"),
        (OrderStatus.WORKING, 0, 0, 19990, "above 0"),
    ],
)
def test_replaces(status: OrderStatus, cum: int, qty: int, limit: int | None, word: str) -> None:
    bench = Bench()
    order = bench.working(bench.order(BUY, 4, 19990), cum, status)
    text = bench.text(Replace(id="r", order_id=order.id, qty=qty, limit=limit))
    assert text.startswith("validity") and word in text


@settings(max_examples=150, deadline=None)
@given(
    type_=st.sampled_from([LMT, MKT, STP, STL]),
    limit=st.none() | st.integers(-3, 3),
    stop=st.none() | st.integers(-3, 3),
    signed=st.booleans(),
)
def test_prices_are_there_exactly_where_the_type_needs_them(
    type_: Any, limit: int | None, stop: int | None, signed: bool
) -> None:
    bench = Bench()
    symbol = "CL" if signed else "ES"
    del bench.view.references[symbol]
    names = [
        r.control
        for r in bench.gate.preview(
            bench.order(BUY, 1, limit, stop=stop, type=type_, symbol=symbol), bench.view
        )
    ]
    right = (limit is not None) is (type_ in (LMT, STL)) and (stop is not None) is (type_ in (STP, STL))
    signs = signed or all(p is None or p > 0 for p in (limit, stop))
    assert ("validity" not in names) is (right and signs)
