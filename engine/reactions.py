"""What the engine does when a limit is breached."""

from __future__ import annotations

from collections.abc import Callable

from engine.core import Core
from engine.intake import Intake
from engine.kill import KillSwitch
from engine.model import Purpose
from engine.records import ControlReset, ControlTripped, KillBegan
from engine.risk.controls.margin import Margin, reduction_plan
from engine.risk.controls.strategy_limits import StrategyLoss
from engine.risk.loop import Breach, Cleared, RiskEvent
from engine.view import EngineView


class Reactions:
    """Runs on the engine's thread, in plain synchronous code."""

    def __init__(
        self, core: Core, intake: Intake, kill: KillSwitch, view: EngineView, margin: Margin
    ) -> None:
        self._core = core
        self._intake = intake
        self._kill = kill
        self._view = view
        self._margin = margin
        self.stop_strategy: Callable[[str, str], None] = lambda _name, _reason: None
        """Stops one strategy as failed; set by the engine."""

    # -- limits

    def on_event(self, event: RiskEvent) -> None:
        """Carries out what is configured for a control that tripped (once for each trip)."""
        core = self._core
        if isinstance(event, Breach):
            self._breached(event)
            return
        where = f"{event.title} {event.scope}".strip()
        if isinstance(event, Cleared):
            tripped = core.books.tripped.get((event.control, event.scope))
            if tripped is not None:
                core.commit(ControlReset(control=event.control, scope=event.scope, who="engine"))
            if tripped is not None and tripped.action != "refuse":
                core.alarm("info", event.control, f"{where} is clear again")
            else:
                # What tripped without an alarm clears without one, as trading itself does at every start.
                core.log("info", f"{where} is clear again", component="risk", status="ACTIVE")
        else:
            # Doubt: the gate refuses opening orders for as long as it lasts.
            core.metrics.count(f"doubt.{event.control}")
            core.log("warning", f"{where}: {event.detail}", component="risk", status="UNKNOWN")

    def _breached(self, breach: Breach) -> None:
        core = self._core
        # One id leads from the limit to its alarm, its cancels, the halt and the orders that flatten.
        cause = core.ids.correlation()
        core.commit(
            ControlTripped(
                control=breach.control, scope=breach.scope, action=breach.action, detail=breach.detail
            ),
            cause,
        )
        core.metrics.count(f"tripped.{breach.control}")
        text = breach.text
        if breach.action == "refuse" and not breach.latched:
            # The gate refuses by itself and says so order by order; the screen shows the control.
            core.log("warning", text, component="risk", status="TRIPPED", symbol=breach.scope)
            return
        severity = "critical" if breach.action in ("cancel", "kill") else "warning"
        symbol = breach.scope if breach.scope in core.books.instruments else ""
        core.alarm(severity, breach.control, text, symbol=symbol, correlation=cause)  # type: ignore[arg-type]
        if breach.control == StrategyLoss.name:
            self.stop_strategy(breach.scope, text)
        if breach.action == "cancel":
            self._cancel_entries(breach.scope, cause)
        elif breach.action == "kill":
            self._kill_for(breach, cause)

    def _cancel_entries(self, scope: str, cause: str) -> None:
        for record in list(self._core.books.orders.working()):
            order = record.order
            if order.purpose is Purpose.TRADE and scope in ("", order.symbol, order.strategy):
                self._intake.cancel(order.id, cause)

    def _kill_for(self, breach: Breach, cause: str) -> None:
        if breach.control == "margin":
            targets = self._reduced()
            if targets:
                request = KillBegan(reason=breach.detail, symbol=None, flatten=True, targets=targets)
                self._kill.begin(request, cause)
                return
        symbol = breach.scope if breach.scope in self._core.books.instruments else None
        self._kill.begin(KillBegan(reason=breach.detail, symbol=symbol, flatten=True), cause)

    @property
    def waits(self) -> bool:
        """Margin is above its target: `watch` may have more to do at any figure."""
        return self._margin.above

    def watch(self) -> None:
        """A margin trip is reported once, but margin may rise again while it holds, or miss its target: it is
        reduced again, by figures of the broker that are newer than the last reduction."""
        margin = self._margin
        if not margin.above or "" not in margin.holds or self._kill.running:
            return
        if self._view.limits().margin_action != "kill" or self._view.account_at <= self._kill.ended_at:
            return
        targets = self._reduced()
        if targets:
            reason = "Margin is still above its target; reducing again"
            cause = self._core.ids.correlation()
            self._core.alarm("critical", margin.name, reason, correlation=cause)
            self._kill.begin(KillBegan(reason=reason, symbol=None, flatten=True, targets=targets), cause)

    def _reduced(self) -> dict[str, int]:
        """Positions after what has to be closed for margin to fall to its target."""
        out: dict[str, int] = {}
        for step in reduction_plan(self._view):
            held = self._core.books.positions.qty(step.symbol)
            out[step.symbol] = held + step.side.sign * step.lots
        return out
