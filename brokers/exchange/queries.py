"""Answers to questions about an account: open orders, executions, positions, figures; with their faults."""

from __future__ import annotations

import msgspec

from brokers.exchange.accounts import Marks
from brokers.exchange.books import Books
from brokers.exchange.faults import FaultPlan
from brokers.exchange.messages import (
    Answer,
    Audit,
    Query,
    QueryExecutions,
    QueryOpenOrders,
    QueryOrder,
    QueryPositions,
)
from engine.facts import Executions, ForeignOrder, OpenOrders, OrderNotFound, OrderReport, Positions


class Queries:
    """Reads the books; changes nothing."""

    def __init__(self, books: Books, faults: FaultPlan, marks: Marks) -> None:
        self._books = books
        self._faults = faults
        self._marks = marks
        self._before: dict[tuple[str, str], Answer] = {}
        self.last: Answer | None = None
        """What is true of what was asked for last (not of a single order), whatever a fault made of it."""

    def answer(self, account: str, query: Query, now: int) -> Answer:
        """The answer as of `now` (venue time, ns)."""
        if isinstance(query, QueryOrder):
            return self._order(account, query, now)
        answer = self.last = self._true(account, query, now)
        key = (account, type(query).__name__)
        stale, self._before[key] = self._before.get(key), answer
        if self._faults.hit("stale_snapshot") and stale is not None:
            return stale
        if self._faults.hit("empty_snapshot"):
            return _thin(answer, keep=0)
        if self._faults.hit("partial_snapshot"):
            return _thin(answer, keep=2)
        return answer

    def _order(self, account: str, query: QueryOrder, now: int) -> OrderReport | OrderNotFound:
        order = self._books.find(account, query.order_id, query.broker_id)
        if order is not None and order.order_id is None:
            # The id may have been handed out again: an order that bears the client's own name comes first.
            order = self._books.find(account, query.order_id, None) or order
        if order is None or self._faults.hit("unknown_order"):
            return OrderNotFound(ts=now, order_id=query.order_id, broker_id=query.broker_id)
        # One placed elsewhere is found by the broker's id; the client's name for it is the client's matter.
        return order.report(now, query.order_id)

    def _true(self, account: str, query: Query, now: int) -> Answer:
        books = self._books
        if isinstance(query, QueryOpenOrders):
            ours: list[OrderReport] = []
            foreign: list[ForeignOrder] = []
            for order in books.open_orders(account):
                if order.order_id is None:
                    foreign.append(order.foreign(now))
                else:
                    ours.append(order.report(now))
            return OpenOrders(as_of=now, ours=tuple(ours), foreign=tuple(foreign))
        if isinstance(query, QueryExecutions):
            fills, busted = books.since(account, query.since)
            return Executions(as_of=now, since=query.since, fills=tuple(fills), busted=tuple(busted))
        if isinstance(query, QueryPositions):
            return Positions(as_of=now, positions=books.account(account).positions())
        return books.account(account).values(now, self._marks)

    def audit(self, account: str | None, now: int) -> Audit:
        """Everything in memory about one account, or about all."""
        executions = [e for e in self._books.executions if account is None or e.fill.key.account == account]
        return Audit(
            as_of=now,
            orders=tuple(
                o.audit() for o in self._books.orders.values() if account is None or o.account == account
            ),
            executions=tuple(e.fill for e in executions if not e.busted),
            busted=tuple(e.fill for e in executions if e.busted),
            positions={
                name: {p.symbol: p.qty for p in a.positions()}
                for name, a in sorted(self._books.accounts.items())
                if account is None or name == account
            },
        )


def _thin(answer: Answer, keep: int) -> Answer:
    """A list with every `keep`-th entry only (0: none); figures that are no list stay as they are."""
    step = slice(0, 0) if keep == 0 else slice(None, None, keep)
    if isinstance(answer, OpenOrders):
        return OpenOrders(as_of=answer.as_of, ours=answer.ours[step], foreign=answer.foreign[step])
    if isinstance(answer, Executions):
        return msgspec.structs.replace(answer, fills=answer.fills[step])
    if isinstance(answer, Positions):
        return Positions(as_of=answer.as_of, positions=answer.positions[step])
    return answer
