"""The conformance cases against the paper adapter, in virtual time."""

from __future__ import annotations

import pytest

from tests.conformance.benches import paper
from tests.conformance.running import Runner
from tests.conformance.suite import CASES

RUNNER = Runner("paper", paper.run)


@pytest.mark.parametrize("number", sorted(CASES))
def test_case(number: int) -> None:
    RUNNER.play(number)


def test_the_table_says_what_passed() -> None:
    RUNNER.compare()
