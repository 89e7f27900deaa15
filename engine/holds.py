"""Instruments that open nothing until a comparison with the broker has agreed, and why.

Unlike a latched halt a hold ends by rule. It begins in the row of the execution that causes it, so that no
crash comes between the two, and it survives restarts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from engine.lifecycle_types import Anomaly, Code
from engine.model import Value

AFTER_END: Final = frozenset(
    {Code.FILL_AFTER_CANCEL, Code.FILL_AFTER_EXPIRE, Code.FILL_AFTER_REJECT, Code.FILL_AFTER_LOST}
)
"""Executions of orders that were over in our books."""
_LATE: Final = frozenset(str(code).lower() for code in AFTER_END)
UNEXPLAINED: Final = frozenset({Code.UNKNOWN_ORDER, Code.EVICTED_ORDER, Code.FILL_MISMATCH})
"""Executions that no order in our books explains."""
HOLDING: Final = AFTER_END | UNEXPLAINED


class InstrumentHold(Value, frozen=True, kw_only=True):
    """Nothing opens in `symbol`, because of the execution that `reason` names."""

    symbol: str
    code: str
    reason: str
    ts: int
    """Engine time, UTC ns."""

    @property
    def late(self) -> bool:
        """Whether it was an execution of an order that was over."""
        return self.code in _LATE


class HoldBook:
    """At most one hold of each instrument: the newest, because a comparison must follow that one."""

    def __init__(self) -> None:
        self._holds: dict[str, InstrumentHold] = {}

    def begin(self, symbol: str, anomalies: Iterable[Anomaly], ts: int) -> None:
        """Holds the instrument in which something was executed if one of these says that it was not meant to
        be."""
        for anomaly in anomalies:
            if anomaly.code in HOLDING:
                self._holds[symbol] = InstrumentHold(
                    symbol=symbol, code=str(anomaly.code).lower(), reason=anomaly.text, ts=ts
                )
                return

    def get(self, symbol: str) -> InstrumentHold | None:
        return self._holds.get(symbol)

    def end(self, symbol: str) -> bool:
        """False where it is not held."""
        return self._holds.pop(symbol, None) is not None

    def all(self) -> tuple[InstrumentHold, ...]:
        return tuple(self._holds[symbol] for symbol in sorted(self._holds))

    def standing(self) -> tuple[InstrumentHold, ...]:
        """All, in the order in which their instruments were first held."""
        return tuple(self._holds.values())

    def put_back(self, holds: Iterable[InstrumentHold]) -> None:
        """Those of a saved state, in their order."""
        self._holds = {hold.symbol: hold for hold in holds}
