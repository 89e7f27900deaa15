"""Runs the cases with one adapter inside pytest, and holds what passed against what the README says."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.conformance import table
from tests.conformance.suite import CASES, Case
from tests.conformance.table import Result


class Runner:
    """`name`: the adapter's in the table. `run`: plays a case; False where the venue lacks what it shows
    and the adapter refuses it. `without`: cases that the venue's script cannot show, each with the reason."""

    def __init__(
        self, name: str, run: Callable[[Case], bool], without: Mapping[int, str] | None = None
    ) -> None:
        self.name = name
        self.without = dict(without or {})
        self._run = run
        self._ran: set[int] = set()
        self._result = Result(set(), set())

    def play(self, number: int) -> None:
        """One case. Raises what it raises; one that cannot be shown is skipped with its reason."""
        self._ran.add(number)
        if number in self.without:
            pytest.skip(self.without[number])
        self._note(self._result, number)

    def play_all(self) -> tuple[Result, dict[int, str]]:
        """All cases outside pytest: which passed, and why others did not."""
        failed: dict[int, str] = {}
        result = Result(set(), set())
        for number in sorted(set(CASES) - set(self.without)):
            try:
                self._note(result, number)
            except Exception as error:  # noqa: BLE001 - told to whoever writes the table
                failed[number] = repr(error)
        return result, failed

    def _note(self, result: Result, number: int) -> None:
        able = self._run(CASES[number])
        (result.passed if able else result.refused).add(number)

    def compare(self) -> None:
        """After all cases: the table says what just happened."""
        if self._ran != set(CASES):
            pytest.skip("only a whole run can be held against the table")
        assert table.read().get(self.name) == self._result, (
            f"what passed with {self.name} is not what tests/conformance/passed.toml says; "
            f"look at the failures, then say: python -m tests.conformance"
        )
