"""The doors of the exchange: several gateways lead to the same books, and each can be out of order."""

from __future__ import annotations

from brokers.exchange.session import Session
from engine.model import NS
from engine.ports import Clock

FIRST = "primary"
"""The gateway of a session that names none."""


class Gateways:
    """Says which session may be opened, and closes doors on command."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._down: dict[str, str] = {}
        self._away: dict[tuple[str, str], int] = {}

    def close(self, gateway: str, reason: str) -> None:
        """Out of order until `open`."""
        self._down[gateway] = reason

    def open(self, gateway: str) -> None:
        self._down.pop(gateway, None)

    def away(self, session: Session, down_for: int) -> None:
        """The session's line cannot be opened again for `down_for` ns."""
        self._away[session.account, session.gateway] = self._clock.mono() + down_for

    def back(self, session: Session) -> None:
        self._away.pop((session.account, session.gateway), None)

    def refusal(self, account: str, gateway: str) -> str:
        """Why a session of this account cannot be opened by this door now; empty where it can."""
        reason = self._down.get(gateway)
        if reason is not None:
            return f"gateway {gateway} is out of order: {reason}"
        left = self._away.get((account, gateway), 0) - self._clock.mono()
        return f"gateway {gateway} does not answer for another {left / NS:.3f} s" if left > 0 else ""
