"""Rows that are made when they are looked at: of five thousand orders a screen shows some forty.

Which rows there are and in which order they stand is known by their keys alone; to make all of them ten times
a second would take the whole of a processor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar, overload

from app.desk.view.cells import Row

T = TypeVar("T")


KEPT: Final = 1000
"""Rows that are given out again; more than any screen shows."""


class Kept(Generic[T]):
    """Makes rows by a pure function; one whose item is still the same object is given out again, and so is
    what was worked out for it: a table compares and paints rows by identity first."""

    def __init__(self, make: Callable[[T], Row]) -> None:
        self._make = make
        self._rows: dict[int, tuple[T, Row]] = {}

    def __call__(self, item: T) -> Row:
        known = self._rows.get(id(item))
        if known is not None and known[0] is item:
            return known[1]
        if len(self._rows) >= KEPT:
            self._rows.clear()
        made = self._make(item)
        self._rows[id(item)] = (item, made)
        return made


class Rows(Sequence[Row]):
    """A sequence of rows. `keys[i]` is the key of row i, made or not."""

    def __init__(
        self,
        keys: Sequence[str],
        make: Callable[[int], Row],
        order: Sequence[int] | None = None,
        made: dict[int, Row] | None = None,
    ) -> None:
        self._make = make
        self._made: dict[int, Row] = {} if made is None else made
        self._order = range(len(keys)) if order is None else order
        self._all = keys
        self.keys: Sequence[str] = keys if order is None else [keys[place] for place in order]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Rows:
        """Rows that exist already."""
        if isinstance(rows, Rows):
            return rows
        return cls([row.key for row in rows], rows.__getitem__)

    @classmethod
    def from_items(cls, items: Sequence[T], keys: Sequence[str], make: Callable[[T], Row]) -> Rows:
        """One row an item; `keys` are theirs."""
        return cls(keys, lambda place: make(items[place]))

    def picked(self, indexes: Iterable[int]) -> Rows:
        """Some of these rows, in another order; what is made is made for both."""
        order = [self._order[index] for index in indexes]
        return Rows(self._all, self._make, order, self._made)

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self._row(place) for place in self._order[index]]
        return self._row(self._order[index])

    def _row(self, place: int) -> Row:
        row = self._made.get(place)
        if row is None:
            row = self._made[place] = self._make(place)
        return row

    def __eq__(self, other: object) -> bool:
        """Against any sequence of rows; makes them all."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


def stable_order(before: Sequence[str], rows: Sequence[Row]) -> Rows:
    """Rows in the order in which their keys stood `before`; new ones after them, as they come."""
    found = Rows.of(rows)
    if found.keys == before:
        return found  # as it nearly always is
    places = {key: index for index, key in enumerate(found.keys)}
    held = [places.pop(key) for key in before if key in places]
    return found.picked([*held, *places.values()])
