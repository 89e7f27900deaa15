"""Planted bugs of start-up, reconnection and reconciliation."""

from __future__ import annotations

from typing import Final

from tests.sim.mutants.planting import Edit, Mutant, faults

RECOVERY: Final = (
    Mutant(
        "stored_means_not_sent",
        "after a crash an order without a note that it was sent counts as never sent",
        (
            Edit(
                "engine.engine",
                "        self._ticker.start()\n        self._chore_rounds.start()\n",
                "        from engine.records import NotSentNote\n"
                "        for open_order in list(self.core.books.orders.working()):\n"
                "            if not open_order.sent and not open_order.foreign:\n"
                "                self.core.commit(NotSentNote(order_id=open_order.order.id, what='submit', "
                "reason='crash'))\n"
                "        self._ticker.start()\n        self._chore_rounds.start()\n",
            ),
        ),
        lambda o: o.crash_bias and faults("crash")(o),
    ),
    Mutant(
        "ids_start_over",
        "the counter of order ids starts over with each run",
        (
            Edit(
                "engine.ids",
                '        self._infix = f"{install}{base36(run)}{mark}"\n',
                '        self._infix = f"{install}"\n',
            ),
        ),
        faults("crash", "graceful_stop", "restart_old"),
    ),
    Mutant(
        "missed_fills_not_asked_for",
        "after a reconnect only executions from now on are asked for",
        (
            Edit(
                "engine.reconciler",
                "        read = await self._read(self._since(waiting))\n",
                "        read = await self._read(self._core.clock.now() - NS)\n",
            ),
        ),
        faults("disconnect", "half_open", "flapping", "lose_report"),
    ),
    Mutant(
        "position_missing_from_answer",
        "a position that the broker's answer does not list is not compared",
        (
            Edit(
                "engine.reconciler",
                "        symbols = sorted({*broker, *(p.symbol for p in books.positions), "
                "*core.markets.by_symbol})\n",
                "        symbols = sorted(broker)\n",
            ),
            Edit(
                "engine.reconcile",
                "    names = {*views, *broker, *ordered, *(fill.symbol for fill in fills.missing)}\n",
                "    names = set(broker)\n",
            ),
        ),
        faults("manual_trade", "disconnect", "half_open", "crash"),
    ),
    Mutant(
        "drift_only_logged",
        "positions that differ are put into the log and nowhere else",
        (
            Edit(
                "engine.reconciler",
                "    def _difference(self, finding: Finding) -> None:\n",
                "    def _difference(self, finding: Finding) -> None:\n        return\n",
            ),
        ),
        faults("manual_trade"),
    ),
    Mutant(
        "lost_order_kept",
        "an order that the broker no longer lists is left as it is",
        (
            Edit(
                "engine.reconciler",
                "            case Kind.LOST_ORDER:\n                self._hooks.ask(finding.order_id)\n",
                "            case Kind.LOST_ORDER:\n                return\n",
            ),
        ),
        faults("lose_report", "disconnect", "half_open", "flapping"),
    ),
    Mutant(
        "foreign_order_not_adopted",
        "an order placed elsewhere is not taken in",
        (
            Edit(
                "engine.books",
                "                record, anomalies = self.orders.foreign(fact, ts)\n"
                "                self._strangers(fact.symbol)\n"
                "                return Applied(record, anomalies)\n",
                "                return Applied(changed=False)\n",
            ),
        ),
        faults("foreign_order"),
    ),
    Mutant(
        "trading_enabled_at_once",
        "trading is enabled from the start and stays so, before the broker was read as well",
        (
            Edit(
                "engine.engine",
                "        self.view.enabled = False\n        self._disabled_text = reason\n",
                "        self._disabled_text = reason\n",
            ),
            Edit(
                "engine.view",
                "        self.enabled = False\n",
                "        self.enabled = True\n",
            ),
        ),
        faults("disconnect", "flapping", "half_open"),
    ),
    Mutant(
        "empty_orders_is_all_closed",
        "what is not in a list of open orders counts as cancelled",
        (
            Edit(
                "engine.reconciler",
                "            case Kind.LOST_ORDER:\n                self._hooks.ask(finding.order_id)\n",
                "            case Kind.LOST_ORDER:\n"
                "                from engine.records import LostOrder\n"
                "                self._core.commit(LostOrder(order_id=finding.order_id, reason='not listed'))\n",
            ),
        ),
        faults("empty_snapshot", "partial_snapshot"),
    ),
)
