"""`python -m tests.conformance`: runs the suite with every adapter that is here and writes the tables.

With `--list` it prints the cases instead.
"""

from __future__ import annotations

import sys

from tests.conformance import table
from tests.conformance.benches import adapters
from tests.conformance.suite import CASES


def main(arguments: list[str]) -> int:
    if arguments == ["--list"]:
        for number, case in sorted(CASES.items()):
            print(f"{number:4} {case.group}: {case.sentence}")
        return 0
    results = table.read()
    failures = 0
    for runner in adapters():
        found, failed = runner.play_all()
        results[runner.name] = found
        failures += len(failed)
        print(f"{runner.name}: {len(found.passed)} of {len(CASES)} passed; {len(found.refused)} are refused")
        for number, reason in runner.without.items():
            print(f"  case {number} cannot be shown: {reason}")
        for number, why in failed.items():
            print(f"  case {number} failed: {why[:300]}")
    table.write(results)
    table.write_readme(results)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
