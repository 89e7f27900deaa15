"""Connection, with real processes: the latency of the line, and what a break of it costs."""

from __future__ import annotations

import time
from collections.abc import Sequence

from app.drill.case import Collection
from app.drill.live import LiveDrill, order_of
from engine import facts
from engine.control.commands import Cancel
from engine.control.snapshot import Snapshot
from engine.model import Side
from engine.records import FactTaken, OrderStored, Sent, decode

BUY, SELL = Side.BUY, Side.SELL
ROUNDS = 15
"""Orders by which the baseline is measured."""

cases = Collection()


def spread(values: Sequence[int]) -> str:
    """Median and worst of some durations (ns), in milliseconds."""
    ordered = sorted(values)
    middle, worst = ordered[len(ordered) // 2] / 1e6, ordered[-1] / 1e6
    return f"{middle:.2f} ms median, {worst:.2f} ms worst of {len(ordered)}"


def latencies(d: LiveDrill) -> dict[str, list[int]]:
    """By the journal: disk to acknowledgement, cancel to confirmation; ns."""
    stored: dict[str, int] = {}
    asked: dict[str, int] = {}
    found: dict[str, list[int]] = {"order to acknowledgement": [], "cancel to confirmation": []}
    for row in d.rows():
        match decode(row.kind, row.body):
            case OrderStored(order=order):
                stored[order.id] = row.ts
            case Sent(order_id=order_id, what="cancel"):
                asked[order_id] = row.ts
            case FactTaken(fact=facts.Acknowledged(order_id=order_id)) if order_id in stored:
                found["order to acknowledgement"].append(row.ts - stored.pop(order_id))
            case FactTaken(fact=facts.Canceled(order_id=order_id)) if order_id in asked:
                found["cancel to confirmation"].append(row.ts - asked.pop(order_id))
            case _:
                pass
    return found


@cases.live(
    "1.1",
    "Latency baseline, over the wire",
    "The figures that everything later is compared with, measured in the journal's own time stamps.",
    own_exchange=False,
)
def baseline(d: LiveDrill) -> None:
    d.start()
    d.trading()
    d.did(f"{ROUNDS} orders, one after another: rest it, wait until it works, cancel it")
    for n in range(ROUNDS):
        order_id = d.rested(BUY, 1, 40 + n)
        d.engine.command(Cancel(order_id=order_id))
        d.see("the cancel is confirmed", lambda p, i=order_id: _status(p, i) == "CANCELED")
    for name, values in latencies(d).items():
        d.notes.figure(name, spread(values) if values else "not measured")
        whole = len(values) >= ROUNDS
        d.check(f"{name}: all {ROUNDS} are answered", whole, f"{len(values)} of {ROUNDS}")
        limit = d.context.settings.orders.answer_after
        worst = max(values, default=0) / 1e9
        d.check(
            f"{name}: below {limit:g} s, after which silence is asked about",
            worst < limit,
            f"worst {worst:.4f} s",
        )
    d.engine.stop()


@cases.live(
    "1.2",
    "The link breaks and comes back, over the wire",
    "It reconnects by itself, compares, and only then trades again.",
)
def reconnect(d: LiveDrill) -> None:
    d.start()
    d.trading()
    order_id = d.rested(BUY, 1)
    account = d.context.settings.account
    for n in range(2):
        begin = time.monotonic()
        d.exchange.drill("drop", account=account)
        d.did("the exchange drops the session")
        d.until("the loss is noticed", lambda p, n=n: p.health.counters.get("disconnects", 0) > n)
        noticed = time.monotonic() - begin
        d.until("it trades again", lambda p: p.trading and p.health.broker == "ok")
        back = time.monotonic() - begin
        d.notes.figure(
            f"break {n + 1}", f"noticed and trading again within {max(back, noticed) * 1000:.0f} ms"
        )
    d.until("the order still works", lambda p: _status(p, order_id) == "WORKING", order_id)
    d.engine.stop()


@cases.live(
    "1.5",
    "The exchange falls silent, over the wire",
    "No break, no error, just silence: found by the missing heartbeat.",
    config={"link": {"heartbeat": 0.5, "patience": 2.0}},
)
def silent(d: LiveDrill) -> None:
    d.start()
    d.trading()
    order_id = d.rested(BUY, 1)
    with d.trouble("exchange frozen"), d.exchange.frozen():
        d.did("the exchange's process is frozen (SIGSTOP)")
        d.until(
            "the silence is noticed and trading disabled",
            lambda p: not p.trading and p.health.broker != "ok",
            within=20,
        )
        answer = d.engine.command(Cancel(order_id=order_id), 10)
        d.did(f"cancel the order meanwhile: {answer.text}")
    d.did("the exchange goes on (SIGCONT)")
    d.until("it trades again", lambda p: p.trading and p.health.broker == "ok", within=30)
    d.until(
        "the order is either cancelled or works, and is known",
        lambda p: _status(p, order_id) in ("CANCELED", "WORKING"),
        order_id,
        within=30,
        saw=lambda p: _status(p, order_id),
    )
    d.engine.stop()


def _status(picture: Snapshot, order_id: str) -> str:
    row = order_of(picture, order_id)
    return "" if row is None else row.status
