"""One client's session with the exchange: the line in and out with its latency, its order, and its faults.

Requests arrive in the order in which they were sent and reports leave in the order in which they were made,
each after its latency, unless a fault says otherwise. What is under way when the line drops is lost.
"""

from __future__ import annotations

import contextlib
import random
from collections import deque
from collections.abc import Callable
from math import log
from typing import Final, Protocol

from brokers.exchange.faults import FaultPlan
from brokers.exchange.messages import Action, Answer, Cancel, Query
from engine.facts import AnyFact, BrokerNotice, Gap, LinkDown, LinkUp
from engine.model import NS
from engine.ports import Clock, NotSent, TimerHandle

FactSink = Callable[[AnyFact], None]
AnswerSink = Callable[[Answer], None]

DISPLACED: Final = "another client logged on to this account and took the session; stop one of the two"
"""Why a session ends that another one of the same account takes the place of."""


class Venue(Protocol):
    """What a session needs of the exchange behind it."""

    clock: Clock
    faults: FaultPlan

    def handle(self, session: Session, request: Action) -> None:
        """Acts on a request that has arrived."""

    def answer(self, account: str, query: Query) -> Answer | None:
        """Answers a query that has arrived; None: it will not."""

    def before_reports(self) -> None:
        """Called before anything leaves: the books are put on disk first."""

    def link_changed(self, session: Session, up: bool) -> None:
        """The line dropped, or is back."""

    def refusal(self, session: Session) -> str:
        """Why the session cannot be opened now; empty where it can."""

    def away(self, session: Session, down_for: int | None) -> None:
        """The line is dead for so many ns; None: it may be opened again."""


