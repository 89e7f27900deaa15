"""Cells, columns and rows, and how they are made to fit a width: whole columns go, numbers are never cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

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
    """`priority` 0 is never dropped; the highest number goes first when the width does not suffice."""

    title: str
    width: int
    priority: int = 0
    number: bool = False
    """Right-aligned, and replaced by #### where it does not fit."""
    stretch: bool = False
    """Takes what is left over; at most one of a table."""


class Laid(NamedTuple):
    """A column that has got a place: its place in the row and the width that it may use."""

    place: int
    column: Column
    width: int


class Table(NamedTuple):
    """All that a grid needs to draw itself."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
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


def lay(columns: Sequence[Column], width: int, gap: int = 1) -> tuple[Laid, ...]:
    """Chooses the columns that fit in `width` cells and gives the stretching one what is left."""
    kept = list(enumerate(columns))
    while len(kept) > 1 and sum(column.width + gap for _, column in kept) - gap > width:
        worst = max(kept, key=lambda pair: (pair[1].priority, pair[0]))
        if worst[1].priority == 0:
            break
        kept.remove(worst)
    spare = max(0, width - (sum(column.width + gap for _, column in kept) - gap))
    return tuple(
        Laid(index, column, column.width + (spare if column.stretch else 0)) for index, column in kept
    )


def heading(laid: Iterable[Laid]) -> list[str]:
    """The titles, fitted like their columns."""
    return [_title(place) for place in laid]


def _title(place: Laid) -> str:
    if not place.column.number:
        return fit(place.column.title, place.width)
    return fit(place.column.title[: place.width], place.width, number=True)


def stable_order(before: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """Rows in the order in which their keys stood `before`; new ones after them, as they come."""
    by_key = {row.key: row for row in rows}
    held = [by_key.pop(key) for key in before if key in by_key]
    return held + [row for row in rows if row.key in by_key]
