"""The conformance cases against the adapter to Interactive Brokers, with the installed client library."""

from __future__ import annotations

import pytest

from brokers.ib import library
from tests.conformance.benches import ib
from tests.conformance.running import Runner
from tests.conformance.suite import CASES

pytestmark = pytest.mark.skipif(
    bool(library.problem()), reason="needs one client library: pip install 'breakwater[ib]', or [ib-async]"
)
RUNNER = None if library.problem() else Runner(ib.name(), ib.run, ib.WITHOUT)


@pytest.mark.parametrize("number", sorted(CASES))
def test_case(number: int) -> None:
    assert RUNNER is not None
    RUNNER.play(number)


def test_the_table_says_what_passed() -> None:
    assert RUNNER is not None
    RUNNER.compare()
