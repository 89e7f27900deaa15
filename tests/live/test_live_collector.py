"""The collector's moments: after a round, the oldest generation only in calm ones, every pause measured."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from app import collector
from app.collector import BACKSTOP, OLD_AT_LATEST, OLD_EVERY, SETTLED, THAW_EVERY, YOUNG, Collector

pytestmark = pytest.mark.usefixtures("thawed")


class Ring:
    """Refers to itself, as pieces of a screen's lines do: only the collector frees it."""

    def __init__(self) -> None:
        self.me = self


class Bench:
    """A collector with a clock of its own, and what it noted."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.noted: list[tuple[str, int]] = []
        self.collector = Collector(lambda stage, took: self.noted.append((stage, took)), lambda: self.now)
        self.collector.start()

    def later(self, seconds: float, calm: bool) -> None:
        self.now += seconds
        self.collector.after_round(calm)

    def stages(self) -> set[str]:
        stages, self.noted = {stage for stage, _ in self.noted}, []
        return stages

    def old_ring(self) -> weakref.ref[Ring]:
        """One that has come into the oldest generation, and died there."""
        ring = Ring()
        gc.collect(1)
        left = weakref.ref(ring)
        del ring
        return left


@pytest.fixture
def bench() -> Iterator[Bench]:
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    made = Bench()
    gc.disable()  # nothing but the collector under test looks
    try:
        made.later(SETTLED, calm=False)
        made.noted.clear()
        yield made
    finally:
        gc.enable()
        made.collector.stop()
        gc.unfreeze()
        gc.set_threshold(*thresholds)


def test_the_young_are_looked_at_after_a_round_whatever_goes_on(bench: Bench) -> None:
    ring = weakref.ref(Ring())
    kept = [[number] for number in range(2 * YOUNG)]
    assert ring() is not None
    bench.later(0.01, calm=False)
    assert ring() is None and len(kept) == 2 * YOUNG
    assert bench.stages() == {"collector young"}
    bench.later(0.01, calm=False)
    assert bench.stages() == set(), "so few objects are left alone"


def test_the_old_wait_for_a_calm_moment(bench: Bench) -> None:
    ring = bench.old_ring()
    bench.later(OLD_EVERY + 1, calm=False)
    assert ring() is not None
    bench.later(0.01, calm=True)
    assert ring() is None
    assert "collector old" in bench.stages()


def test_the_old_do_not_wait_for_ever(bench: Bench) -> None:
    ring = bench.old_ring()
    bench.later(OLD_AT_LATEST - 1, calm=False)
    assert ring() is not None
    bench.later(2, calm=False)
    assert ring() is None


def test_what_grows_fast_is_not_put_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "OLD_GROWTH", 3)
    ring = bench.old_ring()
    for _ in range(3):
        gc.collect(1)
    bench.later(0.01, calm=False)
    assert ring() is None


def test_a_long_look_is_not_taken_at_the_same_objects_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "LONG", 0)
    kept = [Ring() for _ in range(100)]
    gc.collect(1)
    before = gc.get_freeze_count()
    bench.later(OLD_EVERY, calm=True)
    assert gc.get_freeze_count() >= before + len(kept)


def test_what_died_frozen_is_found_in_the_end(bench: Bench) -> None:
    ring = Ring()
    gc.freeze()
    left = weakref.ref(ring)
    del ring
    bench.later(OLD_EVERY, calm=True)
    assert left() is not None
    bench.later(THAW_EVERY, calm=False)
    assert left() is not None, "that look is the longest: it waits for calm"
    bench.later(OLD_EVERY, calm=True)
    assert left() is None and gc.get_freeze_count() > 1_000


def test_what_a_screen_brought_is_frozen_unseen() -> None:
    gc.collect()
    made = Bench()
    gc.disable()
    try:
        kept = [Ring() for _ in range(100)]
        before = gc.get_freeze_count()
        made.later(SETTLED, calm=False)
        made.later(0.01, calm=False)
        assert gc.get_freeze_count() >= before + len(kept)
        assert "collector old" not in made.stages()
    finally:
        gc.enable()
        made.collector.stop()
        gc.unfreeze()


def test_a_pause_that_another_thread_began_is_measured_as_well(bench: Bench) -> None:
    thread = threading.Thread(target=gc.collect, args=(1,))
    thread.start()
    thread.join()
    assert not bench.noted, "told on the engine's thread alone"
    bench.later(0.01, calm=False)
    assert bench.noted[0][0] == "collector middle" and bench.noted[0][1] > 0


def test_the_interpreter_itself_looks_only_where_no_round_comes(bench: Bench) -> None:
    assert gc.get_threshold() == BACKSTOP
    assert BACKSTOP[0] >= 10 * YOUNG and BACKSTOP[2] >= 100_000
