"""Layouts byte by byte: written out by hand here, and compared with what a client library itself sends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from brokers.loopback.tws.framing import join
from brokers.loopback.tws.layout import Field, Layout, Values
from brokers.loopback.tws.messages import REPLY, REQUEST, read_request, write
from tests.tws.tws_kit import LIBRARY, es, needs_library

if LIBRARY:
    from tests.tws.tws_kit import ibi

NEWEST = [177, 178] if LIBRARY == "ib_async" else []
"""Versions that ib_insync does not write: it never agrees on more than 176."""
ES: Values = {
    "conId": 7,
    "symbol": "ES",
    "secType": "FUT",
    "expiry": "20261218",
    "strike": Decimal(0),
    "right": "?",
    "multiplier": "50",
    "exchange": "CME",
    "currency": "USD",
    "localSymbol": "ESZ6",
    "tradingClass": "ES",
}


def body(*texts: str) -> bytes:
    return join(texts)


REPLY_BYTES: list[tuple[str, int, Values, bytes]] = [
    ("next_valid_id", 178, {"orderId": 5}, b"\0\0\0\x069\x001\x005\x00"),
    (
        "error",
        165,
        {"id": -1, "code": 2104, "text": "OK:usfuture"},
        body("4", "2", "-1", "2104", "OK:usfuture"),
    ),
    (
        "error",
        166,
        {"id": 3, "code": 201, "text": "no", "advanced": ""},
        body("4", "2", "3", "201", "no", ""),
    ),
    (
        "order_status",
        176,
        {
            "orderId": 3,
            "status": "Submitted",
            "filled": Decimal(1),
            "remaining": Decimal(2),
            "avgFillPrice": Decimal("5000.25"),
            "permId": 11,
            "parentId": 0,
            "lastFillPrice": Decimal("5000.25"),
            "clientId": 1,
            "whyHeld": "",
            "mktCapPrice": Decimal(0),
        },
        body("3", "3", "Submitted", "1", "2", "5000.25", "11", "0", "5000.25", "1", "", "0"),
    ),
    (
        "tick_price",
        178,
        {"reqId": 9, "tick": 1, "price": Decimal(-1), "size": Decimal(0), "mask": 1},
        body("1", "6", "9", "1", "-1", "0", "1"),
    ),
    (
        "commission",
        178,
        {"execId": "a.01", "commission": Decimal("2.25"), "currency": "USD"},
        body("59", "1", "a.01", "2.25", "USD", *["1.7976931348623157E308"] * 2, ""),
    ),
    (
        "position",
        178,
        {**ES, "exchange": "", "account": "DU1", "position": Decimal(-2), "avgCost": Decimal("250012.5")},
        body(
            *("61", "3", "DU1", "7", "ES", "FUT", "20261218", "0", "?", "50", "", "USD", "ESZ6", "ES"),
            *("-2", "250012.5"),
        ),
    ),
    (
        "rule",
        178,
        {"rule": 26, "increments": [{"lowEdge": Decimal(0), "increment": Decimal("0.25")}]},
        body("93", "26", "1", "0", "0.25"),
    ),
    ("completed_orders_end", 178, {}, body("102")),
    ("open_order_end", 178, {}, body("53", "1")),
]


@pytest.mark.parametrize(("name", "version", "values", "expected"), REPLY_BYTES)
def test_a_reply_has_these_bytes(name: str, version: int, values: Values, expected: bytes) -> None:
    assert write(REPLY[name], values, version) == expected


@pytest.mark.parametrize(("version", "count"), [(157, 39), (163, 40), (164, 40), (178, 40)])
def test_contract_details_change_their_shape_with_the_version(version: int, count: int) -> None:
    """163: one size step more; from 164 three, without the version field and the data-size multiplier."""
    values = {k: v for k, v in ES.items() if k != "expiry"} | {"reqId": 1, "minTick": Decimal("0.25")}
    texts = write(REPLY["contract"], values, version)[4:].split(b"\0")[:-1]
    assert len(texts) == count
    assert texts[1:3] == ([b"8", b"1"] if version < 164 else [b"1", b"ES"])


@pytest.mark.parametrize(("version", "last"), [(177, b"0"), (178, b"1")])
def test_an_execution_ends_with_the_revision_flag_from_178_on(version: int, last: bytes) -> None:
    values = {**ES, "reqId": -1, "lastLiquidity": 0, "pendingPriceRevision": True}
    assert write(REPLY["execution"], values, version).split(b"\0")[-2] == last


class Sent:
    """A library's client that writes to us instead of a socket."""

    def __init__(self, version: int) -> None:
        self.client = ibi.IB().client
        self.client._serverVersion = version
        self.client.connState = self.client.CONNECTED
        self.client._apiReady = True
        self.texts: list[list[str]] = []
        self.client.sendMsg = lambda text: self.texts.append(text.split("\0")[:-1])


