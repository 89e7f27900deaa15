"""The whole agenda, in order."""

from __future__ import annotations

from app.drill.case import Agenda
from app.drill.cases import (
    breaking,
    connection,
    guards,
    killing,
    limits,
    processes,
    surprises,
    transitions,
    watching,
    wire,
)


def agenda() -> Agenda:
    """All cases of all parts."""
    parts = (connection, transitions, surprises, breaking, processes, watching, wire, limits, guards, killing)
    return Agenda(case for part in parts for case in part.cases.cases)
