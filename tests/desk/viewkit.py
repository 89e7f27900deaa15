"""What the tests of the desk's view share: its clock, and the text of a line."""

from __future__ import annotations

from app.desk.view.cells import Cell

ZONE = "America/Chicago"


def text(cells: tuple[Cell, ...]) -> str:
    """What stands in a line of cells."""
    return "".join(cell.text for cell in cells)
