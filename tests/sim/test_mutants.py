"""The planted bugs themselves: each is really there, and plants into a fresh process.

`make mutants` hunts all of them with up to 1,000 seeds each and prints how many each took.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.sim.options import Options
from tests.sim.mutants.catalogue import MUTANTS
from tests.sim.mutants.planting import Edit, Mutant, Stale, mutated, plant, source_of
from tests.sim.run import Result
from tests.sim.shrink import Shrinker


def test_there_are_thirty_and_no_two_have_one_name() -> None:
    names = [m.name for m in MUTANTS]
    assert len(names) >= 30
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_the_code_has_the_place_of_each(mutant: Mutant) -> None:
    texts: dict[str, str] = {}
    for edit in mutant.edits:
        texts[edit.module] = mutated(texts.get(edit.module) or source_of(edit.module), edit)
    for module, text in texts.items():
        assert text != source_of(module)
        compile(text, module, "exec")


def test_no_planted_bug_is_a_slip_of_the_pen(tmp_path: Path) -> None:
    """A name that is not defined fails in any world, and would pass for a bug that was found: what a mutant
    adds must follow the code that it is planted into."""
    for mutant in MUTANTS:
        for module in {edit.module for edit in mutant.edits}:
            text = source_of(module)
            for edit in mutant.edits:
                text = mutated(text, edit) if edit.module == module else text
            (tmp_path / f"{mutant.name}.{module}.py").write_text(text)
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "--no-cache"]
    done = subprocess.run(
        [*ruff, "--output-format", "concise", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_text_that_moved_on_is_stale() -> None:
    with pytest.raises(Stale, match="0 places"):
        mutated("a = 1\n", Edit("some.module", "b = 2", "b = 3"))
    with pytest.raises(Stale, match="2 places"):
        mutated("a = 1\na = 1\n", Edit("some.module", "a = 1", "a = 2"))


def test_planting_after_the_import_is_refused() -> None:
    with pytest.raises(Stale, match="imported already"):
        plant(Mutant("late", "", (Edit("engine.sim.options", "a", "b"),)))


def test_a_planted_bug_is_what_the_process_runs() -> None:
    script = (
        "from tests.sim.mutants.planting import Edit, Mutant, plant\n"
        "plant(Mutant('x', '', (Edit('engine.model', 'NS: Final = 1_000_000_000', 'NS: Final = 7'),)))\n"
        "from engine.model import NS\n"
        "print(NS)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "7", done.stderr


def test_failing_runs_shrink_to_the_fault_that_matters() -> None:
    """The search is shown a run that fails where two of its faults are on and it lasts long enough."""
    options = Options.draw(3, 60.0)
    names = sorted(options.rates)
    assert len(names) > 5
    guilty = {names[1], names[4]}

    def run(tried: Options) -> Result:
        fails = guilty <= set(tried.rates) and tried.seconds >= 10
        return Result(tried, failure="sums: off by one" if fails else "", rule="sums" if fails else "")

    found = Shrinker(run=run).shrink(options)
    assert set(found.options.rates) == guilty
    assert 10 <= found.options.seconds < 14
    assert f"--only-faults {','.join(sorted(guilty))}" in found.options.command()


def test_a_run_that_holds_is_not_shrunk() -> None:
    options = Options.draw(4, 5.0)
    assert Shrinker(run=lambda tried: Result(tried)).shrink(options).options == options
