"""The strategies of the benchmarks: one that orders with each quote, and one that only looks."""

from __future__ import annotations

import mmap
import os
import time

from engine.strategy.api import Quote, Strategy

SLOT = 8
"""Bytes of one note: the host's performance counter at the start of the callback, ns, by the order's ref."""


class OneOrderPerQuote(Strategy):
    class Params(Strategy.Params):
        notes: str
        """File of `slots` slots, made beforehand."""
        slots: int

    def on_start(self) -> None:
        with open(self.params.notes, "r+b") as file:  # noqa: PTH123 - a descriptor is needed
            self._notes = mmap.mmap(file.fileno(), os.fstat(file.fileno()).st_size)

    def on_quote(self, quote: Quote) -> None:
        began = time.perf_counter_ns()
        if quote.bid is None:
            return
        ref = self.buy(quote.symbol, 1, limit=quote.bid - 10)
        if ref < self.params.slots:
            self._notes[ref * SLOT : (ref + 1) * SLOT] = began.to_bytes(SLOT, "little")


class Watches(Strategy):
    """Counts the quotes that reach it."""

    def on_start(self) -> None:
        self.seen = 0

    def on_quote(self, quote: Quote) -> None:
        self.seen += 1
