"""What must hold between the exchange's books and the journal, at every moment and at the end."""

from __future__ import annotations

from collections import Counter

from brokers.exchange.messages import Audit
from engine.books import Books
from engine.facts import Busted, Corrected, Executed
from engine.journal.rows import Row
from engine.model import Fill, Purpose
from engine.records import DayOpened, FactTaken, Halted, HaltReset, OrderStored, RunStarted, Sent
from tests.crash.kit import Story, new_books

Key = tuple[str, str, str, str]


def key_of(fill: Fill) -> Key:
    key = fill.key
    return (key.venue, key.account, key.trading_day, key.exec_id)


def told(story: Story) -> Counter[Key]:
    """How often each execution stands in the rows of facts."""
    count: Counter[Key] = Counter()
    for record in story.records:
        if isinstance(record, FactTaken):
            assert not isinstance(record.fact, Busted | Corrected), "nothing is taken back in this drill"
            if isinstance(record.fact, Executed):
                count[key_of(record.fact.fill)] += 1
    return count


def no_order_unknown(audit: Audit, story: Story) -> None:
    """Every order that the exchange received stands in the journal as an order, and arrived once."""
    stored = {record.order.id for record in story.records if isinstance(record, OrderStored)}
    unknown = [o for o in audit.orders if o.order_id not in stored]
    assert not unknown, f"the exchange has orders that the journal does not know: {unknown[:3]}"
    twice = [o for o in audit.orders if o.copies != 1]
    assert not twice, f"sent more than once: {twice[:3]}"


def stored_before_sent(story: Story) -> None:
    """In the journal an order's row stands before the row that says it was sent, and both once."""
    stored: dict[str, int] = {}
    sent: set[str] = set()
    for row, record in zip(story.rows, story.records, strict=True):
        if isinstance(record, OrderStored):
            assert record.order.id not in stored, f"{record.order.id} was stored twice"
            assert row.order_id == record.order.id
            stored[record.order.id] = row.seq
        elif isinstance(record, Sent) and record.what == "submit":
            assert stored[record.order_id] < row.seq
            assert record.order_id not in sent, f"{record.order_id} was sent twice"
            sent.add(record.order_id)


def nothing_made_up(audit: Audit, story: Story) -> None:
    """After a kill the journal may lack the newest executions; those that it has are the exchange's."""
    real = {key_of(fill): fill for fill in audit.executions}
    known = set(told(story))
    assert known <= set(real), f"booked and not executed: {sorted(known - set(real))[:3]}"
    assert set(story.keys) == known, "the table of executions and the rows say different things"
    booked = [real[key] for key in known]
    same_money(story.books, booked)


def all_booked(audit: Audit, story: Story) -> None:
    """Once reconciled: the same executions on both sides, each booked once."""
    real = {key_of(fill) for fill in audit.executions}
    known = set(told(story))
    assert known == real, f"lost {sorted(real - known)[:3]}, made up {sorted(known - real)[:3]}"
    assert set(story.keys) == real
    assert len(story.keys) == len(real)
    same_money(story.books, list(audit.executions))
    theirs = {s: q for s, q in audit.positions.get("PAPER", {}).items() if q}
    assert {p.symbol: p.held.qty for p in story.books.positions if p.held.qty} == theirs


def same_money(books: Books, fills: list[Fill]) -> None:
    """Position, cash and fees are those of exactly these executions: one twice shows even when flat."""
    for symbol in sorted({f.symbol for f in fills} | {p.symbol for p in books.positions}):
        mine = [f for f in fills if f.symbol == symbol]
        held = books.positions.get(symbol).held
        assert held.qty == sum(f.side.sign * f.qty for f in mine), symbol
        assert held.cash == -sum(f.side.sign * f.qty * f.price for f in mine), symbol
        assert held.fees == sum(f.fee for f in mine), symbol
    assert books.fills == len(fills)


def one_day(story: Story) -> DayOpened:
    """A trading day is opened once, however often the engine starts: its loss counts from there."""
    days = [r for r in story.records if isinstance(r, DayOpened)]
    assert days, "no trading day was opened"
    assert len({d.trading_day for d in days}) == len(days), "a restart opened the day anew"
    assert [d.trading_day for d in days] == sorted(d.trading_day for d in days)
    assert story.books.day == days[-1]
    return days[-1]


def runs_differ(story: Story) -> None:
    """Every start counts as one run, so that ids are never handed out twice."""
    runs = [r for r in story.records if isinstance(r, RunStarted)]
    assert [r.run for r in runs] == list(range(1, len(runs) + 1))
    assert len({r.install for r in runs}) == 1


def folds_alike(story: Story) -> str:
    """Folding the rows gives the same state each time; its digest."""
    once, again = story.fold().digest(), story.fold().digest()
    assert once == again == story.books.digest()
    return once


def halts(rows: list[Row], records: list[object]) -> list[Halted]:
    return [r for r in records if isinstance(r, Halted)]


def nothing_opened_after_the_halt(story: Story) -> int:
    """While an account's halt is latched, what leaves closes. Returns how many orders of strategies did."""
    books = new_books()
    halted, closing = False, 0
    stored: dict[str, OrderStored] = {}
    for row, record in zip(story.rows, story.records, strict=True):
        if isinstance(record, OrderStored):
            stored[record.order.id] = record
        if isinstance(record, Sent) and record.what == "submit" and halted:
            order = stored[record.order_id].order
            held = books.positions.qty(order.symbol)
            assert order.purpose is Purpose.FLATTEN or order.side.sign * held < 0, f"{order.id} opens"
            assert order.qty <= abs(held) or order.purpose is Purpose.FLATTEN
            closing += order.purpose is not Purpose.FLATTEN
        books.apply(record, row.ts)
        if isinstance(record, Halted) and record.scope == "account":
            halted = True
        elif isinstance(record, HaltReset) and record.scope == "account":
            halted = False
    return closing
