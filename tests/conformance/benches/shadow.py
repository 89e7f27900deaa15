"""The shadow adapter in virtual time: one exchange plays the real broker, which must never see an order, and
another one in its place takes them."""

from __future__ import annotations

from msgspec.structs import replace

from brokers.paper import PaperAdapter
from brokers.shadow import ShadowAdapter
from engine.facts import AnyFact, LinkUp
from engine.model import MarketState, Quote, Side, Trade
from engine.sim.loop import VirtualClock
from tests.conformance.benches import paper
from tests.conformance.benches.paper import PaperBench
from tests.conformance.benches.venue import exchange
from tests.conformance.suite import Case


class ShadowBench(PaperBench):
    """`real`: the broker that is looked at. Its line and its market are the bench's; the account's faults,
    orders and books are the shadow's."""

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        super().__init__(clock, seed)
        self.real = exchange(clock, seed + 1)
        self.facts: list[AnyFact] = []
        self.shadow = ShadowAdapter(
            PaperAdapter(self.real, self.account), PaperAdapter(self.exchange, self.account)
        )
        self.adapter = self.shadow
        self.adapter.bind(self._hear)
        self._last: Quote | None = None

    def _hear(self, fact: AnyFact) -> None:
        """With a new session the broker tells its market anew."""
        self.facts.append(fact)
        if isinstance(fact, LinkUp) and self._last is not None:
            self.exchange.on_quote(replace(self._last, ts=self.clock.now()))

    async def quote(self, bid: int, bid_size: int, ask: int, ask_size: int) -> None:
        await super().quote(bid, bid_size, ask, ask_size)
        self._last = Quote("ES", self.clock.now(), bid, bid_size, ask, ask_size)
        self.real.on_quote(self._last)

    async def trade(self, price: int, size: int, aggressor: Side) -> None:
        await super().trade(price, size, aggressor)
        self.real.on_trade(Trade("ES", self.clock.now(), price, size, aggressor))

    async def state(self, state: MarketState) -> None:
        self.real.set_state("ES", state)

    async def limits(self, low: int, high: int) -> None:
        self.real.set_limits("ES", low, high)
        await self.settle()

    async def drop(self) -> None:
        self.real.drop_link(self.account)
        await self.settle()

    async def mute(self) -> None:
        session = self.real.session(self.account)
        assert session is not None
        session.go_silent(3_600_000_000_000, "no heartbeat from the exchange", None)

    def untouched(self) -> None:
        """Raises where anything but questions went to the real broker."""
        audit = self.real.audit()
        assert all(o.order_id is None for o in audit.orders), "an order of ours"
        assert all(f.order_id is None for f in audit.executions), "an execution of ours"
        assert self.shadow.refused == 0


def run(case: Case) -> bool:
    """Runs a case against a fresh pair of exchanges. False where the venue lacks what it shows."""
    benches: list[ShadowBench] = []

    def make(clock: VirtualClock, seed: int) -> ShadowBench:
        benches.append(ShadowBench(clock, seed))
        return benches[-1]

    able = paper.play(case, make)
    benches[0].untouched()
    return able
