"""What passed, adapter by adapter: kept in `passed.toml`, shown as two tables in the README.

`python -m tests.conformance` runs the suite with every adapter that this environment has and writes both.
Each adapter's test file compares its own run with the file, so neither can go stale unnoticed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conformance.suite import CASES, GROUPS

FILE: Final = Path(__file__).with_name("passed.toml")
README: Final = Path(__file__).parents[2] / "README.md"
BEGIN: Final = "<!-- conformance: written by python -m tests.conformance -->"
END: Final = "<!-- conformance ends -->"


def ranges(numbers: Iterable[int]) -> str:
    """`1-3 5 7-9`."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def numbers(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


@dataclass(slots=True)
class Result:
    """`passed`: the numbers of cases that passed. `refused`: of those in which the venue lacks the
    ability and the adapter says so before anything leaves, as it must."""

    passed: set[int]
    refused: set[int]


def read() -> dict[str, Result]:
    """What the file says, by adapter."""
    if not FILE.exists():
        return {}
    return {
        name: Result(numbers(entry["passed"]), numbers(entry["refused"]))
        for name, entry in tomllib.loads(FILE.read_text()).items()
    }


def write(results: Mapping[str, Result]) -> None:
    lines = ["# Cases that passed, by adapter; written by python -m tests.conformance."]
    for name, result in results.items():
        lines += [
            "",
            f'["{name}"]',
            f'passed = "{ranges(result.passed)}"',
            f'refused = "{ranges(result.refused)}"',
        ]
    FILE.write_text("\n".join(lines) + "\n")


def render(results: Mapping[str, Result]) -> str:
    """Both tables as Markdown."""
    head = " | ".join(results)
    rule = " | ".join("---" for _ in results)
    lines = [f"| cases | {head} |", f"| --- | {rule} |"]
    for group in GROUPS:
        own = {c.number for c in CASES.values() if c.group == group}
        cells = " | ".join(_count(own, result) for result in results.values())
        lines.append(f"| {min(own)}–{max(own)} {group} | {cells} |")
    total = " | ".join(_count(set(CASES), result) for result in results.values())
    lines += [
        f"| all | {total} |",
        "",
        f"| ability, by the cases that show it | {head} |",
        f"| --- | {rule} |",
    ]
    abilities: dict[str, set[int]] = {}
    for case in sorted(CASES.values(), key=lambda c: c.number):
        if case.ability:
            abilities.setdefault(case.ability, set()).add(case.number)
    for ability, own in abilities.items():
        cells = " | ".join(_able(own, result) for result in results.values())
        lines.append(f"| {ability} ({ranges(own)}) | {cells} |")
    return "\n".join(lines)


def _count(own: set[int], result: Result) -> str:
    return f"{len(own & (result.passed | result.refused))} of {len(own)}"


def _able(own: set[int], result: Result) -> str:
    if own <= result.passed:
        return "yes"
    return "no, refused" if own <= result.passed | result.refused else "no"


def in_readme() -> str:
    _, _, rest = README.read_text().partition(BEGIN)
    return rest.partition(END)[0].strip()


def write_readme(results: Mapping[str, Result]) -> None:
    """Raises `ValueError` where the README has no place for it."""
    before, mark, rest = README.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{README} has no lines {BEGIN} and {END}")
    README.write_text(f"{before}{BEGIN}\n{render(results)}\n{END}{after}")
