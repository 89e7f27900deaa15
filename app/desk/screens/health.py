"""The screen of the engine's health: links, latencies as histograms, rates, counts."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal

from app.desk.panes.figures import CountsPane, LatencyPane, LinksPane, RatesPane
from app.desk.sheet import Sheet


class HealthSheet(Sheet):
    """What is slow, what was lost, what was refused."""

    main = "latency"

    def compose(self) -> ComposeResult:
        yield LinksPane(id="links")
        yield LatencyPane(id="latency")
        with Horizontal(id="figures"):
            yield RatesPane(id="rates")
            yield CountsPane(id="counts")
