"""What TWS holds: open orders, executions, positions, account figures, and one order looked up in all of
them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final

from brokers.ib import raw
from brokers.ib.contracts import Resolved
from brokers.ib.executions import Executions as ExecutionBook
from brokers.ib.pacing import Pacer
from brokers.ib.questions import Questions
from brokers.ib.tickets import Ticket, Tickets
from brokers.ib.translate import CLOSED, ENDED, foreign, is_ours, pairs, report, standing_of
from brokers.ib.wire import Wire
from engine.facts import (
    AccountValues,
    BrokerPosition,
    Executions,
    ForeignOrder,
    OpenOrders,
    OrderNotFound,
    OrderReport,
    Positions,
)
from engine.model import NS, OrderStatus
from engine.ports import Clock, QueryFailed

TAGS: Final = (
    "NetLiquidation",
    "TotalCashValue",
    "FullInitMarginReq",
    "FullMaintMarginReq",
    "ExcessLiquidity",
    "AvailableFunds",
    "LookAheadInitMarginReq",
    "LookAheadNextChange",
)

Send = Callable[[Callable[[Wire], None]], None]


class Reads:
    """`send` hands work for the wire to the library's thread; `number` gives a fresh request number."""

    def __init__(
        self,
        clock: Clock,
        account: str,
        tickets: Tickets,
        executions: ExecutionBook,
        questions: Questions,
        pacer: Pacer,
        *,
        where: Callable[[int], Resolved | None],
        send: Send,
        number: Callable[[], int],
        profit: Callable[[], Awaitable[Decimal | None]],
    ) -> None:
        """`profit`: the day's profit by IB's count."""
        self._profit = profit
        self._clock = clock
        self._account = account
        self._tickets = tickets
        self._book = executions
        self._questions = questions
        self._pacer = pacer
        self._where = where
        self._send = send
        self._number = number

    async def _ask(self, what: str, key: object, call: str, *arguments: object) -> list[raw.Raw]:
        return await self._questions.ask(
            what, key, self._pacer, lambda: self._send(lambda wire: wire.send(call, *arguments))
        )

    async def time(self) -> int:
        """TWS's clock, UTC seconds: the smallest thing that it answers."""
        parts = await self._ask("the heartbeat", "time", "reqCurrentTime")
        return next((p.seconds for p in parts if isinstance(p, raw.Time)), 0)

    # -- orders

    async def bind_manual_orders(self) -> None:
        """Asks TWS to bind orders placed by hand, which it does for client 0 alone."""
        send = lambda: self._send(lambda wire: wire.send("reqAutoOpenOrders", True))  # noqa: E731
        await self._questions.tell("the wish to bind orders placed by hand", self._pacer, send)

    async def listed(self) -> list[tuple[raw.OpenOrder, raw.Status | None]]:
        """All open orders of the account, of every client and placed by hand."""
        parts = await self._ask("the question for open orders", "orders", "reqAllOpenOrders")
        orders = {
            (o.perm_id or (o.client_id, o.order_id)): o
            for o in parts
            if isinstance(o, raw.OpenOrder) and o.account in ("", self._account)
        }
        return list(pairs(list(orders.values()), [s for s in parts if isinstance(s, raw.Status)]))

    async def open_orders(self) -> OpenOrders:
        asked = self._clock.now()
        found = await self.listed()
        ours: list[OrderReport] = []
        others: list[ForeignOrder] = []
        for order, status in found:
            resolved = self._where(order.contract.con_id)
            name = status.status if status is not None else order.status
            if resolved is None or name in CLOSED:
                continue
            perm = str(order.perm_id) if order.perm_id else None
            ticket = self._tickets.find(
                perm=order.perm_id, ref=order.ref, client_id=order.client_id, number=order.order_id
            )
            if ticket is not None and is_ours(ticket.ref):
                told = self._report(ticket, order, status, resolved, asked)
                if not told.status.is_closed:
                    ours.append(told)
            else:
                filled = 0 if status is None else int(status.filled / resolved.instrument.lot)
                filled = max(filled, self._book.filled_of(perm))
                others.append(foreign(order, resolved, filled, asked))
        return OpenOrders(as_of=asked, ours=tuple(ours), foreign=tuple(others))

    def _report(
        self, ticket: Ticket, order: raw.OpenOrder, status: raw.Status | None, resolved: Resolved, ts: int
    ) -> OrderReport:
        perm = str(order.perm_id) if order.perm_id else None
        said = 0 if status is None else int(status.filled / resolved.instrument.lot)
        cum = max(said, self._book.filled_of(perm))
        stands = standing_of(order, resolved)
        return report(
            ticket,
            ts,
            perm,
            stands=stands,
            cum=cum,
            final=OrderStatus.FILLED if cum >= stands.qty > 0 else None,  # whatever its status still says
            name=status.status if status is not None else order.status,
        )

    async def completed(self) -> list[raw.OpenOrder]:
        parts = await self._ask("the question for completed orders", "completed", "reqCompletedOrders", False)
        return [o for o in parts if isinstance(o, raw.OpenOrder)]

    async def query_order(self, order_id: str, broker_id: str | None) -> OrderReport | OrderNotFound:
        """One order, looked for among the open, the executed and the completed ones.

        One that was at TWS once (it had a permId) and is in none of these lists is not "not found": nobody
        knows what became of it, and the question fails.
        """
        asked = self._clock.now()
        ticket = self._tickets.by_ref(order_id)
        perm = broker_id or (ticket.broker_id if ticket is not None else None)

        def is_it(order: raw.OpenOrder) -> bool:
            return order.ref == order_id or (perm is not None and str(order.perm_id) == perm)

        candidates = [(o, s) for o, s in await self.listed() if is_it(o)]
        candidates.sort(key=lambda pair: str(pair[0].perm_id) != perm)
        await self.refresh()
        for order, status in candidates:
            resolved = self._where(order.contract.con_id)
            name = status.status if status is not None else order.status
            if resolved is None or name in CLOSED:
                continue
            if ticket is None:
                filled = 0 if status is None else int(status.filled / resolved.instrument.lot)
                return _as_report(foreign(order, resolved, filled, asked), order_id)
            return self._report(ticket, order, status, resolved, asked)
        for order in reversed(await self.completed()):
            if is_it(order):
                return self._ended(order, order_id, asked)
        executed = self._book.filled(order_id)
        if ticket is not None and ticket.standing is not None and executed >= ticket.standing.qty > 0:
            return report(ticket, asked, perm, cum=executed, final=OrderStatus.FILLED)
        if ticket is not None and ticket.refusal and not executed:
            return report(ticket, asked, perm, cum=0, final=OrderStatus.REJECTED, reason=ticket.refusal)
        if perm is not None or executed or (ticket is not None and ticket.acked):
            raise QueryFailed(
                f"order {order_id} was at IB ({perm}, {executed} lots executed) and is among neither "
                f"its open "
                f"nor its completed orders; look in TWS"
            )
        return OrderNotFound(ts=asked, order_id=order_id, broker_id=broker_id)

    def _ended(self, order: raw.OpenOrder, order_id: str, ts: int) -> OrderReport:
        resolved = self._where(order.contract.con_id)
        lot = resolved.instrument.lot if resolved is not None else Decimal(1)
        qty = int((order.qty or Decimal(0)) / lot)
        perm = str(order.perm_id) if order.perm_id else None
        cum = max(self._book.filled_of(perm), int((order.filled or Decimal(0)) / lot))
        if order.status == "Filled" or (qty and cum >= qty):
            status = OrderStatus.FILLED
        elif order.status in ENDED:
            status = OrderStatus.CANCELED
        else:
            status = OrderStatus.REJECTED
        return OrderReport(
            ts=ts, order_id=order_id, broker_id=perm, status=status, qty=qty or cum, cum=cum, leaves=0,
            reason=order.note,
        )  # fmt: skip

    # -- executions

    async def refresh(self) -> None:
        """Reads today's executions into the book; what is new goes out as facts on the way."""
        number = self._number()
        await self._questions.ask(
            "the question for executions",
            number,
            self._pacer,
            lambda: self._send(lambda wire: wire.executions(number, self._account)),
        )

    async def executions(self, since: int) -> Executions:
        """Executions of the current day, which is all that TWS keeps unless its trade log is set to more."""
        asked = self._clock.now()
        await self.refresh()
        # TWS stamps whole seconds: what happened in the second of `since` may have happened after it.
        found = list(self._book.since(since - since % NS))
        return Executions(
            as_of=asked,
            since=since,
            fills=tuple(k.fill for k in found if not k.busted),
            busted=tuple(k.fill.key for k in found if k.busted),
        )

    # -- account

    async def positions(self) -> Positions:
        asked = self._clock.now()
        parts = await self._ask("the question for positions", "positions", "reqPositions")
        self._send(lambda wire: wire.send("cancelPositions"))
        last = {
            p.contract.con_id: p for p in parts if isinstance(p, raw.Position) and p.account == self._account
        }
        found = [self._position(p) for p in last.values() if p.qty]
        return Positions(as_of=asked, positions=tuple(sorted(found, key=lambda p: p.symbol)))

    def _position(self, position: raw.Position) -> BrokerPosition:
        resolved = self._where(position.contract.con_id)
        if resolved is None:  # held in something that we do not trade: shown under the exchange's name
            name = position.contract.local_symbol or f"con-{position.contract.con_id}"
            return BrokerPosition(symbol=name, qty=int(position.qty))
        instrument = resolved.instrument
        average = None
        if position.average is not None and instrument.multiplier:
            average = position.average / instrument.multiplier / instrument.tick
        return BrokerPosition(
            symbol=instrument.symbol, qty=int(position.qty / instrument.lot), avg_price=average
        )

    async def account_values(self) -> AccountValues:
        """Figures of the account. What TWS does not say, or says as unset, is unknown and never zero."""
        asked, number = self._clock.now(), self._number()
        parts = await self._ask(
            "the question for the account", number, "reqAccountSummary", number, "All", ",".join(TAGS)
        )
        self._send(lambda wire: wire.send("cancelAccountSummary", number))
        mine = [p for p in parts if isinstance(p, raw.Summary) and p.account == self._account]
        values = {p.tag: raw.number(p.value) for p in mine}
        currency = next((p.currency for p in mine if p.tag == "NetLiquidation"), "")
        profit, change = await self._profit(), values.get("LookAheadNextChange")
        if not mine:
            raise QueryFailed(f"IB told no figures of account {self._account}; is it among your accounts?")
        return AccountValues(
            as_of=asked,
            account=self._account,
            currency=currency,
            equity=values.get("NetLiquidation"),
            cash=values.get("TotalCashValue"),
            initial_margin=values.get("FullInitMarginReq"),
            maintenance_margin=values.get("FullMaintMarginReq"),
            excess_liquidity=values.get("ExcessLiquidity"),
            available_funds=values.get("AvailableFunds"),
            next_margin=values.get("LookAheadInitMarginReq"),
            next_change=int(change) * NS if change is not None and change > 0 else None,
            day_pnl=profit,
        )


def _as_report(order: ForeignOrder, order_id: str) -> OrderReport:
    return OrderReport(
        ts=order.ts,
        order_id=order_id,
        broker_id=order.broker_id,
        status=order.status,
        qty=order.qty,
        cum=order.cum,
        leaves=max(order.qty - order.cum, 0),
        limit=order.limit,
        stop=order.stop,
    )