class Session:
    """A line between one account's client and the exchange. `sink` gets the facts, on the clock's thread."""

    def __init__(
        self,
        venue: Venue,
        account: str,
        sink: FactSink,
        latency: tuple[int, int, int, int],
        rng: random.Random,
        message_limit: int,
        *,
        limit_cancels: bool = False,
        separate_queries: bool = False,
        gateway: str = "primary",
    ) -> None:
        self.account = account
        self.gateway = gateway
        self.up = False
        self.requests = 0
        """Requests taken from the client."""
        self.lost_reports = 0
        """Reports that never reached the client."""
        self.closed = False
        self._venue = venue
        self._clock = venue.clock
        self._faults = venue.faults
        self._sink = sink
        self._latency = latency
        self._random = rng.random
        self._limit = message_limit
        self._limit_cancels = limit_cancels
        self._separate = separate_queries
        self._silent = False
        self._inbox: deque[tuple[int, Callable[[], None]]] = deque()
        self._outbox: deque[tuple[int, Callable[[], None]]] = deque()
        self._in_timer: TimerHandle | None = None
        self._out_timer: TimerHandle | None = None
        self._window: deque[int] = deque()
        self._epoch = 0

    # -- the line

    @property
    def silent(self) -> bool:
        """True while half-open: the line looks fine and nothing gets through."""
        return self._silent

    def open(self) -> None:
        """Logs on; LinkUp follows. Does nothing when the line is up. Raises `NotSent` while it is dead."""
        if self.up or self.closed:
            return
        refusal = self._venue.refusal(self)
        if refusal:
            raise NotSent(refusal)
        self.up, self._silent = True, False
        self.tell(LinkUp(ts=self._clock.now()))
        if self._epoch:
            self.tell(Gap(ts=self._clock.now(), reason="reports may be lost from while the line was down"))
        self._venue.link_changed(self, True)

    def close(self) -> None:
        """Logs off for good; nothing is delivered any more."""
        if self.up:
            self._cut()
        self.closed = True

    def displace(self) -> None:
        """Another client logged on for the same account: this one hears LinkDown and is out for good."""
        self.drop(DISPLACED)
        self._clock.call_soon(self.close)

    def drop(self, reason: str, down_for: int | None = None) -> None:
        """The line drops: what is under way is lost, LinkDown follows. Back after `down_for` ns, if given."""
        if not self.up:
            return
        self._cut()
        self._clock.call_soon(self._tell_now, LinkDown(ts=self._clock.now(), reason=reason))
        if down_for is not None:
            self._venue.away(self, down_for)
            self._clock.call_later(down_for, self._return)

    def _return(self) -> None:
        """The time is over for which the line was dead."""
        if self.up or self.closed:
            return
        self._venue.away(self, None)
        with contextlib.suppress(NotSent):  # its gateway went out of order meanwhile
            self.open()

    def go_silent(self, silence: int, reason: str, down_for: int | None) -> None:
        """Half-open: everything is swallowed for `silence` ns before the loss is noticed."""
        if self.up and not self._silent:
            self._silent = True
            self._clock.call_later(silence, self.drop, reason, down_for)

    def _cut(self) -> None:
        self.up = False
        self._epoch += 1
        self.lost_reports += len(self._outbox)
        self._inbox.clear()
        self._outbox.clear()
        for timer in (self._in_timer, self._out_timer):
            if timer is not None:
                timer.cancel()
        self._in_timer = self._out_timer = None
        self._venue.link_changed(self, False)

    # -- requests

    def send(self, request: Action) -> None:
        """Hands a request over. Raises `NotSent` while the line is known to be down."""
        self._require_up()
        self.requests += 1
        faults, clock = self._faults, self._clock
        config = faults.config
        if faults.hit("disconnect"):
            down = round(config.disconnect_ms * 1e6)
            if faults.draw("disconnect", 2):  # it arrived just before, and its answer is lost
                clock.call_soon(self._venue.handle, self, request)
            clock.call_soon(self.drop, "the exchange dropped the session", down)
            return
        if faults.hit("half_open"):
            down = round(config.disconnect_ms * 1e6)
            self.go_silent(round(config.half_open_ms * 1e6), "no heartbeat from the exchange", down)
        if self._silent or faults.hit("lose_request"):
            return
        self._arrive_later(lambda: self._venue.handle(self, request))

    def ask(self, query: Query, answered: AnswerSink) -> None:
        """Asks; `answered` is called with the answer, or never. Raises `NotSent` while the line is down."""
        self._require_up()
        faults = self._faults
        if self._silent or faults.hit("query_lost"):
            return

        def arrive() -> None:
            answer = self._venue.answer(self.account, query)
            if answer is None or faults.hit("answer_lost"):
                return
            if self._separate:
                delay = self._delay(self._latency[2], self._latency[3])
                self._clock.call_later(delay, self._deliver_aside, self._epoch, lambda: answered(answer))
            else:
                self._leave_later(lambda: answered(answer))

        self._arrive_later(arrive)

    def ping(self, answered: Callable[[], None]) -> None:
        """A heartbeat: answered on the same way as everything else, unless the line is dead or half-open.
        Raises `NotSent` while it is down."""
        self._require_up()
        if not self._silent:
            self._arrive_later(lambda: self._leave_later(answered))

    def over_limit(self, request: Action) -> bool:
        """Counts a request that arrived; True when it exceeds the session's messages per second."""
        if isinstance(request, Cancel) and not self._limit_cancels:
            return False
        now, window = self._clock.mono(), self._window
        while window and window[0] <= now - NS:
            window.popleft()
        if len(window) >= self._limit:
            return True
        window.append(now)
        return False

    # -- reports

    def tell(self, fact: AnyFact) -> None:
        """Sends a fact that faults leave alone (link, market state, notices)."""
        if not self.up:
            self.lost_reports += 1
            return
        self._leave_later(lambda: self._sink(fact))

    def report(self, fact: AnyFact) -> None:
        """Sends a report about orders or executions; faults may hit it."""
        if not self.up or self._silent:
            self.lost_reports += 1
            return
        faults = self._faults
        if faults.hit("drop_report"):
            self.lost_reports += 1
            return
        if faults.hit("delay_report"):
            self.report_late(fact, round(faults.config.delay_ms * 1e6))
        elif faults.hit("reorder_report"):
            self.report_late(fact, round(faults.config.reorder_ms * 1e6))
        else:
            self._leave_later(lambda: self._sink(fact))
        if faults.hit("duplicate_report"):
            self._leave_later(lambda: self._sink(fact))

    def report_late(self, fact: AnyFact, delay: int) -> None:
        """Sends a report past the queue, `delay` ns after it would have left."""
        delay += self._delay(self._latency[2], self._latency[3])
        self._clock.call_later(delay, self._deliver_aside, self._epoch, lambda: self._sink(fact))

    def notice(self, code: str, text: str) -> None:
        self.tell(BrokerNotice(ts=self._clock.now(), code=code, text=text))

    # -- the queues: first in, first out; what is due early waits for what was sent before it

    def _require_up(self) -> None:
        if not self.up:
            raise NotSent(f"the session of {self.account} is down; wait for LinkUp")

    def _delay(self, base: int, jitter: int) -> int:
        if jitter <= 0:
            return base
        # Drawn as the library draws from an exponential distribution, which calls for it several times.
        drawn = int(-log(1.0 - self._random()) * jitter)
        return base + (drawn if drawn < 10 * jitter else 10 * jitter)

    def _arrive_later(self, action: Callable[[], None]) -> None:
        delay = self._delay(self._latency[0], self._latency[1])
        self._inbox.append((self._clock.mono() + delay, action))
        if self._in_timer is None:
            self._in_timer = self._clock.call_later(delay, self._pump_in)

    def _leave_later(self, action: Callable[[], None]) -> None:
        delay = self._delay(self._latency[2], self._latency[3])
        self._outbox.append((self._clock.mono() + delay, action))
        if self._out_timer is None:
            self._out_timer = self._clock.call_later(delay, self._pump_out)

    def _pump_in(self) -> None:
        self._in_timer = None
        epoch, inbox = self._epoch, self._inbox
        while inbox and inbox[0][0] <= self._clock.mono():
            inbox.popleft()[1]()
            if self._epoch != epoch:
                return
        if inbox and self._in_timer is None:
            self._in_timer = self._clock.call_later(inbox[0][0] - self._clock.mono(), self._pump_in)

    def _pump_out(self) -> None:
        self._out_timer = None
        if self._silent:
            self.lost_reports += len(self._outbox)
            self._outbox.clear()
            return
        self._venue.before_reports()
        epoch, outbox = self._epoch, self._outbox
        while outbox and outbox[0][0] <= self._clock.mono():
            outbox.popleft()[1]()
            if self._epoch != epoch:
                return
        if outbox and self._out_timer is None:
            self._out_timer = self._clock.call_later(outbox[0][0] - self._clock.mono(), self._pump_out)

    def _deliver_aside(self, epoch: int, action: Callable[[], None]) -> None:
        if epoch != self._epoch or not self.up or self._silent:
            self.lost_reports += 1
            return
        self._venue.before_reports()
        action()

    def _tell_now(self, fact: AnyFact) -> None:
        if not self.closed:
            self._sink(fact)
