"""Frames as a property: from any snapshot to any other, over the wire's own bytes, nothing is lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from unittest import mock

import msgspec
import pytest
from control_harness import make_snapshot, order_row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.control import pieces, wire
from engine.control.frames import Frame, WrongBase, delta, patched
from engine.control.snapshot import (
    AlertRow,
    Hold,
    KillView,
    OrderRow,
    PositionRow,
    RiskRow,
    Snapshot,
    StrategyRow,
)
from tests.effort import effort

NS = 1_000_000_000
money = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9)
words = st.text(max_size=6)
names = st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "", "'\"\\\x00é"])
"""Few, so that tables share keys, and some have one twice."""


def some(template: Any, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Rows like the template, with these fields drawn."""
    return st.builds(lambda **drawn: msgspec.structs.replace(template, **drawn), **fields)


BASE = make_snapshot()
orders = some(
    order_row(0),
    id=names,
    status=st.sampled_from(["WORKING", "FILLED"]),
    leaves=money,
    created=st.integers(0, 5 * NS),
)
TABLES: dict[str, st.SearchStrategy[Any]] = {
    "orders": orders,
    "positions": some(
        BASE.positions[0], symbol=names, broker=st.none() | money, by_strategy=st.dictionaries(names, money)
    ),
    "risk": some(
        BASE.risk[0],
        control=names,
        scope=names,
        ratio=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    ),
    "alerts": some(BASE.alerts[0], id=st.integers(0, 9), acknowledged=st.booleans()),
    "strategies": some(BASE.strategies[0], name=names, pnl=money),
}


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    ts = draw(st.integers(0, 10 * NS))
    tables = {name: tuple(draw(st.lists(row, max_size=8))) for name, row in TABLES.items()}
    return msgspec.structs.replace(
        BASE,
        seq=draw(st.integers(0, 2**60)),
        ts=ts,
        halted=draw(st.booleans()),
        halt_reason=draw(words),
        paused=tuple(draw(st.lists(st.builds(Hold, code=words, scope=words, text=words), max_size=2))),
        equity=draw(st.none() | money),
        kill=draw(
            st.none()
            | st.builds(KillView, running=st.booleans(), scope=words, steps=st.just(("x",)), verdict=words)
        ),
        health=msgspec.structs.replace(
            BASE.health,
            uptime=draw(st.floats(0, 1e9)),
            counters=draw(st.dictionaries(names, st.integers(0, 9))),
        ),
        **tables,
    )


def over_the_wire(frame: Frame) -> Frame:
    return msgspec.json.decode(wire.encode(frame), type=Frame)


@settings(max_examples=effort(100, 1000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(snapshots(), snapshots())
def test_a_frame_leads_from_any_snapshot_to_any_other(a: Snapshot, b: Snapshot) -> None:
    assert patched(a, over_the_wire(delta(a, b))) == b


@settings(max_examples=effort(200, 2000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_frame_leads_on_where_most_rows_are_the_very_same(data: st.DataObject) -> None:
    """As an engine makes them: an order at which nothing happened is the same row in both."""
    pool = data.draw(st.lists(orders, min_size=1, max_size=8))
    rows = st.lists(st.sampled_from(pool), max_size=8).map(tuple)
    head, tail = data.draw(rows), data.draw(rows)
    a = msgspec.structs.replace(BASE, seq=1, orders=(*head, *data.draw(rows), *tail))
    b = msgspec.structs.replace(BASE, seq=2, orders=(*head, *data.draw(rows), *tail))
    assert patched(a, over_the_wire(delta(a, b))) == b


@settings(max_examples=effort(25, 200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(snapshots(), min_size=2, max_size=6))
def test_a_chain_of_frames_stays_true(chain: list[Snapshot]) -> None:
    held = chain[0]
    for number, wanted in enumerate(chain[1:], 1):
        wanted = msgspec.structs.replace(wanted, seq=number)
        held = patched(held, over_the_wire(delta(held, wanted)))
        assert held == wanted


def aged(snapshot: Snapshot, seconds: float) -> Snapshot:
    ts = snapshot.ts + int(seconds * NS)
    return msgspec.structs.replace(snapshot, seq=snapshot.seq + 1, ts=ts)


def test_orders_that_only_grow_older_cost_nothing() -> None:
    before = aged(make_snapshot(orders=500), 0)
    after = aged(before, 0.1)
    frame = delta(before, after)
    assert not frame.tables and not frame.values
    assert len(wire.encode(frame)) < 150
    assert patched(before, frame) == after


def test_one_order_in_many_costs_one_row() -> None:
    before = aged(make_snapshot(orders=500), 0)
    after = aged(before, 0.1)
    changed = msgspec.structs.replace(after.orders[250], leaves=Decimal(1), filled=Decimal(2))
    # A new one at the top, one closed and moved to the end, one changed.
    rows = (
        order_row(9000),
        *after.orders[:100],
        *after.orders[101:250],
        changed,
        *after.orders[251:],
        after.orders[100],
    )
    after = msgspec.structs.replace(after, orders=rows)
    frame = over_the_wire(delta(before, after))
    assert patched(before, frame) == after
    assert len(wire.encode(frame)) < 1_500, "two rows and a few runs"


def test_a_frame_for_another_snapshot_is_refused() -> None:
    a, b = make_snapshot(1), make_snapshot(2)
    frame = delta(a, b)
    with pytest.raises(WrongBase, match="follows snapshot 1, and 7 is at hand"):
        patched(make_snapshot(7), frame)


@pytest.mark.parametrize(
    "harm",
    [
        {"tables": {"orders": {"at": [99], "rows": []}}},
        {"tables": {"orders": {"at": [5], "rows": [msgspec.json.decode(wire.encode(order_row(1)))]}}},
        {"tables": {"orders": {"order": [[0, 99]]}}},
        {"tables": {"orders": {"order": [[-1, 1]]}}},
        {"tables": {"nothing": {}}},
        {"values": {"nothing": 1}},
        {"values": {"halted": "perhaps"}},
    ],
)
def test_a_broken_frame_is_no_picture(harm: dict[str, Any]) -> None:
    frame = msgspec.convert({"base": 1, "seq": 2, "ts": 3}, Frame)
    body = {**msgspec.to_builtins(frame), **harm}
    with pytest.raises(msgspec.DecodeError):
        patched(make_snapshot(1), msgspec.json.decode(msgspec.json.encode(body), type=Frame))


def test_every_field_of_a_snapshot_is_in_a_frame() -> None:
    """A field that is added to the snapshot needs no line here or there."""
    a = make_snapshot(1)
    b = msgspec.structs.replace(
        a, seq=2, mode="LIVE", feed="other", day_limit=None, trading=False, limits_version=9
    )
    assert sorted(delta(a, b).values) == ["day_limit", "feed", "limits_version", "mode", "trading"]
    assert {OrderRow, PositionRow, RiskRow, AlertRow, StrategyRow} == {
        type(rows[0]) for rows in (a.orders, a.positions, a.risk, a.alerts, a.strategies)
    }


@settings(max_examples=effort(100, 1000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(snapshots(), st.integers(1, 9))
def test_json_made_in_pieces_is_the_json_made_at_once(snapshot: Snapshot, piece: int) -> None:
    with mock.patch.object(pieces, "PIECE", piece):
        assert pieces.encode(snapshot) == wire.encode(snapshot)
        for topic in wire.TOPICS:
            part = wire.topic_of(snapshot, topic)
            assert pieces.encode(part) == wire.encode(part)
