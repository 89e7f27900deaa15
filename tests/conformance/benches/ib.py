"""The adapter to Interactive Brokers, through a real client library and a real socket, against the loopback
gateway that speaks TWS's protocol over the simulated exchange. Real time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from brokers.exchange import ExchangeConfig
from brokers.exchange.messages import Audit
from brokers.ib import IbAdapter, IbConfig, IbContract, library
from brokers.loopback.tws import Gateway, TwsConfig, make_gateway
from engine.clock import RealClock
from engine.facts import AnyFact, LinkDown
from engine.model import NS, ExecutionKey, Quote, Side, Trade
from engine.ports import Adapter
from tests.conformance.benches.venue import CL, ES, QUICK, VenueBench
from tests.conformance.suite import Case

ACCOUNT: Final = "DU1234567"
CONTRACTS: Final = {
    "ES": IbContract(exchange="CME", expiry="front", initial_margin=ES.initial_margin, roll_days=0),
    "CL": IbContract(
        exchange="NYMEX",
        expiry="front",
        nonpositive_price=True,
        initial_margin=CL.initial_margin,
        roll_days=0,
    ),
}

PATIENCE: Final = 10.0
"""Seconds for an answer that is to come, however busy the machine is."""
GIVEN_UP: Final = 60.0
"""Seconds after which a test gives up what it waits for."""
HASTE: Final = 1.0
"""Seconds for one that is not to come."""

WITHOUT: Final[dict[int, str]] = {
    130: "TWS has no message for the state of a market",
}
"""Cases that TWS's protocol has no words for."""


def gateway(
    clock: RealClock, seed: int, config: TwsConfig | None = None, record: Path | None = None
) -> Gateway:
    """A gateway that lists ES and CL in two months each, over a fast exchange. `record`: where the wire is
    kept."""
    return make_gateway(
        clock,
        (ES, CL),
        seed=seed,
        config=config or TwsConfig(max_active=1_000, master_client=1),
        record=record,
        exchange=ExchangeConfig(
            order_latency_ms=1,
            order_jitter_ms=0,
            report_latency_ms=1,
            report_jitter_ms=0,
            faults=QUICK,
            message_limit=1_000_000,
        ),
    )


