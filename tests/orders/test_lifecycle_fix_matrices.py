"""The FIX 4.4 order state change matrices (volume 4, appendix D), row by row, as the state machine sees them.

Each case bears the matrix's reference. A row is an event and what stands after it: status, total quantity,
filled quantity, leaves and pending requests (`c` a cancel, `r` one replace each), and the surprises if any.
Executions come as the order book hands them on, after repeats were sorted out.
"""

from __future__ import annotations

import fix_changes
import fix_events
import pytest
from fix_kit import Case
from orders_kit import order

from engine.lifecycle import born, transition

CASES = [
    *fix_changes.vanilla(),
    *fix_changes.cancels(),
    *fix_changes.replaces(),
    *fix_changes.sequences(),
    *fix_events.unsolicited(),
    *fix_events.rejects(),
    *fix_events.status_requests(),
    *fix_events.good_till(),
    *fix_events.time_in_force(),
    *fix_events.corrections(),
    *fix_events.halts(),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.ref)
def test_matrix(case: Case) -> None:
    life = born(order(tif=case.tif))
    for number, row in enumerate(case.rows, 1):
        life, anomalies = transition(life, row.event)
        pending = "c" * life.pending_cancel + "r" * len(life.replaces)
        pending += "s" * life.suspended + "d" * life.done_for_day
        got = (life.status, life.qty, life.cum, life.leaves, pending, tuple(a.code for a in anomalies))
        assert got == row[1:], f"{case.ref} row {number}: {row.event}"


def test_the_table_names_every_group() -> None:
    assert {c.ref[0] for c in CASES} == set("ABCDEFGHIJK")
    assert len({c.ref for c in CASES}) == len(CASES)
