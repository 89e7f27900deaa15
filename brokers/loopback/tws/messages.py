"""Every message that the gateway knows, by direction, number and name, and how to read and write them."""

from __future__ import annotations

from typing import Final, NamedTuple

from brokers.loopback.tws.framing import WireError, join
from brokers.loopback.tws.layout import Layout, Many, Values, When, decode, encode, fields
from brokers.loopback.tws.order_layout import (
    COMPLETED_ORDER,
    CONTRACT11,
    CONTRACT12,
    LEG,
    OPEN_ORDER,
    PLACE_ORDER,
    TAG_VALUES,
)


class Message(NamedTuple):
    number: int
    name: str
    layout: Layout


_LEGS: Final = When(lambda v: v.get("secType") == "BAG", (Many("legs", LEG),))
_DNC: Final[Layout] = (
    *fields("deltaNeutralContract?"),
    When(lambda v: bool(v.get("deltaNeutralContract")), fields("dncConId# dncDelta% dncPrice%")),
)

REQUESTS: Final = (
    Message(
        1,
        "market_data",
        (
            *fields("=11 reqId#"),
            *CONTRACT12,
            _LEGS,
            *_DNC,
            *fields("genericTicks snapshot? regulatorySnapshot? options"),
        ),
    ),
    Message(2, "cancel_market_data", fields("version# reqId#")),
    Message(3, "place_order", PLACE_ORDER),
    Message(4, "cancel_order", (*fields("=1 orderId#"), *fields("manualCancelTime", since=169))),
    Message(5, "open_orders", fields("=1")),
    Message(6, "account_updates", fields("=2 subscribe? account")),
    Message(7, "executions", fields("=3 reqId# clientId# account time symbol secType exchange side")),
    Message(8, "ids", fields("=1 count#")),
    Message(
        9,
        "contract_details",
        (
            *fields("=8 reqId#"),
            *CONTRACT12,
            *fields("includeExpired? secIdType secId"),
            *fields("issuerId", since=176),
        ),
    ),
    Message(14, "log_level", fields("=1 level#")),
    Message(15, "auto_open_orders", fields("=1 bind?")),
    Message(16, "all_open_orders", fields("=1")),
    Message(17, "managed_accounts", fields("=1")),
    Message(
        20,
        "history",
        (
            *fields("reqId#"),
            *CONTRACT12,
            *fields("includeExpired? end barSize duration useRth# whatToShow dateFormat#"),
            _LEGS,
            *fields("keepUpToDate? options"),
        ),
    ),
    Message(25, "cancel_history", fields("=1 reqId#")),
    Message(49, "current_time", fields("=1")),
    Message(
        50,
        "real_time_bars",
        (*fields("=3 reqId#"), *CONTRACT12, *fields("barSize# whatToShow useRth? options")),
    ),
    Message(51, "cancel_real_time_bars", fields("=1 reqId#")),
    Message(58, "global_cancel", fields("=1")),
    Message(59, "market_data_type", fields("=1 type#")),
    Message(61, "positions", fields("=1")),
    Message(62, "account_summary", fields("=1 reqId# group tags")),
    Message(63, "cancel_account_summary", fields("=1 reqId#")),
    Message(64, "cancel_positions", fields("=1")),
    Message(71, "start_api", fields("=2 clientId# capabilities")),
    Message(76, "account_updates_multi", fields("=1 reqId# account model ledger?")),
    Message(77, "cancel_account_updates_multi", fields("=1 reqId#")),
    Message(91, "market_rule", fields("rule#")),
    Message(92, "pnl", fields("reqId# account model")),
    Message(93, "cancel_pnl", fields("reqId#")),
    Message(94, "pnl_single", fields("reqId# account model conId#")),
    Message(95, "cancel_pnl_single", fields("reqId#")),
    Message(97, "tick_by_tick", (*fields("reqId#"), *CONTRACT12, *fields("tickType count# ignoreSize?"))),
    Message(98, "cancel_tick_by_tick", fields("reqId#")),
    Message(99, "completed_orders", fields("apiOnly?")),
)
"""Client to gateway."""

_PORTFOLIO_CONTRACT: Final = fields(
    "conId# symbol secType expiry strike% right multiplier primaryExchange currency localSymbol tradingClass"
)
_SYMBOL_END: Final = fields("aggGroup# underSymbol underSecType marketRuleIds realExpirationDate stockType")

