"""The exchange of a simulated run, with an eye on what arrives, what it answers, and what is true."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from brokers.exchange.exchange import Exchange
from brokers.exchange.messages import (
    Action,
    Answer,
    Cancel,
    Change,
    New,
    Query,
    QueryOpenOrders,
    QueryPositions,
)
from brokers.exchange.orders import VenueOrder
from brokers.exchange.session import Session
from engine.facts import BrokerPosition, Positions
from engine.kill_scope import Aim
from engine.model import NS, ExecutionKey, Fill, Purpose, Side
from engine.sim.invariants import Broken


class Read(NamedTuple):
    """What was true when the venue answered a question, and whether it said so."""

    ts: int
    honest: bool
    open: tuple[tuple[str, str], ...] = ()
    """(id, symbol) of the orders that worked, where it was asked for orders."""
    held: tuple[BrokerPosition, ...] = ()
    """What was held, where it was asked for positions."""


class Venue(Exchange):
    """Implements `engine.sim.invariants.Truth`."""

    def __init__(self, *args: Any, account: str, stored: Callable[[str], bool], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = account
        self._stored = stored
        self.failed: Callable[[Broken], None] = lambda _: None
        self.note: Callable[[str], None] = lambda _: None
        self.reached: Callable[[], None] = lambda: None
        """Told of every order and change that arrives."""
        self.doubles = False
        """The line may double requests."""
        self.twins: Callable[[], bool] = lambda: False
        """Whether a change of a protective order leaves two live ones, beside that fault's ratio; once."""
        self._protective: set[str] = set()
        self._seen: set[str] = set()
        self._forgotten: set[str] = set()
        self._changes: set[str] = set()
        self.redone: set[str] = set()
        """Orders that a change has made larger which the line brought a second time, after it was refused or
        a newer one taken: of that the engine can only hear (seed 2925); until then they are left out."""
        self.arrived = 0
        self._reads: dict[type, deque[Read]] = {
            QueryOpenOrders: deque(maxlen=8),
            QueryPositions: deque(maxlen=8),
        }

    # -- what arrives

    def handle(self, session: Session, request: Action) -> None:
        self.arrived += 1
        if isinstance(request, New):
            # A fault of the line may double a request; the engine never sends one twice.
            if request.order.id in self._seen and not self.doubles:
                self.failed(Broken("resent", f"{request.order.id} arrived a second time"))
            self._seen.add(request.order.id)
            if request.order.purpose is Purpose.PROTECT:
                self._protective.add(request.order.id)
            self._require(request.order.id, flatten=request.order.purpose == "flatten")
        elif isinstance(request, Change):
            self._require(request.replace.id)
            if request.replace.order_id in self._protective and self.twins():
                self.twins = lambda: False
                self.faults.arm("twin_replace")
        if not isinstance(request, Cancel):
            self.reached()
        what = request.order_id if isinstance(request, Cancel) else msgspec.json.encode(request).decode()
        self.note(f"{self.clock.now()} arrives {what}")
        if isinstance(request, Change):
            self._changed(session, request)
        else:
            super().handle(session, request)

    def _changed(self, session: Session, request: Change) -> None:
        order_id, replace_id = request.replace.order_id, request.replace.id
        before = self._lots(order_id)
        super().handle(session, request)
        if replace_id in self._changes and self._lots(order_id) > before:
            self.redone.add(order_id)
        self._changes.add(replace_id)

    def _lots(self, order_id: str) -> int:
        """The largest size, filled lots included, of what works under this id."""
        open_ = self.books.open_orders(self.name)
        return max((o.cum + o.leaves for o in open_ if o.order_id == order_id), default=0)

    def _require(self, request: str, *, flatten: bool = False) -> None:
        """Committed before it arrives. A flattening order may go ahead of its row where the store fails."""
        if not flatten and not self._stored(request):
            self.failed(Broken("write-ahead", f"{request} arrived and is not in the journal"))

    # -- what it says

    def answer(self, account: str, query: Query) -> Answer | None:
        answer = super().answer(account, query)
        reads = self._reads.get(type(query))
        if reads is not None:
            now, true = self.clock.now(), self._queries.last
            honest = answer is true or answer == true
            if isinstance(true, Positions):
                reads.append(Read(now, honest, held=true.positions))
            else:
                open_ = self.books.open_orders(account)
                reads.append(Read(now, honest, tuple((o.order_id or o.broker_id, o.symbol) for o in open_)))
        return answer

    # -- what is true

    def has_seen(self, order_id: str) -> bool:
        return order_id in self._seen and order_id not in self._forgotten

    def transfer(self, symbol: str, side: Side, qty: int) -> None:
        """Lots come to the account without an execution: an assignment, a transfer between accounts."""
        market = self.market(symbol)
        mark = market.mark()
        if mark is not None:
            fill = self.desk.make_fill(self.name, symbol, side, qty, mark, None, None)
            self.books.account(self.name).book(fill)

    def forget_the_past(self) -> None:
        """The engine starts on an older state: what came and went without a fill in the history that is lost
        it cannot know of, and no answer of the venue tells of it. Seed 8346."""
        orders = self.books.orders.values()
        alive = {o.order_id for o in orders if o.order_id and (not o.closed or o.cum)}
        self._forgotten |= self._seen - alive

    def held(self) -> dict[str, int]:
        """Positions that are not zero, signed lots."""
        return {p.symbol: p.qty for p in self.books.account(self.name).positions() if p.qty}

    def named(self, broker_id: str) -> list[VenueOrder]:
        """All orders that bear this id; more than one where ids were handed out again."""
        return [o for o in self.books.orders.values() if o.broker_id == broker_id]

    def doubled(self, order_id: str) -> bool:
        """Whether more than one order bears this id of the engine's."""
        return sum(o.order_id == order_id for o in self.books.orders.values()) > 1

    def execution(self, key: ExecutionKey) -> Fill | None:
        known = self.books.execution(key)
        return None if known is None else known.fill

    def denies(self, aim: Aim) -> str:
        orders = [self._working(aim, r) for r in self._recent(QueryOpenOrders)]
        if sum(not found for found in orders) < 2:
            return f"these orders worked at the last looks: {orders}"
        positions = [self._left(aim, r) for r in self._recent(QueryPositions)]
        if sum(not found for found in positions) < 2:
            return f"these positions were open at the last looks: {positions}"
        return ""

    def _recent(self, query: type) -> list[Read]:
        since = self.clock.now() - 10 * NS
        return [r for r in self._reads[query] if r.ts >= since]

    @staticmethod
    def _working(aim: Aim, read: Read) -> list[str]:
        if not read.honest:
            return []
        # A reduction keeps the orders that protect what stays.
        flat = {symbol for symbol, target in aim.targets.items() if not target}
        return [name for name, symbol in read.open if aim.everything or symbol in flat]

    @staticmethod
    def _left(aim: Aim, read: Read) -> list[str]:
        if not read.honest:
            return []
        lots = {p.symbol: p.qty for p in read.held}
        targets = dict.fromkeys(lots, 0) if aim.flat else dict(aim.targets)
        out = []
        for symbol, target in targets.items():
            held = lots.get(symbol, 0)
            if held and (abs(held) > abs(target) or (held > 0) != (target > 0)):
                out.append(f"{symbol} {held:+d}")
        return out
