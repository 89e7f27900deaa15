"""Properties of the order book under any sequence: executions add up, exposure is what a recount gives."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from orders_kit import S, Venue, book, fill, key, order, rep

from engine.lifecycle import CancelSent, LinkLost, Lost, NotSent, ReplaceSent, Request, Unanswered, transition
from engine.lifecycle_types import evolve
from engine.model import Side, TimeInForce
from engine.orders import OrderBook, OrderRecord
from engine.picture_rows import order_row, order_rows
from tests.instruments import ES

QTYS = st.integers(1, 9)


def recount(b: OrderBook) -> tuple[dict[Any, int], dict[Any, int]]:
    """Exposure by (symbol, side) and by (strategy, symbol, side), from scratch."""
    singles: dict[Any, int] = defaultdict(int)
    groups: dict[Any, int] = defaultdict(int)
    for record in b._orders.values():
        o = record.order
        lots = 0 if record.held else record.life.worst_leaves
        where = (o.strategy, o.symbol, o.side)
        if o.oco is None:
            singles[where] += lots
        else:
            groups[(o.oco, *where)] = max(groups[(o.oco, *where)], lots)
    for (_, *place), lots in groups.items():
        singles[tuple(place)] += lots
    by_symbol: dict[Any, int] = defaultdict(int)
    for (_, symbol, side), lots in singles.items():
        by_symbol[(symbol, side)] += lots
    return by_symbol, singles


def check(b: OrderBook) -> None:
    by_symbol, by_strategy = recount(b)
    for symbol in ("ES", "NQ"):
        assert b.exposure(symbol) == (by_symbol[(symbol, Side.BUY)], by_symbol[(symbol, Side.SELL)])
        for strategy in ("s", "t", "foreign"):
            assert b.strategy_exposure(strategy, symbol) == (
                by_strategy[(strategy, symbol, Side.BUY)],
                by_strategy[(strategy, symbol, Side.SELL)],
            )
        for side, best in ((Side.BUY, max), (Side.SELL, min)):
            prices = [p for r in b.working(symbol) for p in limits(r) if r.order.side is side]
            assert b.own_best(symbol, side) == (best(prices) if prices else None)
    alive = [r for r in b._orders.values() if not r.life.is_closed]
    assert b.working() == sorted(alive, key=lambda r: r.seq)
    assert b.open_count() == len(alive)
    closed = b.recent_closed(len(b._orders))
    assert {r.id for r in closed} == {r.id for r in b._orders.values() if r.life.is_closed}
    assert all(b.get(r.id) is r for r in b._names.all()), "a record that left memory is still found"
    for record in b._orders.values():
        life = record.life
        assert life.cum >= 0
        assert life.is_closed or life.leaves == max(0, life.qty - life.cum)
        assert record.foreign or record.executed == life.cum
        assert (record.flight is None) == (record.held or life.in_flight is None)
    as_books: Any = SimpleNamespace(orders=b, instruments={"ES": ES}, behind=lambda _: ())
    for lost in (False, True):
        fresh = [order_row(as_books, r, last_known=lost) for r in reversed(b.working())]
        fresh += [order_row(as_books, r) for r in closed[:100]]
        assert order_rows(as_books, last_known=lost) == tuple(fresh), "a row that was kept is out of date"


def limits(record: OrderRecord) -> list[int]:
    life = record.life
    if record.held or life.limit is None:
        return []
    return [life.limit, *(r.limit for r in life.unanswered if r.limit is not None)]


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Executions, some corrected or busted, each item perhaps repeated, all in any order."""
    items: list[tuple[str, int, int]] = []
    for n in range(draw(st.integers(1, 6))):
        kinds = draw(st.sets(st.sampled_from(["fill", "correct", "bust"]), min_size=1))
        items += [(kind, n, draw(QTYS) if kind != "bust" else 0) for kind in sorted(kinds)]
    items += draw(st.lists(st.sampled_from(items), max_size=5))
    facts = draw(st.lists(st.sampled_from(["ack", "cancel", "canceled", "lost", "rejected", "replaced"])))
    return draw(st.permutations([*items, *((f, 0, 0) for f in facts)]))


