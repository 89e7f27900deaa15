"""The shadow of Interactive Brokers over real sockets: it reads at TWS and writes nothing there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from brokers.exchange import ExchangeConfig
from brokers.exchange.config import AccountConfig
from brokers.ib import IbAdapter, IbConfig
from brokers.ib.checkup import checkup
from brokers.ib.feed import IbFeed
from brokers.ib.raw import Ticks
from brokers.ib.wire import _CHANGES, Wire
from brokers.loopback.tws import Gateway, TwsConfig
from brokers.loopback.tws.messages import read_request
from brokers.loopback.tws.recording import read
from brokers.paper import PaperAdapter
from brokers.shadow import ShadowAdapter, ShadowExchange
from engine.clock import RealClock
from engine.facts import AnyFact, BrokerNotice, Executed, LinkDown, LinkUp, Rejected
from engine.model import NS, MarketState, Replace
from engine.ports import NotSent
from tests.conformance.benches.ib import ACCOUNT, CONTRACTS, IbBench, gateway
from tests.conformance.benches.venue import VenueBench
from tests.conformance.suite import B, S, make, of, recorded, refused, submit, until_filled
from tests.ib.kit import needs_library, play

SATURDAY = int(datetime(2026, 1, 10, 15, tzinfo=UTC).timestamp()) * NS
WEDNESDAY = int(datetime(2026, 1, 7, 15, tzinfo=UTC).timestamp()) * NS


def changes(recording: Path) -> list[str]:
    """What came over the wire that could place, change, end or take over an order; what-ifs are questions."""
    found: list[str] = []
    versions: dict[int, int] = {}
    for entry in read(recording):
        if entry.way == "open":
            versions[entry.line] = entry.version
        if entry.way != "in":
            continue
        message, values = read_request(list(entry.fields), versions[entry.line])
        asks = message.name == "place_order" and values["whatIf"]
        if message.name in ("place_order", "cancel_order", "global_cancel", "auto_open_orders") and not asks:
            found.append(f"{message.name} {values}")
    return found


@needs_library
def test_an_adapter_that_only_looks_refuses_what_writes_and_takes_over_nothing() -> None:
    """Under client 0 too, to which TWS would bind orders placed by hand."""

    async def script(bench: IbBench) -> None:
        hand = bench.gateway.manual_order("ES", B, 1, limit=90)
        await bench.adapter.connect()
        await bench.settle()
        order = make(bench, B, 1, 99)
        for write in (
            lambda: bench.adapter.submit(recorded(order)),
            lambda: bench.adapter.replace(recorded(Replace(id="r", order_id=order.id, qty=1, limit=1))),
            lambda: bench.adapter.cancel("somebody-1", str(hand.perm_id)),
            bench.adapter.cancel_everything,
            lambda: bench.adapter.arm_dead_man(1),
        ):
            assert refused(write)  # type: ignore[arg-type]
        (seen,) = (await bench.adapter.open_orders()).foreign
        assert seen.broker_id == str(hand.perm_id) and not hand.done
        requests = [r for client in bench.gateway.clients.values() for r in client.requests]
        assert "all_open_orders" in requests and "auto_open_orders" not in requests
        assert not {"place_order", "cancel_order", "global_cancel"} & set(requests)

    play(script, client_id=0, connect=False, read_only=True)


def test_the_wire_lets_nothing_through_that_changes_an_order() -> None:
    """Whoever hands it over: the last function before the socket refuses."""
    wire = Wire(lambda _: None, lambda _: None, read_only=True)
    for name in _CHANGES - {"placeOrder"}:
        with pytest.raises(NotSent, match=name):
            wire.send(name, 1)
    with pytest.raises(NotSent, match="placeOrder"):
        wire.send("placeOrder", 1, None, SimpleNamespace(whatIf=False))
    wire.send("placeOrder", 1, None, SimpleNamespace(whatIf=True))
    wire.send("reqAllOpenOrders")
    Wire(lambda _: None, lambda _: None).send("cancelOrder", 1, "")


class ShadowAtIb(IbBench):
    """Quotes come by TWS's own messages and move `venue`, where the orders are."""

    def __init__(self, clock: RealClock, gateway: Gateway, port: int, ib: dict[str, Any]) -> None:
        VenueBench.__init__(self, gateway.exchange, ACCOUNT)
        self.gateway, self.port = gateway, port
        asked = {**CONTRACTS, "ES": CONTRACTS["ES"].model_copy(update={"initial_margin": Decimal(0)})}
        config = IbConfig(**{"port": port, "contracts": asked, "answer_within": 1.0, **ib})
        self.ib = IbAdapter(config, ACCOUNT, clock, read_only=True)
        self.facts: list[AnyFact] = []

    async def open(self) -> None:
        """As a run does: contracts first, then the exchange that lists them."""
        self.venue = ShadowExchange(
            await self.ib.prepare(),
            self.clock,
            random.Random(5),
            ExchangeConfig(order_latency_ms=1, order_jitter_ms=0, report_latency_ms=1, report_jitter_ms=0),
            AccountConfig(),
        )
        self.adapter = ShadowAdapter(self.ib, PaperAdapter(self.venue, ACCOUNT))
        self.adapter.bind(self.facts.append)


