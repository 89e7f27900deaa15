"""When positions and orders were last compared with the broker, whether that still tells of now, and what an
agreement ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from engine.control.snapshot import Comparison
from engine.core import Core
from engine.facts import OpenOrders
from engine.holds import InstrumentHold
from engine.orders import FOREIGN
from engine.orders_record import OrderRecord
from engine.reconcile_types import Finding, OwnOrder, agrees
from engine.records import HoldEnded
from engine.view import EngineView


class Compared:
    """Kept by the reconciler. An old agreement is none: the link may have changed, or nothing can be read."""

    def __init__(self, core: Core, view: EngineView) -> None:
        self._core = core
        self._view = view
        self._last: tuple[int, int, int] | None = None
        """Epoch of the link, UTC ns and monotonic ns of the last comparison."""
        self._unread = ""
        """Why the broker could not be read the last time; empty: it could."""

    def read(self, epoch: int) -> None:
        """All was read in this epoch of the link, and is compared now."""
        clock = self._core.clock
        self._last, self._unread = (epoch, clock.now(), clock.mono()), ""

    def unread(self, why: str) -> None:
        """The broker could not be read."""
        self._unread = why

    def row(self) -> Comparison:
        """For the snapshot. It holds no longer than the broker's account figures are believed."""
        core = self._core
        behind = f": {self._unread}" if self._unread else ""
        at = None if self._last is None else self._last[1]
        if not core.link_up:
            return Comparison(at=at, holds=False, orders=False, why="the link to the broker is down")
        if self._last is None:
            return Comparison(holds=False, orders=False, why=f"the broker has not been read yet{behind}")
        epoch, _, mono = self._last
        if epoch != core.link_epoch:
            why = f"the broker has not been read since the link is back{behind}"
            return Comparison(at=at, holds=False, orders=False, why=why)
        if core.clock.mono() - mono > self._view.believed:
            return Comparison(at=at, holds=False, why=f"the broker cannot be read{behind}")
        return Comparison(at=at)


def of_another_journal(core: Core) -> str:
    """What explains an order that has an id of ours and is not known, where the journal begins with this run;
    empty where it does not."""
    run = core.books.run
    if run is None or run.run != 1:
        return ""
    return (
        "; this journal begins with this run and knows no earlier order: if this engine sent it, its journal "
        "is in another state directory (--state-dir) or was moved; stop, and start with that one"
    )


def own_order(record: OrderRecord) -> OwnOrder:
    """An order as it takes part: made anew where something of it has changed since it last did."""
    order, life = record.order, record.life
    now = (order, life, record.sent, record.flight_since, record.last_report, record.held)
    if record.compared is not None and record.compared[0] == now:
        return record.compared[1]
    own = OwnOrder(
        id=order.id,
        symbol=order.symbol,
        side=order.side,
        status=life.status,
        qty=life.qty,
        cum=life.cum,
        broker_id=life.broker_id,
        limit=life.limit,
        stop=life.stop,
        sent=0 if record.foreign else max(record.recorded, record.sent, record.flight_since),
        last_report=record.last_report,
        pending=life.pending_cancel or bool(life.unanswered),
        foreign=record.foreign and record.order.strategy == FOREIGN,
        held=record.held,
    )
    record.compared = now, own
    return own


def end_holds(
    core: Core,
    held: Iterable[InstrumentHold],
    findings: Iterable[Finding],
    listed: OpenOrders,
    halt: Callable[[Literal["instrument"], str, str, str], None],
) -> None:
    """Ends the holds that stood before the broker was read, where it agrees with our books now.

    `held`: those that stood; one that has begun anew since is another one. `listed`: the orders that the
    broker has open. One that is over in our books may still be among them, which is no finding yet while its
    last report is fresh. `halt`: latches, for what a person has to look at; it has done so already, unless
    the process died in between.
    """
    held = tuple(held)
    if not held:
        return
    found, books = tuple(findings), core.books
    undead = {
        record.order.symbol
        for report in listed.ours
        if (record := books.orders.get(report.order_id)) is not None and record.life.is_closed
    }
    for hold in held:
        about = (one for one in found if one.symbol in ("", hold.symbol))
        if books.holds.get(hold.symbol) is hold and hold.symbol not in undead and agrees(about):
            if hold.late and core.config.reconcile.on_late_fill == "halt":
                halt("instrument", hold.symbol, hold.code, hold.reason)
            core.commit(HoldEnded(symbol=hold.symbol))
            text = f"{hold.symbol} is no longer held: the broker agrees with our books"
            core.log("info", text, component="reconcile", symbol=hold.symbol, status="RELEASED")
