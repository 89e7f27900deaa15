"""The sieve before the library: what it leaves out changes nothing that is known in the end, and no fact."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.ib.sieve import Sieve
from brokers.ib.tap import Tap
from brokers.loopback.tws.framing import join, split


class Library:
    """What the library's decoder does with ticks, over our tap; facts are noted."""

    def __init__(self) -> None:
        self.facts: list[list[str]] = []
        self.decoded = 0
        self.tap = Tap(lambda _: None, lambda _: None)
        self.tap._changed = lambda _: None  # type: ignore[method-assign]

    def decode(self, message: bytes) -> None:
        fields = split(message[4:])
        self.decoded += 1
        if fields[0] == "1" and len(fields) == 7:
            self.tap.priceSizeTick(int(fields[2]), int(fields[3]), float(fields[4]), float(fields[5]))
        elif fields[0] == "2" and len(fields) == 5:
            self.tap.tickSize(int(fields[2]), int(fields[3]), float(fields[4]))
        else:
            self.facts.append(fields)

    def known(self) -> dict[int, dict[str, Any]]:
        return {
            req: {name: getattr(book, name) for name in type(book).__slots__}
            for req, book in self.tap._books.items()
        }


REQ = st.sampled_from(["7", "8", "70"])
NUMBER = st.sampled_from(["1", "2.5", "-1", "0"])
PRICE = st.tuples(
    st.just("1"), st.just("6"), REQ, st.sampled_from(["1", "2", "4", "68", "9"]), NUMBER, NUMBER, st.just("0")
)
SIZE = st.tuples(st.just("2"), st.just("6"), REQ, st.sampled_from(["0", "3", "5"]), NUMBER)
FACT = st.lists(st.text("123ab ", max_size=4), min_size=1, max_size=6).filter(
    lambda f: f[0] not in ("1", "2")
)
ODD = st.sampled_from([("1",), ("2", "6"), ("1", "6", "7"), ("12", "6", "7", "1")])
MESSAGES = st.lists(st.one_of(PRICE, PRICE, SIZE, FACT, ODD), max_size=60)


@settings(max_examples=200, deadline=None)
@given(MESSAGES, st.data())
def test_in_the_end_the_same_is_known_however_the_bytes_came(
    messages: list[Any], data: st.DataObject
) -> None:
    plain, sifted = Library(), Library()
    wire = b"".join(join(list(m)) for m in messages)
    for message in messages:
        plain.decode(join(list(message)))
    sieve = Sieve(sifted.decode, sifted.tap.missed)
    while wire:
        size = data.draw(st.integers(1, len(wire)))
        sieve.feed(wire[:size])
        wire = wire[size:]
    assert sifted.facts == plain.facts
    prints = {req: book["prints"] for req, book in sifted.known().items() if book["prints"]}
    assert {req: n for req, n in prints.items() if n} == {
        req: book["prints"] for req, book in plain.known().items() if book["prints"]
    }
    for req, book in plain.known().items():
        assert sifted.known()[req] == book
    assert sifted.decoded + sieve.overtaken == plain.decoded


def test_no_data_takes_nothing_back_and_is_no_print() -> None:
    library = Library()
    sieve = Sieve(library.decode, library.tap.missed)
    ticks = (("-1", "0"), ("2.5", "1"), ("-1", "0"))
    sieve.feed(b"".join(join(["1", "6", "7", "4", price, size, "0"]) for price, size in ticks))
    assert (library.known()[7]["last"], library.known()[7]["prints"]) == (2.5, 1)


def test_of_a_burst_in_one_read_the_last_ticks_are_decoded_alone() -> None:
    library = Library()
    sieve = Sieve(library.decode, library.tap.missed)
    burst = [join(["1", "6", str(req), "4", f"{n}", "7", "0"]) for n in range(1, 2_001) for req in (7, 8)]
    sieve.feed(b"".join([*burst, join(["3", "fact"])]))
    assert library.decoded == 3 and library.facts == [["3", "fact"]]
    assert {r: (b["last"], b["prints"]) for r, b in library.known().items()} == {
        7: (2000.0, 2000),
        8: (2000.0, 2000),
    }
