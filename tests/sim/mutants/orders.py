"""Planted bugs of the order's life: what silence, refusals and late reports are taken for."""

from __future__ import annotations

from typing import Final

from tests.sim.mutants.planting import Edit, Mutant, faults

ORDERS: Final = (
    Mutant(
        "timeout_is_rejection",
        "an order that is not answered in time counts as rejected",
        (
            Edit(
                "engine.lifecycle_local",
                '    return Transition(doubt(life, f"no answer to the {event.what}"))\n',
                '    return Transition(close(life, REJECTED, "timed out"))\n',
            ),
        ),
    ),
    Mutant(
        "timeout_is_resent",
        "an order that is not answered in time is sent once more",
        (
            Edit(
                "engine.intake",
                '        core.commit(Sent(order_id=order.id, what="submit"), order.correlation, order.id)\n',
                '        core.commit(Sent(order_id=order.id, what="submit"), order.correlation, order.id)\n'
                "        core.books.__dict__.setdefault('kept', {})[order.id] = stored\n",
            ),
            Edit(
                "engine.silence",
                "        for due in orders.due(now):\n",
                "        for due in orders.due(now):\n"
                "            again = core.books.__dict__.setdefault('kept', {}).get(due.order_id)\n"
                "            if again is not None and due.kind.value == 'submit' and core.link_up:\n"
                "                core.adapter.submit(again)\n",
            ),
        ),
    ),
    Mutant(
        "unknown_ages_out",
        "an order in doubt is dropped after the second question without an answer",
        (
            Edit(
                "engine.silence",
                "        for due in orders.due(now):\n",
                "        for due in orders.due(now):\n"
                "            if due.attempts >= 1:\n"
                "                from engine.records import LostOrder\n"
                "                core.commit(LostOrder(order_id=due.order_id, reason='old'))\n"
                "                continue\n",
            ),
        ),
    ),
    Mutant(
        "failed_query_is_gone",
        "a question that failed counts as 'there is no such order'",
        (
            Edit(
                "engine.silence",
                '            core.metrics.count("query_failed")\n',
                '            core.metrics.count("query_failed")\n'
                "            from engine.records import LostOrder\n"
                "            core.commit(LostOrder(order_id=order_id, reason='no answer'), '', order_id)\n",
            ),
        ),
    ),
    Mutant(
        "not_found_is_lost",
        "one answer 'no such order' is enough to give an order up, without a look at executions",
        (
            Edit(
                "engine.giving_up",
                "        if record.not_found < NOT_FOUND_MEANS_LOST or now - since < self._apart:\n            return\n",
                "        del since\n",
            ),
            Edit(
                "engine.giving_up",
                "        self._engine.reconciler.executions_first(order_id, self._give_up)\n",
                "        self._give_up(order_id)\n",
            ),
            Edit(
                "engine.giving_up",
                "if record is None or record.life.is_closed or record.not_found < NOT_FOUND_MEANS_LOST:\n",
                "if record is None or record.life.is_closed:\n",
            ),
        ),
        faults("unknown_order", "delay_request"),
    ),
    Mutant(
        "cancel_assumed",
        "an order is closed as soon as its cancel has been sent",
        (
            Edit(
                "engine.lifecycle_local",
                "    return Transition(life if life.pending_cancel else evolve(life, pending_cancel=True))\n",
                "    return Transition(close(life, CANCELED, 'cancel sent'))\n",
            ),
        ),
    ),
    Mutant(
        "cancel_reject_closes",
        "a refused cancel is taken to mean that the order is gone",
        (
            Edit(
                "engine.lifecycle_venue",
                "        return refusal(evolve(life, pending_cancel=False), event.status, event.reason, "
                "answers=True)\n",
                "        return Transition(close(life, CANCELED, event.reason))\n",
            ),
        ),
    ),
    Mutant(
        "late_ack_resets_fills",
        "an acknowledgement sets the filled quantity back to zero",
        (
            Edit(
                "engine.lifecycle_venue",
                'return surprise(evolve(life, acked=True), Code.LATE_ACK, f"acknowledged when already '
                '{life.status}")',
                'return surprise(evolve(life, acked=True, cum=0), Code.LATE_ACK, "late")',
            ),
        ),
        faults("late_ack"),
    ),
    Mutant(
        "old_picture_believed",
        "a report that is older than what is known takes it back",
        (
            Edit(
                "engine.reconcile",
                '    if _recent(given, order):\n        return ""\n    if order.status.is_closed != report',
                "    if order.status.is_closed != report",
            ),
            Edit(
                "engine.lifecycle_report",
                "    if event.ts < life.as_of:\n        return _stale(life, event)\n    status = event.status\n"
                "    if status in CLOSED:\n        return _report_of_end(life, event)\n"
                "    if event.cum < life.cum:\n        return _stale(life, event)\n",
                "    status = event.status\n    if status in CLOSED:\n"
                "        return _report_of_end(life, event)\n    life = evolve(life, cum=event.cum)\n",
            ),
        ),
        faults("stale_snapshot", "reorder"),
    ),
    Mutant(
        "replace_confirmed_at_once",
        "a replace counts as done when it has been sent",
        (
            Edit(
                "engine.lifecycle_local",
                "    return Transition(evolve(life, replaces=(*life.replaces, change), doubts=0))\n",
                "    return Transition(evolve(life, qty=change.qty, limit=change.limit, stop=change.stop))\n",
            ),
        ),
    ),
    Mutant(
        "bracket_holds_more_than_its_owner",
        "stop and target of a bracket that the engine works outlive a position that others closed",
        (
            Edit(
                "engine.grouping",
                "bracket_actions(parent.life, legs, left[side], renewable)\n",
                "bracket_actions(parent.life, legs, None, renewable)\n",
            ),
        ),
    ),
    Mutant(
        "venue_bracket_outgrown",
        "stop and target that the venue works stay at their size when others make the position smaller",
        (
            Edit(
                "engine.grouping",
                "        for parent_id, owner in self._at_venue.outgrown(self._kill.covers, self._open):\n",
                "        for parent_id, owner in ():\n",
            ),
        ),
    ),
    Mutant(
        "wrong_size_stands",
        "a protective order that no change reaches is changed again and again, and nobody is told",
        (
            Edit(
                "engine.grouping",
                "        if isinstance(action, Resize) and self._stuck.is_stuck(child, action.qty):\n",
                "        if isinstance(action, Resize) and child is None:\n",
            ),
            Edit(
                "engine.grouping_stuck",
                "        if order.id in self._told:\n            return\n",
                "        if order.id:\n            return\n",
            ),
        ),
        faults("twin_replace"),
    ),
)
