"""The gate: the only place where an order or a replace becomes `Approved`.

It asks the controls one after the other, cheap ones first, and the first refusal decides. A control that
fails to evaluate refuses what opens and lets pass what takes risk away. Budgets are charged only for what was
approved. The caller must count an approved request in the books before it asks again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from engine.model import Order, Replace, Value
from engine.risk.ask import Ask, NoSuchOrder
from engine.risk.control import Refusal
from engine.risk.controls import ControlSet, Gated
from engine.risk.view import RiskView
from engine.sending import Approved, take_seal

_SEAL: Final = take_seal("approve", "engine.risk.gate")

R = TypeVar("R", Order, Replace)

__all__ = ["Gate", "Refusal", "Refused"]


class Refused(Value, frozen=True):
    """The answer to an order that may not go out; the first reason is the one that decided."""

    reasons: tuple[Refusal, ...]

    @property
    def text(self) -> str:
        return "; ".join(f"{r.control}: {r.text}" for r in self.reasons)


class Gate:
    """Holds no state of its own but counters; the controls have theirs, shared with the risk loop."""

    def __init__(self, controls: ControlSet) -> None:
        self.controls = controls
        self.approved = 0
        self.refused = 0

    def check(self, request: R, view: RiskView) -> Approved[R] | Refused:
        """Approves or refuses. Never raises."""
        refusal: Refusal | None
        try:
            ask = Ask(request, view)
        except NoSuchOrder as error:
            refusal = Refusal("validity", f"there is no order {error} to replace; send a new one")
        except Exception as error:  # noqa: BLE001 - a view that fails must refuse, not break the engine
            refusal = _cannot_read(error)
        else:
            if ask.blind is not None and not ask.flatten:
                refusal = _cannot_read(ask.blind)
            else:
                refusal = next(self._refusals(ask, view), None)
        if refusal is not None:
            self.refused += 1
            return Refused((refusal,))
        for control in self.controls.charged:
            try:
                control.approved(ask, view)
            except Exception as error:  # noqa: BLE001 - counted; an order already approved stays approved
                control.failed(error, _mono(ask), control.scope_of(ask))
        self.approved += 1
        return Approved(request, _SEAL)

    def preview(self, request: Order | Replace, view: RiskView) -> tuple[Refusal, ...]:
        """All reasons that would refuse the request right now; empty where it would pass. Charges nothing."""
        try:
            ask = Ask(request, view, trial=True)
        except NoSuchOrder as error:
            return (Refusal("validity", f"there is no order {error} to replace; send a new one"),)
        except Exception as error:  # noqa: BLE001 - as in `check`
            return (_cannot_read(error),)
        if ask.blind is not None and not ask.flatten:
            return (_cannot_read(ask.blind),)
        return tuple(self._refusals(ask, view))

    def is_reducing(self, request: Order | Replace, view: RiskView) -> bool:
        """Whether what was approved before, and counts in the books, still takes risk away."""
        try:
            return Ask(request, view, counts_already=True).exempt
        except Exception:  # noqa: BLE001 - what cannot be proven to reduce does not
            return False

    def protects(self, request: Order | Replace, view: RiskView) -> bool:
        """Whether what was approved before, and counts in the books, is protection that only reduces."""
        try:
            return Ask(request, view, counts_already=True).protects
        except Exception:  # noqa: BLE001 - as in `is_reducing`
            return False

    def held(self, request: Order | Replace, view: RiskView) -> str:
        """Why what was approved a while ago must not leave after all; empty where it may. Storing it may have
        taken seconds: a trip in the meantime counts, and so does data that went stale. Charges nothing."""
        try:
            ask = Ask(request, view, counts_already=True, trial=True)
            if ask.exempt:
                return ""
            if ask.blind is not None:
                return _cannot_read(ask.blind).text
            for control in self.controls.again:
                refusal = control.check(ask, view)
                if refusal is not None:
                    return f"{control.name}: {refusal.text}"
            for control, holds, broken in self.controls.gates_opening:
                if (holds or broken) and (text := control.hold_on(ask)):
                    return f"{control.name}: {text}"
        except Exception as error:  # noqa: BLE001 - in doubt nothing that opens is sent
            return _cannot_read(error).text
        return ""

    def cancel_wait(self, view: RiskView, urgent: bool = False) -> int:
        """0: one cancel was charged and may go now. Else the ns after which to ask again, at most a second or
        so; nothing was charged. `urgent` for kill and flatten, which may use the whole reserve."""
        try:
            return self.controls.rate.cancel_wait(view, urgent)
        except Exception as error:  # noqa: BLE001 - a budget that fails must never hold up a cancel
            self.controls.rate.failed(error, 0)
            return 0

    def _applying(self, ask: Ask) -> Sequence[Gated]:
        if ask.flatten:
            return self.controls.gates_flatten
        return self.controls.gates_reducing if ask.reducing else self.controls.gates_opening

    def _refusals(self, ask: Ask, view: RiskView) -> Iterator[Refusal]:
        """The answers of the controls that refuse, one by one."""
        exempt = ask.exempt
        for control, holds, broken in self._applying(ask):
            refusal: Refusal | None
            try:
                refusal = control.check(ask, view)
                if refusal is None:
                    if exempt or not (holds or broken):
                        continue
                    why = control.hold_on(ask)
                    if not why:
                        continue
                    refusal = Refusal(control.name, why, "", bool(broken))
            except Exception as error:  # noqa: BLE001 - a control that fails refuses what opens; it is counted
                text = control.failed(error, _mono(ask), control.scope_of(ask))
                if exempt:
                    continue
                text = f"cannot evaluate ({text}); until then only orders that reduce pass"
                refusal = Refusal(control.name, text, "", True)
            if not ask.trial:
                control.refused += 1
                control.last_refusal = refusal.text
                if control.kind == "account":
                    control.touched[""] = None
            yield refusal


def _cannot_read(error: Exception) -> Refusal:
    text = f"request or books cannot be read ({type(error).__name__}: {error}); nothing is sent"
    return Refusal("gate", text, "", True)


def _mono(ask: Ask) -> int:
    """The time of an ask, 0 where not even that could be read."""
    return getattr(ask, "mono", 0)
