"""Every alarm that engine and app can raise, found in the source: one line, a remedy that exists, an end."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from app.desk.keys import KEYS
from app.desk.screens import SCREENS
from app.desk.view.remedies import REMEDIES, remedy
from app.grammar.verbs import VERBS
from engine.alarmkinds import ENDS, LINE, Ends, about, family, headline, weight
from engine.fact_surprises import QUIET
from engine.holds import HOLDING
from engine.lifecycle_types import Code
from engine.reconcile_types import Kind
from engine.risk.controls import standard_controls

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for room in ("app", "engine") for path in (ROOT / room).rglob("*.py"))

CONTROLS = set(standard_controls().by_name)
SURPRISES = {str(code).lower() for code in Code if code not in QUIET and code is not Code.UNKNOWN_ORDER}
LATE = {str(code).lower() for code in HOLDING - {Code.UNKNOWN_ORDER}}
KINDS = {str(kind) for kind in Kind}
COMPUTED: dict[tuple[str, str], set[str]] = {
    ("engine/facthandler.py", "code"): {"rejected", "cancel_rejected", "replace_rejected"},
    ("engine/fact_surprises.py", "UNKNOWN_REPORT if"): SURPRISES | {"unknown_report"},
    ("engine/fact_surprises.py", "UNKNOWN_FILL if"): LATE | {"unknown_fill"},
    ("engine/fact_surprises.py", "str(anomaly"): LATE,
    ("engine/fact_executions.py", "str(Kind"): {"manual_trade"},
    ("engine/reconciler.py", "str(finding.kind)"): KINDS,
    ("engine/reactions.py", "event.control"): CONTROLS,
    ("engine/reactions.py", "breach.control"): CONTROLS,
    ("engine/reactions.py", "margin.name"): {"margin"},
    ("engine/grouping_alarms.py", "code"): {"unprotected", "no_target", "overclosed"},
    ("engine/grouping_stuck.py", "WRONG_SIZE"): {"wrong_size"},
    ("engine/killhost.py", "code"): {"halt", "operator_halt", "not_flat", "kill_error"},
    (
        "engine/comparing.py",
        "hold.code",
    ): set(),  # those of surprises, where the process died before them
    ("engine/status.py", "halt.code"): set(),  # it says what holds, and halts nothing
    ("engine/engine.py", "code"): set(),  # what is handed to `halt`, which is looked at where it is called
}
"""Codes that are worked out where they are raised, by file and by how the expression begins."""


class Raised(NamedTuple):
    """One place that raises an alarm."""

    where: str
    code: ast.expr
    text: ast.expr | None
    function: ast.FunctionDef | ast.AsyncFunctionDef | None


def raised() -> Iterator[Raised]:
    """All calls of `alarm` and `halt` in the source."""
    for path in SOURCES:
        file, source = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        if not re.search(r"\.\s*(alarm|halt)\b", source):
            continue  # most files: they need not be parsed
        tree = ast.parse(source)
        owners = {
            call: function
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            for call in ast.walk(function)
            if isinstance(call, ast.Call)
        }
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                continue
            args, where = call.args, f"{file}:{call.lineno}"
            # A kill's host has no severity to choose: whatever it tells is critical.
            hosted = ast.unparse(call.func.value).endswith("_host")
            if call.func.attr == "alarm" and len(args) >= 3 and not hosted:
                yield Raised(where, args[1], args[2], owners.get(call))
            elif call.func.attr == "alarm" and (len(args) == 2 or hosted):
                yield Raised(where, args[0], args[1], owners.get(call))
            elif call.func.attr == "halt" and len(args) == 4:
                yield Raised(where, args[2], args[3], owners.get(call))


RAISED = list(raised())


def codes(place: Raised) -> set[str]:
    """The codes that a place can raise."""
    if isinstance(place.code, ast.Constant):
        return {str(place.code.value)}
    file, written = place.where.partition(":")[0], ast.unparse(place.code)
    for (known, begins), found in COMPUTED.items():
        if known == file and written.startswith(begins):
            return found
    raise AssertionError(f"{place.where}: say in COMPUTED which codes {written} can be")


ALL_CODES = sorted(set().union(*map(codes, RAISED)))

SAMPLES = (
    ("error", "no route to host"),
    ("problem", "no route to host"),
    ("symbol", "MESZ6"),
    ("target", "MESZ6"),
    ("order", "trend-0042"),
    ("id", "trend-0042"),
    ("name", "trend"),
    ("who", "ann, pts/3"),
    ("", "12"),
)


def sample(node: ast.AST) -> str:
    """What stands for a part that is only known when it runs."""
    written = ast.unparse(node)
    return next(value for part, value in SAMPLES if part in written)


def spelled(node: ast.expr, place: Raised, depth: int = 0) -> str:
    """A text as it may be, with samples for its parts."""
    match node:
        case ast.Constant():
            return str(node.value)
        case ast.JoinedStr():
            return "".join(spelled(part, place, depth) for part in node.values)
        case ast.FormattedValue():
            return sample(node.value)
        case ast.BinOp(op=ast.Add()):
            return spelled(node.left, place, depth) + spelled(node.right, place, depth)
        case ast.IfExp():
            return spelled(node.body, place, depth)
        case ast.Name(id=name) if place.function is not None and depth < 3:
            text = ""
            for step in ast.walk(place.function):
                if isinstance(step, ast.Assign) and ast.unparse(step.targets[0]) == name and not text:
                    text = spelled(step.value, place, depth + 1)
            return text or sample(node)
    return sample(node)


def test_the_source_is_really_read() -> None:
    assert len(RAISED) > 55 and len(ALL_CODES) > 80
    assert {"manual_trade", "operator_halt", "screen_lost", "daily_loss", "feed", "gate"} <= set(ALL_CODES)


@pytest.mark.parametrize("place", RAISED, ids=[place.where for place in RAISED])
def test_what_is_wrong_stands_in_one_line_with_its_subject(place: Raised) -> None:
    if place.text is None or not codes(place):
        return
    text = spelled(place.text, place)
    line = headline("MESZ6", text)
    assert 4 <= len(line) <= LINE and "\n" not in line, line
    assert line == about("MESZ6", text) or not line.endswith("…"), f"{place.where}: cut: {line}"


@pytest.mark.parametrize("code", ALL_CODES)
def test_each_has_an_end_and_a_remedy(code: str) -> None:
    assert isinstance(ENDS.get(code), Ends), f"{code}: say in engine.alarmkinds how it ends"
    for symbol in ("", "ES"):
        words = remedy(code, "", symbol)
        assert words, f"{code}: say in app.desk.view.remedies what to do"
        assert len(words) <= 33


def keys_on(screen: str) -> set[str]:
    """Keys that work on a screen, as a person writes them."""
    groups = ("everywhere", "screen", "table", screen)
    shown = {part for key in KEYS if key.group in groups for part in key.shown.split(", ")}
    return shown | {"Enter"}


@pytest.mark.parametrize("words", sorted({*REMEDIES.values(), *(remedy(c, "", "ES") for c in ALL_CODES)}))
def test_a_remedy_names_keys_and_commands_that_exist(words: str) -> None:
    by_key = {part: screen.name for screen in SCREENS for part in screen.shown.split(", ")}
    for typed in re.findall(r":([a-z-]+)", words):
        assert typed in VERBS, words
    screen = ""
    for token in re.findall(r"\bF\d+\b|\b[1-9](?=:)|(?<![\w'’])[A-Za-z](?![\w'’])|\bEnter\b", words):
        if token in by_key:
            screen = by_key[token]
        elif token in ("F8", "F12"):
            assert token in keys_on(screen)
        elif not (token == "a" and screen):  # an article
            assert token in keys_on(screen), (words, token, screen)
    assert screen or not re.search(r"\bF[1-7]\b", words)


def test_a_headline_keeps_whole_clauses() -> None:
    assert headline("ES", "executed 1, broker 2") == "ES: executed 1, broker 2"
    long = (
        "sold 2 by hand or by another program (execution E000002); 'adopt ES' accepts it, 'flatten ES' closes"
    )
    assert headline("ES", f"ES halted: {long}") == (
        "ES halted: sold 2 by hand or by another program (execution E000002)"
    )
    words = "word " * 40
    assert len(headline("", words)) <= LINE and headline("", words).endswith("…")
    assert len(headline("", "x" * 200)) == LINE


def test_the_weightier_one_of_a_family_speaks_for_all() -> None:
    assert family("foreign_fill") == family("manual_trade") == family("foreign_order") == "manual_trade"
    assert weight("critical", "manual_trade") > weight("critical", "foreign_fill")
    assert weight("critical", "foreign_fill") > weight("warning", "foreign_order")
    assert family("drift") == ""
