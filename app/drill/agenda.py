"""The whole agenda, in order."""

from __future__ import annotations

from app.drill.case import Agenda
from app.drill.cases import breaking, connection, killing, limits, processes, transitions


def agenda() -> Agenda:
    """All cases of all parts."""
    parts = (connection, transitions, breaking, processes, limits, killing)
    return Agenda(case for part in parts for case in part.cases.cases)