@needs_library
@pytest.mark.parametrize("version", [157, 158, 160, 162, 166, 169, 170, 176, *NEWEST])
@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"orderType": "STP LMT", "auxPrice": 4999.5, "parentId": 3, "transmit": False},
        {"tif": "GTD", "goodTillDate": "20261218-15:00:00", "ocaGroup": "g", "ocaType": 1},
        {"algoStrategy": "Adaptive", "algoParams": [("adaptivePriority", "Urgent")]},
        {"orderType": "PEG BENCH", "referenceContractId": 5, "peggedChangeAmount": 0.5},
        {"orderType": "PEG MID", "midOffsetAtWhole": 0.25, "midOffsetAtHalf": 0.5},
        {"scalePriceIncrement": 0.25, "scaleInitLevelSize": 2},
        {"hedgeType": "B", "hedgeParam": "1.5"},
        {"deltaNeutralOrderType": "LMT", "deltaNeutralConId": 9},
        {"conditions": "all"},
        {"whatIf": True, "account": "DU1", "orderRef": "breakwater-1"},
    ],
    ids=lambda e: ",".join(e) or "plain",
)
def test_an_order_of_the_library_is_explained_to_the_last_field(version: int, extra: dict[str, Any]) -> None:
    sent = Sent(version)
    order = ibi.Order(action="BUY", totalQuantity=2, orderType="LMT", lmtPrice=5000.25)
    for name, value in extra.items():
        if name == "algoParams":
            value = [ibi.TagValue(*pair) for pair in value]
        if name == "conditions":
            value = conditions()
        setattr(order, name, value)
    sent.client.placeOrder(4, es(), order)
    message, values = read_request(sent.texts[0], version)
    assert message is REQUEST["place_order"]
    assert (values["orderId"], values["totalQuantity"], values["lmtPrice"]) == (4, 2, Decimal("5000.25"))
    for name, value in extra.items():
        if name == "algoParams":
            assert values[name] == [{"tag": t, "value": v} for t, v in value]
        elif name == "conditions":
            assert [c["type"] for c in values[name]] == [1, 3, 4, 5, 6, 7]
        elif name in ("midOffsetAtWhole", "midOffsetAtHalf"):
            assert (values.get(name) == value) is (version >= 170)
        else:
            assert values[name] == value, name


def conditions() -> list[Any]:
    return [
        ibi.PriceCondition(price=5001.5, conId=7, exch="CME"),
        ibi.TimeCondition(time="20261218 15:00:00"),
        ibi.MarginCondition(percent=30),
        ibi.ExecutionCondition(secType="FUT", exch="CME", symbol="ES"),
        ibi.VolumeCondition(volume=10, conId=7, exch="CME"),
        ibi.PercentChangeCondition(changePercent=1.5, conId=7, exch="CME"),
    ]


