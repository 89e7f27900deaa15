"""What broker adapters share: where facts go, the budget of messages with its lane for cancels, capabilities.

Adapters translate and report; nothing here holds order state, retries or queues.
"""

from __future__ import annotations

import asyncio
from collections import deque

from engine.facts import AnyFact
from engine.model import NS, OrderType, TimeInForce
from engine.ports import Capabilities, Clock, FactSink, NotSent
from engine.sending import Recorded


class Outlet:
    """Where an adapter's facts go. Facts are handed over on the engine's thread, never from within a call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sink: FactSink | None = None
        self.facts = 0
        """Facts handed over so far."""

    def bind(self, sink: FactSink) -> None:
        """Raises `RuntimeError` when facts already go somewhere else."""
        if self._sink is not None:
            raise RuntimeError("this adapter's facts are bound already; make one adapter for each engine")
        self._sink = sink

    def now(self, fact: AnyFact) -> None:
        """Hands a fact over at once; only from a callback of the loop."""
        if self._sink is None:
            raise RuntimeError("bind the adapter to a sink before it is connected")
        self.facts += 1
        try:
            self._sink(fact)
        except Exception as error:  # noqa: BLE001 - told to the loop's handler; the line must go on
            what = f"the engine could not take {type(fact).__name__}"
            asyncio.get_running_loop().call_exception_handler({"message": what, "exception": error})

    def soon(self, fact: AnyFact) -> None:
        """Hands a fact over in the loop's next turn; the way out from within a call."""
        self._clock.call_soon(self.now, fact)


class Lanes:
    """A venue's message limit, kept on our side: orders and replaces may use it up but for a share that is
    left to cancels. Refuses (`NotSent`) instead of queueing: what waits in a queue is sent too late.
    """

    def __init__(self, clock: Clock, per_second: int | None, for_cancels: float = 0.2) -> None:
        self._clock = clock
        self._limit = per_second
        self._orders = None if per_second is None else max(int(per_second * (1 - for_cancels)), 1)
        self._sent: deque[int] = deque()

    def take(self, *, cancel: bool) -> None:
        """Counts one message. Raises `NotSent` when its lane is full for this second."""
        limit = self._limit if cancel else self._orders
        if limit is None:
            return
        now, sent = self._clock.mono(), self._sent
        while sent and sent[0] <= now - NS:
            sent.popleft()
        if len(sent) >= limit:
            lane = "cancels" if cancel else "orders"
            raise NotSent(f"the venue takes {self._limit} messages a second; the lane for {lane} is full")
        sent.append(now)


def require_recorded(request: object) -> None:
    """Raises `TypeError` unless the journal has vouched for the request: nothing else may be sent."""
    if type(request) is not Recorded:
        raise TypeError(f"only what is recorded may be sent, not a {type(request).__name__}")


def exchange_capabilities(message_limit: int | None, *, what_if: bool = False) -> Capabilities:
    """What the simulated exchange can do, as the conformance suite observes it (tests/conformance)."""
    return Capabilities(
        order_types=frozenset(OrderType),
        tifs=frozenset(TimeInForce),
        replace_in_place=True,
        reduce_only=True,
        post_only=True,
        oco=True,
        bracket=True,
        dead_man=True,
        what_if=what_if,
        message_limit=message_limit,
    )