def shadowing(
    script: Callable[[ShadowAtIb], Awaitable[None]],
    tmp_path: Path,
    tws: Mapping[str, Any] | None = None,
    start: int = WEDNESDAY,
    **ib: Any,
) -> None:
    """Runs a script over a shadow of a fresh gateway, and looks at what came over the wire. `tws`: settings
    of the gateway; `start`: UTC ns at which its clock begins, by default in the middle of a session, because
    on a holiday nothing would trade; others: settings of the adapter."""
    recording = tmp_path / "wire.jsonl"

    async def run() -> None:
        clock = RealClock(asyncio.get_running_loop(), start=start)
        real = gateway(clock, 7, TwsConfig(max_active=1_000, **(tws or {})), record=recording)
        real.start()
        listener, port = await real.listen()
        bench = ShadowAtIb(clock, real, port, ib)
        await bench.open()
        feeding = asyncio.ensure_future(IbFeed(bench.ib).run(clock, bench.venue))
        try:
            await bench.quote(100, 20, 101, 10)
            await bench.adapter.connect()
            await bench.until(lambda: bool(of(bench, LinkUp)), "LinkUp")
            await bench.until(lambda: bench.venue.market("ES").mark() is not None, "the first quote")
            await script(bench)
            audit = real.exchange.audit(ACCOUNT)
            assert (audit.orders, audit.executions) == ((), ())
            assert not real.problems, real.problems
        finally:
            feeding.cancel()
            await bench.adapter.close()
            listener.close()
            await real.close()

    asyncio.run(run())
    assert changes(recording) == []


@needs_library
def test_fills_are_at_the_brokers_quotes(tmp_path: Path) -> None:
    async def script(bench: ShadowAtIb) -> None:
        bought = await submit(bench, B, 2)
        await until_filled(bench, bought, 2)
        await bench.quote(105, 7, 106, 7)
        await bench.until(lambda: bench.venue.market("ES").mark() == 105, "the quote by the wire")
        sold = await submit(bench, S, 2)
        await until_filled(bench, sold, 2)
        assert [f.fill.price for f in of(bench, Executed)] == [101, 105]
        resting = await submit(bench, B, 1, 105)
        await bench.quote(104, 5, 105, 5)  # the offer comes to our bid
        await until_filled(bench, resting, 1)
        assert of(bench, Executed)[-1].fill.price == 105
        assert (await bench.adapter.positions()).positions[0].qty == 1

    shadowing(script, tmp_path)


