"""NautilusTrader's order path, run by `tests.bench.peers` in the peers' environment.

A strategy sends a limit order in each `on_quote_tick` of a backtest: from its call of `submit_order` until
that is back, when the order has passed risk and execution engine, stands with the client of the simulated
exchange and its first event has been handled. `peer_nautilus.py ORDERS`.
"""

import json
import statistics
import sys
import time
from decimal import Decimal

import nautilus_trader
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.test_kit.stubs.data import TestDataStubs
from nautilus_trader.trading.strategy import Strategy

TAKEN: list[int] = []


class Sender(Strategy):
    """One order far from the market for each quote; the one before is cancelled."""

    def __init__(self, instrument: object) -> None:
        super().__init__()
        self.instrument = instrument
        self.last: object = None

    def on_start(self) -> None:
        self.subscribe_quote_ticks(self.instrument.id)

    def on_quote_tick(self, tick: object) -> None:
        if self.last is not None:
            self.cancel_order(self.last)
        began = time.perf_counter_ns()
        order = self.order_factory.limit(
            self.instrument.id,
            OrderSide.BUY,
            self.instrument.make_qty(1_000),
            self.instrument.make_price(0.5),
        )
        self.submit_order(order)
        TAKEN.append(time.perf_counter_ns() - began)
        self.last = order


def main(orders: int) -> None:
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        venue=Venue("SIM"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=USD,
        starting_balances=[Money(1_000_000_000, USD)],
        default_leverage=Decimal(10),
    )
    instrument = TestInstrumentProvider.default_fx_ccy("AUD/USD")
    engine.add_instrument(instrument)
    ticks = [
        TestDataStubs.quote_tick(
            instrument, bid_price=0.7, ask_price=0.7001, ts_event=n * 10**9, ts_init=n * 10**9
        )
        for n in range(1, orders + 1)
    ]
    engine.add_data(ticks)
    engine.add_strategy(Sender(instrument))
    engine.run()
    if len(TAKEN) != orders:
        raise SystemExit(f"{len(TAKEN)} orders were sent of {orders}")
    ordered = sorted(TAKEN)
    figures = {
        "name": f"NautilusTrader {nautilus_trader.__version__}",
        "orders": orders,
        "p50_us": round(statistics.median(ordered) / 1e3, 1),
        "p99_us": round(ordered[int(len(ordered) * 0.99)] / 1e3, 1),
    }
    print(json.dumps(figures))


main(int(sys.argv[1]))
