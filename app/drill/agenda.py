"""The whole agenda, in order."""

from __future__ import annotations

from app.drill.case import Agenda
from app.drill.cases import limits, transitions


def agenda() -> Agenda:
    """All cases of all parts."""
    parts = (transitions, limits)
    return Agenda(case for part in parts for case in part.cases.cases)