@needs_library
def test_a_lost_line_and_one_that_comes_back_by_itself(tmp_path: Path) -> None:
    """The socket breaks; then TWS loses IB and finds it again (1100, 1102)."""

    async def script(bench: ShadowAtIb) -> None:
        resting = await submit(bench, B, 1, 90)
        bench.gateway.drop_clients("rst")
        await bench.until(lambda: len(of(bench, LinkDown)) == 1, "LinkDown")
        assert refused(lambda: bench.adapter.submit(recorded(make(bench, B, 1))))
        await bench.adapter.connect()
        await bench.until(lambda: len(of(bench, LinkUp)) == 2, "LinkUp")
        await bench.until(lambda: bench.venue.market("ES").ready, "the same quote, told anew")
        bench.gateway.lose_server()
        await bench.until(lambda: len(of(bench, LinkDown)) == 2, "LinkDown")
        bench.gateway.restore_server(data_lost=True)
        await bench.until(lambda: len(of(bench, LinkUp)) == 3, "LinkUp by itself")
        await bench.until(lambda: bench.venue.market("ES").ready, "the same quote, told anew")
        (listed,) = (await bench.adapter.open_orders()).ours
        assert listed.order_id == resting
        await until_filled(bench, await submit(bench, B, 1), 1)

    shadowing(script, tmp_path)


@needs_library
def test_its_margins_are_ibs(tmp_path: Path) -> None:
    async def script(bench: ShadowAtIb) -> None:
        needed = await bench.adapter.what_if("ES", B, 2)
        assert needed == 2 * bench.ib.listed()[0].initial_margin > Decimal(0)

    # Right after the link is up the questions of the start have used up those of a second.
    shadowing(script, tmp_path, answer_within=5.0)


@needs_library
def test_it_runs_where_tws_is_read_only(tmp_path: Path) -> None:
    """The third lock: nothing but margins is missing, which the configuration has then."""

    async def script(bench: ShadowAtIb) -> None:
        await until_filled(bench, await submit(bench, B, 2), 2)
        assert not bench.adapter.capabilities.what_if
        assert not [n.text for n in of(bench, BrokerNotice) if n.code == "orders"]

    shadowing(script, tmp_path, {"read_only": True}, what_if=False, contracts=CONTRACTS)


@needs_library
@pytest.mark.parametrize(
    ("ib", "state", "says"),
    [
        ({"what_if": True}, "WARN", "set ib.what_if = false"),
        ({"what_if": False, "contracts": CONTRACTS}, "PASS", "a shadow sends none"),
    ],
)
def test_doctor_finds_a_read_only_tws_right_for_a_shadow(ib: dict[str, Any], state: str, says: str) -> None:
    async def script(bench: IbBench) -> None:
        config = bench.ib.config.model_copy(update={"client_id": 5, **ib})
        found = [f async for f in checkup(config, ACCOUNT, RealClock(asyncio.get_running_loop()),
                                          real_money=False, read_only=True)]  # fmt: skip
        (orders,) = [f for f in found if f.name == "ib orders"]
        assert orders.state == state and says in orders.text + orders.remedy

    play(script, connect=False, tws={"read_only": True})


@needs_library
def test_a_quote_out_of_hours_opens_no_market(tmp_path: Path) -> None:
    """TWS tells old quotes on a Saturday and nothing of hours: those are the calendar's matter, here and in
    the engine. A halt it does tell."""

    async def script(bench: ShadowAtIb) -> None:
        market = bench.venue.market("ES")
        assert market.state is MarketState.CLOSED and not market.ready
        order_id = await submit(bench, B, 1, 105)
        await bench.quote(101, 5, 102, 5)
        await bench.until(lambda: market.mark() == 101, "the quote by the wire")
        assert not of(bench, Executed) and of(bench, Rejected, order_id)

    shadowing(script, tmp_path, start=SATURDAY)


@needs_library
def test_a_halt_that_tws_tells_and_its_end(tmp_path: Path) -> None:
    async def script(bench: ShadowAtIb) -> None:
        market, resolved = bench.venue.market("ES"), bench.ib._resolved["ES"]
        take = bench.ib.market.on_ticks
        assert take is not None and market.state is MarketState.OPEN
        bench.venue.on_market_state("ES", MarketState.UNKNOWN, SATURDAY)
        assert market.state is MarketState.CLOSED
        quote = Ticks(1, 25.0, 5.0, 25.25, 5.0, None, 0.0, 0)
        take(resolved, quote._replace(halted=True))
        assert market.state is MarketState.HALTED
        take(resolved, quote)
        assert market.state is MarketState.OPEN

    shadowing(script, tmp_path)
