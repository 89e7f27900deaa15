"""The keys that the footer names: as many as fit, and at any width those that save."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len

from app.desk.keys import KEYS, Key


class FooterKey(NamedTuple):
    """A key of the footer as it is written there."""

    key: Key
    first: str
    label: str

    @property
    def width(self) -> int:
        """Cells, the one between two keys included."""
        return cell_len(self.first) + cell_len(self.label) + 2


VITAL: Final = (
    "kill",
    "flatten_symbol",
    "arm",
    "help",
    "ticket",
    "show_desk",
    "show_orders",
    "show_positions",
    "show_log",
    "show_risk",
    "show_health",
    "quit",
)
"""What the footer names at any width, the most important first."""


def footer(width: int, mode: str = "", keys: Sequence[Key] = KEYS) -> list[FooterKey]:
    """The keys of the footer, KILL first: from left to right as many as fit in `width` cells, each with a
    cell more where they are not crowded. Where the vital ones do not all fit so, those alone, in brief."""
    there = [key for key in keys if key.footer is not None and (not key.modes or mode in key.modes)]
    there.sort(key=lambda key: key.footer or 0)
    found: list[FooterKey] = []
    used = 0
    for key in there:
        one = FooterKey(key, key.first, key.label)
        if used + one.width + 1 > width:
            break
        found.append(one)
        used += one.width + 1
    wanted = [key for key in there if key.id in VITAL]
    if {key.id for key in wanted if key.id != "quit"} <= {one.key.id for one in found}:
        return found
    brief = {key.id: FooterKey(key, key.short[0] or key.first, key.short[1] or key.label) for key in wanted}
    chosen: set[str] = set()
    used = 1  # the ground of the kill key
    for name in VITAL:
        if name in brief and used + brief[name].width <= width + 1:  # nothing follows the last one
            chosen.add(name)
            used += brief[name].width
    return [brief[key.id] for key in there if key.id in chosen]
