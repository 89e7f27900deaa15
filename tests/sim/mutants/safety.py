"""Planted bugs of limits, halts, the kill procedure and the journal."""

from __future__ import annotations

from typing import Final

from tests.sim.mutants.planting import Edit, Mutant, faults

SAFETY: Final = (
    Mutant(
        "overfill_trades_on",
        "more is executed than an order asked for, and its instrument opens on",
        (
            Edit(
                "engine.books",
                "applied.halted = self.halts.latch(halt)",
                "applied.halted = halt.ts < 0",
            ),
        ),
        faults("overfill"),
    ),
    Mutant(
        "late_fill_trades_on",
        "something is executed of an order that was over, and its instrument opens on before anybody compared",
        (
            Edit(
                "engine.holds",
                "            if anomaly.code in HOLDING:\n",
                "            if anomaly.code in HOLDING and ts < 0:\n",
            ),
        ),
        faults("fill_after_cancel"),
    ),
    Mutant(
        "hold_passes_the_gate",
        "an instrument is held until the broker agrees, and the gate does not ask about it",
        (
            Edit(
                "engine.view",
                "        hold = self._books.holds.get(symbol)\n",
                "        hold = self._books.holds.get('')\n",
            ),
        ),
    ),
    Mutant(
        "kill_not_checked_after_commit",
        "between the gate and the wire nobody looks again whether a halt or a kill has begun",
        (
            Edit(
                "engine.intake",
                "        blocked = self.blocked(order, order, asked)\n        if blocked:\n",
                "        blocked = ''\n        if blocked:\n",
            ),
        ),
        lambda o: o.commit_ms > 5 and o.order_ms < 500 and faults("kill", "flatten")(o),
    ),
    Mutant(
        "replace_not_checked_after_commit",
        "a replace leaves although a halt or a kill began while it was stored",
        (
            Edit(
                "engine.replacing",
                "                or self._intake.blocked(order, change, asked)\n",
                "",
            ),
        ),
        lambda o: o.commit_ms > 2 and o.order_ms < 900 and faults("kill", "pause")(o),
    ),
    Mutant(
        "acknowledged_before_commit",
        "the journal says 'stored' when a batch is handed over, not when it is committed",
        (
            Edit(
                "engine.journal.writer",
                "        self._store.write(self._formed, self._committed)\n",
                "        for entry, row in zip(self._batch, self._formed.rows, strict=True):\n"
                "            entry.settle(row.seq)\n"
                "        self._store.write(self._formed, self._committed)\n",
            ),
        ),
    ),
    Mutant(
        "failed_commit_ignored",
        "a commit that failed counts as done",
        (
            Edit(
                "engine.journal.writer",
                "        if error is not None:\n            self._fail(batch, error)\n        else:\n",
                "        if error is not None and False:\n            self._fail(batch, error)\n        else:\n",
            ),
        ),
        faults("store_error", "store_full", "store_busy"),
    ),
    Mutant(
        "store_trouble_opens",
        "opening orders pass although the journal cannot be written",
        (
            Edit(
                "engine.engine",
                '        if state is not StoreState.OK:\n            return f"the store is {state}',
                '        if False:\n            return f"the store is {state}',
            ),
            Edit(
                "engine.journal.writer",
                "        objection = self._objection(entry)\n",
                "        objection = self._objection(entry)\n"
                "        if objection and not self._closed:\n"
                "            entry._tell_soon(entry._proof(self._seq + 1))\n"
                "            return\n",
            ),
        ),
        faults("store_full", "store_error", "store_busy"),
    ),
    Mutant(
        "position_limit_ignores_in_flight",
        "the position limit looks at the position alone and not at what works",
        (
            Edit(
                "engine.risk.controls.max_position",
                "        worst = base + ask.others + ask.lots\n",
                "        worst = base + ask.lots\n",
            ),
        ),
        lambda o: o.order_ms < 500,
    ),
    Mutant(
        "position_limit_ignores_unknown",
        "an order in doubt does not count in the exposure",
        (
            Edit(
                "engine.lifecycle_types",
                "        if self.status in CLOSED and not self.replaces:  # as `is_closed`\n            most = told\n",
                "        if self.is_closed or self.status is OrderStatus.UNKNOWN:\n            return 0\n",
            ),
        ),
        lambda o: o.order_ms < 500 and faults("no_ack", "lose_request", "lose_report", "half_open")(o),
    ),
    Mutant(
        "halt_passes_any_protection",
        "behind a halt of the account protection leaves that may raise the position",
        (
            Edit(
                "engine.risk.ask",
                "        return self.reducing and self.purpose is Purpose.PROTECT and not moved\n",
                "        return self.purpose is Purpose.PROTECT and not moved\n",
            ),
        ),
    ),
    Mutant(
        "position_limit_ignores_replace",
        "a replace upwards under way does not count in the exposure",
        (
            Edit(
                "engine.lifecycle_types",
                "        return max(self.qty, *(r.qty for r in self.unanswered))\n",
                "        return self.qty\n",
            ),
        ),
        lambda o: o.order_ms < 500,
    ),
    Mutant(
        "reduction_counted_alone",
        "two orders that each close the position pass as reducing together",
        (
            Edit(
                "engine.risk.ask",
                "                lots = others + self.lots\n",
                "                lots = self.lots\n",
            ),
        ),
        lambda o: o.order_ms < 500,
    ),
    Mutant(
        "oco_counts_smallest",
        "of an OCO group the smallest member counts",
        (
            Edit(
                "engine.orders_exposure",
                "        return max(members.values(), default=0) - largest\n",
                "        return min(members.values(), default=0) - largest\n",
            ),
            Edit(
                "engine.orders_exposure",
                "        largest = max(members.values(), default=0)\n",
                "        largest = min(members.values(), default=0)\n",
            ),
        ),
    ),
    Mutant(
        "instrument_halt_ignored",
        "the halt of one instrument is shown and not obeyed",
        (
            Edit(
                "engine.view",
                '        return f"{symbol} is halted: {halt.reason}" if halt is not None else ""\n',
                '        return ""\n',
            ),
        ),
    ),
    Mutant(
        "tripped_control_passes",
        "a control that tripped, or cannot be evaluated, is shown and holds nothing back",
        (
            Edit(
                "engine.risk.control",
                "        scope = self.scope_of(ask)\n        if scope in self.holds:\n",
                "        scope = self.scope_of(ask)\n        return ''\n        if scope in self.holds:\n",
            ),
        ),
    ),
    Mutant(
        "halt_ages_out",
        "a halt of the account is lifted by itself after twenty seconds",
        (
            Edit(
                "engine.engine",
                "        self.reactions.watch()\n        asks = self.silence.watch()\n",
                "        self.reactions.watch()\n        old = core.books.halts.account()\n"
                "        if old is not None and core.clock.now() - old.ts > 20 * NS:\n"
                "            from engine.records import HaltReset\n"
                "            core.commit(HaltReset(scope='account', target='', who='timer'))\n"
                "        asks = self.silence.watch()\n",
            ),
        ),
    ),
    Mutant(
        "halt_lost_at_restart",
        "a new run starts without the halts of the last one",
        (
            Edit(
                "engine.books",
                "                self.run, self.ended = record, None\n",
                "                self.run, self.ended = record, None\n                self.halts = HaltBook()\n",
            ),
        ),
    ),
    Mutant(
        "kill_forgotten_at_restart",
        "a kill or flatten that a crash cut off is not taken up again",
        (
            Edit(
                "engine.engine",
                "            for request in self.core.books.kills:\n"
                "                self.kill.begin(request, cause, resumed=True)\n",
                "            self.core.books.kills = ()\n",
            ),
        ),
    ),
    Mutant(
        "day_begins_at_restart",
        "the day's loss is measured from the start of the process",
        (
            Edit(
                "engine.day",
                "        if day is not None and day.trading_day == today:\n            return\n",
                "        core.books.day = day = None\n",
            ),
        ),
    ),
    Mutant(
        "day_never_turns",
        "a day that begins while the engine runs is not opened: yesterday's loss counts on",
        (
            Edit(
                "engine.day",
                "        if day is not None and today <= day.trading_day:\n",
                "        if day is not None:\n",
            ),
        ),
    ),
    Mutant(
        "flatten_trusts_first_answer",
        "one picture without positions is enough to say flat",
        (
            Edit(
                "engine.kill",
                "                if reads >= config.confirm_reads:\n",
                "                if reads >= 1:\n",
            ),
        ),
    ),
    Mutant(
        "failed_read_is_flat",
        "positions that cannot be read count as none",
        (
            Edit(
                "engine.kill",
                '                reads = 0\n                self._step(f"the broker did not answer: {error}")\n',
                "                reads += 1\n                if reads >= config.confirm_reads:\n"
                "                    self._finish(host.clock.now())\n                    return True\n"
                '                self._step(f"the broker did not answer: {error}")\n',
            ),
        ),
    ),
    Mutant(
        "flat_with_orders_working",
        "flat is said while orders still work that would open a position again",
        (
            Edit(
                "engine.kill",
                "        return bool(left) or self._cancels.working(open_orders)\n",
                "        return bool(left)\n",
            ),
        ),
        lambda o: (
            faults("kill", "flatten")(o) and faults("cancel_refused", "delay_request", "lose_request")(o)
        ),
    ),
    Mutant(
        "kill_spares_foreign_orders",
        "orders placed elsewhere are left working by a kill",
        (
            Edit(
                "engine.kill_cancel",
                "return [o for o in self._host.live_orders() if ",
                "return [o for o in self._host.live_orders() if not o.foreign and ",
            ),
            Edit(
                "engine.kill",
                "        return bool(left) or self._cancels.working(open_orders)\n",
                "        return bool(left) or any(o.leaves > 0 for o in open_orders.ours)\n",
            ),
        ),
    ),
    Mutant(
        "second_kill_dropped",
        "a kill that is asked for while a smaller flatten runs is taken for a repeat",
        (
            Edit(
                "engine.kill_scope",
                "        before = (self.everything, self.entries, self.flatten_all, dict(self.targets))\n",
                "        if self.version:\n            return False\n"
                "        before = (self.everything, self.entries, self.flatten_all, dict(self.targets))\n",
            ),
        ),
        faults("kill", all_of=("flatten",)),
    ),
    Mutant(
        "throttle_blocks_cancels",
        "cancels share the budget of orders, and what finds none left is dropped",
        (
            Edit(
                "engine.intake",
                "        if wait > 0:\n            core.clock.call_later(wait, self._cancel_later, order_id, "
                'correlation)\n            return ""\n',
                "        rate = self._gate.controls.rate\n        bucket = rate._orders\n"
                "        if bucket is not None and bucket.used(self._view.mono()) > 0:\n"
                '            return ""\n',
            ),
        ),
    ),
)