class IbBench(VenueBench):
    """`script` of the gateway plays the faults of the wire, its exchange those of the venue."""

    def __init__(
        self,
        clock: RealClock,
        gateway: Gateway,
        port: int,
        *,
        account: str = ACCOUNT,
        real_money: bool = False,
        mark: Path | None = None,
        read_only: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(gateway.exchange, account)
        self.gateway = gateway
        self.port = port
        config = IbConfig(
            **{
                "port": port,
                "contracts": CONTRACTS,
                "answer_within": PATIENCE,
                "what_if": False,
                "max_active": 900,
                **settings,
            }
        )
        self.ib = IbAdapter(config, account, clock, real_money=real_money, mark=mark, read_only=read_only)
        self.adapter: Adapter = self.ib
        self.facts: list[AnyFact] = []
        self.adapter.bind(self.facts.append)

    async def quote(self, bid: int, bid_size: int, ask: int, ask_size: int) -> None:
        self.gateway.on_quote(Quote("ES", self.clock.now(), bid, bid_size, ask, ask_size))

    async def trade(self, price: int, size: int, aggressor: Side) -> None:
        self.gateway.on_trade(Trade("ES", self.clock.now(), price, size, aggressor))

    async def arm(self, fault: str, times: int = 1) -> None:
        """Faults of the line are played on the wire, those of the venue at the exchange."""
        script = self.gateway.script
        if fault in ("query_lost", "answer_lost"):
            self.hurry()
        if fault == "no_ack":
            script.drop("open_order")
            script.drop("order_status")
        elif fault == "late_ack":
            script.delay("open_order", 0.06)
            script.delay("order_status", 0.06)
        elif fault == "lose_request":
            script.ignore("place_order")
        elif fault == "query_lost":
            for name in ("positions", "all_open_orders"):
                script.ignore(name)
        elif fault == "answer_lost":
            script.drop("position_end")
            script.drop("open_order_end")
        elif fault == "duplicate_report":
            for name in ("execution", "order_status", "open_order"):
                script.duplicate(name, times=times)
        elif fault == "reorder_report":
            script.overtake("execution", 3)
        elif fault == "drop_report":
            for name in ("execution", "order_status", "open_order", "commission"):
                script.drop(name, times=2 if name in ("order_status", "open_order") else 1)
        elif fault == "reuse_ids":
            self.gateway.reissue_ids(1)
        else:
            await super().arm(fault, times)

    def hurry(self, within: float = HASTE) -> None:
        """What is asked from now on is not to be answered."""
        self.ib._questions.within = round(within * NS)

    async def calm(self) -> None:
        self.hurry(self.ib.config.answer_within)
        self.gateway.script.clear()
        await super().calm()

    async def foreign_order(self, side: Side, qty: int, limit: int) -> None:
        self.gateway.manual_order("ES", side, qty, limit=limit)

    async def end_order(self, order_id: str) -> None:
        (order,) = [o for o in self.gateway.trading.book.open() if o.request().get("orderRef") == order_id]
        assert self.exchange.cancel_order(self.account, order.xid)

    async def bust(self, key: ExecutionKey) -> None:
        self.exchange.bust(self._venue_key(key))

    async def correct(self, key: ExecutionKey, price: int, qty: int | None = None) -> None:
        self.exchange.correct(self._venue_key(key), price, qty)

    def _venue_key(self, key: ExecutionKey) -> ExecutionKey:
        """The exchange's name of an execution that TWS calls by its stem."""
        return self.gateway.executions.by_stem[key.exec_id].fill.key

    async def truth(self) -> Audit:
        """The exchange's books, with our ids in the place of the gateway's."""
        audit = self.exchange.audit(self.account)
        names = {
            o.xid: o.request().get("orderRef") or None for o in self.gateway.trading.book._orders.values()
        }
        return replace(
            audit,
            orders=tuple(replace(o, order_id=names.get(o.order_id or "", o.order_id)) for o in audit.orders),
            executions=tuple(
                replace(f, order_id=names.get(f.order_id or "", f.order_id)) for f in audit.executions
            ),
        )

    async def drop(self) -> None:
        self.gateway.drop_clients("rst")
        await self.until(lambda: bool(self.facts) and isinstance(self.facts[-1], LinkDown), "LinkDown")

    async def mute(self) -> None:
        self.hurry()
        self.gateway.go_silent()

    async def settle(self) -> None:
        await asyncio.sleep(0.05)

    async def until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + GIVEN_UP
        while not done():
            if time.monotonic() > deadline:
                raise AssertionError(f"it never came: {what}; facts: {self.facts}")
            await asyncio.sleep(0.005)


def run(case: Case) -> bool:
    """Runs a case against a fresh gateway. False where TWS lacks it and the adapter refuses it."""

    async def play() -> bool:
        clock = RealClock(asyncio.get_running_loop())
        venue = gateway(clock, case.number)
        venue.start()
        listener, port = await venue.listen()
        asked = {**CONTRACTS, "ES": CONTRACTS["ES"].model_copy(update={"initial_margin": Decimal(0)})}
        bench = IbBench(clock, venue, port, what_if=True, contracts=asked)
        try:
            await bench.quote(100, 20, 101, 10)
            await bench.adapter.connect()
            await bench.settle()
            able = await case.run(bench) is not False
            assert not venue.problems, venue.problems
            return able
        finally:
            await bench.adapter.close()
            listener.close()
            await venue.close()

    return asyncio.run(play())


def name() -> str:
    """What this adapter is called in the table."""
    return f"ib ({library.present()[0]})"
