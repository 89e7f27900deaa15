"""A soak that is stopped goes on where it was, and never mixes two versions of the code."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.sim.options import Options
from tests.sim import soak
from tests.sim.cli import failed_seed, tally
from tests.sim.run import Result
from tests.sim.shrink import Shrinker


def test_it_goes_on_after_the_last_seed(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    arguments = ["--seconds", "3", "--jobs", "1", "--state", str(path)]
    assert soak.main([*arguments, "--seeds", "2"]) == 0
    first = msgspec.json.decode(path.read_bytes(), type=soak.State)
    assert first.next == 3
    assert soak.main([*arguments, "--seeds", "3"]) == 0
    second = msgspec.json.decode(path.read_bytes(), type=soak.State)
    assert second.next == 4
    assert second.simulated > first.simulated
    assert second.counts["orders arrived"] >= first.counts["orders arrived"]


def test_other_code_or_options_are_not_added_up(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    fresh = soak.State("now", 60.0, "fifo")
    soak.save(path, soak.State("before", 60.0, "fifo", next=500))
    with pytest.raises(SystemExit, match="--restart"):
        soak.load(path, fresh)
    soak.save(path, soak.State("now", 30.0, "fifo", next=500))
    with pytest.raises(SystemExit, match="--restart"):
        soak.load(path, fresh)
    path.write_text("{")
    with pytest.raises(SystemExit, match="cannot be read"):
        soak.load(path, fresh)
    path.unlink()
    assert soak.load(path, fresh) is fresh


def test_the_limit_of_time_stops_it(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    state = soak.State("now", 3.0, "fifo")
    soak.soak(state, path, 1_000, 1, 0.5)
    assert 1 <= msgspec.json.decode(path.read_bytes(), type=soak.State).next < 1_000


def test_seeds_that_end_out_of_order_are_counted_once() -> None:
    state = soak.State("now", 3.0, "fifo")
    for seed in (2, 3, 1, 5):
        soak.take(state, Result(Options.draw(seed), simulated=1.0))
    assert (state.next, state.ahead, state.simulated) == (4, [5], 4.0)


def test_the_bar_says_how_far_it_is() -> None:
    line = soak.bar(250, 1_000, 2, 3_700)
    assert "250/1000 seeds, 2 failed, 1:01 h left" in line
    assert line.count("█") == 7


def test_a_seed_that_failed_is_told_with_its_world_and_with_what_to_type() -> None:
    options = Options.draw(27, 30.0).narrow(None, ("kill",), 12.0).guarded("cancel")
    told = failed_seed(Result(options, failure="sums: off by one"))
    assert "FAILED seed 27: sums: off by one" in told and options.text().splitlines()[-1].strip() in told
    arguments = "--seed 27 --without kill --seconds 12 --sentinel cancel"
    assert f"again:   python -m tests.sim {arguments}" in told
    assert f"smaller: python -m tests.sim.shrink {arguments}" in told


def test_what_is_made_smaller_keeps_its_sentinel() -> None:
    tried: list[Options] = []

    def run(options: Options) -> Result:
        tried.append(options)
        return Result(options, failure="lease: broken", rule="lease")

    found = Shrinker(run=run).shrink(Options.draw(27, 30.0).guarded("cancel"))
    assert {o.sentinel for o in tried} == {"cancel"} and not found.options.rates
    assert found.options.command().endswith("--sentinel cancel")


def test_a_tally_fits_on_a_terminal() -> None:
    told = tally({f"something that happened {n}": n for n in range(30)})
    assert max(map(len, told.splitlines())) <= 100 and "something that happened 7 7" in told
    assert "happened 0" not in told
