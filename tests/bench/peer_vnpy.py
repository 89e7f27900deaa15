"""vnpy's order path, run by `tests.bench.peers` in the peers' environment: `peer_vnpy.py ORDERS`.

A tick goes through vnpy's event engine to a handler, as its strategies get them; the handler sends an order
through the main engine to a gateway that does nothing.
"""

import json
import statistics
import sys
import threading
import time
from typing import ClassVar

import vnpy
from vnpy.event import Event, EventEngine
from vnpy.trader.constant import Direction, Exchange, Offset, OrderType
from vnpy.trader.engine import MainEngine
from vnpy.trader.event import EVENT_TICK
from vnpy.trader.gateway import BaseGateway
from vnpy.trader.object import OrderRequest, Status, SubscribeRequest, TickData


class Gateway(BaseGateway):
    """Takes an order, tells that it is being submitted, and notes when it came."""

    default_name = "NOWHERE"
    exchanges: ClassVar = [Exchange.CME]
    came = 0
    number = 0

    def connect(self, setting: dict) -> None: ...

    def close(self) -> None: ...

    def subscribe(self, req: SubscribeRequest) -> None: ...

    def cancel_order(self, req: object) -> None: ...

    def query_account(self) -> None: ...

    def query_position(self) -> None: ...

    def send_order(self, req: OrderRequest) -> str:
        Gateway.came = time.perf_counter_ns()
        Gateway.number += 1
        order = req.create_order_data(str(Gateway.number), self.gateway_name)
        order.status = Status.SUBMITTING
        self.on_order(order)
        return order.vt_orderid


def main(orders: int) -> None:
    engine = EventEngine()
    desk = MainEngine(engine)
    desk.add_gateway(Gateway)
    taken: list[int] = []
    done = threading.Event()

    def on_tick(event: Event) -> None:
        tick: TickData = event.data
        began = time.perf_counter_ns()
        request = OrderRequest(
            symbol=tick.symbol,
            exchange=tick.exchange,
            direction=Direction.LONG,
            type=OrderType.LIMIT,
            volume=1,
            price=tick.bid_price_1,
            offset=Offset.OPEN,
        )
        desk.send_order(request, Gateway.default_name)
        taken.append(Gateway.came - began)
        done.set()

    engine.register(EVENT_TICK, on_tick)
    for number in range(orders):
        done.clear()
        tick = TickData(
            gateway_name=Gateway.default_name,
            symbol="ES",
            exchange=Exchange.CME,
            datetime=None,
            bid_price_1=number,
        )
        engine.put(Event(EVENT_TICK, tick))
        if not done.wait(10):
            raise SystemExit("vnpy did not send the order in 10 s")
    desk.close()
    ordered = sorted(taken)
    figures = {
        "name": f"vnpy {vnpy.__version__}",
        "orders": orders,
        "p50_us": round(statistics.median(ordered) / 1e3, 1),
        "p99_us": round(ordered[int(len(ordered) * 0.99)] / 1e3, 1),
    }
    print(json.dumps(figures))


main(int(sys.argv[1]))
