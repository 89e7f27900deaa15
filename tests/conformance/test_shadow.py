"""The conformance cases against the shadow adapter, in virtual time."""

from __future__ import annotations

import pytest

from tests.conformance.benches import shadow
from tests.conformance.running import Runner
from tests.conformance.suite import CASES

RUNNER = Runner("shadow", shadow.run)


@pytest.mark.parametrize("number", sorted(CASES))
def test_case(number: int) -> None:
    RUNNER.play(number)


def test_the_table_says_what_passed() -> None:
    RUNNER.compare()
