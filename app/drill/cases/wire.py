"""A broker that starts anew, limits and kill switch, all over the wire with real processes."""

from __future__ import annotations

import json
import time

from app.drill.case import Collection
from app.drill.cases.processes import flat_at_end, reset, sent_once, status
from app.drill.live import LiveDrill, order_of, position_of
from app.drill.notes import Broken
from engine.control.commands import Cancel, CancelAll
from engine.model import Side

BUY, SELL = Side.BUY, Side.SELL

cases = Collection()


@cases.live(
    "3.16",
    "The broker restarts and hands order ids out again",
    "A gateway's restart rolled its counter back once: four lost orders' ids were given to others.",
)
def ids_again(d: LiveDrill) -> None:
    d.start()
    d.trading()
    d.opened(BUY, 2)
    first = d.rested(BUY, 1, 40)
    old = d.see(
        "its id at the broker", lambda p: ((r := order_of(p, first)) is not None and r.broker_id) or None
    )
    begin = d.notes.at()
    d.did("the exchange's process is killed (-9) and started again")
    d.exchange.kill()
    d.until("the loss is noticed", lambda p: not p.trading, within=20)
    d.exchange.start()
    d.until("it trades again", lambda p: p.trading and p.health.broker == "ok", within=30)
    d.notes.band(begin, "broker away")
    d.until(
        "the order is known and works",
        lambda p: status(p, first) == "WORKING",
        first,
        saw=lambda p: status(p, first),
    )
    breaks = d.see("a picture", lambda p: p).health.counters.get("disconnects", 0)
    d.exchange.drill("arm", fault="reuse_ids")
    d.exchange.drill("drop", account=d.context.settings.account)
    d.did("the exchange sets its counter of ids back by three, and the session breaks once more")
    d.until(
        "it trades again after ids were set back",
        lambda p: p.health.counters.get("disconnects", 0) > breaks and p.trading and p.health.broker == "ok",
        within=30,
    )
    fresh = [d.rested(BUY, 1, 50 + n) for n in range(3)]
    picture = d.see("a picture", lambda p: p)
    ids = {i: (row.broker_id if (row := order_of(picture, i)) is not None else "") for i in (first, *fresh)}
    d.notes.figure("ids at the broker", json.dumps(ids))
    d.did(f"three more orders; the first had {old}")
    answer = d.engine.command(Cancel(order_id=fresh[-1]))
    d.did(f"cancel the last of them: {answer.text}")
    d.until(
        "that one is cancelled",
        lambda p: status(p, fresh[-1]) == "CANCELED",
        fresh[-1],
        saw=lambda p: status(p, fresh[-1]),
    )
    others = [first, *fresh[:-1]]
    d.until(
        "and no other",
        lambda p: all(status(p, i) == "WORKING" for i in others),
        *others,
        saw=lambda p: ", ".join(status(p, i) for i in others),
    )
    d.until("the position is 2", lambda p: d.position(p) == 2, saw=d.position)
    flat_at_end(d)
    d.engine.stop()


@cases.live(
    "3.17",
    "The broker has forgotten everything",
    "Its word and ours differ and nothing explains it: that stops the instrument, and overwrites nothing.",
)
def forgotten(d: LiveDrill) -> None:
    d.start()
    d.trading()
    d.opened(BUY, 2)
    order_id = d.rested(BUY, 1)
    begin = d.notes.at()
    d.did("the exchange's process is killed (-9), its books are lost, and it is started again")
    d.exchange.kill()
    d.exchange.forget()
    d.exchange.start()
    d.until(
        "ES is halted as drift",
        lambda p: (row := position_of(p, "ES")) is not None and row.state.startswith("halted"),
        within=60,
        saw=lambda p: row.state if (row := position_of(p, "ES")) is not None else "no position shown",
    )
    d.notes.band(begin, "the broker knows nothing")
    d.until("our position stays what our executions say", lambda p: d.position(p) == 2, saw=d.position)
    answer = d.submit(BUY, 1, d.away(BUY, 50))
    d.check("nothing opens in ES", not answer.ok, answer.text)
    d.until(
        "the order that the broker does not know is not sent again",
        lambda p: status(p, order_id) not in ("WORKING", "PENDING_NEW"),
        order_id,
        within=60,
        saw=lambda p: status(p, order_id),
    )
    arrived = [o.order_id for o in d.exchange.audit().orders]
    d.check("nothing arrived at the new exchange", not arrived, arrived or "no order")
    d.engine.stop()
    sent_once(d)


@cases.live(
    "4.40",
    "Static limits over the wire",
    "Size, price and instrument limits refuse what comes by command, before anything leaves.",
    own_exchange=False,
    controls=("order_qty", "price_sanity", "max_position"),
    keep=("max_order_qty", "max_position", "collar_pct"),
)
def static_limits(d: LiveDrill) -> None:
    d.start()
    d.trading()
    limits = d.context.settings.risk
    instrument = d.instrument()
    own = limits.instruments.get(instrument.symbol)
    largest = own.max_order_qty if own is not None and own.max_order_qty is not None else limits.max_order_qty
    answer = d.submit(BUY, largest + 1, d.away(BUY))
    d.check(f"{largest + 1} lots are refused", not answer.ok and "order_qty" in answer.text, answer.text)
    _, ask = d.touch()
    wild = ask + instrument.tick * int(abs(ask) / instrument.tick * limits.collar_pct * 2 / 100)
    answer = d.submit(BUY, 1, wild)
    d.check(f"a bid at {wild} is refused", not answer.ok and "price_sanity" in answer.text, answer.text)
    held = abs(int(d.position() / instrument.lot))
    if limits.max_position < 200:
        todo, sent = limits.max_position - held, 0
        while sent < todo:
            lots = min(largest, todo - sent)
            answer = d.submit(BUY, lots, d.away(BUY, 60 + sent))
            if not answer.ok:
                raise Broken(f"an order within the limits was refused: {answer.text}")
            sent += lots
        d.did(f"orders for {todo} lots rest, up to risk.max_position = {limits.max_position}")
        answer = d.submit(BUY, 1, d.away(BUY, 59))
        d.check("one lot more is refused", not answer.ok and "max_position" in answer.text, answer.text)
    answer = d.engine.command(CancelAll())
    d.did(f"cancel all: {answer.text}")
    d.until(
        "all are cancelled", lambda p: not [o for o in p.orders if o.status in ("WORKING", "PENDING_NEW")]
    )
    d.engine.stop()


@cases.live(
    "4.41",
    "Kill switch over the wire, from another process",
    "The kill switch must not need the screen, the strategy, or the person who started the engine.",
    own_exchange=False,
)
def kill_by_command(d: LiveDrill) -> None:
    d.start()
    d.trading()
    d.opened(BUY, 3)
    d.rested(BUY, 1)
    d.rested(SELL, 1)
    begin = time.monotonic()
    flat_at_end(d)
    d.notes.figure("from the key to proven flat", f"{time.monotonic() - begin:.2f} s")
    d.until("it is halted", lambda p: p.halted, saw=lambda p: p.halt_reason)
    answer = d.submit(BUY, 1, d.away(BUY))
    d.check("nothing opens afterwards", not answer.ok, answer.text)
    code, _, _ = d.engine.stop()
    d.check("its exit code says halted", code == 3, f"exit code {code}")
    d.did("start it again")
    d.start()
    d.until("the halt holds through the restart", lambda p: p.halted, saw=lambda p: p.halt_reason)
    answer = d.engine.command(reset())
    d.did(f"a person resets the halt: {answer.text}")
    d.until("it trades again", lambda p: p.trading and not p.halted)
    d.engine.stop()
