"""A soak that is stopped goes on where it was, and never mixes two versions of the code."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.sim.options import Options
from tests.sim import soak
from tests.sim.run import Result


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
