"""The market of a simulated run: instruments that move apart or together, and what the engine sees of it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.model import NS, MarketState, Quote, Trade
from engine.sim.loop import VirtualClock, VirtualLoop
from engine.sim.options import Options
from tests.sim.market import Packets, Walk, crossed


class Heard:
    """All that a feed brings, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[list[Quote | Trade]] = []
        self._open: list[Quote | Trade] = []

    def on_quote(self, quote: Quote) -> None:
        self._open.append(quote)

    def on_trade(self, trade: Trade) -> None:
        self._open.append(trade)

    def on_market_state(self, symbol: str, state: MarketState, ts: int) -> None:
        raise AssertionError("a walk changes no state")

    def on_batch_end(self, ts: int) -> None:
        assert self._open[-1].ts == ts
        self.batches.append(self._open)
        self._open = []

    def on_feed_end(self, reason: str) -> None:
        raise AssertionError("a walk does not end")

    def symbols(self) -> list[set[str]]:
        return [{event.symbol for event in batch} for batch in self.batches]


def play(walks: list[Walk], together: bool, seconds: float, **change: Any) -> tuple[Heard, Heard]:
    """(what the venue was told, what the engine was shown). `change`: attributes of the first walk."""
    loop = VirtualLoop(1_000 * NS)
    clock = VirtualClock(loop)
    venue, engine = Heard(), Heard()
    for name, value in change.items():
        setattr(walks[0], name, value)
    for some in [walks] if together else [[walk] for walk in walks]:
        Packets(some, NS // 10).start(clock, venue, lambda: engine)
    loop.run_until_complete(clock.sleep(int(seconds * NS)))
    assert not loop.errors, loop.errors
    loop.close()
    return venue, engine


def walks() -> list[Walk]:
    return [Walk(symbol, 1_000, random.Random(symbol)) for symbol in ("ES", "CL")]


@pytest.mark.parametrize("together", [False, True])
def test_packets_bring_what_is_new_of_all_instruments_as_one_batch(together: bool) -> None:
    venue, engine = play(walks(), together, 5.0)
    assert len(engine.batches) > 20
    assert all(symbols == {"ES", "CL"} for symbols in engine.symbols()) == together
    assert all(len(symbols) == 1 for symbols in engine.symbols()) != together
    # The venue's first batch holds the quotes that it opened with as well.
    assert [b[-1] for b in venue.batches] == [b[-1] for b in engine.batches]


def test_what_is_stale_is_left_out_of_the_packet_and_the_others_come() -> None:
    venue, engine = play(walks(), True, 5.0, stale_until=1_002 * NS)
    before = [s for s, b in zip(engine.symbols(), engine.batches, strict=True) if b[0].ts < 1_002 * NS]
    after = engine.symbols()[len(before) :]
    assert before and all(symbols == {"CL"} for symbols in before)
    assert after and all(symbols == {"ES", "CL"} for symbols in after)
    assert all("ES" in symbols for symbols in venue.symbols()), "the venue sees the true market"


def test_a_packet_of_which_nothing_is_shown_is_no_batch() -> None:
    venue, engine = play(walks()[:1], True, 2.0, stale_until=1_010 * NS)
    assert venue.batches and not engine.batches


def test_spoiled_quotes_are_spoiled_for_the_engine_only() -> None:
    venue, engine = play(walks(), True, 2.0, spoiled_until=1_010 * NS, spoil=crossed)

    def is_crossed(event: Quote | Trade) -> bool:
        return isinstance(event, Quote) and (event.spread or 0) < 0

    shown = [e for batch in engine.batches for e in batch]
    assert {e.symbol for e in shown if is_crossed(e)} == {"ES"}
    assert not [e for batch in venue.batches for e in batch if is_crossed(e)]


def test_both_kinds_of_feed_are_drawn() -> None:
    drawn = [Options.draw(seed).packets for seed in range(1, 101)]
    assert 25 < sum(drawn) < 75
    assert "in packets" in Options.draw(drawn.index(True) + 1).text()
