"""The gate as a whole: seals, first refusal and all refusals, budgets, and failing closed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from fakeview import BUY, MKT, SELL, STP, Bench, FakeView
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import StrategyConfig
from engine.model import Order, OrderStatus, Purpose, Replace, TimeInForce
from engine.risk.controls import standard_controls
from engine.risk.gate import Refused
from engine.risk.view import OrderStanding, RiskView
from engine.sending import Approved, take_seal

CONTROLS = [c.name for c in standard_controls().for_opening]


def flatten(bench: Bench, qty: int = 2) -> Order:
    return bench.order(SELL, qty, 19998, purpose=Purpose.FLATTEN)


def boom(*_: object) -> Any:
    raise RuntimeError("boom")


def test_only_the_gate_has_the_seal() -> None:
    with pytest.raises(PermissionError):
        take_seal("approve", "somebody.else")


def test_approves_order_and_replace() -> None:
    bench = Bench()
    order = bench.order()
    answer = bench.check(order)
    assert isinstance(answer, Approved) and answer.request is order
    bench.working(order)
    change = Replace(id="r1", order_id=order.id, qty=2, limit=19999)
    answer = bench.check(change)
    assert isinstance(answer, Approved) and answer.request is change
    assert bench.gate.approved == 2


def test_replace_of_an_unknown_order_is_refused() -> None:
    bench = Bench()
    answer = bench.check(Replace(id="r", order_id="nobody", qty=1, limit=1))
    assert isinstance(answer, Refused) and "nobody" in answer.text
    assert bench.gate.preview(Replace(id="r", order_id="nobody", qty=1, limit=1), bench.view)


def test_first_refusal_decides_and_preview_tells_all() -> None:
    bench = Bench()
    order = bench.order(BUY, 60, 30000)
    answer = bench.check(order)
    assert isinstance(answer, Refused) and len(answer.reasons) == 1
    names = [r.control for r in bench.gate.preview(order, bench.view)]
    assert names == ["order_qty", "price_sanity", "max_position"]
    assert all(r.text for r in bench.gate.preview(order, bench.view))


def test_preview_leaves_no_trace() -> None:
    bench = Bench()
    bench.view.set_limits(order_rate=1, order_burst=1, collar_action="kill")
    for _ in range(5):
        assert not bench.gate.preview(bench.order(), bench.view)
        assert bench.gate.preview(bench.order(limit=30000), bench.view)
    assert bench.gate.refused == 0
    assert bench.tick() == []
    assert bench.refusal(bench.order()) == ""


def test_tokens_are_charged_only_for_what_was_approved() -> None:
    bench = Bench()
    bench.view.set_limits(order_rate=1, order_burst=2, duplicate_window=0.0)
    for _ in range(50):
        assert bench.refusal(bench.order(limit=30000)) == "price_sanity"
    assert [bench.refusal(bench.order()) for _ in range(3)] == ["", "", "order_rate"]


def test_reasons_name_a_remedy_and_render() -> None:
    bench = Bench()
    answer = bench.check(bench.order(BUY, 21))
    assert isinstance(answer, Refused)
    assert answer.reasons[0].control == "order_qty" and "smaller" in answer.text


# -- failing closed


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_that_raises_refuses_what_opens_and_lets_pass_what_reduces(name: str) -> None:
    bench = Bench()
    bench.view.put_position("ES", 5)
    control = bench.controls.by_name[name]
    control.check = boom  # type: ignore[method-assign]
    answer = bench.check(bench.order())
    assert isinstance(answer, Refused)
    assert answer.reasons[0].control == name and answer.reasons[0].unsure
    assert "RuntimeError: boom" in answer.text
    assert bench.refusal(bench.order(SELL, 2)) == ""
    assert bench.refusal(flatten(bench)) == ""
    assert control.errors >= 1
    bench.tick()
    shown = [r for r in bench.loop.readings() if r.control == name and r.scope in ("", "ES", "s")]
    if control.kind in ("account", "symbol"):
        assert shown and all(r.state == "UNKNOWN" and "boom" in r.detail for r in shown)


@pytest.mark.parametrize("name", [c.name for c in standard_controls().for_opening if c.kind != "strategy"])
def test_a_control_that_the_loop_cannot_evaluate_refuses_what_opens(name: str) -> None:
    bench = Bench()
    bench.view.put_position("ES", 5)
    bench.view.set_limits(max_gross_by_class={"equity index": 10**9})
    control = bench.controls.by_name[name]
    whole = control.evaluate
    control.evaluate = boom  # type: ignore[method-assign]
    events = bench.loop.tick(bench.view)
    assert any(type(e).__name__ == "Doubt" and e.control == name for e in events)
    answer = bench.check(bench.order())
    assert isinstance(answer, Refused) and answer.reasons[0].control == name
    assert bench.refusal(bench.order(SELL, 2)) == ""
    assert bench.refusal(flatten(bench)) == ""
    # The others were evaluated all the same, and it recovers by itself.
    assert bench.state("max_working" if name != "max_working" else "daily_loss") == "ACTIVE"
    control.evaluate = whole  # type: ignore[method-assign]
    bench.view.advance(11)
    bench.view.put_quote("ES", 20000, 20001)
    bench.view.put_quote("CL", 6000, 6002)
    bench.view.put_quote("EX", 100, 101)
    bench.view.account_changed()
    bench.tick()
    assert bench.refusal(bench.order()) == ""


LOOP_ONLY = {
    "margin_ahead",
    "stamp",
    "version",
    "strategies",
    "limits_version",
    "account_version",
    "booked_version",
    "strategy_version",
    "trading_day",
}
SPECIAL = {"oco_exposure", "flatten_exposure"}
"""Asked for by orders of an OCO group and by the flatten procedure only."""
MEMBERS = [m for m in vars(RiskView) if not m.startswith("_") and m not in LOOP_ONLY]


class Failing:
    """A view of which one member raises, and that remembers whether it was asked."""

    def __init__(self, view: FakeView, member: str) -> None:
        self._view = view
        self._member = member
        self.asked = False

    def __getattr__(self, name: str) -> Any:
        if name == self._member:
            self.asked = True
            return boom
        return getattr(self._view, name)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_view_that_fails_anywhere_opens_nothing_and_bars_no_way_out(member: str) -> None:
    bench = Bench()
    bench.view.put_position("ES", 5)
    failing = Failing(bench.view, member)
    bench.view.the_strategies["s"] = StrategyConfig(  # type: ignore[call-arg]
        module="a:B", name="s", symbols=("ES",), max_loss=Decimal(1000)
    )
    later = bench.view.time + 1
    asked = False
    for order in (
        bench.order(tif=TimeInForce.GTD, expire=later),
        bench.order(BUY, 1, None, type=MKT),
        bench.order(BUY, 1, None, type=STP, stop=20100),
    ):
        failing.asked = False
        answer = bench.gate.check(order, failing)  # type: ignore[arg-type]
        asked = asked or failing.asked
        assert isinstance(answer, Refused) or not failing.asked, member
    assert asked or member in SPECIAL
    assert isinstance(bench.gate.check(flatten(bench), failing), Approved)  # type: ignore[arg-type]
    proof = ("mono", "limits", "instrument", "position", "broker_position", "exposure")
    answer = bench.gate.check(bench.order(SELL, 2), failing)  # type: ignore[arg-type]
    assert isinstance(answer, Refused if member in proof else Approved), member


def test_nonsense_requests_do_not_break_the_gate() -> None:
    bench = Bench()
    for nonsense in (None, "order", bench.order(qty="five"), bench.order(limit=float("nan"))):
        assert isinstance(bench.gate.check(nonsense, bench.view), Refused)  # type: ignore[type-var]


# -- concurrent orders


@settings(max_examples=150, deadline=None)
@given(
    cap=st.integers(0, 12),
    start=st.integers(-12, 12),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["buy", "sell", "fill", "cancel", "replace"]),
            st.integers(1, 8),
            st.integers(0, 9),
        ),
        max_size=40,
    ),
)
def test_orders_cannot_jointly_exceed_the_cap(
    cap: int, start: int, steps: list[tuple[str, int, int]]
) -> None:
    bench = Bench()
    view = bench.view
    view.set_limits(max_position=cap, duplicate_window=0.0, order_burst=1000)
    view.put_position("ES", max(-cap, min(cap, start)))
    live: list[Order] = []
    left: dict[str, int] = {}
    for what, qty, pick in steps:
        if what in ("buy", "sell"):
            side = BUY if what == "buy" else SELL
            order = bench.order(side, qty, 19000 if side is BUY else 21000)
            if isinstance(bench.check(order), Approved):
                view.book(order)
                live.append(order)
                left[order.id] = qty
        elif live:
            order = live[pick % len(live)]
            lots = left[order.id]
            if what == "fill":
                part = min(qty, lots)
                view.fill(order, part)
                left[order.id] -= part
            elif what == "cancel":
                view.exposures["ES"][0 if order.side is BUY else 1] -= lots
                left[order.id] = 0
            else:
                standing = view.orders[order.id]
                change = Replace(id="r", order_id=order.id, qty=standing.cum + qty, limit=order.limit)
                if isinstance(bench.check(change), Approved):
                    stake = max(lots, qty)
                    view.exposures["ES"][0 if order.side is BUY else 1] += stake - lots
                    left[order.id] = stake
                    view.orders[order.id] = OrderStanding(
                        order=order, status=OrderStatus.WORKING, cum=standing.cum, exposure=stake
                    )
            live = [o for o in live if left[o.id]]
        position = view.position("ES")
        buy, sell = view.exposure("ES")
        assert position + buy <= cap and sell - position <= cap
