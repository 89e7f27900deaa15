"""Any sequence of requests, quotes and faults in virtual time: nothing raises, every byte that leaves is
explained, and what clients are told of executions adds up to the position."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.loopback.tws import Gateway, TwsConfig, make_gateway
from brokers.loopback.tws.client import Client
from brokers.loopback.tws.framing import Unframer, split
from brokers.loopback.tws.layout import Values
from brokers.loopback.tws.messages import REQUEST, REQUESTS, Message, read_reply, write
from engine.model import NS, MarketState, Quote, Side, Trade
from engine.sim.loop import VirtualClock, VirtualLoop
from tests.tws.test_tws_codec import values_of
from tests.tws.tws_kit import EXCHANGE

START = 1_764_080_000 * NS
VERSIONS = (157, 163, 165, 170, 176, 178)


class Wire:
    """Stands for a socket: what the gateway writes is read back and kept."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.told: list[tuple[str, Values]] = []
        self.closed = False
        self.transport = self
        self._unframer = Unframer()

    def write(self, data: bytes) -> None:
        for body in self._unframer.feed(data):
            message, values = read_reply(split(body), self.version)
            self.told.append((message.name, values))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def get_extra_info(self, name: str) -> None:
        return None

    def get_write_buffer_size(self) -> int:
        return 0


class World:
    """A gateway in virtual time with one client on a wire of its own."""

    def __init__(self, version: int) -> None:
        self.loop = VirtualLoop(START)
        self.clock = VirtualClock(self.loop)
        config = TwsConfig(rate_limit=1_000_000)
        self.gateway: Gateway = make_gateway(self.clock, config=config, exchange=EXCHANGE)
        self.gateway.start()
        self.log_on(version)
        self.gateway.on_quote(Quote("ES", self.clock.now(), 20_000, 5, 20_001, 5))
        self.run(10)
        self.contract = self.gateway.contracts.listed[0]

    def log_on(self, version: int) -> None:
        """A client with a new wire; what a former one was told is forgotten, but not the lists at log-on."""
        self.wire = Wire(version)
        self.client = Client(self.gateway, 1, self.wire)  # type: ignore[arg-type]
        self.client.version = version
        self.gateway._lines[self.client] = None
        self.say(REQUEST["start_api"], {"clientId": 1, "capabilities": ""})
        self.say(REQUEST["open_orders"], {})

    def restart(self, lose_orders: bool) -> None:
        version = self.client.version
        self.gateway.restart("fin", forget_executions=False, lose_orders=lose_orders)
        self.gateway.left(self.client)
        self.log_on(version)

    def say(self, message: Message, values: Values) -> None:
        self.client._take(split(write(message, values, self.client.version)[4:]))

    def run(self, ms: int) -> None:
        self.loop.run_until_complete(self.clock.sleep(ms * 1_000_000))
        assert not self.loop.errors, self.loop.errors

    def close(self) -> None:
        self.gateway.accounts.stop()
        self.gateway.market.stop()


prices = st.integers(19_994, 20_008)
small = st.integers(1, 4)
orders = st.fixed_dictionaries(
    {
        "orderId": st.integers(1, 12),
        "action": st.sampled_from(["BUY", "SELL"]),
        "totalQuantity": st.integers(1, 9),
        "orderType": st.sampled_from(["LMT", "LMT", "LMT", "MKT", "STP", "STP LMT", "TRAIL"]),
        "limit": prices,
        "stop": prices,
        "tif": st.sampled_from(["DAY", "GTC", "IOC", "FOK", ""]),
        "transmit": st.sampled_from([True, True, True, False]),
        "parentId": st.sampled_from([0, 0, 0, 1, 2, 3]),
        "ocaGroup": st.sampled_from(["", "", "g"]),
        "ocaType": st.integers(0, 3),
        "whatIf": st.sampled_from([False, False, False, False, True]),
        "month": st.sampled_from([0, 0, 0, 1]),
    }
)
steps = st.one_of(
    st.tuples(st.just("ioc"), orders),
    st.tuples(st.just("order"), orders),
    st.tuples(st.just("order"), orders),
    st.tuples(st.just("cancel"), st.integers(-1, 12)),
    st.tuples(st.just("quote"), st.tuples(prices, small)),
    st.tuples(st.just("quote"), st.tuples(prices, small)),
    st.tuples(st.just("trade"), st.tuples(prices, small)),
    st.tuples(st.just("run"), st.integers(1, 40)),
    st.tuples(st.just("state"), st.sampled_from(list(MarketState))),
    st.tuples(st.just("server"), st.sampled_from(["lose", "restore", "data"])),
    st.tuples(
        st.just("arm"),
        st.sampled_from(
            [
                *("reject_new", "reject_cancel", "reject_replace", "unknown_order", "no_ack", "late_ack"),
                *("fill_before_ack", "duplicate_report", "fill_after_cancel", "bust", "correct"),
                *("unsolicited_cancel", "disconnect", "twin_replace"),
            ]
        ),
    ),
    st.tuples(st.just("global_cancel"), st.none()),
    st.tuples(st.just("list"), st.none()),
    st.tuples(st.just("manual"), st.tuples(st.sampled_from(list(Side)), small, prices)),
    st.tuples(st.just("reissue"), st.integers(1, 5)),
    st.tuples(st.just("restart"), st.booleans()),
)


