"""Why new risk is not allowed right now: latched halts, pauses with an end, and what lifts each."""

from __future__ import annotations

from collections.abc import Iterable, KeysView
from typing import Final

from engine.lifecycle_types import Code
from engine.model import Value

OVERFILL: Final = str(Code.OVERFILL).lower()
"""Code of the halt of an instrument in which more was executed than an order asked for."""


class Halt(Value, frozen=True, kw_only=True):
    """A latched halt. Only a person's reset lifts it; it survives restarts."""

    scope: str
    """`account`, `instrument` or `strategy`."""
    target: str
    code: str
    reason: str
    ts: int


class HaltBook:
    """All halts by (scope, target); the first reason stays until it is reset."""

    def __init__(self) -> None:
        self._halts: dict[tuple[str, str], Halt] = {}

    def __contains__(self, scope_and_target: object) -> bool:
        return scope_and_target in self._halts

    def latch(self, halt: Halt) -> bool:
        """Latches; False when that scope is halted already."""
        key = (halt.scope, halt.target)
        if key in self._halts:
            return False
        self._halts[key] = halt
        return True

    def get(self, scope: str, target: str) -> Halt | None:
        return self._halts.get((scope, target))

    def reset(self, scope: str, target: str) -> bool:
        return self._halts.pop((scope, target), None) is not None

    def account(self) -> Halt | None:
        return self._halts.get(("account", ""))

    def pause(self) -> Halt | None:
        """The operator's pause of all opening orders."""
        return self._halts.get(("account", "pause"))

    def instrument(self, symbol: str) -> Halt | None:
        return self._halts.get(("instrument", symbol))

    def strategy(self, name: str) -> Halt | None:
        return self._halts.get(("strategy", name))

    def keys(self) -> KeysView[tuple[str, str]]:
        """(scope, target) of all halts, in the order in which they were latched."""
        return self._halts.keys()

    def all(self) -> tuple[Halt, ...]:
        return tuple(self._halts[key] for key in sorted(self._halts))

    def put_back(self, halts: Iterable[Halt]) -> None:
        """Latches the halts of a saved state, in the order in which they were latched."""
        self._halts = {(halt.scope, halt.target): halt for halt in halts}

    def latched(self) -> tuple[Halt, ...]:
        """All, in the order in which they were latched."""
        return tuple(self._halts.values())

    def state(self) -> tuple[tuple[str, str, str], ...]:
        return tuple((h.scope, h.target, h.code) for h in self.all())
