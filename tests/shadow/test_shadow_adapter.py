"""The shadow adapter over two exchanges in virtual time, and the wrapper that keeps its orders at home."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal

import msgspec
import pytest

from brokers.base import exchange_capabilities
from brokers.exchange import Exchange
from brokers.ib import IbConfig
from brokers.ib.orders import capabilities
from brokers.paper import PaperAdapter
from brokers.shadow import LookOnly
from brokers.shadow.adapter import LOOK_EVERY, common
from engine.facts import Acknowledged, BrokerNotice, Executed, LinkDown, LinkUp
from engine.model import NS, Replace, Side
from engine.ports import Adapter, NotSent
from engine.sim.loop import VirtualClock, VirtualLoop
from tests.conformance.benches.paper import START
from tests.conformance.benches.shadow import ShadowBench
from tests.conformance.suite import B, S, live_at_venue, make, of, recorded, refused, submit, until_filled


def play(script: Callable[[ShadowBench], Awaitable[None]], *, connect: bool = True) -> None:
    """Runs a script over a fresh bench; the real broker must have seen no order of ours."""
    loop = VirtualLoop(START)
    bench = ShadowBench(VirtualClock(loop), 1)

    async def run() -> None:
        if connect:
            await bench.adapter.connect()
            await bench.quote(100, 20, 101, 10)
            await bench.settle()
        await script(bench)
        await bench.adapter.close()
        await asyncio.sleep(0)

    loop.run_until_complete(run())
    assert not loop.errors
    bench.untouched()


def notices(bench: ShadowBench, code: str) -> list[str]:
    return [f.text for f in of(bench, BrokerNotice) if f.code == code]


def test_every_method_of_the_seam_is_a_question_or_refused() -> None:
    """A method that the seam gains must be sorted here before a shadow can have it."""
    asked = {
        *("bind", "connect", "close", "probe", "query_order", "open_orders", "executions", "positions"),
        *("account_values", "what_if", "instruments", "subscribe", "capabilities"),
    }
    writes = {"submit", "replace", "cancel", "cancel_everything", "arm_dead_man"}
    seam = {name for name, _ in inspect.getmembers(Adapter) if not name.startswith("_")}
    assert seam == asked | writes
    assert {n for n, _ in inspect.getmembers(LookOnly) if not n.startswith("_")} == seam


def test_the_wrapper_refuses_whatever_writes_and_counts_it() -> None:
    async def script(bench: ShadowBench) -> None:
        real = PaperAdapter(bench.real, "A")
        real.bind(lambda _: None)
        looking = LookOnly(real)
        await looking.connect()
        order = make(bench, B, 1)
        writes: list[Callable[[], object]] = [
            lambda: looking.submit(recorded(order)),
            lambda: looking.replace(recorded(Replace(id="r", order_id=order.id, qty=1, limit=1))),
            lambda: looking.cancel(order.id, None),
            looking.cancel_everything,
            lambda: looking.arm_dead_man(NS),
        ]
        for write in writes:
            with pytest.raises(NotSent, match="only looks at paper"):
                write()
        assert looking.refused == len(writes)
        await bench.settle()

    play(script)


def test_orders_fill_at_the_real_touch_and_the_account_is_its_own() -> None:
    async def script(bench: ShadowBench) -> None:
        bench.real.manual_trade("A", "ES", S, 7)  # the real account trades by hand meanwhile
        await bench.settle()
        bought = await submit(bench, B, 2)
        await until_filled(bench, bought, 2)
        (fill,) = [f.fill for f in of(bench, Executed)]
        assert (fill.price, fill.order_id) == (101, bought)
        (position,) = (await bench.adapter.positions()).positions
        assert (position.symbol, position.qty) == ("ES", 2)
        assert [f.qty for f in (await bench.adapter.executions(0)).fills] == [2]
        assert bench.real.audit("A").positions == {"A": {"ES": -7}}

    play(script)


def test_a_queue_stands_before_a_resting_order() -> None:
    async def script(bench: ShadowBench) -> None:
        resting = await submit(bench, B, 2, 100)
        await bench.trade(100, 15, S)
        await bench.settle()
        assert not of(bench, Executed)
        await bench.trade(100, 7, S)
        await until_filled(bench, resting, 2)

    play(script)


def test_a_new_account_opens_with_what_the_real_one_is_worth() -> None:
    async def script(bench: ShadowBench) -> None:
        bench.real.fund("A", Decimal(123_456))
        await bench.adapter.connect()
        await bench.settle()
        assert (await bench.adapter.account_values()).equity == Decimal(123_456)
        assert isinstance(bench.facts[0], LinkUp)
        assert notices(bench, "shadow account") == ["shadow account A opens with 123456 USD"]
        await bench.adapter.close()
        bench.real.books.account("A").start = Decimal(5)
        await bench.adapter.connect()
        await bench.settle()
        assert (await bench.adapter.account_values()).equity == Decimal(123_456), "it is opened once"

    play(script, connect=False)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"currency": "EUR"}, "set currency = 'EUR'"),
        ({"equity": None}, "does not say what account A is worth"),
    ],
)
def test_an_account_whose_worth_is_not_known_is_not_opened(
    change: dict[str, object], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(bench: ShadowBench) -> None:
        true = PaperAdapter.account_values

        async def values(self: PaperAdapter) -> object:
            return msgspec.structs.replace(await true(self), **change)

        monkeypatch.setattr(PaperAdapter, "account_values", values)
        with pytest.raises(NotSent, match=says):
            await bench.adapter.connect()
        await bench.settle()
        assert not of(bench, LinkUp) and not bench.exchange.has_account("A")

    play(script, connect=False)


def test_an_empty_real_account_is_shadowed_with_the_configured_cash() -> None:
    async def script(bench: ShadowBench) -> None:
        bench.real.books.account("A").start = Decimal(0)
        await bench.adapter.connect()
        await bench.settle()
        assert (await bench.adapter.account_values()).equity == Decimal(1_000_000)
        assert "paper.cash" in notices(bench, "shadow account")[0]

    play(script, connect=False)


def test_a_line_that_breaks_stops_the_shadow_and_one_that_returns_brings_it_back() -> None:
    """Also where the real session comes back by itself, as TWS's does."""

    async def script(bench: ShadowBench) -> None:
        resting = await submit(bench, B, 1, 90)
        bench.real.drop_link("A", "IB is away", down_for=3 * NS)
        await bench.settle()
        assert [f.reason for f in of(bench, LinkDown)] == ["IB is away"]
        assert refused(lambda: bench.adapter.submit(recorded(make(bench, B, 1))))
        await bench.until(lambda: len(of(bench, LinkUp)) == 2, "the session by itself")
        assert await live_at_venue(bench, resting)
        await bench.adapter.probe()

    play(script)