REQUESTS_OF_THE_LIBRARY: list[tuple[str, str, tuple[Any, ...]]] = [
    ("reqMktData", "market_data", (1, "es", "233", False, False, [])),
    ("cancelMktData", "cancel_market_data", (1,)),
    ("cancelOrder", "cancel_order", (4,)),
    ("reqOpenOrders", "open_orders", ()),
    ("reqAccountUpdates", "account_updates", (True, "DU1")),
    ("reqExecutions", "executions", (5, "filter")),
    ("reqIds", "ids", (1,)),
    ("reqContractDetails", "contract_details", (6, "es")),
    ("setServerLogLevel", "log_level", (2,)),
    ("reqAutoOpenOrders", "auto_open_orders", (True,)),
    ("reqAllOpenOrders", "all_open_orders", ()),
    ("reqManagedAccts", "managed_accounts", ()),
    ("reqHistoricalData", "history", (7, "es", "", "1 D", "5 mins", "TRADES", True, 1, False, [])),
    ("cancelHistoricalData", "cancel_history", (7,)),
    ("reqCurrentTime", "current_time", ()),
    ("reqRealTimeBars", "real_time_bars", (8, "es", 5, "TRADES", False, [])),
    ("cancelRealTimeBars", "cancel_real_time_bars", (8,)),
    ("reqGlobalCancel", "global_cancel", ()),
    ("reqMarketDataType", "market_data_type", (3,)),
    ("reqPositions", "positions", ()),
    ("reqAccountSummary", "account_summary", (9, "All", "NetLiquidation")),
    ("cancelAccountSummary", "cancel_account_summary", (9,)),
    ("cancelPositions", "cancel_positions", ()),
    ("startApi", "start_api", ()),
    ("reqAccountUpdatesMulti", "account_updates_multi", (10, "DU1", "", False)),
    ("cancelAccountUpdatesMulti", "cancel_account_updates_multi", (10,)),
    ("reqMarketRule", "market_rule", (26,)),
    ("reqPnL", "pnl", (11, "DU1", "")),
    ("cancelPnL", "cancel_pnl", (11,)),
    ("reqPnLSingle", "pnl_single", (12, "DU1", "", 7)),
    ("cancelPnLSingle", "cancel_pnl_single", (12,)),
    ("reqTickByTickData", "tick_by_tick", (13, "es", "BidAsk", 0, False)),
    ("cancelTickByTickData", "cancel_tick_by_tick", (13,)),
    ("reqCompletedOrders", "completed_orders", (False,)),
]


@needs_library
def test_the_table_of_requests_is_complete() -> None:
    assert {name for _, name, _ in REQUESTS_OF_THE_LIBRARY} | {"place_order"} == set(REQUEST)


@needs_library
@pytest.mark.parametrize("version", [157, 176, *NEWEST])
@pytest.mark.parametrize(
    ("method", "name", "arguments"), REQUESTS_OF_THE_LIBRARY, ids=[m for m, _, _ in REQUESTS_OF_THE_LIBRARY]
)
def test_a_request_of_the_library_is_explained_to_the_last_field(
    method: str, name: str, arguments: tuple[Any, ...], version: int
) -> None:
    sent = Sent(version)
    sent.client.clientId = 3
    given = {"es": es(), "filter": ibi.ExecutionFilter(clientId=3, side="BUY")}
    getattr(sent.client, method)(*[given.get(a, a) if isinstance(a, str) else a for a in arguments])
    message, values = read_request(sent.texts[0], version)
    assert message.name == name
    if "es" in arguments:
        assert values["localSymbol"] == es().localSymbol


# -- what we write, read by the library's own decoder


def distinct(layout: Layout, version: int, base: int = 1000) -> Values:
    """A value of its own for every plain field that is there in a version."""
    out: Values = {}
    for number, part in enumerate(layout):
        if isinstance(part, Field) and part.since <= version < part.before:
            value: object = f"t{base + number}"
            if part.kind == "#":
                value = base + number
            elif part.kind in "%~" and part.kind:
                value = Decimal(base + number) + Decimal("0.25")
            elif part.kind == "?":
                value = number % 2 == 0
            out[part.name] = value
    for name in ("scalePriceIncrement", "hedgeType", "algoStrategy", "deltaNeutralOrderType"):
        if name in out:
            out[name] = None if name == "scalePriceIncrement" else ""
    if "deltaNeutralContract" in out:
        out["deltaNeutralContract"] = False
    return out


