"""What the engine measures of itself: latency histograms for each stage, counters and averages.

Histograms are log-linear (16 steps to each power of two, so within 6.25 %), of fixed size and O(1) to record.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from itertools import accumulate
from typing import Final

from engine.control.snapshot import Percentiles

_SUB_BITS: Final = 4
_SUB: Final = 1 << _SUB_BITS
_BUCKETS: Final = 64 * _SUB

STAGES: Final = (
    "tick→intent",
    "intent→approved",
    "approved→journalled",
    "journalled→sent",
    "tick→sent",
    "sent→acknowledged",
    "sent→first fill",
    "acknowledged→first fill",
    "journal commit",
    "risk tick",
    "risk period",
    "risk lateness",
    "answer",
    "collector young",
    "collector middle",
    "collector old",
)
"""Order in which screens show the stages. Stages up to `sent` and the last eight are the host's time; from
`sent` to acknowledgement and fill it is engine time, which in a replay is the recording's. `answer`: what a
screen's question takes on the engine's thread. `collector`: the pauses of its generations, in which no thread
of the process runs."""


def _bucket(value: int) -> int:
    if value < _SUB:
        return max(value, 0)
    shift = value.bit_length() - _SUB_BITS - 1
    return (shift << _SUB_BITS) + (value >> shift)


def _upper(bucket: int) -> int:
    """Largest value that falls into a bucket."""
    if bucket < 2 * _SUB:
        return bucket
    shift = (bucket >> _SUB_BITS) - 1
    return ((((bucket & (_SUB - 1)) | _SUB) + 1) << shift) - 1


class Histogram:
    """Counts of durations in ns."""

    __slots__ = ("_counts", "_octaves", "_shown", "_summed", "_sums", "count", "max", "total")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._octaves = [0] * 65
        """Counts by powers of two of a µs, so that a picture of the distribution costs nothing to take."""
        self.count = 0
        self.total = 0
        self.max = 0
        self._sums: list[int] = []
        """Durations up to each bucket, as of the count `_summed`: once for all shares that are asked for."""
        self._summed = 0
        self._shown: Percentiles | None = None
        """As it was asked for last: most stages have nothing new from one picture to the next."""

    def record(self, value: int) -> None:
        """Adds one duration, ns; negative ones count as 0."""
        if value < 0:
            value = 0
        if value < _SUB:
            self._counts[value] += 1
        else:  # as `_bucket` has it: five durations of each order come by here
            shift = value.bit_length() - _SUB_BITS - 1
            self._counts[(shift << _SUB_BITS) + (value >> shift)] += 1
        self._octaves[(value // 1000).bit_length()] += 1
        self.count += 1
        self.total += value
        if value > self.max:
            self.max = value

    def quantile(self, share: float) -> int:
        """Smallest bucket bound, ns, below which `share` (0 to 1) of the durations lie; 0 when empty."""
        if not self.count:
            return 0
        if self._summed != self.count:
            self._summed = self.count
            self._sums = list(accumulate(self._counts[: _bucket(self.max) + 1]))
        wanted = max(1, -int(-share * self.count // 1))
        bucket = bisect_left(self._sums, wanted)
        return min(_upper(bucket), self.max) if bucket < len(self._sums) else self.max

    def spread(self) -> tuple[int, ...]:
        """Counts of durations under 1 µs, under 2, 4, 8 µs and so on, each without the shorter ones."""
        return tuple(self._octaves[: (self.max // 1000).bit_length() + 1]) if self.count else ()

    def percentiles(self, stage: str) -> Percentiles:
        shown = self._shown
        if shown is not None and shown.count == self.count and shown.stage == stage:
            return shown
        self._shown = shown = Percentiles(
            stage=stage,
            count=self.count,
            p50=self.quantile(0.50) / 1000,
            p95=self.quantile(0.95) / 1000,
            p99=self.quantile(0.99) / 1000,
            max=self.max / 1000,
            spread=self.spread(),
        )
        return shown


def _average(found: tuple[int, int] | None) -> float | None:
    return found[0] / found[1] if found is not None and found[1] else None


class Metrics:
    """All figures of one run. Not part of the engine's state: nothing is decided by them."""

    def __init__(self) -> None:
        self.stages: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.counters: defaultdict[str, int] = defaultdict(int)
        self._slippage: dict[str, tuple[int, int]] = {}
        self._slippage_of: dict[str, tuple[int, int]] = {}
        """By strategy; an order that serves several is the netted one's."""
        self.late_rounds: deque[bool] = deque(maxlen=1000)
        """Of the newest rounds of the risk loop: whether it took twice its period, in host time."""

    def stage(self, name: str, duration: int) -> None:
        self.stages[name].record(duration)

    def count(self, name: str, by: int = 1) -> None:
        self.counters[name] += by

    def slippage(self, symbol: str, ticks_against_us: int, lots: int, strategy: str = "") -> None:
        """Price paid beyond the one that the order's maker saw: ticks × lots; negative is improvement."""
        for table, name in ((self._slippage, symbol), (self._slippage_of, strategy)):
            total, n = table.get(name, (0, 0))
            table[name] = (total + ticks_against_us * lots, n + lots)

    def slippage_in(self, symbol: str) -> float | None:
        """Ticks a lot in one instrument; None before the first fill."""
        return _average(self._slippage.get(symbol))

    def slippage_of(self, strategy: str) -> float | None:
        """Ticks a lot of one strategy's orders."""
        return _average(self._slippage_of.get(strategy))

    def percentiles(self) -> tuple[Percentiles, ...]:
        return tuple(self.stages[s].percentiles(s) for s in STAGES if s in self.stages)

    def rates(self) -> dict[str, float]:
        """refuse_rate as a share of what was asked for; reject_rate and fill_rate.TYPE (at least one fill)
        as shares of what was sent to the venue; slippage.SYMBOL in ticks a lot."""
        out: dict[str, float] = {}
        orders = self.counters.get("orders", 0)
        if orders:
            out["refuse_rate"] = self.counters.get("refused", 0) / orders
        sent = self.counters.get("sent", 0)
        if sent:
            out["reject_rate"] = self.counters.get("rejects", 0) / sent
        for name, n in sorted(self.counters.items()):
            if name.startswith("sent.") and n:
                kind = name.removeprefix("sent.")
                out[f"fill_rate.{kind}"] = self.counters.get(f"filled.{kind}", 0) / n
        for symbol, (total, lots) in sorted(self._slippage.items()):
            out[f"slippage.{symbol}"] = total / lots if lots else 0.0
        return out
