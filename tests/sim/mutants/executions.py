"""Planted bugs of executions and positions: counted twice, dropped, taken back wrongly."""

from __future__ import annotations

from typing import Final

from tests.sim.mutants.planting import Edit, Mutant

EXECUTIONS: Final = (
    Mutant(
        "no_execution_dedup",
        "an execution that comes twice is counted twice in its order",
        (
            Edit(
                "engine.orders",
                "if not self._executions.remember(key):\n            self.duplicates",
                "if not self._executions.remember(key) and record is None:\n            self.duplicates",
            ),
        ),
    ),
    Mutant(
        "dedup_forgotten_at_restart",
        "which executions were booked is known to the running process only",
        (
            Edit(
                "engine.engine",
                "        config, clock = parts.config, parts.clock\n",
                "        config, clock = parts.config, parts.clock\n"
                "        parts.books.orders._executions._days.clear()\n",
            ),
        ),
    ),
    Mutant(
        "dedup_keeps_ten",
        "only the last ten execution ids of a day are remembered",
        (
            Edit(
                "engine.orders_fills",
                "        before = len(ids)\n",
                "        if len(ids) > 10:\n            ids.clear()\n        before = len(ids)\n",
            ),
        ),
    ),
    Mutant(
        "fill_after_cancel_dropped",
        "an execution of an order that is closed by our books is thrown away",
        (
            Edit(
                "engine.books",
                "        outcome = self.orders.apply_fill(fill, ts)\n",
                "        if was_closed:\n"
                "            return Applied(known, (), changed=False, was_closed=was_closed)\n"
                "        outcome = self.orders.apply_fill(fill, ts)\n",
            ),
        ),
    ),
    Mutant(
        "fill_before_ack_dropped",
        "an execution of an order that is not acknowledged yet is thrown away",
        (
            Edit(
                "engine.books",
                "        outcome = self.orders.apply_fill(fill, ts)\n",
                "        if known is not None and not known.acked:\n"
                "            return Applied(known, (), changed=False)\n"
                "        outcome = self.orders.apply_fill(fill, ts)\n",
            ),
        ),
    ),
    Mutant(
        "foreign_fill_dropped",
        "an execution that no order of ours explains is thrown away",
        (
            Edit(
                "engine.books",
                "        outcome = self.orders.apply_fill(fill, ts)\n",
                "        if known is None:\n            return Applied(changed=False)\n"
                "        outcome = self.orders.apply_fill(fill, ts)\n",
            ),
        ),
    ),
    Mutant(
        "correction_added",
        "a corrected execution is booked beside the one that it replaces",
        (
            Edit(
                "engine.books",
                "self.positions.correct(old, symbol, fill, owners)",
                "self.positions.get(symbol).held.add(fill.side.sign * fill.qty, fill.price, fill.fee)",
            ),
        ),
    ),
    Mutant(
        "bust_ignored",
        "an execution that the venue takes back stays in the position",
        (
            Edit(
                "engine.books",
                "        if symbol is not None:\n            self.positions.bust(symbol, key)\n",
                "        if symbol is not None:\n",
            ),
        ),
    ),
    Mutant(
        "bust_keeps_cash",
        "a bust takes the lots back and leaves the money",
        (
            Edit(
                "engine.positions",
                "        if position.booked.pop(key, None) is None:\n            return False\n"
                "        self.version += 1\n        self._fold(position, position.booked.entries())\n",
                "        if position.booked.pop(key, None) is None:\n            return False\n"
                "        cash = position.held.cash\n"
                "        self.version += 1\n        self._fold(position, position.booked.entries())\n"
                "        position.held.cash = cash\n",
            ),
        ),
    ),
    Mutant(
        "sells_added",
        "the sign of a sale is lost where a position is closed beyond zero",
        (
            Edit(
                "engine.positions",
                "        lots = sum(leg[1] for leg in legs)\n",
                "        lots = sum(leg[1] for leg in legs)\n"
                "        if abs(lots) > abs(position.held.qty) > 0:\n            lots = abs(lots)\n",
            ),
        ),
    ),
    Mutant(
        "partial_fill_ends_order",
        "the first execution closes an order, whatever is left of it",
        (
            Edit(
                "engine.lifecycle_local",
                "    if cum < life.qty:\n        return Transition(\n            evolve(life, cum=cum, "
                "status=PARTIAL,",
                "    if cum < life.qty:\n        return Transition(\n            evolve(life, cum=cum, "
                "status=FILLED,",
            ),
        ),
    ),
)