@settings(max_examples=200, deadline=None)
@given(stories())
def test_the_filled_quantity_is_the_sum_of_what_stands_in_any_order(
    story: list[tuple[str, int, int]],
) -> None:
    b, v = book(), Venue("a")
    record = b.add(order("a", 20), 0)
    booked: dict[Any, int] = {}
    for now, (kind, n, qty) in enumerate(story):
        if kind == "fill":
            outcome = b.apply_fill(fill(n, qty, "a"), now)
            if outcome.fill is not None:
                assert outcome.fill.key not in booked, "booked twice"
                booked[outcome.fill.key] = outcome.fill.qty
        elif kind in ("correct", "bust"):
            changed = (
                b.bust(key(n), now) if kind == "bust" else b.correct(key(n), fill(f"{n}c", qty, "a"), now)
            )
            if changed.fill is not None:
                del booked[changed.fill.key]
            if changed.new is not None:
                booked[changed.new.key] = changed.new.qty
        else:
            b.apply("a", _fact(kind, v), now)
        check(b)
    stands = 0
    for n in {n for kind, n, _ in story if kind in ("fill", "correct", "bust")}:
        of = [(kind, qty) for kind, m, qty in story if m == n]
        if any(kind == "bust" for kind, _ in of):
            continue
        corrected = [qty for kind, qty in of if kind == "correct"]
        stands += corrected[0] if corrected else next(qty for kind, qty in of if kind == "fill")
    assert record.life.cum == record.executed == sum(booked.values()) == stands
    assert record.cum_value == stands * 100
    assert sorted(record.keys, key=str) == sorted(booked, key=str)


def _fact(kind: str, v: Venue) -> Any:
    return {
        "ack": v.ack,
        "cancel": CancelSent,
        "canceled": lambda: v.canceled(None),
        "lost": Lost,
        "rejected": v.rejected,
        "replaced": lambda: v.replaced(None, 15),
    }[kind]()


