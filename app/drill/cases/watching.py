"""The sentinel at work, with real processes: the engine is killed, or stands still and comes back."""

from __future__ import annotations

import os
import signal
import time
from decimal import Decimal

from app.drill.case import Collection
from app.drill.cases.processes import flat_at_end, nothing_unknown, reset, sent_once, status
from app.drill.live import LiveDrill
from app.drill.notes import Broken
from app.drill.processes import NeverSeen, alive, wait_for
from app.sentinel.asking import ask
from engine.control.commands import Cancel
from engine.model import OrderType, Side
from engine.sentinel.machine import Phase

BUY, SELL = Side.BUY, Side.SELL
VENUE_TIMER = 2.0
"""Seconds after which the venue cancels all of an engine that does not renew its switch."""

cases = Collection()


def watched(d: LiveDrill) -> None:
    """The engine is started, and its sentinel hears it."""
    d.start()
    d.trading()
    d.until(
        "a sentinel watches over it",
        lambda p: p.health.sentinel.state == "ok",
        saw=lambda p: p.health.sentinel.text,
    )


def phase(d: LiveDrill, what: str, *wanted: Phase) -> None:
    """Waits until the sentinel has come so far."""

    def there() -> bool:
        said = ask(d.state)
        return said is not None and said.phase in wanted

    try:
        wait_for(there, what, patience=30.0)
    except NeverSeen as error:
        raise Broken(str(error)) from error
    d.did(what)


def books(d: LiveDrill) -> tuple[int, int]:
    """Lots held and orders at work, by the exchange's own books."""
    audit = d.exchange.audit()
    held = sum(f.qty * f.side.sign for f in audit.executions)
    return held, sum(1 for o in audit.orders if o.status == "WORKING")


def _told(held: int, working: int) -> str:
    return f"{held:+d} lots held, {working} orders at work"


def regained(d: LiveDrill, position: int) -> None:
    """The engine has the lease again, knows what was done, and is halted."""
    d.until(
        "the engine has taken over what was done, and is halted",
        lambda p: p.halted and any(a.code == "sentinel_acted" for a in p.alerts),
        saw=lambda p: next((a.text for a in p.alerts if a.code == "sentinel_acted"), p.trading_text),
    )
    d.until(
        "its position is the exchange's",
        lambda p: d.position(p) == Decimal(position) * d.instrument().lot,
        saw=d.position,
    )
    d.engine.command(reset())
    d.did("a person takes the halt back")
    d.until("it trades", lambda p: p.trading)


@cases.live(
    "3.20",
    "The engine is killed, and its sentinel flattens",
    "Orders and positions outlive a dead engine: somebody takes them down, and the next engine must know.",
    config={"sentinel": {"policy": "flatten", "after": 2.0}},
)
def killed(d: LiveDrill) -> None:
    watched(d)
    d.opened(BUY, 2)
    d.rested(BUY, 1)
    with d.trouble("no engine"):
        d.engine.kill()
        d.did("the engine is killed with -9")
        phase(d, "the sentinel says that its work is proven", Phase.HOLDING)
        held, working = books(d)
        d.check(
            "the exchange's books are flat, with nothing at work",
            (held, working) == (0, 0),
            _told(held, working),
        )
    d.start()
    regained(d, 0)
    d.engine.stop()
    sent_once(d)


@cases.live(
    "3.21",
    "The engine stands still for too long, and comes back",
    "Two that act for one account are worse than none: who comes back waits until the other has stopped.",
    config={"sentinel": {"policy": "cancel", "after": 2.0}},
)
def stopped(d: LiveDrill) -> None:
    watched(d)
    d.opened(BUY, 2)
    d.rested(BUY, 1)
    with d.trouble("engine stopped (SIGSTOP)"):
        d.engine.send(signal.SIGSTOP)
        d.did("the engine's process is stopped (SIGSTOP)")
        phase(d, "the sentinel says that its work is proven", Phase.HOLDING)
        held, working = books(d)
        d.check("orders are cancelled, the position is kept", (held, working) == (2, 0), _told(held, working))
        before = len(d.exchange.audit().orders)
        d.engine.send(signal.SIGCONT)
    d.did("it goes on (SIGCONT)")
    regained(d, 2)
    after = len(d.exchange.audit().orders)
    d.check("it sent nothing meanwhile", after == before, f"{after} orders at the exchange, {before} before")
    flat_at_end(d)
    d.engine.command(reset())
    d.engine.stop()
    sent_once(d)
    nothing_unknown(d)


