"""Executions by stem and revision, and commissions that come at any time."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.ib import raw
from brokers.ib.contracts import Resolved
from brokers.ib.executions import Executions, split
from brokers.ib.terms import Wanted
from engine.facts import AnyFact, Busted, Corrected, Executed
from engine.model import NS, Fill
from tests.conformance.benches.venue import ES

CONTRACT = raw.Contract(1, "ES", "FUT", "20251219", "50", "CME", "USD", "ESZ5", "ES")
WHERE = Resolved(ES, Wanted(con_id=1), 1, (), None)
OURS = "s-ab12x1yz-1"


def execution(exec_id: str, qty: int = 2, price: str = "25.25", ts: int = 5 * NS) -> raw.Execution:
    return raw.Execution(
        req_id=-1,
        order_id=7,
        client_id=1,
        perm_id=99,
        ref=OURS,
        exec_id=exec_id,
        ts=ts,
        account="DU1",
        contract=CONTRACT,
        side="BOT",
        qty=Decimal(qty),
        price=Decimal(price),
        revised=False,
    )


def take(book: Executions, *executions: raw.Execution) -> list[AnyFact | None]:
    return [book.take(e, WHERE, OURS, 9 * NS, told=True) for e in executions]


def standing(book: Executions) -> list[tuple[int, int]]:
    return [(k.fill.qty, k.fill.price) for k in book.since(0) if not k.busted]


@pytest.mark.parametrize(
    ("text", "stem", "revision"),
    [
        ("0000e0d5.6555b1d4.01.01", "0000e0d5.6555b1d4.01", 1),
        ("0000e0d5.6555b1d4.01.12", "0000e0d5.6555b1d4.01", 12),
        ("abc", "abc", 0),
        ("abc.x", "abc.x", 0),
    ],
)
def test_ids_are_split_into_stem_and_revision(text: str, stem: str, revision: int) -> None:
    assert split(text) == (stem, revision)


def test_the_first_sight_books_and_a_repeat_has_the_same_identity() -> None:
    book = Executions()
    first, again = take(book, execution("a.01"), execution("a.01"))
    assert isinstance(first, Executed) and isinstance(again, Executed)
    assert first.fill.key == again.fill.key and first.fill.key.exec_id == "a"
    assert (first.fill.qty, first.fill.price, first.fill.order_id, first.fill.broker_id) == (
        2,
        101,
        OURS,
        "99",
    )


def test_a_higher_revision_replaces_and_a_lower_one_is_ignored() -> None:
    book = Executions()
    first, second, late = take(
        book, execution("a.01"), execution("a.02", price="25.50"), execution("a.01", price="25.25")
    )
    assert isinstance(first, Executed) and isinstance(second, Corrected) and late is None
    assert second.key == first.fill.key == second.fill.key
    assert standing(book) == [(2, 102)]


def test_a_revision_to_nothing_takes_it_back() -> None:
    book = Executions()
    _, gone = take(book, execution("a.01"), execution("a.02", qty=0))
    assert isinstance(gone, Busted) and standing(book) == []
    assert book.filled(OURS) == 0


def test_a_correction_of_an_execution_that_we_never_saw_is_told_as_one() -> None:
    (fact,) = take(Executions(), execution("a.02"))
    assert isinstance(fact, Corrected) and fact.key == fact.fill.key


def commission(exec_id: str, amount: str | None) -> raw.Commission:
    return raw.Commission(exec_id, None if amount is None else Decimal(amount), "USD")


def test_a_commission_that_comes_first_waits_for_its_execution() -> None:
    book = Executions()
    assert book.charge(commission("a.01", "4.50"), 0) is None
    (fact,) = take(book, execution("a.01"))
    assert isinstance(fact, Executed) and fact.fill.fee == Decimal("4.50")


def test_a_commission_that_comes_later_corrects_the_fee_and_nothing_else() -> None:
    book = Executions()
    (fact,) = take(book, execution("a.01"))
    told = book.charge(commission("a.01", "4.50"), 0)
    assert isinstance(fact, Executed) and isinstance(told, Corrected)
    assert told.key == told.fill.key == fact.fill.key and told.fill.fee == Decimal("4.50")
    assert (told.fill.qty, told.fill.price) == (fact.fill.qty, fact.fill.price)


@pytest.mark.parametrize("amount", [None, "0"])
def test_a_commission_that_is_unknown_or_nothing_corrects_nothing(amount: str | None) -> None:
    book = Executions()
    take(book, execution("a.01"))
    assert book.charge(commission("a.01", amount), 0) is None


def test_a_rebate_is_a_negative_fee() -> None:
    book = Executions()
    take(book, execution("a.01"))
    told = book.charge(commission("a.01", "-0.25"), 0)
    assert told is not None and told.fill.fee == Decimal("-0.25")


def test_a_commission_of_an_old_revision_changes_nothing() -> None:
    book = Executions()
    take(book, execution("a.01"), execution("a.02", price="25.50"))
    assert book.charge(commission("a.01", "4.50"), 0) is None


def test_what_was_only_read_is_told_once_it_was_asked_for() -> None:
    """On connecting the day's executions are read; whether they are news is for the engine to say."""
    book = Executions()
    book.take(execution("a.01"), WHERE, OURS, 0, told=False)
    assert book.charge(commission("a.01", "1"), 0) is None
    assert [k.fill.fee for k in book.since(0)] == [Decimal(1)]
    assert book.charge(commission("a.01", "2"), 0) is not None


events = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.integers(0, 5), st.booleans()), max_size=30
)


@given(events)
def test_in_any_order_the_highest_revision_stands(
    reports: list[tuple[str, int, int, bool]],
) -> None:
    """Facts, folded as the engine folds them, agree with the highest revision of every stem."""
    book, told = Executions(), {}
    highest: dict[str, tuple[int, int]] = {}
    sizes: dict[tuple[str, int], int] = {}
    for stem, revision, qty, fee_first in reports:
        size = sizes.setdefault((stem, revision), qty)  # one revision always says the same
        if fee_first:
            book.charge(commission(f"{stem}.{revision:02d}", "1"), 0)
        (fact,) = take(book, execution(f"{stem}.{revision:02d}", qty=size))
        if revision >= highest.get(stem, (0, 0))[0]:
            highest[stem] = (revision, size)
        fold(told, fact)
        fold(told, book.charge(commission(f"{stem}.{revision:02d}", "1"), 0))
    assert {k: f.qty for k, f in told.items()} == {k: q for k, (_, q) in highest.items() if q}


def fold(told: dict[str, Fill], fact: AnyFact | None) -> None:
    if isinstance(fact, Executed):
        told.setdefault(fact.fill.key.exec_id, fact.fill)
    elif isinstance(fact, Corrected):
        told[fact.fill.key.exec_id] = fact.fill
    elif isinstance(fact, Busted):
        told.pop(fact.key.exec_id, None)
