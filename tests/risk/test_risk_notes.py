"""Notes in the journal change no figure of risk, and everything else calls for a round of the risk loop."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.books import Books
from engine.records import AnyRecord
from engine.records_notes import NOTES
from tests.effort import effort
from tests.recovery.histories import START, empty_books, fold, records


def figures(books: Books) -> object:
    """What the controls read of the books."""
    orders = books.orders
    symbols = sorted({*books.instruments, *(p.symbol for p in books.positions)})
    return (
        books.digest(),
        [(orders.exposure(s), orders.flatten_exposure(s), orders.open_count(s)) for s in symbols],
        [(books.positions.qty(s), books.positions.get(s).broker, books.versions.get(s, 0)) for s in symbols],
        books.positions.version,
        books.day,
        books.peak,
        books.strategy_baseline,
        books.kills,
        [(hold.symbol, hold.reason) for hold in books.holds.all()],
    )


@settings(max_examples=effort(60, 2_000), deadline=None)
@given(st.lists(records(), max_size=60))
def test_a_note_moves_no_figure_and_what_moves_one_is_counted(history: list[AnyRecord]) -> None:
    books = empty_books()
    for at, record in enumerate(history):
        before, counted = figures(books), books.figures
        fold(books, [record], at)
        if type(record) in NOTES:
            assert figures(books) == before, record
        assert (books.figures != counted) is (type(record) not in NOTES)
    assert not history or books.last_ts > START - 1
