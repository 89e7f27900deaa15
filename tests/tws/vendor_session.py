"""A session of the vendor's own client with the gateway at the port given; what it was told, as JSON.

Run by the Python of `.venv-ibapi`, where nothing of this project is installed: it must not import any of it.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import threading
import time
import traceback
from typing import Any

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.order_condition import Create, OrderCondition
from ibapi.tag_value import TagValue
from ibapi.wrapper import EWrapper

CALLS: list[tuple[str, list[Any]]] = []


def plain(value: Any) -> Any:
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "__dict__"):
        return {name: plain(item) for name, item in vars(value).items()}
    return str(value)


def recorder(name: str) -> Any:
    def record(self: Any, *arguments: Any, **named: Any) -> None:
        CALLS.append((name, [plain(a) for a in (*arguments, *named.values())]))

    return record


# The client calls itself by these names too; everything else of the wrapper is recorded.
KEEP = ("logAnswer", "connectAck", "connectionClosed")
App = type(
    "App",
    (EWrapper, EClient),
    {
        name: recorder(name)
        for name, _ in inspect.getmembers(EWrapper, inspect.isfunction)
        if not name.startswith("_") and name not in KEEP
    },
)


def watch_the_ends(app: Any) -> None:
    """A message of which the client leaves fields unread is recorded as `leftOver`."""

    def watched(original: Any) -> Any:
        def process(self: Any, fields: Any) -> None:
            fields = iter(list(fields))
            original(self, fields)
            if left := list(fields):
                CALLS.append(("leftOver", [original.__name__, [plain(x) for x in left]]))

        return process

    for info in app.decoder.msgId2handleInfo.values():
        if info.processMeth is not None:
            info.processMeth = watched(info.processMeth)


CONDITION = {
    "isMore": True,
    "conId": 7,
    "exchange": "CME",
    "price": 5001.5,
    "time": "20261218 15:00:00",
    "percent": 30,
    "secType": "FUT",
    "symbol": "ES",
    "volume": 10,
    "changePercent": 1.5,
    "triggerMethod": 0,
}


def wait(name: str, *first: Any, count: int = 1, seconds: float = 15.0) -> list[Any]:
    """The arguments of the last call of that name whose first arguments are these."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = [a for called, a in list(CALLS) if called == name and a[: len(first)] == list(first)]
        if len(found) >= count:
            return found[-1]
        time.sleep(0.005)
    told = [c for c in CALLS if c[0] == "error"][-3:]
    raise TimeoutError(f"{name}{first} did not come within {seconds} s; errors: {told}")


def order(side: str, qty: float, price: float = 0.0, **more: Any) -> Order:
    made = Order()
    made.action, made.totalQuantity, made.orderType, made.tif = side, qty, "LMT", "GTC"
    made.lmtPrice, made.eTradeOnly, made.firmQuoteOnly = price, False, False
    for name, value in more.items():
        setattr(made, name, value)
    return made