@cases.live(
    "3.22",
    "A planned stop is no death, and a dead sentinel is replaced",
    "A safety net that tears unseen, or acts on an engine that was told to go, is none.",
    config={"sentinel": {"policy": "flatten", "after": 5.0}},
)
def planned(d: LiveDrill) -> None:
    watched(d)
    d.opened(BUY, 1)
    first = ask(d.state)
    if first is None:
        raise Broken("the sentinel does not answer")
    os.kill(first.pid, signal.SIGKILL)
    d.did("the sentinel is killed with -9")
    phase(d, "another one watches", Phase.WATCHING)
    second = ask(d.state)
    d.check("it is another process", second is not None and second.pid != first.pid, second and second.pid)
    d.engine.stop()
    d.did("the engine is stopped in order, with its position")
    if second is not None:
        wait_for(lambda: not alive(second.pid), "the sentinel leaves", patience=20.0)
    held, _ = books(d)
    d.check("the position is kept: nobody acted", held == 1, held)


def switch(d: LiveDrill, word: str) -> None:
    """The engine says so of the venue's own switch."""
    d.until(
        f"the venue's switch is {word}",
        lambda p: p.health.sentinel.venue == word,
        saw=lambda p: f"{p.health.sentinel.venue}: {p.health.sentinel.venue_text}",
    )


def at_work(d: LiveDrill) -> set[str]:
    """Ids of the orders at work, by the exchange's own books."""
    return {o.order_id or "" for o in d.exchange.audit().orders if o.status == "WORKING"}


def protected(d: LiveDrill, ticks: int = 200) -> str:
    """Rests a stop far below the market, as the position's protection; its id."""
    stop = d.touch()[0] - ticks * d.instrument().tick
    answer = d.submit(SELL, 1, stop - 20 * d.instrument().tick, type=OrderType.STOP_LIMIT, stop=stop)
    d.did(f"a stop protects the position at {stop}")
    order_id = answer.data.get("order_id", "")
    if not answer.ok:
        raise Broken(f"the stop was refused: {answer.text}")
    d.see("the stop works", lambda p: status(p, order_id) == "WORKING")
    return order_id


@cases.live(
    "3.23",
    "The venue's own switch cancels what a silent engine left, and no protective stop",
    "Such a switch takes protective stops too: armed at the wrong time it strips a position nobody tends.",
    config={"sentinel": {"policy": "off", "venue_timer": VENUE_TIMER}},
)
def venue_switch(d: LiveDrill) -> None:
    d.start()
    d.trading()
    d.opened(BUY, 1)
    resting = d.rested(BUY, 1, 400)
    switch(d, "ARMED")
    stop = protected(d)
    switch(d, "UNSAFE")
    with d.trouble("no engine"):
        d.engine.kill()
        d.did("the engine is killed with -9")
        time.sleep(1.5 * VENUE_TIMER)  # the silence itself: nothing has to happen in it
        there = at_work(d)
        d.check("stop and order still work at the exchange", there == {stop, resting}, there, stop, resting)
    d.start()
    d.trading()
    switch(d, "UNSAFE")
    d.engine.command(Cancel(order_id=stop))
    d.did("a person cancels the stop")
    switch(d, "ARMED")
    with d.trouble("engine stopped (SIGSTOP)"):
        begin = d.notes.at()
        d.engine.send(signal.SIGSTOP)
        d.did("the engine's process is stopped (SIGSTOP)")
        try:
            wait_for(lambda: not at_work(d), "the venue cancels what works", patience=20.0)
        except NeverSeen as error:
            raise Broken(str(error)) from error
        d.notes.figure("from the engine's silence to the venue's cancel", f"{d.notes.at() - begin:.2f} s")
        held, working = books(d)
        d.check("the venue cancelled, and kept the position", (held, working) == (1, 0), _told(held, working))
        d.engine.send(signal.SIGCONT)
    d.did("it goes on (SIGCONT)")
    d.until(
        "the engine has booked the venue's cancel",
        lambda p: status(p, resting) == "CANCELED",
        resting,
        saw=lambda p: status(p, resting) or "the order is not there",
    )
    switch(d, "ARMED")
    d.until("it trades", lambda p: p.trading)
    again = d.rested(BUY, 1, 400)
    time.sleep(1.5 * VENUE_TIMER)  # renewed meanwhile: nothing has to happen
    there = at_work(d)
    d.check("while the engine lives the venue takes nothing", there == {again}, there, again)
    flat_at_end(d)
    d.engine.command(reset())
    d.engine.stop()
    sent_once(d)
    nothing_unknown(d)
