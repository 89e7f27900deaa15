"""The exchange in a process of its own: killed and started again, clients that die, lines that break."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from loopback_kit import ExchangeProcess, exchange_process
from proofs import recorded

from brokers.loopback.adapter import RemotePaperAdapter
from brokers.loopback.feed import RemoteFeed, fetch_instruments
from brokers.loopback.wire import Address, Drill
from engine.clock import RealClock
from engine.facts import (
    Acknowledged,
    AnyFact,
    Executed,
    Gap,
    LinkDown,
    LinkUp,
    OrderNotFound,
    OrderReport,
    Rejected,
)
from engine.model import NS, MarketState, Order, OrderType, Quote, Side, TimeInForce, Trade
from engine.ports import NotSent, QueryFailed

F = TypeVar("F")


class Client:
    """An adapter with what it heard, which connects again when the link breaks; waits for facts, not for
    time."""

    def __init__(self, address: Address, patience: float = 0.0) -> None:
        self.clock = RealClock(asyncio.get_running_loop())
        self.adapter = RemotePaperAdapter(address, "A", self.clock, patience=patience)
        self._again: asyncio.Task[None] | None = None
        self.facts: list[AnyFact] = []
        self._news = asyncio.Event()
        self._count = 0
        self.adapter.bind(self._take)

    def _take(self, fact: AnyFact) -> None:
        self.facts.append(fact)
        self._news.set()
        if isinstance(fact, LinkDown):
            self._again = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        while not self.adapter.up:
            try:
                await self.adapter.connect()
            except NotSent:
                await asyncio.sleep(0.01)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not done():
                self._news.clear()
                await self._news.wait()

    def of(self, kind: type[F]) -> list[F]:
        return [f for f in self.facts if isinstance(f, kind)]

    def send(
        self,
        side: Side,
        qty: int,
        limit: int | None,
        tif: TimeInForce = TimeInForce.GTC,
        name: str = "",
        symbol: str = "ES",
    ) -> str:
        self._count += 1
        order = Order(
            id=name or f"l-{self._count}",
            strategy="l",
            account="A",
            symbol=symbol,
            side=side,
            qty=qty,
            type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            limit=limit,
            tif=tif,
        )
        self.adapter.submit(recorded(order))
        return order.id

    def quote(self, bid: int, bid_size: int, ask: int, ask_size: int) -> None:
        self.adapter.push(quote=Quote("ES", self.clock.now(), bid, bid_size, ask, ask_size))


def test_a_killed_exchange_comes_back_with_its_books(tmp_path: Path) -> None:
    async def run(process: ExchangeProcess) -> None:
        client = Client(process.address)
        adapter = client.adapter
        await adapter.connect()
        client.quote(100, 20, 101, 10)
        resting, filled = client.send(Side.BUY, 2, 99), client.send(Side.BUY, 3, None)
        await client.until(lambda: bool(client.of(Executed)))
        before = await adapter.audit()
        asked = asyncio.ensure_future(adapter.positions())
        await asyncio.sleep(0)
        process.end(signal.SIGKILL)
        await client.until(lambda: bool(client.of(LinkDown)))
        with pytest.raises(QueryFailed):
            await asked
        with pytest.raises(NotSent):
            client.send(Side.BUY, 1, 99)
        with pytest.raises(QueryFailed):
            await adapter.positions()
        process.start()
        assert process.ready["restored"] is True
        await client.until(lambda: bool(client.of(Gap)))
        kinds = [type(f) for f in client.facts if isinstance(f, (LinkUp, LinkDown, Gap))]
        assert kinds == [LinkUp, LinkDown, LinkUp, Gap]
        after = await adapter.audit()
        assert (after.orders, after.executions) == (before.orders, before.executions)
        assert [o.order_id for o in (await adapter.open_orders()).ours] == [resting]
        assert [f.order_id for f in (await adapter.executions(0)).fills] == [filled]
        client.quote(100, 20, 101, 10)
        again = client.send(Side.SELL, 3, None)
        await client.until(lambda: len(client.of(Executed)) == 2)
        assert client.of(Executed)[1].fill.order_id == again
        assert (await adapter.positions()).positions == ()
        await adapter.close()

    with exchange_process(tmp_path) as process:
        asyncio.run(run(process))


@pytest.mark.slow
def test_kills_at_any_moment_forget_nothing_that_was_told(tmp_path: Path) -> None:
    async def run(process: ExchangeProcess) -> None:
        client = Client(process.address)
        adapter = client.adapter
        await adapter.connect()
        rng = random.Random(4)
        sent: set[str] = set()
        for _ in range(5):
            client.quote(100, 500, 101, 500)
            for n in range(rng.randrange(20, 80)):
                limit = rng.choice((None, 99, 100, 101, 102))
                sent.add(client.send(rng.choice((Side.BUY, Side.SELL)), rng.randrange(1, 4), limit))
                if n % 8 == 0:
                    await asyncio.sleep(0.002 * rng.random())
            heard = len(client.facts)
            await client.until(lambda heard=heard: len(client.facts) > heard)
            downs, ups = len(client.of(LinkDown)), len(client.of(LinkUp))
            process.end(signal.SIGKILL)
            await client.until(lambda downs=downs: len(client.of(LinkDown)) > downs)
            process.start()
            await client.until(lambda ups=ups: len(client.of(LinkUp)) > ups)
            audit = await adapter.audit()
            known = {o.order_id for o in audit.orders}
            assert {f.order_id for f in client.of(Acknowledged)} <= known <= sent
            assert {f.fill for f in client.of(Executed)} <= set(audit.executions)
            assert len({f.key for f in audit.executions}) == len(audit.executions)
            position = sum(f.side.sign * f.qty for f in audit.executions)
            assert audit.positions["A"].get("ES", 0) == position
            for oid in sorted(sent - known):  # lost on the way: the exchange says so
                assert isinstance(await adapter.query_order(oid, None), OrderNotFound)
        await adapter.close()

    with exchange_process(tmp_path) as process:
        asyncio.run(run(process))


def test_the_exchange_outlives_its_client(tmp_path: Path) -> None:
    async def first(process: ExchangeProcess) -> str:
        client = Client(process.address)
        await client.adapter.connect()
        client.quote(100, 5, 101, 10)
        oid = client.send(Side.BUY, 2, 100)
        await client.until(lambda: bool(client.of(Acknowledged)))
        client.adapter._line._writer.transport.abort()  # type: ignore[union-attr] # dies without a word
        return oid

    async def second(process: ExchangeProcess, oid: str) -> None:
        feeder = Client(process.address)
        feeder.adapter.account = "B"
        await feeder.adapter.connect()
        feeder.quote(98, 5, 99, 10)  # trades with the dead client's order
        await feeder.adapter.audit()
        client = Client(process.address)
        await client.adapter.connect()
        report = await client.adapter.query_order(oid, None)
        assert isinstance(report, OrderReport) and report.cum == 2
        fills = (await client.adapter.executions(0)).fills
        assert [(f.order_id, f.qty, f.price) for f in fills] == [(oid, 2, 100)]
        assert not client.of(Executed)  # it asked; nothing was replayed by itself
        assert not feeder.of(Executed)  # and nobody else heard of it
        await client.adapter.close()
        await feeder.adapter.close()

    with exchange_process(tmp_path, ledger=False) as process:
        oid = asyncio.run(first(process))
        asyncio.run(second(process, oid))


def test_market_data_is_broadcast_and_comes_back_after_a_break(tmp_path: Path) -> None:
    class Sink:
        def __init__(self) -> None:
            self.quotes: list[Quote] = []
            self.trades: list[Trade] = []
            self.states: list[MarketState] = []
            self.news = asyncio.Event()

        def on_quote(self, quote: Quote) -> None:
            self.quotes.append(quote)
            self.news.set()

        def on_trade(self, trade: Trade) -> None:
            self.trades.append(trade)

        def on_market_state(self, symbol: str, state: MarketState, ts: int) -> None:
            self.states.append(state)

        def on_batch_end(self, ts: int) -> None: ...

        def on_feed_end(self, reason: str) -> None: ...

        async def more(self, count: int) -> None:
            async with asyncio.timeout(20):
                goal = len(self.quotes) + count
                while len(self.quotes) < goal:
                    self.news.clear()
                    await self.news.wait()

    async def run(process: ExchangeProcess) -> None:
        listed = await fetch_instruments(process.address, RealClock(asyncio.get_running_loop()))
        assert [i.symbol for i in listed] == ["ES", "NQ"]
        sink = Sink()
        feed = RemoteFeed(process.address, retry=0.01)
        task = asyncio.ensure_future(feed.run(RealClock(asyncio.get_running_loop()), sink))
        await sink.more(200)
        assert [i.symbol for i in feed.instruments] == ["ES", "NQ"]
        assert {q.symbol for q in sink.quotes} == {"ES"} and sink.trades
        assert all(q.bid is not None and q.ask == q.bid + 1 for q in sink.quotes)
        process.end(signal.SIGKILL)
        process.start()
        await sink.more(50)
        assert feed.breaks == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with exchange_process(tmp_path, "--feed", "walk:ES@500", ledger=False) as process:
        asyncio.run(run(process))


def test_the_socket_is_private_and_nonsense_cuts_only_its_own_line(tmp_path: Path) -> None:
    async def run(process: ExchangeProcess) -> None:
        path = process.address.path
        assert path is not None and path.stat().st_mode & 0o777 == 0o600
        client = Client(process.address)
        await client.adapter.connect()
        for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x02{}", b"\xff\xff\xff\xff", b"\0\0"):
            with socket.socket(socket.AF_UNIX) as other:
                other.settimeout(10)
                other.connect(str(path))
                other.sendall(nonsense)
                other.shutdown(socket.SHUT_WR)
                answer = b""
                while chunk := other.recv(4096):
                    answer += chunk
                assert b"welcome" not in answer
        assert (await client.adapter.positions()).positions == ()
        with pytest.raises(QueryFailed, match="known are reject_new"):
            await client.adapter.drill(Drill(n=0, kind="arm", fault="gremlins"))
        await client.adapter.close()

    with exchange_process(tmp_path, ledger=False) as process:
        asyncio.run(run(process))


@pytest.mark.parametrize("rates", [(), ("--fx", "EUR=1.08")])
def test_a_coin_in_dollar_tokens_trades_by_default_and_what_has_no_rate_is_told_the_option(
    tmp_path: Path, rates: tuple[str, ...]
) -> None:
    async def play(process: ExchangeProcess) -> None:
        client = Client(process.address)
        await client.adapter.connect()
        client.send(Side.BUY, 1, 100, symbol="BTCUSDT-PERP")
        await client.until(lambda: bool(client.of(Acknowledged) or client.of(Rejected)))
        refused = [fact.reason for fact in client.of(Rejected)]
        assert bool(client.of(Acknowledged)) is not bool(rates)
        assert not rates or "needs --fx USDT=RATE" in refused[0]
        await client.adapter.close()

    with exchange_process(tmp_path, "--feed", "synthetic", *rates, ledger=False) as process:
        asyncio.run(play(process))


def test_no_exchange_says_how_to_start_one(tmp_path: Path) -> None:
    async def run() -> None:
        client = Client(Address(path=tmp_path / "nobody.sock"))
        with pytest.raises(NotSent, match="breakwater exchange"):
            await client.adapter.connect()
        with pytest.raises(NotSent, match="down"):
            client.send(Side.BUY, 1, 1)

    asyncio.run(run())


def test_a_heartbeat_is_answered_unless_the_exchange_has_stopped(tmp_path: Path) -> None:
    """A stopped process keeps its socket open; only the missing answer tells."""

    async def run(process: ExchangeProcess) -> None:
        client = Client(process.address)
        await client.adapter.connect()
        await client.adapter.probe()
        client.adapter._timeout = NS // 10
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(QueryFailed, match="no answer to Ping"):
            await client.adapter.probe()
        process.send_signal(signal.SIGCONT)
        client.adapter._timeout = 20 * NS
        await client.adapter.probe()
        assert not client.of(LinkDown)
        await client.adapter.close()

    with exchange_process(tmp_path, ledger=False) as process:
        asyncio.run(run(process))


def test_the_exchange_drops_a_client_that_has_gone_silent(tmp_path: Path) -> None:
    async def run(process: ExchangeProcess) -> None:
        client = Client(process.address, patience=0.3)
        await client.adapter.connect()
        until = client.clock.mono() + NS
        while client.clock.mono() < until:
            await client.adapter.probe()
            await asyncio.sleep(0.02)
        assert not client.of(LinkDown), "a client that beats is kept"
        await client.until(lambda: bool(client.of(LinkDown)))
        assert "nothing heard from the client" in client.of(LinkDown)[0].reason
        await client.until(lambda: bool(client.of(Gap)))
        await client.adapter.close()

    with exchange_process(tmp_path, ledger=False) as process:
        asyncio.run(run(process))


def test_a_large_answer_arrives_and_one_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """Neither cuts the line: a client that reads is not one that is behind."""

    async def run(process: ExchangeProcess) -> None:
        client = Client(process.address)
        adapter = client.adapter
        await adapter.connect()
        client.quote(100, 20, 101, 10)
        for n in range(1, 5):
            client.send(Side.BUY, 1, 90, name=f"{n}" * (17 * 1024 * 1024))
            await client.until(lambda n=n: len(client.of(Acknowledged)) == n)  # type: ignore[misc]
            if n == 1:
                (order,) = (await adapter.open_orders()).ours
                assert len(order.order_id) == 17 * 1024 * 1024
        with pytest.raises(QueryFailed, match=r"the answer has \d+ bytes.*ask for less"):
            await adapter.open_orders()
        assert (await adapter.positions()).positions == () and not client.of(LinkDown)

    with exchange_process(tmp_path, ledger=False) as process:
        asyncio.run(run(process))


def test_who_loses_the_session_to_another_client_is_told_so(tmp_path: Path) -> None:
    async def run(process: ExchangeProcess) -> None:
        first, second = Client(process.address), Client(process.address)
        await first.adapter.connect()
        await second.adapter.connect()
        await first.until(lambda: bool(first.of(LinkDown)))
        assert "another client logged on to this account" in first.of(LinkDown)[0].reason
        for client in (first, second):
            await client.adapter.close()

    with exchange_process(tmp_path, ledger=False) as process:
        asyncio.run(run(process))