def test_an_order_after_a_break_waits_for_a_quote_instead_of_an_old_one() -> None:
    async def script(bench: ShadowBench) -> None:
        bench._last = None  # the broker has not told its market anew yet
        await bench.drop()
        await bench.adapter.connect()
        await bench.settle()
        bought = await submit(bench, B, 1, 105)
        await bench.settle()
        assert not of(bench, Executed)
        await bench.quote(102, 5, 103, 5)
        await until_filled(bench, bought, 1)
        assert of(bench, Executed)[0].fill.price == 103

    play(script)


def test_what_the_real_account_holds_is_told_when_it_changes() -> None:
    async def script(bench: ShadowBench) -> None:
        assert notices(bench, "real account") == [], "nothing held is no news"
        for side in (B, S):
            bench.real.manual_trade("A", "ES", side, 3)
            await bench.clock.sleep(LOOK_EVERY)
            await bench.adapter.probe()
            await bench.settle()
            await bench.adapter.probe()
        assert notices(bench, "real account") == [
            "A really holds ES +3: not touched, not counted here",
            "A really holds nothing: not touched, not counted here",
        ]
        assert (await bench.adapter.positions()).positions == () and not of(bench, Executed)

    play(script)


def test_the_real_brokers_orders_are_none_of_ours() -> None:
    async def script(bench: ShadowBench) -> None:
        broker_id = bench.real.foreign_order("A", "ES", B, 1, limit=90)
        await bench.settle()
        answer = await bench.adapter.open_orders()
        assert answer.ours == answer.foreign == ()
        ours = await submit(bench, B, 1, 90)
        await bench.until(lambda: bool(of(bench, Acknowledged, ours)), "ours")
        bench.adapter.cancel(ours, None)
        await bench.settle()
        (theirs,) = bench.real.audit("A").orders
        assert theirs.broker_id == broker_id and not theirs.status.is_closed

    play(script)


def test_margins_are_the_brokers_and_never_less_than_the_contracts() -> None:
    async def script(bench: ShadowBench) -> None:
        async def netted(symbol: str, side: Side, lots: int) -> Decimal:
            return Decimal(10)

        async def dear(symbol: str, side: Side, lots: int) -> Decimal:
            return Decimal(99_000)

        assert await bench.adapter.what_if("ES", B, 2) == Decimal(24_000)
        for answer, needed in ((netted, 24_000), (dear, 99_000)):
            bench.shadow._real.what_if = answer  # type: ignore[method-assign]
            assert await bench.adapter.what_if("ES", B, 2) == Decimal(needed)

    play(script)


def test_a_shadow_can_do_what_both_can() -> None:
    ib, paper = capabilities(IbConfig()), exchange_capabilities(200, what_if=True)
    both = common(ib, paper)
    assert not both.reduce_only and not both.post_only and not both.dead_man, "IB has none"
    assert not both.cancel_all and both.bracket and both.what_if
    assert both.message_limit == ib.message_limit and not both.tells
    assert not common(capabilities(IbConfig(what_if=False)), paper).what_if


def test_an_account_is_funded_once() -> None:
    clock = VirtualClock(VirtualLoop(START))
    exchange = Exchange((), clock, random.Random(1))
    assert not exchange.has_account("A")
    assert exchange.fund("A", Decimal(7)) == exchange.fund("A", Decimal(8)) == Decimal(7)
