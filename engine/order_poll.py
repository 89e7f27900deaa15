"""Looks at the broker's open orders between two comparisons, where `reconcile.orders_every` asks for it.

A comparison costs four questions; this costs one. It concludes nothing itself: an order of ours that is not
listed is asked about, and whatever else differs is a reason to compare now.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.core import Core
from engine.facts import OpenOrders
from engine.model import NS
from engine.orders_record import OrderRecord
from engine.ports import QueryFailed


class OrderPoll:
    """Runs as a task of the engine's loop."""

    def __init__(self, core: Core, ask: Callable[[str], None], compare: Callable[[], None]) -> None:
        """`ask`: queries one order. `compare`: a comparison is due now."""
        self._core = core
        self._ask = ask
        self._compare = compare

    async def run(self) -> None:
        """Until cancelled; at once over where no poll is configured."""
        core = self._core
        every = round(core.config.reconcile.orders_every * NS)
        while every:
            await core.clock.sleep(every)
            if not core.link_up:
                continue  # the comparison after the reconnect looks at everything
            core.metrics.count("order_polls")
            try:
                self._look(await core.adapter.open_orders())
            except QueryFailed as error:
                core.metrics.count("order_polls_failed")
                text = f"open orders were not read: {error}"
                core.log("warning", text, component="reconcile", status="UNREADABLE")

    def _look(self, listed: OpenOrders) -> None:
        core = self._core
        ours = {report.order_id: report for report in listed.ours}
        settled = core.clock.now() - round(core.config.reconcile.settle * NS)
        compare = False
        for record in core.books.orders.working():
            if record.foreign or record.life.in_flight is not None or _moved(record) > settled:
                continue  # news of it may be on its way, or it is being asked about
            report = ours.get(record.order.id)
            if report is None:
                self._ask(record.order.id)
            elif (report.qty, report.cum, report.limit) != (
                record.life.qty,
                record.life.cum,
                record.life.limit,
            ):
                compare = True
        strange = any(core.books.orders.stranger(f) is None for f in listed.foreign)
        if compare or strange:
            self._compare()


def _moved(record: OrderRecord) -> int:
    return max(record.recorded, record.sent, record.last_report)