REPLIES: Final = (
    Message(1, "tick_price", fields("=6 reqId# tick# price% size% mask#")),
    Message(2, "tick_size", fields("=6 reqId# tick# size%")),
    Message(
        3,
        "order_status",
        fields(
            "orderId# status filled% remaining% avgFillPrice% permId# parentId# lastFillPrice% clientId# "
            "whyHeld mktCapPrice%"
        ),
    ),
    Message(4, "error", (*fields("=2 id# code# text"), *fields("advanced", since=166))),
    Message(5, "open_order", OPEN_ORDER),
    Message(6, "account_value", fields("=2 key value currency account")),
    Message(
        7,
        "portfolio",
        (
            *fields("=8"),
            *_PORTFOLIO_CONTRACT,
            *fields("position% marketPrice~ marketValue~ averageCost~ unrealizedPNL~ realizedPNL~ account"),
        ),
    ),
    Message(8, "account_time", fields("=1 time")),
    Message(9, "next_valid_id", fields("=1 orderId#")),
    Message(
        10,
        "contract",
        (
            *fields("=8", before=164),
            *fields("reqId# symbol secType lastTradeDate strike% right exchange currency localSymbol"),
            *fields("marketName tradingClass conId# minTick%"),
            *fields("mdSizeMultiplier#", before=164),
            *fields("multiplier orderTypes validExchanges priceMagnifier# underConId# longName"),
            *fields("primaryExchange contractMonth industry category subcategory timeZoneId tradingHours"),
            *fields("liquidHours evRule evMultiplier%"),
            Many("secIds", TAG_VALUES),
            *_SYMBOL_END,
            *fields("suggestedSizeIncrement%", since=163, before=164),
            *fields("minSize% sizeIncrement% suggestedSizeIncrement%", since=164),
        ),
    ),
    Message(
        11,
        "execution",
        (
            *fields("reqId# orderId#"),
            *CONTRACT11,
            *fields("execId time account execExchange side shares% price% permId# clientId# liquidation#"),
            *fields("cumQty% avgPrice% orderRef evRule evMultiplier% modelCode lastLiquidity#"),
            *fields("pendingPriceRevision?", since=178),
        ),
    ),
    Message(15, "accounts", fields("=1 accounts")),
    Message(
        17,
        "bars",
        (
            *fields("reqId# start end"),
            Many("bars", fields("date open% high% low% close% volume% average% count#")),
        ),
    ),
    Message(45, "tick_generic", fields("=6 reqId# tick# value%")),
    Message(46, "tick_string", fields("=6 reqId# tick# value")),
    Message(49, "time", fields("=1 time#")),
    Message(50, "real_time_bar", fields("=3 reqId# time# open% high% low% close% volume% average% count#")),
    Message(52, "contract_end", fields("=1 reqId#")),
    Message(53, "open_order_end", fields("=1")),
    Message(54, "account_download_end", fields("=1 account")),
    Message(55, "execution_end", fields("=1 reqId#")),
    Message(57, "snapshot_end", fields("=1 reqId#")),
    Message(58, "data_type", fields("=1 reqId# type#")),
    Message(59, "commission", fields("=1 execId commission~ currency realizedPNL~ yield~ redemptionDate#")),
    Message(61, "position", (*fields("=3 account"), *CONTRACT11, *fields("position% avgCost%"))),
    Message(62, "position_end", fields("=1")),
    Message(63, "summary", fields("=1 reqId# account tag value currency")),
    Message(64, "summary_end", fields("=1 reqId#")),
    Message(73, "account_multi", fields("=1 reqId# account model key value currency")),
    Message(74, "account_multi_end", fields("=1 reqId#")),
    Message(81, "tick_parameters", fields("reqId# minTick% exchangeMap snapshotPermissions#")),
    Message(90, "bar_update", fields("reqId# count# date open% close% high% low% average% volume%")),
    Message(93, "rule", (*fields("rule#"), Many("increments", fields("lowEdge% increment%")))),
    Message(94, "pnl_value", fields("reqId# dailyPnL~ unrealizedPnL~ realizedPnL~")),
    Message(95, "pnl_single_value", fields("reqId# position% dailyPnL~ unrealizedPnL~ realizedPnL~ value~")),
    Message(
        99,
        "tick",
        (
            *fields("reqId# type# time#"),
            When(lambda v: v.get("type") in (1, 2), fields("price% size% mask# exchange specialConditions")),
            When(lambda v: v.get("type") == 3, fields("bidPrice% askPrice% bidSize% askSize% mask#")),
            When(lambda v: v.get("type") == 4, fields("midPoint%")),
        ),
    ),
    Message(100, "order_bound", fields("permId# clientId# orderId#")),
    Message(101, "completed_order", COMPLETED_ORDER),
    Message(102, "completed_orders_end", ()),
)
"""Gateway to client."""

_REQUESTS_BY_NUMBER: Final = {m.number: m for m in REQUESTS}
_REPLIES_BY_NUMBER: Final = {m.number: m for m in REPLIES}
REQUEST: Final = {m.name: m for m in REQUESTS}
REPLY: Final = {m.name: m for m in REPLIES}


def write(message: Message, values: Values, version: int) -> bytes:
    """A message as a whole frame. Raises `WireError`."""
    try:
        return join([str(message.number), *encode(message.layout, values, version)])
    except WireError as error:
        raise WireError(f"{message.name}: {error}") from None


def read_request(texts: list[str], version: int) -> tuple[Message, Values]:
    """A client's message. Raises `WireError`, naming the message and the field."""
    return _read(_REQUESTS_BY_NUMBER, texts, version)


def read_reply(texts: list[str], version: int) -> tuple[Message, Values]:
    """A gateway's message. Raises `WireError`, naming the message and the field."""
    return _read(_REPLIES_BY_NUMBER, texts, version)


def _read(table: dict[int, Message], texts: list[str], version: int) -> tuple[Message, Values]:
    number = texts[0] if texts else ""
    message = table.get(int(number)) if number.isdecimal() else None
    if message is None:
        raise WireError(f"message type {number!r} is not known here")
    try:
        return message, decode(message.layout, texts[1:], version)
    except WireError as error:
        raise WireError(f"{message.name} ({message.number}): {error}") from None
