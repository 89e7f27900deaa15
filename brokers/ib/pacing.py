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


SHARES: Final = {Lane.CANCELS: 1.0, Lane.ORDERS: 0.5, Lane.QUESTIONS: 0.25}
"""Share of the limit that a lane may use of a second. Orders and questions together leave a quarter to
cancels, which may use all that is free. A strategy that never rests leaves questions theirs, because an
engine that cannot ask must give the link up."""

SECOND: Final = round(1.05 * NS)
"""The window; a little longer than TWS's, because our clocks do not tick together."""


class Pacer:
    """Counts messages of the last second, by lane and in all."""

    def __init__(self, clock: Clock, per_second: int) -> None:
        self._clock = clock
        self._limit = per_second
        self._limits = {lane: max(int(per_second * share), 1) for lane, share in SHARES.items()}
        self._sent: dict[Lane, deque[int]] = {lane: deque() for lane in Lane}

    def take(self, lane: Lane) -> None:
        """Counts one message. Raises `NotSent` when its lane is full for this second."""
        if self.wait(lane):
            raise NotSent(
                f"IB takes {self._limit} messages a second from us, and the lane for {lane} is full; try "
                f"again in a moment"
            )
        self._sent[lane].append(self._clock.mono())

    def wait(self, lane: Lane) -> int:
        """ns until the lane has room; 0: now."""
        now = self._clock.mono()
        for sent in self._sent.values():
            while sent and sent[0] <= now - SECOND:
                sent.popleft()
        own = self._sent[lane]
        frees = [own[0]] if len(own) >= self._limits[lane] else []
        if sum(map(len, self._sent.values())) >= self._limit:
            frees.append(min(sent[0] for sent in self._sent.values() if sent))
        return max(frees) + SECOND - now if frees else 0
