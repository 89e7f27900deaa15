"""Two journals side by side: what a strategy's orders got in the shadow, and what the same orders got really.

Orders of two runs share no id. Two are taken for the same decision when strategy, symbol, side, type and lots
agree and they were made within some seconds of one another; the nearest pairs are made first.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from app.tables import columns, number, utc
from engine.facts import Busted, Corrected, Executed
from engine.model import NS, ExecutionKey, Fill, Order, Purpose, Value
from engine.recorder import Tape
from engine.records import FactTaken, OrderStored, decode


class Got(Value, frozen=True):
    """What one order got. `price`: average in the instrument's own terms, None without a fill; `after`:
    seconds from its making until the engine knew of its first fill, because venues stamp whole seconds."""

    lots: int
    price: Decimal | None
    after: float | None


class Pair(Value, frozen=True):
    """One decision in both runs. `ts`: when the shadow's order was made, UTC ns; `apart`: seconds by which
    the real one was made later; `worse`: ticks a lot that the real fills are worse than the shadow's, None
    unless both filled."""

    ts: int
    strategy: str
    symbol: str
    side: str
    qty: int
    apart: float
    shadow: Got
    real: Got
    worse: float | None


class Compared(Value, frozen=True):
    """The whole comparison. `alone_*`: orders without a partner; `worse`: mean over all lots that filled in
    both."""

    pairs: tuple[Pair, ...]
    alone_shadow: int
    alone_real: int
    only_shadow_filled: int
    only_real_filled: int
    worse: float | None


class _Run(NamedTuple):
    orders: list[Order]
    fills: dict[str, list[Fill]]
    """As corrections and busts leave them, by order."""
    first: dict[str, int]
    """When the first fill of an order was known, UTC ns."""


def compare(shadow: Tape, real: Tape, within: int) -> Compared:
    """`within`: ns between the makings of two orders that may be the same decision. Raises `ValueError` where
    the two runs do not mean the same by a price."""
    listed = {i.symbol: i for i in shadow.instruments()}
    for instrument in real.instruments():
        ours = listed.setdefault(instrument.symbol, instrument)
        if ours.tick != instrument.tick:
            raise ValueError(
                f"{ours.symbol} has tick {ours.tick} in {shadow.path} and {instrument.tick} in {real.path}: "
                "they are not the same instrument"
            )
    ours, theirs = _run(shadow), _run(real)
    pairs: list[Pair] = []
    weighed = lots = 0.0
    for mine, other in _paired(ours.orders, theirs.orders, within):
        a, b = ours.fills.get(mine.id, []), theirs.fills.get(other.id, [])
        worse = None
        if a and b:
            worse = float(_average(b) - _average(a)) * mine.side.sign + 0.0  # never a minus before nothing
            both = min(_lots(a), _lots(b))
            weighed, lots = weighed + worse * both, lots + both
        tick = listed[mine.symbol].tick
        got = (_got(mine, a, tick, ours.first), _got(other, b, tick, theirs.first))
        apart = (other.created - mine.created) / NS
        pairs.append(
            Pair(mine.created, mine.strategy, mine.symbol, mine.side.name, mine.qty, apart, *got, worse)
        )
    return Compared(
        pairs=tuple(sorted(pairs, key=lambda p: p.ts)),
        alone_shadow=len(ours.orders) - len(pairs),
        alone_real=len(theirs.orders) - len(pairs),
        only_shadow_filled=sum(bool(p.shadow.lots) and not p.real.lots for p in pairs),
        only_real_filled=sum(bool(p.real.lots) and not p.shadow.lots for p in pairs),
        worse=weighed / lots if lots else None,
    )


def _run(tape: Tape) -> _Run:
    """The orders that strategies and people made, and the executions as corrections and busts leave them."""
    orders: list[Order] = []
    standing: dict[ExecutionKey, Fill] = {}
    first: dict[str, int] = {}
    for row in tape.of_kind("order", "fact"):
        record = decode(row.kind, row.body)
        if isinstance(record, OrderStored):
            if record.order.purpose is not Purpose.FLATTEN:
                orders.append(record.order)
        elif isinstance(record, FactTaken):
            fact = record.fact
            if isinstance(fact, Executed | Corrected):
                first.setdefault(fact.fill.order_id or "", row.ts)
            if isinstance(fact, Executed):
                standing.setdefault(fact.fill.key, fact.fill)
            elif isinstance(fact, Corrected):
                standing.pop(fact.key, None)
                standing[fact.fill.key] = fact.fill
            elif isinstance(fact, Busted):
                standing.pop(fact.key, None)
    fills: dict[str, list[Fill]] = defaultdict(list)
    for fill in standing.values():
        if fill.order_id is not None:
            fills[fill.order_id].append(fill)
    return _Run(orders, fills, first)


def _paired(ours: Iterable[Order], theirs: Iterable[Order], within: int) -> Iterator[tuple[Order, Order]]:
    """Each order once at the most, the nearest in time first."""

    def alike(order: Order) -> tuple[object, ...]:
        return order.strategy, order.symbol, order.side, order.type, order.qty

    candidates: dict[tuple[object, ...], list[Order]] = defaultdict(list)
    for order in sorted(theirs, key=_made):
        candidates[alike(order)].append(order)
    near = [
        (abs(other.created - mine.created), mine.id, other.id, mine, other)
        for mine in ours
        for other in _about(candidates[alike(mine)], mine.created, within)
    ]
    taken: set[str] = set()
    for _, one, two, mine, other in sorted(near, key=lambda n: n[:3]):
        if not {f"s{one}", f"r{two}"} & taken:
            taken |= {f"s{one}", f"r{two}"}
            yield mine, other


def _made(order: Order) -> int:
    return order.created


def _about(orders: list[Order], ts: int, within: int) -> list[Order]:
    """Those made around a time; `orders` in the order of their making."""
    return orders[bisect_left(orders, ts - within, key=_made) : bisect_right(orders, ts + within, key=_made)]


def _lots(fills: list[Fill]) -> int:
    return sum(f.qty for f in fills)


def _average(fills: list[Fill]) -> Decimal:
    """In ticks."""
    return Decimal(sum(f.qty * f.price for f in fills)) / _lots(fills)


def _got(order: Order, fills: list[Fill], tick: Decimal, first: Mapping[str, int]) -> Got:
    if not fills:
        return Got(0, None, None)
    price = f"{round(_average(fills) * tick, 6):f}"
    short = price.rstrip("0").rstrip(".") if "." in price else price
    return Got(_lots(fills), Decimal(short), (first[order.id] - order.created) / NS)


def text(found: Compared) -> str:
    """For a person."""
    heads = ("MADE", "STRATEGY", "SYMBOL", "SIDE", ">LOTS", ">SHADOW PX", ">LOTS", ">AFTER", ">REAL PX",
             ">LOTS", ">AFTER", ">WORSE BY")  # fmt: skip
    rows = [
        (utc(p.ts), p.strategy, p.symbol, p.side, str(p.qty), *_cells(p.shadow), *_cells(p.real),
         "-" if p.worse is None else f"{p.worse:+.2f}")
        for p in found.pairs
    ]  # fmt: skip
    table = columns(heads, rows, "no order of one run has a partner in the other")
    worse = "no lot filled in both" if found.worse is None else f"{found.worse:+.3f} ticks a lot worse really"
    return (
        f"{table}\n\n{len(found.pairs)} orders in both: {worse}; filled only in the shadow "
        f"{found.only_shadow_filled}, only really {found.only_real_filled}\n"
        f"without a partner: {found.alone_shadow} of the shadow's, {found.alone_real} real ones"
    )


def _cells(got: Got) -> tuple[str, str, str]:
    return number(got.price), str(got.lots), "-" if got.after is None else f"{got.after:.3f}s"
