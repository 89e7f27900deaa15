"""How a run ends: closed and proven flat when it was to end, gracefully and in seconds when it is stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from engine.journal import StoreFailed
from engine.model import NS, Purpose
from engine.ports import QueryFailed
from engine.records import KillBegan, RunEnded
from engine.waiting import within

if TYPE_CHECKING:
    from engine.engine import Engine


class Ending:
    """Runs as a task of the engine's loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._core = engine.core

    async def finish(self, reason: str) -> None:
        """The end of a run that was to end: strategies stop, then everything is closed and proven flat.

        Unlike a kill it latches nothing. Gives up after a minute of engine time and leaves the rest as it is.
        """
        engine, core = self._engine, self._core
        await engine.strategies.stop(reason, 5 * NS)
        if not engine.kill.running and core.books.halts.account() is None:
            request = KillBegan(reason=f"end of run: {reason}", symbol=None, flatten=True, latch=False)
            engine.kill.begin(request)
        await self._within(engine.kill.finished(), NS * 60)
        await self._within(engine.reconciler.round("end of run"), NS * 10)

    async def _within(self, what: Coroutine[Any, Any, object], limit: int) -> None:
        with contextlib.suppress(TimeoutError):
            await within(self._core.clock, what, limit)

    async def stop(self, reason: str, complete: bool, deadline: int) -> None:
        """The graceful stop: strategies, entry orders by policy, protective orders stay, journal. `deadline`:
        ns of engine time."""
        engine, core = self._engine, self._core
        core.log("info", f"stopping: {reason}", component="engine")
        end = core.clock.mono() + deadline
        await engine.strategies.stop(reason, deadline // 2)
        await self._cancel_entries(end, everything=core.config.orders.on_stop == "cancel")
        await self._within(self._verify_protection(), NS)
        engine.end_loops()
        flat = not any(p.held.qty for p in core.books.positions)
        disarmed = engine.dead_man.stop()
        core.commit(RunEnded(reason=reason, flat=flat, complete=complete))
        engine.publish()
        if disarmed:
            # Its answer comes after what was sent before: a session that ends at once could lose the word.
            with contextlib.suppress(QueryFailed):
                await self._within(core.adapter.probe(), NS)
        await core.adapter.close()
        if engine.keeper is not None:
            await engine.keeper.goodbye(reason)
        # A disk that hangs must not hold the stop up; what is owed was never acknowledged.
        try:
            await self._within(core.journal.flush(), 2 * NS)
        except StoreFailed as error:
            core.log("error", f"the journal's last rows are not on disk: {error}", component="engine")

    async def _cancel_entries(self, end: int, *, everything: bool) -> None:
        """Cancels working entry orders and waits for the answers, at most until `end` (monotonic ns).

        Not `everything`: only those whose protection waits here, because what they fill would have none.
        """
        core = self._core
        orders = core.books.orders
        while True:
            entries = [
                r
                for r in orders.working()
                if r.order.purpose is Purpose.TRADE
                and not r.foreign
                and (everything or any(child.held for child in orders.children(r.order.id)))
            ]
            if not entries or core.clock.mono() >= end or not core.link_up:
                if entries:
                    core.alarm("warning", "stop", f"{len(entries)} entry orders may still work at the broker")
                return
            for record in entries:
                if not record.life.pending_cancel:
                    self._engine.intake.cancel(record.order.id)
            await core.clock.sleep(50_000_000)

    async def _verify_protection(self) -> None:
        """Protective orders outlive the engine: the broker is asked whether it really has them."""
        core = self._core
        ours = [r for r in core.books.orders.at_venue() if r.order.purpose is Purpose.PROTECT]
        if not ours:
            return
        try:
            listed = {o.order_id for o in (await core.adapter.open_orders()).ours if o.leaves > 0}
        except QueryFailed as error:
            core.alarm("critical", "protection", f"{len(ours)} protective orders are not verified: {error}")
            return
        missing = [r.order.id for r in ours if r.order.id not in listed]
        self._engine.protective = (len(ours) - len(missing), len(missing))
        if missing:
            text = f"the broker does not have these protective orders: {', '.join(missing[:10])}"
            core.alarm("critical", "protection", text)
