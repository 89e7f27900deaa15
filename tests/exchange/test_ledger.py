"""The exchange's books on disk: what anybody was told survives, and nothing is told before it is saved."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import msgspec
import pytest
from exchange_kit import B, S, World
from test_properties import play

from brokers.exchange.ledger import Ledger, LedgerError
from brokers.exchange.messages import New, QueryOrder
from engine.facts import Acknowledged, Executed, Expired, OrderReport, Rejected, Restated
from engine.model import NS, OrderStatus, TimeInForce


def crash(world: World) -> None:
    """The process dies: whatever was not flushed is gone."""
    assert world.exchange.ledger is not None
    world.exchange.ledger.close()


def test_books_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    first = World(ledger=path, depth={"ES": (8,)})
    play(first, random.Random(5), 400)
    first.exchange.on_batch_end(0)
    before = first.exchange.audit()
    crash(first)
    second = World(ledger=path, depth={"ES": (8,)}, start=first.clock.now())
    assert second.exchange.restored
    after = second.exchange.audit()
    assert msgspec.structs.replace(after, as_of=0) == msgspec.structs.replace(before, as_of=0)
    old, new = first.exchange.books.account("A"), second.exchange.books.account("A")
    assert (new.start, new.fees, new.cash()) == (old.start, old.fees, old.cash())
    # It goes on where it stopped: numbers are not handed out twice, open orders trade again.
    second.quote(1000, 30, 1001, 30)
    second.send(B, 1, 1001, id="new")
    audit = second.exchange.audit()
    assert len({o.broker_id for o in audit.orders}) == len(audit.orders)
    keys = [f.key for f in (*audit.executions, *audit.busted)]
    assert len(set(keys)) == len(keys) and len(audit.executions) > len(before.executions)


def test_nothing_is_told_before_it_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    world = World(ledger=path)
    world.quote(100, 20, 101, 10)
    seen: list[tuple[int, int]] = []

    def look(fact: object) -> None:
        if isinstance(fact, Executed):
            assert not world.exchange.books.dirty
            seen.append((fact.fill.qty, world.exchange.ledger.commits))  # type: ignore[union-attr]

    world.session._sink = look
    before = world.exchange.ledger.commits  # type: ignore[union-attr]
    for _ in range(20):
        world.send(B, 1, 101, wait=0)
    world.run(5)
    # The offer of ten is taken lot by lot: many events, few transactions.
    assert len(seen) == 10 and world.exchange.ledger.commits - before <= 3  # type: ignore[union-attr]


def test_a_ledger_that_cannot_be_written_lets_no_report_leave(tmp_path: Path) -> None:
    world = World(ledger=tmp_path / "x.db")
    world.quote(100, 20, 101, 10)
    ledger = world.exchange.ledger
    assert ledger is not None
    (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
    ledger._db.execute(f"PRAGMA max_page_count={pages}")  # the disk is full
    for _ in range(300):
        world.session.send(New(world.order(B, 1, 90)))
    with pytest.raises(AssertionError, match="LedgerError"):
        world.run(5)
    assert world.facts == []
    ledger._db.execute("PRAGMA max_page_count=1000000")
    world.loop.errors.clear()
    world.send(B, 1, 90)  # there is room again: what waited leaves, in order
    assert len(world.of(Acknowledged)) + len(world.of(Rejected)) == 301


def test_day_orders_of_an_earlier_day_and_overdue_ones_end_at_restart(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    first = World(ledger=path)
    first.quote(100, 20, 101, 10)
    day = first.send(B, 1, 90, id="day")
    gtc = first.send(B, 1, 91, id="gtc", tif=TimeInForce.GTC)
    gtd = first.send(B, 1, 92, id="gtd", tif=TimeInForce.GTD, expire=first.clock.now() + 60 * NS)
    first.exchange.close()
    second = World(ledger=path, start=first.clock.now() + 24 * 3600 * NS)
    status = {o.order_id: o.status for o in second.exchange.audit().orders}
    assert status == {day: OrderStatus.EXPIRED, gtc: OrderStatus.WORKING, gtd: OrderStatus.EXPIRED}
    second.exchange.close()
    third = World(ledger=path, start=second.clock.now())
    third.quote(89, 5, 90, 5)
    third.run(5)
    assert third.position() == 1


def test_gtd_timer_is_armed_again(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    first = World(ledger=path)
    gtd = first.send(B, 1, 92, tif=TimeInForce.GTD, expire=first.clock.now() + 60 * NS)
    first.exchange.close()
    second = World(ledger=path, start=first.clock.now() + 10 * NS)
    second.run(60_000)
    assert second.of(Expired, gtd)


def test_held_children_and_groups_survive(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    first = World(ledger=path)
    first.quote(100, 20, 101, 10)
    entry = first.send(B, 2, 99, id="entry")
    first.send(S, 2, 110, id="target", parent=entry, oco="g")
    first.send(S, 2, stop=90, id="stop", parent=entry, oco="g")
    crash(first)
    second = World(ledger=path, start=first.clock.now())
    second.quote(98, 20, 99, 10)
    second.quote(109, 20, 110, 10)
    second.run(5)
    assert second.position() == 2
    second.quote(111, 20, 112, 10)
    second.run(5)
    status = {o.order_id: o.status.value for o in second.exchange.audit().orders}
    assert second.position() == 0
    assert status == {"entry": "FILLED", "target": "FILLED", "stop": "CANCELED"}


def test_what_a_group_has_filled_survives(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    first = World(ledger=path)
    first.quote(100, 20, 101, 10)
    first.send(B, 2, oco="g", id="one")
    crash(first)
    second = World(ledger=path, start=first.clock.now())
    assert second.of(Rejected, second.send(B, 2, 90, oco="g", id="two"))
    assert second.of(Restated, second.send(B, 5, 90, oco="g", id="three"))[0].qty == 3


def test_old_orders_are_found_on_disk(tmp_path: Path) -> None:
    world = World(ledger=tmp_path / "x.db", keep_closed=10)
    ids = [world.send(B, 1, 1) for _ in range(15)]
    for oid in ids:
        world.cancel(oid)
    assert len(world.exchange.books.orders) < 15
    report = world.ask(QueryOrder(order_id=ids[0]))
    assert isinstance(report, OrderReport) and report.status is OrderStatus.CANCELED
    world.send(B, 1, 1, id=ids[0])  # the id is not free again
    assert "duplicate" in world.of(Rejected)[0].reason
    assert len(world.exchange.ledger.all_orders()) == 15  # type: ignore[union-attr]


def test_a_second_exchange_on_the_same_ledger_is_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "x.db")
    with pytest.raises(LedgerError, match="another exchange"):
        Ledger(tmp_path / "x.db")
    ledger.close()


def test_a_ledger_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    Ledger(path).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET body = ? WHERE name = 'schema'", (b"99",))
    db.close()
    with pytest.raises(LedgerError, match="move the file away"):
        Ledger(path)
