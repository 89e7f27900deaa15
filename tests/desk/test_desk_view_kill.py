"""What the desk says of a kill: its scope, its steps and its verdict, without a screen library."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from fakelink import (
    killing,
    position,
    positions,
    snapshot,
)
from viewkit import ZONE, text

from app.desk.view import killing as killview
from engine.control.snapshot import KillView


def test_kill_scope_names_the_account_and_counts_what_is_not_known() -> None:
    said = killview.scope_all(snapshot())
    assert said.startswith("PAPER account PAPER-1: 5 positions, 10 working orders")
    assert "ZNM3 +1 (broker's view not known)" in said and "GCM3 −2" in said
    assert "no picture" in killview.scope_all(None)
    assert "ESM3 +3" in killview.scope_symbol(snapshot(), "ESM3")
    assert "no position known" in killview.scope_symbol(snapshot(), "XYZ")
    assert killview.scope_symbol(None, "ESM3") == "ESM3"
    flat = snapshot(positions=(positions()[5],), orders=())
    assert "1 position, 0 working orders" in killview.scope_all(flat)


def test_kill_scope_counts_what_is_held_alone() -> None:
    flat = position("NQM3", 0)
    unread = position("ZNM3", 0, broker=None, diff=None)
    late = position("GCM3", 1, broker=D(0), diff=None, state="in flight")
    closed = position("CLM3", 0, broker=D(1), diff=None, state="in flight")
    held = (position("ESM3", -2), flat, late, closed, unread)
    said = killview.scope_all(snapshot(positions=held, orders=()))
    assert "2 positions, 0 working orders: ESM3 −2, GCM3 +1 (the broker's view is older" in said
    assert "NQM3" not in said and "CLM3" not in said
    assert said.endswith("the broker's view of 1 more is not known")


def test_kill_steps_and_verdicts() -> None:
    lines = killview.lines(killing(), 4, 118, ZONE)
    assert [text(line)[:6] for line in lines[:-1]] == [" · 4. ", " · 5. ", " ▸ 6. "]
    assert "RUNNING" in text(lines[-1])
    assert len(killview.lines(killing(), 1, 118, ZONE)) == 1


@pytest.mark.parametrize(
    ("verdict", "sign", "meaning"),
    [
        ("flat, confirmed twice by the broker at 2026-11-21 03:29:20Z", "✓", "armed"),
        ("halted, no orders working, confirmed by the broker at 2026-11-21 03:29:17Z", "✓", "armed"),
        ("reduced to target, confirmed twice by the broker at 2026-11-21 03:29:17Z", "✓", "armed"),
        ("NOT FLAT: ESM3 +1", "✕", "halted"),
        ("flatten was given up", "✕", "halted"),
        ("halted, and 2 orders are still working", "✕", "halted"),
    ],
)
def test_only_what_was_asked_for_is_a_good_end(verdict: str, sign: str, meaning: str) -> None:
    cell = killview.verdict_cell(killing(running=False, verdict=verdict))
    assert (cell.text, cell.meaning) == (f" {sign} {verdict} ", meaning)


@pytest.mark.parametrize("width", [70, 78, 118])
def test_the_verdict_stands_whole_and_narrow_lines_have_no_date(width: int) -> None:
    verdict = "halted, no orders working, confirmed by the broker at 2026-11-21 03:29:17Z; positions kept"
    steps = ("2026-11-21 03:29:16Z cancel trend-1", f"2026-11-21 03:29:17Z {verdict}")
    view = KillView(running=False, scope="everything", steps=steps, verdict=verdict)
    lines = killview.lines(view, 4, width, ZONE)
    assert all(len(text(line)) <= width for line in lines)
    shown = " ".join(" ".join(text(line).split()) for line in lines)
    assert ("2026-11-20" in shown) == (width >= killview.WITH_DATE), "the exchange's date and clock"
    assert shown.endswith("21:29:17; positions kept") and "Z" not in shown
    assert shown.count("no orders working") == 1, "the verdict is no step as well"
    assert "1. " in shown and "21:29:16 cancel trend-1" in shown


def test_a_verdict_longer_than_its_place_is_cut_at_its_end() -> None:
    view = killing(running=False, verdict="NOT FLAT: " + "ESM3 +1 " * 60)
    assert len(killview.lines(view, 4, 78, ZONE)) == 4
    assert text(killview.lines(view, 4, 78, ZONE)[0]).startswith(" · 6. ")
