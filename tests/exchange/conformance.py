"""The numbered conformance cases that every adapter to the simulated exchange must pass.

A case is a coroutine over a `Bench`: the adapter under test, the facts that it delivered, and the means to
move its market. Times are never compared; a case waits for what it expects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from proofs import recorded

from engine.facts import (
    Acknowledged,
    AnyFact,
    Canceled,
    CancelRejected,
    Executed,
    Expired,
    Fact,
    ForeignOrder,
    Gap,
    LinkDown,
    LinkUp,
    MarketStateChanged,
    OrderNotFound,
    OrderReport,
    Rejected,
    Released,
    Replaced,
    ReplaceRejected,
    Suspended,
    Triggered,
)
from engine.model import (
    MarketState,
    Order,
    OrderStatus,
    OrderType,
    Quote,
    Replace,
    Side,
    TimeInForce,
    Trade,
)
from engine.ports import Adapter, NotSent, QueryFailed

F = TypeVar("F", bound=Fact)
B, S = Side.BUY, Side.SELL


class Bench(Protocol):
    """What a case gets. Its market is ES, first quoted 100 × 101 with 20 and 10 lots."""

    adapter: Adapter
    facts: list[AnyFact]

    async def quote(self, bid: int, bid_size: int, ask: int, ask_size: int) -> None: ...

    async def trade(self, price: int, size: int, aggressor: Side) -> None: ...

    async def arm(self, fault: str) -> None: ...

    async def state(self, state: MarketState) -> None: ...

    async def manual_trade(self, side: Side, qty: int) -> None: ...

    async def foreign_order(self, side: Side, qty: int, limit: int) -> None: ...

    async def drop(self) -> None: ...

    async def settle(self) -> None:
        """Lets everything that is under way arrive."""


Case = Callable[[Bench], Awaitable[None]]
CASES: dict[int, Case] = {}


def case(number: int) -> Callable[[Case], Case]:
    def add(function: Case) -> Case:
        assert number not in CASES
        CASES[number] = function
        return function

    return add


_count = 0


def make(side: Side, qty: int, limit: int | None = None, **more: Any) -> Order:
    global _count
    _count += 1
    kind = OrderType.MARKET if limit is None else OrderType.LIMIT
    if "stop" in more:
        kind = OrderType.STOP if limit is None else OrderType.STOP_LIMIT
    fields: dict[str, Any] = {"id": f"c-{_count}", "strategy": "c", "account": "A", "symbol": "ES"}
    return Order(**{**fields, "side": side, "qty": qty, "type": kind, "limit": limit, **more})


async def submit(bench: Bench, order: Order) -> str:
    bench.adapter.submit(recorded(order))
    await bench.settle()
    return order.id


def of(bench: Bench, kind: type[F], order_id: str | None = None) -> list[F]:
    found = [f for f in bench.facts if isinstance(f, kind)]
    if order_id is None:
        return found
    return [f for f in found if (f.fill.order_id if isinstance(f, Executed) else f.order_id) == order_id]  # type: ignore[attr-defined]


# -- the link


@case(1)
async def link_up_is_reported(bench: Bench) -> None:
    assert isinstance(bench.facts[0], LinkUp)


@case(2)
async def nothing_is_delivered_from_within_a_call(bench: Bench) -> None:
    before = len(bench.facts)
    order = make(B, 1)
    bench.adapter.submit(recorded(order))
    bench.adapter.cancel(order.id, None)
    assert len(bench.facts) == before
    await bench.settle()
    assert len(bench.facts) > before


@case(3)
async def only_recorded_orders_are_sent(bench: Bench) -> None:
    for request in (make(B, 1), None, object()):
        try:
            bench.adapter.submit(request)  # type: ignore[arg-type]
        except TypeError:
            continue
        raise AssertionError("an order that is not recorded went out")


@case(4)
async def a_lost_link_is_reported_and_refuses(bench: Bench) -> None:
    await bench.drop()
    await bench.settle()
    downs = of(bench, LinkDown)
    assert downs and downs[0].reason
    if not of(bench, Gap):  # still down
        for send in (
            lambda: bench.adapter.submit(recorded(make(B, 1))),
            lambda: bench.adapter.cancel("c-0", None),
        ):
            try:
                send()
            except NotSent:
                continue
            raise AssertionError("it took a message while the link was down")
        try:
            await bench.adapter.positions()
        except QueryFailed:
            return
        raise AssertionError("it answered while the link was down")


# -- orders


@case(10)
async def market_order_fills(bench: Bench) -> None:
    oid = await submit(bench, make(B, 3))
    names = [type(f) for f in bench.facts if getattr(f, "order_id", oid) == oid]
    assert names.index(Acknowledged) < names.index(Executed)
    fill = of(bench, Executed, oid)[0].fill
    assert (fill.qty, fill.price, fill.side, fill.symbol) == (3, 101, B, "ES")
    assert fill.key.account == "A" and fill.key.exec_id and fill.key.trading_day and fill.broker_id


@case(11)
async def limit_order_rests_and_is_cancelled(bench: Bench) -> None:
    oid = await submit(bench, make(B, 2, 99))
    broker_id = of(bench, Acknowledged, oid)[0].broker_id
    bench.adapter.cancel(oid, broker_id)
    await bench.settle()
    assert of(bench, Canceled, oid)[0].cum == 0 and not of(bench, Canceled, oid)[0].unsolicited


@case(12)
async def partial_fills_add_up(bench: Bench) -> None:
    oid = await submit(bench, make(B, 15, 101))
    await bench.quote(101, 9, 102, 10)
    await bench.trade(100, 2, S)
    await bench.settle()
    assert [f.fill.qty for f in of(bench, Executed, oid)] == [10, 2]


@case(13)
async def immediate_or_cancel_expires(bench: Bench) -> None:
    oid = await submit(bench, make(B, 12, 101, tif=TimeInForce.IOC))
    assert of(bench, Expired, oid)[0].cum == 10


@case(14)
async def fill_or_kill_takes_all_or_nothing(bench: Bench) -> None:
    oid = await submit(bench, make(B, 12, 101, tif=TimeInForce.FOK))
    assert not of(bench, Executed, oid) and of(bench, Expired, oid)[0].cum == 0


@case(15)
async def stop_is_triggered(bench: Bench) -> None:
    oid = await submit(bench, make(S, 2, stop=99))
    assert not of(bench, Triggered, oid)
    await bench.trade(99, 1, S)
    await bench.settle()
    assert of(bench, Triggered, oid) and of(bench, Executed, oid)[0].fill.price == 100


@case(16)
async def post_only_is_refused_when_it_would_take(bench: Bench) -> None:
    assert of(bench, Rejected, await submit(bench, make(B, 1, 101, post_only=True)))
    assert not of(bench, Rejected, await submit(bench, make(B, 1, 100, post_only=True)))


@case(17)
async def reduce_only_never_opens(bench: Bench) -> None:
    assert of(bench, Rejected, await submit(bench, make(S, 1, 101, reduce_only=True)))
    await submit(bench, make(B, 2))
    oid = await submit(bench, make(S, 5, reduce_only=True))
    assert sum(f.fill.qty for f in of(bench, Executed, oid)) == 2
    assert of(bench, Canceled, oid)
    assert (await bench.adapter.positions()).positions == ()


@case(18)
async def replace_changes_in_place(bench: Bench) -> None:
    oid = await submit(bench, make(B, 2, 99))
    bench.adapter.replace(recorded(Replace(id="r-18", order_id=oid, qty=5, limit=98)))
    await bench.settle()
    done = of(bench, Replaced, oid)[0]
    assert (done.replace_id, done.qty, done.limit, done.cum) == ("r-18", 5, 98, 0)


@case(19)
async def unknown_orders_are_named_as_such(bench: Bench) -> None:
    bench.adapter.cancel("c-none", None)
    bench.adapter.replace(recorded(Replace(id="r-19", order_id="c-none", qty=1)))
    await bench.settle()
    assert of(bench, CancelRejected)[0].order_id == "c-none"
    assert of(bench, ReplaceRejected)[0].replace_id == "r-19"
    assert isinstance(await bench.adapter.query_order("c-none", None), OrderNotFound)


@case(20)
async def rejects_give_a_reason(bench: Bench) -> None:
    assert "ZZ" in of(bench, Rejected, await submit(bench, make(B, 1, symbol="ZZ")))[0].reason


@case(21)
async def bracket_children_wait_for_the_entry(bench: Bench) -> None:
    entry = await submit(bench, make(B, 2, 99))
    target = await submit(bench, make(S, 2, 110, parent=entry, oco="g"))
    stop = await submit(bench, make(S, 2, stop=90, parent=entry, oco="g"))
    assert of(bench, Suspended, target) and of(bench, Suspended, stop)
    await bench.trade(98, 5, S)
    await bench.settle()
    assert of(bench, Released, target) and of(bench, Released, stop)
    await bench.trade(111, 5, B)
    await bench.settle()
    assert of(bench, Executed, target) and of(bench, Canceled, stop)[0].unsolicited


# -- questions


@case(30)
async def open_orders_and_query_agree(bench: Bench) -> None:
    oid = await submit(bench, make(B, 2, 99))
    listed = (await bench.adapter.open_orders()).ours
    asked = await bench.adapter.query_order(oid, None)
    assert isinstance(asked, OrderReport) and asked.status is OrderStatus.WORKING
    assert [(o.order_id, o.leaves, o.broker_id) for o in listed] == [(oid, 2, asked.broker_id)]


@case(31)
async def executions_are_those_that_were_reported(bench: Bench) -> None:
    await submit(bench, make(B, 12))
    history = await bench.adapter.executions(0)
    assert list(history.fills) == [f.fill for f in of(bench, Executed)]
    assert not (await bench.adapter.executions(history.as_of + 1)).fills


@case(32)
async def positions_and_account_follow(bench: Bench) -> None:
    before = await bench.adapter.account_values()
    await submit(bench, make(B, 2))
    position = (await bench.adapter.positions()).positions[0]
    assert (position.symbol, position.qty) == ("ES", 2)
    after = await bench.adapter.account_values()
    assert before.equity is not None and after.equity is not None and after.equity < before.equity
    assert after.initial_margin and not before.initial_margin


@case(33)
async def a_lost_answer_is_a_failed_query_never_an_empty_one(bench: Bench) -> None:
    for fault in ("query_lost", "answer_lost"):
        await bench.arm(fault)
        try:
            await bench.adapter.positions()
        except QueryFailed:
            continue
        raise AssertionError("a lost answer was read as one")


@case(34)
async def instruments_are_listed(bench: Bench) -> None:
    assert "ES" in [i.symbol for i in await bench.adapter.instruments()]


# -- the world around


@case(40)
async def market_states_are_told_and_rule(bench: Bench) -> None:
    await bench.state(MarketState.RESERVED)
    refused = await submit(bench, make(B, 1))
    taken = await submit(bench, make(B, 1, 103))
    assert of(bench, MarketStateChanged)[-1].state is MarketState.RESERVED
    assert of(bench, Rejected, refused) and of(bench, Executed, taken)


@case(41)
async def what_others_do_is_told(bench: Bench) -> None:
    await bench.foreign_order(B, 3, 98)
    await bench.manual_trade(B, 2)
    await bench.settle()
    foreign = of(bench, ForeignOrder)[0]
    assert (foreign.qty, foreign.limit) == (3, 98)
    assert of(bench, Executed)[0].fill.order_id is None
    answer = await bench.adapter.open_orders()
    assert [o.broker_id for o in answer.foreign] == [foreign.broker_id]
    bench.adapter.cancel("", foreign.broker_id)
    await bench.settle()
    assert (await bench.adapter.open_orders()).foreign == ()


@case(42)
async def faults_get_through_to_the_client(bench: Bench) -> None:
    await bench.arm("duplicate_report")
    twice = await submit(bench, make(B, 1, 99))
    assert len(of(bench, Acknowledged, twice)) == 2
    await bench.arm("no_ack")
    never = await submit(bench, make(B, 1, 98))
    assert not of(bench, Acknowledged, never)
    assert isinstance(await bench.adapter.query_order(never, None), OrderReport)


@case(43)
async def many_questions_at_once_get_their_own_answers(bench: Bench) -> None:
    adapter = bench.adapter
    answers = await asyncio.gather(
        adapter.positions(), adapter.open_orders(), adapter.executions(0), adapter.account_values()
    )
    names = [type(a).__name__ for a in answers]
    assert names == ["Positions", "OpenOrders", "Executions", "AccountValues"]


def make_quote(ts: int, bid: int, bid_size: int, ask: int, ask_size: int) -> Quote:
    return Quote("ES", ts, bid, bid_size, ask, ask_size)


def make_trade(ts: int, price: int, size: int, aggressor: Side) -> Trade:
    return Trade("ES", ts, price, size, aggressor)


@case(44)
async def a_heartbeat_is_answered_while_the_link_stands(bench: Bench) -> None:
    await bench.adapter.probe()
    await bench.drop()
    await bench.settle()
    try:
        await bench.adapter.probe()
    except QueryFailed:
        return
    raise AssertionError("a link that is down answered a heartbeat")


@case(45)
async def one_call_opens_the_link_again(bench: Bench) -> None:
    await bench.drop()
    await bench.settle()
    await bench.adapter.connect()
    await bench.settle()
    kinds = [type(f) for f in bench.facts if isinstance(f, (LinkUp, LinkDown, Gap))]
    assert kinds == [LinkUp, LinkDown, LinkUp, Gap], kinds
    await bench.adapter.connect()  # a link that stands is left alone
    await bench.settle()
    assert len(of(bench, LinkUp)) == 2
    await bench.adapter.probe()


@case(46)
async def a_closed_session_can_be_opened_again(bench: Bench) -> None:
    await bench.adapter.close()
    await bench.settle()
    try:
        bench.adapter.submit(recorded(make(B, 1)))
    except NotSent:
        pass
    else:
        raise AssertionError("a closed session sent an order")
    await bench.adapter.connect()
    await bench.settle()
    assert len(of(bench, LinkUp)) == 2
    await bench.adapter.open_orders()
