"""The table at the end of `make bench`: each target with the figure, what it stands beside, and their ratio.

A line's `worth` is what the regression guard compares: figure over control or floor of the same run, turned
so that more is better. A figure that stands beside nothing has none and is not compared.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.figures import table

Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One target. `beside`: control or floor, in the unit of the figure."""

    name: str
    target: str
    figure: float
    beside: float | None
    what: str
    holds: bool
    less_is_better: bool = True

    @property
    def ratio(self) -> float | None:
        return self.figure / self.beside if self.beside else None

    @property
    def worth(self) -> float | None:
        ratio = self.ratio
        return None if not ratio else 1 / ratio if self.less_is_better else ratio

    def as_json(self) -> Found:
        return {**asdict(self), "ratio": self.ratio, "worth": self.worth}


def lines(found: Found) -> list[Line]:
    """Of all sections that were played."""
    made: dict[str, Callable[[Any], Iterator[Line]]] = {
        "risk": _risk,
        "kill": _kill,
        "orders": _orders,
        "fills": _fills,
        "scaling": _scaling,
        "quotes": _quotes,
        "start": _start,
        "replay": _replay,
        "screen": _screen,
        "soak": _soak,
        "peers": _peers,
    }
    return [line for section, make in made.items() if section in found for line in make(found[section])]


def show(found: list[Line]) -> None:
    header = ("", "target", "figure", "beside", "ratio", "holds", "what stands beside it")
    rows = [
        (
            one.name,
            one.target,
            one.figure,
            "-" if one.beside is None else one.beside,
            "-" if one.ratio is None else round(one.ratio, 2),
            "yes" if one.holds else "NO",
            one.what,
        )
        for one in found
    ]
    table("All targets", header, rows)


def _risk(found: Found) -> Iterator[Line]:
    for name, case in found.items():
        period, control = case["period_ms"], case["control_ms"]
        for which, label in (("p99", "p99"), ("p999", "p99.9")):
            yield Line(
                f"risk period {label} ms, {name}",
                "≤ 20 or 1.25×",
                period[which],
                control[which],
                "the same ticker alone",
                period[which] <= max(20.0, 1.25 * control[which]),
            )
        own, alone = case["own_ms"]["p999"], case["control_own_ms"]["p999"]
        label = f"the same less waits for a processor, {name}"
        yield Line(
            label, "≤ 20 or 1.25×", own, alone, "the same ticker alone", own <= max(20.0, 1.25 * alone)
        )
        for stage, said in case["stages"].items() if name == "all at once" else ():
            if stage.startswith("collector"):
                pause = said["p99"] / 1_000
                yield Line(f"{stage}, pause p99 ms, {name}", "≤ a period", pause, None, "", pause <= 10)
        if name.startswith("desk"):
            weight = case["rss_mib"]
            yield Line("memory, engine with desk MiB", "≤ 140", weight, None, "", weight <= 140)


def _kill(found: Found) -> Iterator[Line]:
    for name, case in found.items():
        of = f"kill, {case['orders']:,.0f} orders, {name}"
        halt, sync, limit = case["halt_ms"], case["sync_ms"], case["limit_ms"]
        yield Line(f"{of}: halt on disk ms", "-", halt, sync, "append + fdatasync", True)
        last = case["last_cancel_ms"]
        yield Line(
            f"{of}: last cancel ms", "-", last, limit or None, "what the limit demands" if limit else "", True
        )
        yield Line(f"{of}: flat, confirmed ms", "-", case["flat_ms"], None, "", True)


def _orders(found: Found) -> Iterator[Line]:
    durable = found["durable"]
    own, yard = found["inline"]["handed"]["p50"], found["inline"]["yardstick"]["p50"]
    sync = "append + fdatasync"
    callback, floor = durable["callback"], durable["floor"]
    added = callback["p50"] - floor["p50"]
    yield Line("order path p50 µs, durable", "floor + 150", callback["p50"], floor["p50"], sync, added <= 150)
    yield Line("order path p99 µs, durable", "-", callback["p99"], floor["p99"], sync, True)
    yield Line("engine's own work p50 µs", "≤ 60", own, yard, "a fixed piece of Python", own <= 60)
    rate = found["throughput_durable"]["orders_s"]
    alone = 1e6 / found["throughput_durable"]["floor_us"]
    yield Line("orders/s, 64 in flight", "≥ 5×", rate, alone, "one sync an order", rate >= 5 * alone, False)
    free = found["throughput_inline"]["orders_s"]
    name, pieces = "orders/s without the sync", "fixed pieces of Python"
    yield Line(name, "≥ 8,000", free, 1e6 / yard, pieces, free >= 8_000, False)
    busy = found["throughput_inline"]["orders_cpu_s"]
    yield Line("orders a CPU second", "≥ 8,000", busy, 1e6 / yard, pieces, busy >= 8_000, False)