def main(port: int) -> None:
    app = App()
    EClient.__init__(app, app)
    app.connect("127.0.0.1", port, 7)
    CALLS.append(("serverVersion", [app.serverVersion()]))
    watch_the_ends(app)
    threading.Thread(target=app.run, daemon=True).start()
    first = wait("nextValidId")[0]

    es = Contract()
    es.symbol, es.secType, es.exchange, es.currency = "ES", "FUT", "CME", "USD"
    app.reqContractDetails(901, es)
    wait("contractDetailsEnd", 901)
    details = next(a for name, a in CALLS if name == "contractDetails")[1]
    es.conId = details["contract"]["conId"]

    app.placeOrder(first, es, order("BUY", 2, 5000.25, orderRef="vendor"))
    wait("orderStatus", first, "Filled")
    wait("commissionReport")

    app.placeOrder(first + 1, es, order("BUY", 3, 4990.0))
    wait("orderStatus", first + 1, "Submitted")
    app.placeOrder(first + 1, es, order("BUY", 3, 4991.0))
    wait("openOrder", first + 1, count=2)
    app.reqOpenOrders()
    wait("openOrderEnd")
    app.cancelOrder(first + 1)
    wait("orderStatus", first + 1, "Cancelled")

    app.placeOrder(first + 2, es, order("BUY", 1, 5000.25, whatIf=True))
    wait("openOrder", first + 2)
    app.placeOrder(first + 3, es, order("BUY", 1, 4990.0, transmit=False))
    app.placeOrder(first + 4, es, order("SELL", 1, 5010.0, parentId=first + 3, transmit=False))
    stop = order("SELL", 1, orderType="STP", auxPrice=4980.0, parentId=first + 3, transmit=True)
    app.placeOrder(first + 5, es, stop)
    wait("orderStatus", first + 5, "PreSubmitted")
    wait("orderStatus", first + 3, "Submitted")

    refused = order("BUY", 1, 4990.0)
    refused.conditions = []
    for kind in ("Price", "Time", "Margin", "Execution", "Volume", "PercentChange"):
        condition = Create(getattr(OrderCondition, kind))
        for name, value in CONDITION.items():
            setattr(condition, name, value)
        refused.conditions.append(condition)
    app.placeOrder(first + 6, es, refused)
    wait("error", first + 6, 387)
    algo = order("BUY", 1, 4990.0, algoStrategy="Adaptive")
    algo.algoParams = [TagValue("adaptivePriority", "Urgent")]
    app.placeOrder(first + 7, es, algo)
    wait("error", first + 7, 387)
    scale = order("BUY", 1, 4990.0, scalePriceIncrement=0.25, scaleInitLevelSize=1, hedgeType="B")
    app.placeOrder(first + 8, es, scale)
    wait("error", first + 8, 387)

    app.reqAllOpenOrders()
    wait("openOrderEnd", count=2)
    wanted = ExecutionFilter()
    app.reqExecutions(902, wanted)
    wait("execDetailsEnd", 902)
    app.reqCompletedOrders(False)
    wait("completedOrdersEnd")
    app.reqPositions()
    wait("positionEnd")
    app.reqAccountUpdates(True, "DU1234567")
    wait("accountDownloadEnd")
    app.reqAccountSummary(903, "All", "NetLiquidation,InitMarginReq")
    wait("accountSummaryEnd", 903)
    app.reqAccountUpdatesMulti(904, "DU1234567", "", True)
    wait("accountUpdateMultiEnd", 904)
    app.reqPnL(905, "DU1234567", "")
    wait("pnl", 905)
    app.reqPnLSingle(906, "DU1234567", "", es.conId)
    wait("pnlSingle", 906)
    app.reqMarketRule(int(details["marketRuleIds"].split(",")[0]))
    wait("marketRule")
    app.reqMktData(907, es, "", False, False, [])
    wait("tickPrice", 907, 2)
    wait("tickReqParams", 907)
    app.cancelMktData(907)
    app.reqTickByTickData(908, es, "BidAsk", 0, False)
    app.reqHistoricalData(909, es, "", "60 S", "5 secs", "MIDPOINT", 0, 1, False, [])
    wait("historicalDataEnd", 909)
    app.reqRealTimeBars(910, es, 5, "MIDPOINT", False, [])
    app.reqCurrentTime()
    wait("currentTime")
    app.reqAutoOpenOrders(True)
    wait("error", -1, 327)
    app.reqManagedAccts()
    wait("realtimeBar", 910)
    app.cancelRealTimeBars(910)
    app.cancelTickByTickData(908)
    app.cancelPnL(905)
    app.cancelPnLSingle(906)
    app.cancelAccountSummary(903)
    app.cancelAccountUpdatesMulti(904)
    app.cancelPositions()
    app.reqIds(1)
    wait("nextValidId", count=2)
    app.reqGlobalCancel()
    for number in (3, 4, 5):
        wait("orderStatus", first + number, "Cancelled")
    app.disconnect()
    json.dump(CALLS, sys.stdout)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except BaseException:  # noqa: BLE001 - told below, and the test reads it
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # the client's reader thread would keep the process alive
