"""The line between the engine's process and the exchange: it delays, doubles, loses, floods, and watches.

To the paper adapter it looks like the exchange that it logs on to. What crosses it changes its process: what
the exchange does runs in the world, what reaches the engine runs in the engine, so that a stalled engine
stalls and a dead one hears nothing more.
"""

from __future__ import annotations

import contextlib
import contextvars
import random
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from brokers.exchange.config import ExchangeConfig
from brokers.exchange.exchange import Exchange
from brokers.exchange.messages import Action, Answer, Query, QueryOpenOrders, QueryPositions
from brokers.exchange.session import Session
from engine.facts import AnyFact, LinkDown, LinkUp, OpenOrders, Positions
from engine.model import NS
from engine.ports import Clock, NotSent
from engine.sim.schedule import SimLoop

FLOOD = 400
"""Reports that may wait for a slow consumer before the venue drops its session."""
LATEST: Final = 5 * NS
"""A request arrives within so long or never: no engine could tell a later one from a lost one, and
`orders.lost_after` says how long this one waits."""


class Wire:
    """One engine's line; made anew for each engine."""

    def __init__(
        self,
        loop: SimLoop,
        exchange: Exchange,
        clock: Clock,
        context: contextvars.Context,
        rng: random.Random,
        rates: dict[str, float],
    ) -> None:
        self.loop = loop
        self.exchange = exchange
        self.clock = clock
        self.config: ExchangeConfig = exchange.config
        self.instruments = exchange.instruments
        self.context = context
        self.rng = rng
        self.rates = rates
        """Shares of requests that a fault hits; the world empties it when the faults stop."""
        self.struck: Callable[[str], None] = lambda _: None
        """Told of each fault of the line."""
        self.dead = False
        self.slow_until = 0
        """Up to this time the engine takes one report in 50 ms."""
        self.read = False
        """The venue has answered what is held since the line came up last."""
        self.session: WiredSession | None = None
        self.asked: Callable[[Query, Answer], None] = lambda _q, _a: None

    def open_session(
        self, account: str, sink: Callable[[AnyFact], None], gateway: str = "primary"
    ) -> WiredSession:
        """Raises `NotSent` while the way to that gateway is dead."""
        self.session = WiredSession(self, account, sink, gateway)
        return self.session

    def listed_margin(self, account: str, symbol: str, lots: int) -> Decimal | None:
        return self.exchange.listed_margin(account, symbol, lots)

    def hits(self, fault: str) -> bool:
        rate = self.rates.get(fault, 0.0)
        if rate <= 0.0 or self.rng.random() >= rate:
            return False
        self.struck(fault)
        return True

    def into_engine(self, callback: Callable[..., object], *args: Any) -> None:
        if not self.dead:
            self.loop.call_soon(callback, *args, context=self.context)

    def sets_out(self, callback: Callable[..., object], *args: Any) -> None:
        """What the engine has handed to its system is out of its process, whatever becomes of that. When this
        returns the venue's end of the line has put it in its queue, no more: it arrives after its latency."""
        contextvars.Context().run(callback, *args)

    def into_world(self, delay: int, callback: Callable[..., object], *args: Any) -> None:
        self.loop.call_at_ns(self.loop.now_ns + delay, callback, *args, context=contextvars.Context())


class WiredSession:
    """What the adapter holds: a session whose other end is in another process."""

    def __init__(self, wire: Wire, account: str, sink: Callable[[AnyFact], None], gateway: str) -> None:
        self._wire = wire
        self._sink = sink
        self.up = False
        self._inbox: deque[tuple[Callable[..., object], Any]] = deque()
        self._draining = False
        self.real: Session = contextvars.Context().run(
            wire.exchange.open_session, account, self._report, gateway
        )

    @property
    def closed(self) -> bool:
        return self.real.closed

    def open(self) -> None:
        refusal = self._wire.exchange.gateways.refusal(self.real.account, self.real.gateway)
        if refusal:
            raise NotSent(refusal)
        self._wire.into_world(0, self._open)

    def _open(self) -> None:
        with contextlib.suppress(NotSent):  # nobody answers: the engine hears nothing, and tries again
            self.real.open()

    def close(self) -> None:
        self.up = False
        self._wire.into_world(0, self.real.close)

    # -- to the exchange

    def send(self, request: Action) -> None:
        wire = self._wire
        if not self.up:
            raise NotSent("the session is down; wait for LinkUp")
        if wire.hits("send_error"):
            raise NotSent("the line refused the message")
        delay = 0
        if wire.hits("delay_request"):
            delay = min(int(wire.rng.expovariate(1.0) * NS), LATEST)
            wire.into_world(delay, self._arrive, request)
        else:
            wire.sets_out(self._arrive, request)
        if wire.hits("duplicate_request"):
            wire.into_world(delay + int(wire.rng.random() * NS // 2), self._arrive, request)

    def _arrive(self, request: Action) -> None:
        # What is under way when the line drops is lost; a closed engine's last words still count.
        if self.real.up:
            self.real.send(request)

    def ask(self, query: Query, answered: Callable[[Answer], None]) -> None:
        if not self.up:
            raise NotSent("the session is down; wait for LinkUp")
        self._wire.sets_out(self._ask, query, answered)

    def ping(self, answered: Callable[[], None]) -> None:
        if not self.up:
            raise NotSent("the session is down; wait for LinkUp")
        self._wire.sets_out(self._ping, answered)

    def _ping(self, answered: Callable[[], None]) -> None:
        if self.real.up:
            self.real.ping(lambda: self._take(lambda _: answered(), None))

    def _ask(self, query: Query, answered: Callable[[Answer], None]) -> None:
        if self.real.up:
            self.real.ask(query, lambda answer: self._answer(query, answer, answered))

    def _answer(self, query: Query, answer: Answer, answered: Callable[[Answer], None]) -> None:
        if isinstance(query, QueryOpenOrders | QueryPositions):
            assert isinstance(answer, OpenOrders | Positions)
            self._wire.asked(query, answer)
            self._wire.read = self._wire.read or isinstance(query, QueryPositions)
        self._take(answered, answer)

    # -- to the engine

    def _report(self, fact: AnyFact) -> None:
        self._take(self._deliver, fact)

    def _deliver(self, fact: AnyFact) -> None:
        if isinstance(fact, LinkUp | LinkDown):
            self.up = isinstance(fact, LinkUp)
            self._wire.read = False
        self._sink(fact)

    def _take(self, callback: Callable[..., object], what: Any) -> None:
        wire = self._wire
        if wire.dead:
            return
        if isinstance(what, LinkDown):
            # The socket's end: what had not been read from it is gone.
            self._inbox.clear()
        if not self._inbox and wire.loop.now_ns >= wire.slow_until:
            wire.into_engine(callback, what)
            return
        self._inbox.append((callback, what))
        if len(self._inbox) > FLOOD:
            self.real.drop("too slow in taking reports", NS)
        if not self._draining:
            self._draining = True
            wire.into_world(NS // 20, self._drain)

    def _drain(self) -> None:
        wire = self._wire
        self._draining = False
        count = 1 if wire.loop.now_ns < wire.slow_until else len(self._inbox)
        for _ in range(min(count, len(self._inbox))):
            wire.into_engine(*self._inbox.popleft())
        if self._inbox:
            self._draining = True
            wire.into_world(NS // 20, self._drain)
