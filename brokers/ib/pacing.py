"""TWS's message limit over everything that we send, in three lanes: cancels first, then orders, then the
rest.

It refuses instead of queueing, and stays below what the client library holds back at (45), so that nothing
ever waits in the library's own queue, where a cancel would stand behind orders and a lost line lose both.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Final

from engine.model import NS
from engine.ports import Clock, NotSent


class Lane(StrEnum):
    CANCELS = "cancels"
    ORDERS = "orders and changes"
    QUESTIONS = "questions"


SHARES: Final = {Lane.CANCELS: 1.0, Lane.ORDERS: 0.75, Lane.QUESTIONS: 0.5}
"""Share of the limit up to which a lane may fill the second: what is left over is kept for the lanes
above."""

SECOND: Final = round(1.05 * NS)
"""The window; a little longer than TWS's, because our clocks do not tick together."""


class Pacer:
    """Counts messages of the last second."""

    def __init__(self, clock: Clock, per_second: int) -> None:
        self._clock = clock
        self._limits = {lane: max(int(per_second * share), 1) for lane, share in SHARES.items()}
        self._sent: deque[int] = deque()

    def take(self, lane: Lane) -> None:
        """Counts one message. Raises `NotSent` when its lane is full for this second."""
        now, sent = self._clock.mono(), self._sent
        while sent and sent[0] <= now - SECOND:
            sent.popleft()
        if len(sent) >= self._limits[lane]:
            raise NotSent(
                f"IB takes {self._limits[Lane.CANCELS]} messages a second from us, and the lane for "
                f"{lane} is "
                f"full; try again in a moment"
            )
        sent.append(now)

    def wait(self, lane: Lane) -> int:
        """ns until the lane has room; 0: now."""
        now, sent = self._clock.mono(), self._sent
        over = len(sent) - self._limits[lane]
        return max(sent[over] + SECOND - now, 0) if over >= 0 else 0
