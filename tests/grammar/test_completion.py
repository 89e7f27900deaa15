"""Completion: what may come next in a line of the command language."""

from __future__ import annotations

import pytest

from app.grammar.completion import complete, completed
from app.grammar.tokens import Context
from app.grammar.verbs import VERBS

CONTEXT = Context(
    symbols=("ESZ6", "ESH7", "NQZ6"),
    orders=("manual-1", "manual-2"),
    strategies=("trend",),
    controls=("daily_loss", "drawdown"),
    alerts=(3, 17),
)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", list(VERBS)),
        ("fl", ["flatten"]),
        ("buy ", []),
        ("buy 2 ", ["ESZ6", "ESH7", "NQZ6"]),
        ("buy 2 es", ["ESZ6", "ESH7"]),
        ("buy 2 ESZ6 t", ["trigger", "target"]),
        ("buy 2 ESZ6 @", []),
        ("buy 2 ESZ6 @ ", []),
        ("modify man", ["manual-1", "manual-2"]),
        ("modify manual-1 ", ["size", "@", "stop", "preview"]),
        ("cancel a", ["all"]),
        ("cancel all N", ["NQZ6"]),
        ("flatten ", ["ESZ6", "ESH7", "NQZ6", "all"]),
        ("roll ESZ6 ", ["ESH7"]),
        ("roll ESZ6 ESH7 ", ["all", "within"]),
        ("roll ESZ6 ESH7 all within ", []),
        ("pause t", ["trend"]),
        ("stop trend ", ["keep", "cancel", "flatten"]),
        ("ack ", ["3", "17"]),
        ("reset c", ["control"]),
        ("reset control d", ["daily_loss", "drawdown"]),
        ("kill ", ["flatten"]),
        ("limit d", ["daily_loss", "drawdown"]),
        ("limit ESZ6 ", ["file"]),
        ("banana ", []),
        ("kill flatten", []),
    ],
)
def test_what_may_come_next(line: str, found: list[str]) -> None:
    assert complete(line, CONTEXT) == found


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("fl", "flatten "),
        ("buy 2 e", "buy 2 ES"),
        ("buy 2 ESZ", "buy 2 ESZ6 "),
        ("modify m", "modify manual-"),
        ("buy 2 zz", "buy 2 zz"),
        ("reset control d", "reset control d"),
    ],
)
def test_a_line_is_completed_as_far_as_it_is_certain(line: str, after: str) -> None:
    assert completed(line, CONTEXT) == after
