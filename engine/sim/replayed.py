"""Whether a replay of the journal gives the state that an engine had: compared part by part, in words."""

from __future__ import annotations

from engine.books import Books
from engine.books_image import take


def unlike(books: Books, replayed: Books) -> str:
    """Where a state that would be saved for the next start is another one than all rows give; empty: nowhere.
    To be asked of books whose rows are all in the journal."""
    ours, theirs = take(books), take(replayed)
    found = [n for n in ("evicted", "behind", "days", "bookings") if getattr(ours, n) != getattr(theirs, n)]
    for name in ours.main.__struct_fields__:
        a, b = getattr(ours.main, name), getattr(theirs.main, name)
        if a != b:
            found.append(f"{name}: {a!r} live, {b!r} replayed")
    return "; ".join(found)


def lacking(books: Books, replayed: Books) -> str:
    """What a replay of the journal gives differently; empty where it is the same state."""
    if books.digest() == replayed.digest():
        return ""
    parts = {
        "orders": (books.orders.digest(), replayed.orders.digest()),
        "positions": (books.positions.state(), replayed.positions.state()),
        "halts": (books.halts.state(), replayed.halts.state()),
        "tripped controls": (sorted(books.tripped), sorted(replayed.tripped)),
        "day": (books.day, replayed.day),
        "limits": (books.limits_version, replayed.limits_version),
    }
    different = [f"{name}: {a!r} live, {b!r} replayed" for name, (a, b) in parts.items() if a != b]
    return "; ".join(different) or "the digests differ"