def heard(name: str, values: Values, version: int, callback: str) -> tuple[Any, ...]:
    """What the library's wrapper is told when it reads our message."""
    ib = ibi.IB()
    ib.client.decoder.serverVersion = version
    told: list[tuple[Any, ...]] = []
    setattr(ib.wrapper, callback, lambda *arguments: told.append(arguments))
    ib.client.decoder.interpret(write(REPLY[name], values, version)[4:].decode().split("\0")[:-1])
    assert told, f"the library did not understand {name} of version {version}"
    return told[0]


def same(values: Values, *objects: Any, renamed: dict[str, str], skip: set[str]) -> int:
    """Compares by name; returns how many fields were compared."""
    count = 0
    for name, value in values.items():
        theirs = renamed.get(name, name)
        holder = next((o for o in objects if hasattr(o, theirs)), None)
        if name in skip or holder is None:
            continue
        got = getattr(holder, theirs)
        if isinstance(value, bool) and isinstance(got, str | int | float):
            got = bool(int(got or 0))
        elif isinstance(got, bool):
            value = bool(value)
        elif isinstance(value, Decimal | int) and isinstance(got, str):
            got = Decimal(got)
        assert got == value or (value in (None, "") and got in ("", None, UNSET)), (name, value, got)
        count += 1
    return count


UNSET = 1.7976931348623157e308
RENAMED = {"expiry": "lastTradeDateOrContractMonth"}
ALL_VERSIONS = [157, 158, 159, 160, 162, 163, 164, 166, 169, 170, 176, *NEWEST]


@needs_library
@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_library_reads_an_open_order_field_by_field(version: int) -> None:
    values = distinct(REPLY["open_order"].layout, version)
    _, contract, order, state = heard("open_order", values, version, "openOrder")
    # trailStopPrice stands twice in the message and the second one wins
    skip = {"trailStopPrice", "dead", "deltaNeutralContract", "legs"}
    assert same(values, order, contract, state, renamed=RENAMED, skip=skip) > 100
    assert order.trailStopPrice == values["trailStopPrice2"]
    assert order.softDollarTier.displayName == values["softDollarDisplay"]


@needs_library
@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_library_reads_a_completed_order_field_by_field(version: int) -> None:
    values = distinct(REPLY["completed_order"].layout, version)
    contract, order, state = heard("completed_order", values, version, "completedOrder")
    skip = {"trailStopPrice", "deltaNeutralContract"}
    assert same(values, order, contract, state, renamed=RENAMED, skip=skip) > 75
    assert state.completedStatus == values["completedStatus"]


@needs_library
@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_library_reads_contract_details_field_by_field(version: int) -> None:
    values = distinct(REPLY["contract"].layout, version)
    values |= {"lastTradeDate": "20261218 08:30 US/Central", "evMultiplier": Decimal(7)}
    values |= {"timeZoneId": "US/Central"}  # ib_async takes it from the date where that has one
    req_id, details = heard("contract", values, version, "contractDetails")
    assert req_id == values["reqId"]
    assert details.contract.lastTradeDateOrContractMonth == "20261218"
    skip = {"lastTradeDate", "reqId", "mdSizeMultiplier"}  # the libraries drop the last one
    assert same(values, details, details.contract, renamed=RENAMED, skip=skip) > 32


@needs_library
@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_library_reads_an_execution_field_by_field(version: int) -> None:
    values = distinct(REPLY["execution"].layout, version) | {"time": "20261125 13:00:00 US/Central"}
    req_id, contract, execution = heard("execution", values, version, "execDetails")
    assert req_id == values["reqId"] and execution.exchange == values["execExchange"]
    assert (contract.exchange, execution.acctNumber) == (values["exchange"], values["account"])
    skip = {"time", "exchange", "execExchange", "account"}
    assert same(values, execution, contract, renamed=RENAMED, skip=skip) > 24
