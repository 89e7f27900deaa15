"""How the operator has arranged a table: sorted, filtered, rows pinned on top, columns chosen.

The text of a cell is all there is to sort by: 2h14, 1.24ms, 412,000, ▲+112.50 and 12/s have their order.
Times of different units are compared as durations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from app.desk.view.cells import Column, Row
from app.desk.view.rows import Rows

Chosen = Literal["always", "never"]

_NUMBER: Final = re.compile(r"^[^\w+−-]*([+−-]?)(\d[\d,]*(?:\.\d+)?)\s*(µs|ms|s|m|h|d)?(\d\d)?(?![\w.:])")
_SECONDS: Final = {
    "µs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86_400),
}
_NOTHING: Final = frozenset({"", "-", "?"})


class Arrangement(NamedTuple):
    """What the operator has asked of one table."""

    sort: str = ""
    """Title of the column; empty: the table's own order."""
    descending: bool = False
    wanted: str = ""
    """Only rows that hold each of these words; empty: all."""
    pinned: tuple[str, ...] = ()
    """Keys of the rows that stay on top."""


@lru_cache(maxsize=16_384)
def sort_value(text: str) -> tuple[int, Decimal, str]:
    """By what a text is sorted: numbers before words, and what is not known behind both."""
    text = text.strip()
    if text in _NOTHING:
        return 2, Decimal(0), ""
    found = _NUMBER.match(text)
    if found is None:
        return 1, Decimal(0), text.lstrip("▶◐●○◦✕◌?=≠~■✓△▲‖i ").casefold()
    sign, digits, unit, rest = found.groups()
    value = Decimal(digits.replace(",", ""))
    if unit:
        value *= _SECONDS[unit]
        if rest:  # 3m05, 2h14: the rest is in the next smaller unit
            value += Decimal(rest) * (_SECONDS["s"] if unit == "m" else _SECONDS["m"])
    return 0, -value if sign in ("−", "-") else value, ""


def holds(row: Row, words: Sequence[str]) -> bool:
    """Does some cell of the row hold each of the words (lower case)?"""
    text = " ".join(cell.text for cell in row.cells).casefold()
    return all(word in text for word in words)


def arrange(columns: Sequence[Column], rows: Sequence[Row], how: Arrangement) -> Rows:
    """The rows as they are to stand: filtered, sorted, the pinned ones first (those pass any filter).

    Only a filter or a sorting looks at the cells.
    """
    found = Rows.of(rows)
    if how.wanted:
        words = how.wanted.casefold().split()
        pinned = frozenset(how.pinned)
        found = found.picked(
            [index for index, row in enumerate(found) if row.key in pinned or holds(row, words)]
        )
    place = next((index for index, column in enumerate(columns) if column.title == how.sort), None)
    if place is not None:
        values = [sort_value(row.cells[place].text) for row in found]
        known = [index for index, value in enumerate(values) if value[0] < 2]
        unknown = [index for index, value in enumerate(values) if value[0] == 2]
        known.sort(key=values.__getitem__, reverse=how.descending)
        found = found.picked([*known, *unknown])
    return pinned_first(found, how.pinned)


def pinned_first(rows: Rows, pinned: Sequence[str]) -> Rows:
    """The same rows, those that are pinned on top."""
    if not pinned:
        return rows
    wanted = frozenset(pinned)
    top = [index for index, key in enumerate(rows.keys) if key in wanted]
    rest = [index for index, key in enumerate(rows.keys) if key not in wanted]
    return rows.picked([*top, *rest])


def find(rows: Sequence[Row], text: str, start: int, step: int) -> int | None:
    """Index of the next row from `start` on, around the end, that holds the words; backwards with step −1."""
    words = text.casefold().split()
    if not words:
        return None
    for distance in range(len(rows)):
        index = (start + step * distance) % len(rows)
        if holds(rows[index], words):
            return index
    return None


def choose(
    columns: Iterable[Column], chosen: Mapping[str, Chosen]
) -> tuple[tuple[Column, ...], frozenset[int]]:
    """Columns with the operator's wishes: `always` is not dropped for want of width while another can be;
    the places of those that are `never` shown come as a set."""
    found = tuple(
        column._replace(priority=0) if chosen.get(column.title) == "always" else column for column in columns
    )
    hidden = frozenset(index for index, column in enumerate(found) if chosen.get(column.title) == "never")
    return found, hidden if len(hidden) < len(found) else frozenset()


def described(how: Arrangement, shown: int, of: int) -> str:
    """What the frame of the table says of its arrangement; empty where there is none."""
    said = []
    if how.wanted:
        said.append(f"filter {how.wanted}: {shown} of {of}")
    if how.sort:
        said.append(f"by {how.sort} {'▼' if how.descending else '▲'}")
    if how.pinned:
        said.append(f"{len(how.pinned)} pinned")
    return " · ".join(said)