def act(world: World, kind: str, what: Any) -> None:
    gateway = world.gateway
    if kind == "ioc":
        what = {**what, "tif": "IOC", "orderType": "LMT", "month": 0, "transmit": True}
        kind = "order"
    if kind == "order":
        listed = gateway.contracts.listed[what["month"]]
        price = listed.instrument.price
        asked = {k: v for k, v in what.items() if k not in ("limit", "stop", "month")}
        values = {**asked, **listed.contract11(), "account": "", "primaryExchange": ""}
        values |= {"lmtPrice": price(what["limit"]), "auxPrice": price(what["stop"])}
        values |= {"totalQuantity": Decimal(what["totalQuantity"]), "secType": "FUT"}
        world.say(REQUEST["place_order"], values)
    elif kind == "cancel":
        world.say(REQUEST["cancel_order"], {"orderId": what})
    elif kind == "quote":
        gateway.on_quote(Quote("ES", world.clock.now(), what[0], what[1], what[0] + 1, what[1]))
    elif kind == "trade":
        gateway.on_trade(Trade("ES", world.clock.now(), what[0], what[1]))
    elif kind == "run":
        world.run(what)
    elif kind == "state":
        gateway.exchange.set_state("ES", what)
    elif kind == "server":
        if what == "lose":
            gateway.lose_server()
        else:
            gateway.restore_server(data_lost=what == "data")
    elif kind == "arm":
        gateway.exchange.faults.arm(what)
    elif kind == "global_cancel":
        world.say(REQUEST["global_cancel"], {})
    elif kind == "list":
        for name in ("open_orders", "all_open_orders", "positions"):
            world.say(REQUEST[name], {})
        world.say(REQUEST["completed_orders"], {"apiOnly": False})
    elif kind == "manual":
        gateway.manual_order("ES", what[0], what[1], limit=what[2])
    elif kind == "restart":
        world.restart(what)
    elif kind == "reissue":
        gateway.reissue_ids(1, what)


def settle(world: World) -> None:
    """Faults off, everything delivered."""
    gateway = world.gateway
    gateway.exchange.faults.clear()
    gateway.exchange.restore_link("DU1234567")
    world.run(5_000)
    gateway.restore_server()
    gateway.exchange.set_state("ES", MarketState.OPEN)
    world.run(5_000)


@settings(max_examples=300, deadline=None)
@given(version=st.sampled_from(VERSIONS), plan=st.lists(steps, min_size=4, max_size=40))
def test_any_day_adds_up(version: int, plan: list[tuple[str, Any]]) -> None:
    asyncio.set_event_loop(None)
    world = World(version)
    for kind, what in plan:
        act(world, kind, what)
    settle(world)
    gateway = world.gateway
    assert gateway.problems == []
    audit = gateway.exchange.audit("DU1234567")
    told: dict[str, int] = {}
    for execution in gateway.executions.by_stem.values():
        if not execution.busted:
            fill = execution.fill
            told[fill.symbol] = told.get(fill.symbol, 0) + fill.side.sign * fill.qty
    positions = audit.positions.get("DU1234567", {})
    assert {s: q for s, q in told.items() if q} == positions
    # what the gateway calls open is open at the exchange, and the other way round
    book = gateway.trading.book.open()
    working = {(o.order_id, o.broker_id) for o in audit.orders if not o.status.is_closed}
    ids = dict(working)  # where no acknowledgement came an execution was the first word, and told no id
    ours = {(o.xid or None, o.broker_id or ids.get(o.xid)) for o in book if o.live}
    silent = {o.xid for o in book if not o.live and o.transmitted and not o.waiting}
    assert ours == {(xid, broker) for xid, broker in working if xid not in silent}
    assert silent <= {xid for xid, _ in working}  # never acknowledged, and there all the same
    # the last that the client was told of each of its open orders is how it stands
    said = {v["permId"]: (v["status"], v["filled"]) for n, v in world.wire.told if n == "order_status"}
    for order in book:
        if order.client_id == 1 and order.live:
            assert said[order.perm_id] == (order.status, order.cum), order.perm_id
    world.say(REQUEST["executions"], everything(99))
    world.run(1)
    listed = [v for n, v in world.wire.told if n == "execution" and v["reqId"] == 99]
    assert (
        len({v["execId"].rpartition(".")[0] for v in listed})
        == len(listed)
        == len(gateway.executions.by_stem)
    )
    world.close()


def everything(req_id: int) -> Values:
    names = ("account", "time", "symbol", "secType", "exchange", "side")
    return {"reqId": req_id, "clientId": 0, **dict.fromkeys(names, "")}


@settings(max_examples=150, deadline=None)
@given(version=st.sampled_from(VERSIONS), data=st.data())
def test_no_request_that_can_be_read_raises(version: int, data: st.DataObject) -> None:
    asyncio.set_event_loop(None)
    world = World(version)
    requests = [m for m in REQUESTS if m.name != "start_api"]
    for _ in range(data.draw(st.integers(1, 5))):
        message = data.draw(st.sampled_from(requests))
        values = data.draw(values_of(message.layout, version))
        if data.draw(st.booleans()):
            values |= {k: v for k, v in world.contract.contract11().items() if k in values}
        world.say(message, values)
        world.run(20)
    world.run(6_000)
    assert world.gateway.problems == []
    world.close()
