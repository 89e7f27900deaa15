"""Bookings that are packed are the same bookings: as a dictionary, and in the position that they make."""

from __future__ import annotations

from decimal import Decimal
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import positions_booked
from engine.model import ExecutionKey, Fill, Side
from engine.positions import PositionBook
from engine.positions_booked import Booked, Key, Legs

KEYS: list[Key] = [ExecutionKey("SIM", "A", f"2026-11-{20 + n % 2}", f"x{n}") for n in range(30)]
KEYS += [1, 2, 3]


def legs(n: int) -> Legs:
    return (("alpha", n or 1, 100 + n, Decimal(n) / 4), ("beta", 1, -n, Decimal("0.50")))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 32), st.integers(0, 9)), max_size=60))
def test_it_does_what_a_dictionary_does(steps: list[tuple[int, int, int]]) -> None:
    ours, plain = Booked(packed=3), dict[Key, Legs]()
    for what, which, n in steps:
        key = KEYS[which]
        if what < 2:
            ours[key] = plain[key] = legs(n)
        else:
            assert ours.pop(key, None) == plain.pop(key, None)
        assert list(ours.entries()) == list(plain.items())
        assert list(ours) == list(plain) and len(ours) == len(plain)
        assert list(ours.newest_first()) == list(reversed(plain.items()))
        for one in KEYS:
            assert (one in ours) == (one in plain) and ours.get(one) == plain.get(one)
    again = Booked(ours.packs, ours.recent, packed=3)
    assert list(again.entries()) == list(plain.items())


def fill(n: int, price: int, day: int = 0) -> Fill:
    key = ExecutionKey("SIM", "A", f"2026-11-{20 + day}", f"x{n}")
    side = Side.BUY if n % 3 else Side.SELL
    return Fill(key=key, symbol="ES", side=side, qty=1 + n % 3, price=price, ts=n, fee=Decimal("0.25"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(90, 110)), max_size=60))
def test_a_position_does_not_tell_whether_its_bookings_are_packed(steps: list[tuple[int, int, int]]) -> None:
    packed, plain = PositionBook(), PositionBook()
    with patch.object(positions_booked, "PACKED", 2):
        packed.get("ES")
        known: set[int] = set()
        for what, n, price in steps:
            one = fill(n, price)
            for book in (packed, plain):
                if what < 2 and n not in known:
                    book.book(one, (("alpha", one.qty),))
                elif what == 2:
                    assert book.bust("ES", one.key) is (n in known)
                elif what == 3 and n in known:
                    assert book.find(one.key) == "ES" and book.owners("ES", one.key) == (("alpha", one.qty),)
                    assert book.correct(one.key, "ES", one, (("alpha", one.qty),))
            known = known | {n} if what < 2 else known - {n} if what == 2 else known
            assert packed.state() == plain.state()
    assert list(packed.get("ES").booked.entries()) == list(plain.get("ES").booked.entries())


def test_the_same_execution_is_not_booked_twice_in_a_row() -> None:
    book = PositionBook()
    book.book(fill(1, 100), (("alpha", 2),))
    with pytest.raises(ValueError, match="is booked already"):
        book.book(fill(1, 100), (("alpha", 2),))