def _fills(found: Found) -> Iterator[Line]:
    first, last = found["windows"][0]["fills_s"], found["windows"][-1]["fills_s"]
    floor, what = found["floor_fills_s"], "append + fdatasync of the bytes"
    yield Line("fills/s, first thousands", "≥ 6,000", first, floor, what, first >= 6_000, False)
    busy = found["fills_cpu_s"]
    yield Line("fills a CPU second", "≥ 6,000", busy, None, "", busy >= 6_000, False)
    upto = found["windows"][-1]["to"]
    yield Line(f"fills/s at the {upto:,.0f}th", "flat", last, first, "the first", last >= 0.8 * first, False)
    grown = found["rss_mib_per_100k"]
    yield Line("memory for 100,000 fills more, MiB", "flat", grown, None, "", grown <= 5)


def _scaling(found: Found) -> Iterator[Line]:
    few = found["10"]
    for level in [key for key in found if key != "10"]:
        one = found[level]
        for key, label in (("handed", "order → adapter"), ("round", "risk round")):
            cost, least = one[key]["p50"], few[key]["p50"]
            name = f"{label} µs, {int(level):,} working"
            yield Line(name, "flat", cost, least, "with 10 working", cost <= 1.5 * least)
    most = max(found, key=int)
    taken, held = (found[most][key]["p50"] / 1_000 for key in ("reconcile", "held"))
    yield Line(f"reconcile {int(most):,} orders ms", "≤ 1,000", taken, None, "", taken <= 1_000)
    # The risk loop's own target: one late period.
    yield Line("the same, longest hold, CPU ms", "≤ 20", held, None, "", held <= 20)


def _quotes(found: Found) -> Iterator[Line]:
    rate, floor = found["quotes_s"], found["floor_quotes_cpu_s"]
    yield Line("quotes/s, two strategies", "≥ 100,000", rate, None, "", rate >= 1e5, False)
    spent = found["quotes_cpu_s"]
    yield Line("quotes a CPU second", "≥ 100,000", spent, floor, "the pacer alone", spent >= 1e5, False)
    late = found["cancel_ms"]["p50"]
    yield Line("cancel behind 20,000 quotes ms", "≤ 2", late, None, "", late <= 2)


def _start(found: Found) -> Iterator[Line]:
    cpu, libraries = (statistics.median(v) for v in (_of(found["empty"], "cpu_s"), found["floor_cpu_s"]))
    yield Line("start, empty, CPU s", "≤ 1", cpu, libraries, "imports of libraries", cpu <= 1)
    long, read = (statistics.median(v) for v in (_of(found["long"], "cpu_s"), found["read_s"]))
    rows = found["long"][0]["rows"]
    yield Line(f"start, {rows:,.0f} rows, CPU s", "≤ 5", long, read, "reading the rows", long <= 5)
    folded = statistics.median(_of(found["folded"], "cpu_s"))
    yield Line(f"start, {rows:,.0f} rows, all folded, CPU s", "-", folded, read, "reading the rows", True)
    idle = statistics.median(_of(found["empty"], "idle_rss_mib"))
    yield Line("memory headless, idle MiB", "≤ 100", idle, None, "", idle <= 100)


def _soak(found: Found) -> Iterator[Line]:
    grown = found["mib_per_10k_orders"]
    name = f"memory for 10,000 orders more, MiB ({found['days']:g} days)"
    # The identities of executions are remembered for ever: some 120 bytes each.
    yield Line(name, "≤ 2", grown, None, "", grown <= 2)


def _peers(found: Found) -> Iterator[Line]:
    for name, case in found.items():
        if name != "installed":
            yield Line(
                f"{name}: callback → gateway p50 µs", "-", case["p50_us"], None, "stores nothing", True
            )


def _of(runs: list[Found], key: str) -> list[float]:
    return [one[key] for one in runs]


def _replay(found: Found) -> Iterator[Line]:
    for name, case in found.items():
        real = case["records_s"] / max(1, case["times_real"])
        yield Line(f"replay events/s, {name}", "-", case["records_s"], real, "real time", True, False)


def _screen(found: Found) -> Iterator[Line]:
    key, control = found["key_ms"], found["key_control_ms"]
    yield Line("key to paint p50 ms", "≤ 20", key["p50"], control["p50"], "an echo", key["p50"] <= 20)
