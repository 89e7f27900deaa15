"""Cells, columns and rows, and how they are made to fit a width: whole columns go, numbers are never cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size


class Cell(NamedTuple):
    """A text and what it means (one of `MEANINGS`)."""

    text: str
    meaning: str = "text"


class Row(NamedTuple):
    """One line of a table. `key` names the thing shown, for the cursor and for commands."""

    key: str
    cells: tuple[Cell, ...]
    symbol: str = ""


class Column(NamedTuple):
    """`width` is the least; numbers grow to what stands in them. `priority` 0 is never dropped for another
    column; the highest number goes first when the width does not suffice."""

    title: str
    width: int
    priority: int = 0
    number: bool = False
    """Right-aligned, and replaced by #### where it does not fit."""
    stretch: bool = False
    """Takes what is left over; at most one of a table."""
    most: int = 0
    """Text grows up to this before less important columns get a place; beyond it, into what is left."""


class Laid(NamedTuple):
    """A column that has got a place: its place in the row and the width that it may use."""

    place: int
    column: Column
    width: int


class Table(NamedTuple):
    """All that a grid needs to draw itself."""

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    empty: str
    """Said where there are no rows."""


@lru_cache(maxsize=8192)
def clean(text: str) -> str:
    """Text from outside, made harmless for a terminal: control and format characters become a dot."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character.isprintable() else "·" for character in text)


def fit(text: str, width: int, *, number: bool = False) -> str:
    """Text in exactly `width` terminal cells. A number that does not fit becomes ####, never another one."""
    text = clean(text)
    length = len(text) if text.isascii() else cell_len(text)
    if length == width:
        return text
    if length < width:
        pad = " " * (width - length)
        return pad + text if number else text + pad
    if number:
        return "#" * width
    if width <= 1:
        return "…"[:width]
    return set_cell_size(text, width - 1) + "…"


LEAST: Final = 4
"""Cells of a text column where not even what must stand has room."""


def lay(
    columns: Sequence[Column],
    width: int,
    needs: Sequence[int] = (),
    gap: int = 1,
    hidden: frozenset[int] = frozenset(),
) -> tuple[Laid, ...]:
    """Chooses the columns that fit in `width` cells, the important ones first.

    `needs`: the longest text in each column; `hidden`: places of those that get no room. What is left over
    goes to texts that are cut, then to the stretching column. Where not even priority 0 fits, texts shrink,
    then columns go from the right: a number is shown whole, as ####, or not at all.
    """
    need = [needs[index] if index < len(needs) else 0 for index in range(len(columns))]
    have = [_firm(column, need[index]) for index, column in enumerate(columns)]
    order = sorted(
        (index for index in range(len(columns)) if index not in hidden),
        key=lambda index: (columns[index].priority, index),
    )
    kept: list[int] = []
    spare = width + gap
    for index in order:
        if columns[index].priority and have[index] + gap > spare:
            break
        kept.append(index)
        spare -= have[index] + gap
    kept.sort()
    while spare < 0:
        texts = [index for index in kept if not columns[index].number and have[index] > LEAST]
        if texts:
            widest = max(texts, key=lambda index: have[index])
            have[widest] -= 1
            spare += 1
        elif len(kept) > 1:
            spare += have[kept.pop()] + gap
        else:
            have[kept[0]] = max(0, width)
            spare = 0
    for index in kept:
        if not columns[index].number and not columns[index].stretch:
            more = min(spare, max(0, need[index] - have[index]))
            have[index] += more
            spare -= more
    for index in kept:
        if columns[index].stretch:
            have[index] += spare
    return tuple(Laid(index, columns[index], have[index]) for index in kept)


def _firm(column: Column, need: int) -> int:
    return max(column.width, need if column.number else min(need, column.most))


def longest(columns: Sequence[Column], rows: Iterable[Row], before: Sequence[int] = ()) -> tuple[int, ...]:
    """The longest text of each column, in terminal cells; `before` is what was the longest so far."""
    found = list(before) or [0] * len(columns)
    for row in rows:
        for index, cell in enumerate(row.cells):
            text = cell.text
            length = len(text) if text.isascii() else cell_len(clean(text))
            if length > found[index]:
                found[index] = length
    return tuple(found)


def heading(laid: Iterable[Laid], sort: str = "", mark: str = "") -> list[str]:
    """The titles, fitted like their columns; the one that is sorted by carries the mark."""
    return [_title(place, mark if sort and place.column.title == sort else "") for place in laid]


def _title(place: Laid, mark: str) -> str:
    title = place.column.title
    if mark:
        title = title[: max(0, place.width - 1)] + mark
    if not place.column.number:
        return fit(title, place.width)
    return fit(title[: place.width], place.width, number=True)


def steady(count: int, room: int, whole: bool) -> int:
    """How many of `count` rows of a list that grows by itself are shown: what has room, or (`whole`) nearly
    all, by fifties. A table whose length changes with every line is laid out anew with every line."""
    if count <= room:
        return count
    return max(room, count // 50 * 50) if whole else room