class BookMachine(RuleBasedStateMachine):
    """Orders of two strategies in two instruments under every kind of news, in any sequence."""

    @initialize()
    def start(self) -> None:
        self.book = book(closed_in_memory=10)
        self.now = 0
        self.ids: list[str] = []
        self.execs = 0
        self.replaces = 0
        self.log: list[tuple[str, Any]] = []

    def _do(self, method: str, *args: Any, **more: Any) -> None:
        self.now += 1
        self.log.append((method, (args, self.now, more)))
        getattr(self.book, method)(*args, self.now, **more)

    @rule(
        qty=QTYS,
        symbol=st.sampled_from(["ES", "NQ"]),
        side=st.sampled_from(Side),
        strategy=st.sampled_from(["s", "t"]),
        oco=st.sampled_from([None, None, "g1", "g2"]),
        held=st.booleans(),
        limit=st.integers(95, 105),
        tif=st.sampled_from(TimeInForce),
    )
    def add(self, held: bool, **fields: Any) -> None:
        oid = f"o{len(self.ids)}"
        parent = self.ids[-1] if held and self.ids else None
        self.ids.append(oid)
        self._do("add", order(oid, fields.pop("qty"), parent=parent, **fields), held=parent is not None)

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        known = self.book.get(data.draw(st.sampled_from(self.ids)))
        if known is not None:
            self._do("release", evolve(known.order, qty=data.draw(QTYS)))

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def news(self, data: st.DataObject) -> None:
        oid = data.draw(st.sampled_from(self.ids))
        v = Venue(oid, data.draw(st.sampled_from([None, f"b-{oid}", f"b2-{oid}"])))
        v.ts = data.draw(st.sampled_from([self.now, max(0, self.now - 5)]))
        cum = data.draw(st.sampled_from([None, 0, 2, 9]))
        status = data.draw(st.sampled_from(S))
        qty = data.draw(QTYS)
        ids = [f"r{n}" for n in range(self.replaces)][-3:]
        rid = data.draw(st.sampled_from([None, *ids]))
        event = data.draw(
            st.sampled_from(
                [
                    v.ack(),
                    v.rejected(),
                    v.pending_cancel(),
                    v.canceled(cum),
                    v.cancel_rejected(status),
                    v.replaced(rid, qty, cum, limit=data.draw(st.integers(95, 105))),
                    v.replace_rejected(rid, status),
                    v.expired(cum),
                    v.done(cum),
                    v.suspended(),
                    v.released(),
                    v.restated(qty),
                    v.triggered(),
                    v.report(status, qty, cum or 0),
                    v.not_found(),
                    CancelSent(),
                    NotSent(reason="x", what=data.draw(st.sampled_from(Request))),
                    Unanswered(what=Request.SUBMIT),
                    LinkLost(reason="x"),
                    Lost(reason="x"),
                ]
            )
        )
        self._do("apply", oid, event)

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), qty=QTYS)
    def replace(self, data: st.DataObject, qty: int) -> None:
        oid = data.draw(st.sampled_from(self.ids))
        change = rep(f"r{self.replaces}", qty, limit=data.draw(st.integers(95, 105)), oid=oid)
        self.replaces += 1
        self._do("apply", oid, ReplaceSent(replace=change))

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), qty=QTYS, again=st.booleans())
    def execution(self, data: st.DataObject, qty: int, again: bool) -> None:
        oid = data.draw(st.sampled_from(self.ids))
        record = self.book.get(oid)
        o = record.order if record is not None else order(oid)
        if not again:
            self.execs += 1
        self._do("apply_fill", fill(self.execs, qty, oid, symbol=o.symbol, side=o.side))

    @precondition(lambda self: self.execs)
    @rule(data=st.data(), qty=QTYS, bust=st.booleans())
    def change(self, data: st.DataObject, qty: int, bust: bool) -> None:
        n = data.draw(st.integers(1, self.execs + 1))
        if bust:
            self._do("bust", key(n))
            return
        entry = self.book._executions.booked(self.book._executions.latest(key(n)))
        old = entry[1] if entry is not None else fill(n)
        more = {"symbol": old.symbol, "side": old.side, "key": key(f"{n}-{self.now}")}
        self._do("correct", key(n), fill(n, qty, old.order_id, **more))

    @rule(n=st.integers(0, 2), qty=QTYS, cum=st.integers(0, 9), status=st.sampled_from(S))
    def foreign(self, n: int, qty: int, cum: int, status: S) -> None:
        v = Venue()
        v.ts = self.now
        self._do("adopt_foreign", v.foreign(f"F{n}", qty, min(cum, qty), status))

    @rule()
    def claim(self) -> None:
        self.log.append(("claim", None))
        self.book.claim("F1", "t")

    @rule(later=st.integers(0, 10_000_000_000))
    def look_at_deadlines(self, later: int) -> None:
        for item in self.book.due(self.now + later):
            record = self.book.get(item.order_id)
            assert record is not None
            assert record.life.in_flight is item.kind

    @invariant()
    def everything_adds_up(self) -> None:
        if hasattr(self, "book"):
            check(self.book)

    def teardown(self) -> None:
        """The same news again gives the same book."""
        if not hasattr(self, "book"):
            return
        again = book(closed_in_memory=10)
        for method, call in self.log:
            if call is None:
                again.claim("F1", "t")
            else:
                args, now, more = call
                getattr(again, method)(*args, now, **more)
        assert again.digest() == self.book.digest()


TestBook = BookMachine.TestCase
TestBook.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["ack", "cancel", "canceled", "lost", "rejected", "replaced"]), max_size=12))
def test_without_executions_nothing_is_ever_filled(kinds: list[str]) -> None:
    v = Venue()
    b = book()
    life = b.add(order(), 0).life
    for kind in kinds:
        life, _ = transition(life, _fact(kind, v))
        assert life.cum == 0
        assert life.status not in (S.FILLED, S.PARTIAL_FILL)
