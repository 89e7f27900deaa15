"""Market data as TWS sends it: price and size ticks, tick by tick, real-time and historical bars."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import msgspec

from brokers.loopback.tws import times
from brokers.loopback.tws.bars import SPAN, Bar, Series, duration_of, span_of
from brokers.loopback.tws.contracts import Listed
from brokers.loopback.tws.layout import Values
from engine.model import NS, Quote, Trade
from engine.ports import TimerHandle

if TYPE_CHECKING:
    from brokers.loopback.tws.client import Client
    from brokers.loopback.tws.gateway import Gateway

BID, ASK, LAST, HIGH, LOW, CLOSE, OPEN = 1, 2, 4, 6, 7, 9, 14
_SIZES: Final = {BID: 0, ASK: 3, LAST: 5}
_VOLUME: Final = 8
_STAMP: Final = 45
_DELAYED: Final = {
    BID: 66, ASK: 67, LAST: 68, 0: 69, 3: 70, 5: 71, HIGH: 72, LOW: 73, _VOLUME: 74, CLOSE: 75, OPEN: 76,
    _STAMP: 88,
}  # fmt: skip
_TICK_TYPES: Final = {"Last": 1, "AllLast": 2, "BidAsk": 3, "MidPoint": 4}
_KINDS: Final = ("TRADES", "MIDPOINT", "BID", "ASK")


class Day(msgspec.Struct):
    """What happened to an instrument so far; ticks and lots."""

    open: int | None = None
    high: int | None = None
    low: int | None = None
    close: int | None = None
    last: Trade | None = None
    volume: int = 0


class Ticks(msgspec.Struct):
    """One subscription to market data."""

    listed: Listed
    delayed: bool
    quote: Quote | None = None


class Live(msgspec.Struct):
    """A subscription to bars: real-time ones (`history` None) or history that is kept up to date."""

    listed: Listed
    kind: str
    history: Values | None = None


class MarketRoom:
    """Keeps what was seen and serves subscriptions."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._days: dict[str, Day] = {}
        self._series: dict[tuple[str, str], Series] = {}
        self._timer: TimerHandle | None = None

    def start(self) -> None:
        now = self._gateway.clock.now()
        wait = SPAN * NS - now % (SPAN * NS)
        self._timer = self._gateway.clock.call_later(wait, self._bar_time)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def day(self, symbol: str) -> Day:
        found = self._days.get(symbol)
        if found is None:
            found = self._days[symbol] = Day()
        return found

    def series(self, symbol: str, kind: str) -> Series:
        found = self._series.get((symbol, kind))
        if found is None:
            found = self._series[symbol, kind] = Series()
        return found

    # -- from the feed

    def on_quote(self, quote: Quote) -> None:
        if quote.bid is not None and quote.ask is not None:
            self.series(quote.symbol, "MIDPOINT").add(quote.ts, (quote.bid + quote.ask) // 2, 0)
        if quote.bid is not None:
            self.series(quote.symbol, "BID").add(quote.ts, quote.bid, 0)
        if quote.ask is not None:
            self.series(quote.symbol, "ASK").add(quote.ts, quote.ask, 0)
        if not self._gateway.data_up:
            return
        for client in list(self._gateway.clients.values()):
            for req_id, ticks in client.ticks.items():
                if ticks.listed.instrument.symbol == quote.symbol:
                    self._quote(client, req_id, ticks, quote)
            for req_id, (listed, kind) in client.tick_by_tick.items():
                if kind in (3, 4) and listed.instrument.symbol == quote.symbol:
                    self._each_quote(client, req_id, listed, kind, quote)

    def on_trade(self, trade: Trade) -> None:
        day = self.day(trade.symbol)
        day.open = trade.price if day.open is None else day.open
        day.high = trade.price if day.high is None else max(day.high, trade.price)
        day.low = trade.price if day.low is None else min(day.low, trade.price)
        day.volume += trade.size
        day.last = trade
        self.series(trade.symbol, "TRADES").add(trade.ts, trade.price, trade.size)
        if not self._gateway.data_up:
            return
        for client in list(self._gateway.clients.values()):
            for req_id, ticks in client.ticks.items():
                if ticks.listed.instrument.symbol == trade.symbol:
                    self._trade(client, req_id, ticks, day)
            for req_id, (listed, kind) in client.tick_by_tick.items():
                if kind in (1, 2) and listed.instrument.symbol == trade.symbol:
                    self._each_trade(client, req_id, listed, kind, trade)

    # -- market data (message 1)

    def subscribe(self, client: Client, values: Values) -> None:
        """Ticks from now on, or one round of them (`snapshot`). Real-time data that the log-in does not have
        is refused with 354, or replaced by delayed data where the client has said so (message 59)."""
        req_id = values["reqId"]
        listed = self._contract(client, req_id, values)
        if listed is None:
            return
        have, wanted = self._gateway.config.market_data, client.data_type
        delayed = have == "delayed" and wanted in (3, 4)
        if have == "none" or (have == "delayed" and not delayed):
            client.error(
                req_id,
                354,
                "Requested market data is not subscribed. Delayed market data is "
                f"{'available' if have == 'delayed' else 'not available'}.",
            )
            return
        if delayed:
            text = "Requested market data is not subscribed. Displaying delayed market data."
            client.error(req_id, 10167, text)
        ticks = Ticks(listed, delayed)
        client.send(
            "tick_parameters",
            {
                "reqId": req_id,
                "minTick": listed.instrument.tick,
                "exchangeMap": "9c0001",
                "snapshotPermissions": 3,
            },
        )
        client.send("data_type", {"reqId": req_id, "type": 3 if delayed else 1})
        self._first(client, req_id, ticks)
        if values["snapshot"]:
            client.send("snapshot_end", {"reqId": req_id})
        else:
            client.ticks[req_id] = ticks

    def _first(self, client: Client, req_id: int, ticks: Ticks) -> None:
        """What is known already."""
        symbol = ticks.listed.instrument.symbol
        day = self.day(symbol)
        for tick, price in ((OPEN, day.open), (HIGH, day.high), (LOW, day.low), (CLOSE, day.close)):
            if price is not None:
                self._price(client, req_id, ticks, tick, price, 0)
        quote = self._gateway.exchange.market(symbol).book.top
        if quote is not None:
            self._quote(client, req_id, ticks, quote)
        if day.last is not None:
            self._trade(client, req_id, ticks, day)

    def _quote(self, client: Client, req_id: int, ticks: Ticks, quote: Quote) -> None:
        was, ticks.quote = ticks.quote, quote
        sides = (
            (BID, quote.bid, quote.bid_size, was and was.bid, was and was.bid_size),
            (ASK, quote.ask, quote.ask_size, was and was.ask, was and was.ask_size),
        )
        for tick, price, lots, old_price, old_lots in sides:
            if was is None or price != old_price:
                self._price(client, req_id, ticks, tick, price, lots)
                self._size(client, req_id, ticks, _SIZES[tick], lots)
            elif lots != old_lots:
                self._size(client, req_id, ticks, _SIZES[tick], lots)

    def _trade(self, client: Client, req_id: int, ticks: Ticks, day: Day) -> None:
        assert day.last is not None
        stamp = _DELAYED[_STAMP] if ticks.delayed else _STAMP
        seconds = str(day.last.ts // NS)
        client.send("tick_string", {"reqId": req_id, "tick": stamp, "value": seconds})
        self._price(client, req_id, ticks, LAST, day.last.price, day.last.size)
        self._size(client, req_id, ticks, _SIZES[LAST], day.last.size)
        self._size(client, req_id, ticks, _VOLUME, day.volume)
        for tick, price in ((HIGH, day.high), (LOW, day.low)):
            if price == day.last.price:
                self._price(client, req_id, ticks, tick, price, 0)

    def _price(
        self, client: Client, req_id: int, ticks: Ticks, tick: int, price: int | None, lots: int
    ) -> None:
        """Message 1; a side that is not there has price −1 and size 0."""
        instrument = ticks.listed.instrument
        client.send(
            "tick_price",
            {
                "reqId": req_id,
                "tick": _DELAYED[tick] if ticks.delayed else tick,
                "price": Decimal(-1) if price is None else instrument.price(price),
                "size": instrument.size(0 if price is None else lots),
                "mask": 1 if tick in _SIZES else 0,
            },
        )

    def _size(self, client: Client, req_id: int, ticks: Ticks, tick: int, lots: int) -> None:
        client.send(
            "tick_size",
            {
                "reqId": req_id,
                "tick": _DELAYED[tick] if ticks.delayed else tick,
                "size": ticks.listed.instrument.size(lots),
            },
        )

    # -- tick by tick (message 97)

    def subscribe_each(self, client: Client, values: Values) -> None:
        listed = self._contract(client, values["reqId"], values)
        kind = _TICK_TYPES.get(values["tickType"])
        if kind is None:
            client.error(values["reqId"], 321, f"Error validating request: tick type {values['tickType']!r}")
        elif listed is not None:
            client.tick_by_tick[values["reqId"]] = (listed, kind)

    def _each_quote(self, client: Client, req_id: int, listed: Listed, kind: int, quote: Quote) -> None:
        instrument = listed.instrument
        bid, ask = quote.bid, quote.ask
        values: Values = {"reqId": req_id, "type": kind, "time": quote.ts // NS}
        if kind == 3:
            values |= {
                "bidPrice": Decimal(-1) if bid is None else instrument.price(bid),
                "askPrice": Decimal(-1) if ask is None else instrument.price(ask),
                "bidSize": instrument.size(quote.bid_size),
                "askSize": instrument.size(quote.ask_size),
                "mask": 0,
            }
        elif bid is None or ask is None:
            return
        else:
            values["midPoint"] = instrument.price(bid + ask) / 2
        client.send("tick", values)

    @staticmethod
    def _each_trade(client: Client, req_id: int, listed: Listed, kind: int, trade: Trade) -> None:
        instrument = listed.instrument
        client.send(
            "tick",
            {
                "reqId": req_id,
                "type": kind,
                "time": trade.ts // NS,
                "price": instrument.price(trade.price),
                "size": instrument.size(trade.size),
                "mask": 0,
                "exchange": listed.exchange,
                "specialConditions": "",
            },
        )

    # -- bars

    def real_time_bars(self, client: Client, values: Values) -> None:
        """Message 50."""
        listed = self._contract(client, values["reqId"], values)
        if values["whatToShow"] not in _KINDS:
            client.error(
                values["reqId"], 321, f"Error validating request: {values['whatToShow']!r} is not known"
            )
        elif listed is not None:
            client.bars[values["reqId"]] = Live(listed, values["whatToShow"])

    def history(self, client: Client, values: Values) -> None:
        """Message 20: bars since the gateway began; before that there is nothing."""
        req_id = values["reqId"]
        listed = self._contract(client, req_id, values)
        if listed is None:
            return
        try:
            span, length = span_of(values["barSize"]), duration_of(values["duration"])
            end = self._gateway.clock.now()
            if values["end"]:
                end = times.read(values["end"], self._gateway.config.zone)[0]
            if values["whatToShow"] not in _KINDS:
                raise ValueError(f"{values['whatToShow']!r} is not known")
        except ValueError as error:
            client.error(req_id, 321, f"Error validating request: {error}")
            return
        series = self.series(listed.instrument.symbol, values["whatToShow"])
        until = end // NS + 1
        bars = series.between(until - length, until, span)
        if not bars:
            client.error(
                req_id, 162, "Historical Market Data Service error message:HMDS query returned no data"
            )
            return
        zone = self._gateway.config.zone
        client.send(
            "bars",
            {
                "reqId": req_id,
                "start": times.stamp((until - length) * NS, zone),
                "end": times.stamp(end, zone),
                "bars": [self._bar(listed, bar, values, span) for bar in bars],
            },
        )
        if values["keepUpToDate"]:
            client.bars[req_id] = Live(listed, values["whatToShow"], values)

    def _bar(self, listed: Listed, bar: Bar, values: Values, span: int) -> Values:
        if values["dateFormat"] == 2 and span < 86_400:
            date = str(bar.start)
        elif span >= 86_400:
            zone = ZoneInfo(self._gateway.config.zone)
            date = datetime.fromtimestamp(bar.start, zone).strftime("%Y%m%d")
        else:
            date = times.stamp(bar.start * NS, self._gateway.config.zone)
        return {"date": date, **self._figures(listed, bar)}

    @staticmethod
    def _figures(listed: Listed, bar: Bar) -> Values:
        price = listed.instrument.price
        return {
            "open": price(bar.open),
            "high": price(bar.high),
            "low": price(bar.low),
            "close": price(bar.close),
            "volume": listed.instrument.size(bar.volume),
            "average": round(bar.average() * listed.instrument.tick, 6),
            "count": bar.count,
        }

    def _bar_time(self) -> None:
        """Every five seconds: the bar that has just ended goes out."""
        gateway = self._gateway
        now = gateway.clock.now()
        start = (now + NS // 2) // NS // SPAN * SPAN - SPAN
        for client in list(gateway.clients.values()):
            for req_id, live in client.bars.items() if gateway.data_up else ():
                series = self.series(live.listed.instrument.symbol, live.kind)
                if live.history is not None:
                    span = span_of(live.history["barSize"])
                    bars = series.between(start // span * span, start + SPAN, span)
                    if bars:
                        bar = self._bar(live.listed, bars[-1], live.history, span)
                        client.send("bar_update", {"reqId": req_id, **bar})
                elif (bar_now := series.at(start)) is not None:
                    values = {"reqId": req_id, "time": start, **self._figures(live.listed, bar_now)}
                    client.send("real_time_bar", values)
        self.start()

    def _contract(self, client: Client, req_id: int, values: Values) -> Listed | None:
        found = self._gateway.contracts.find(values)
        if len(found) == 1:
            return found[0]
        text = "No security definition has been found for the request"
        if found:
            text = f"The contract description specified for {values['symbol']} is ambiguous."
        client.error(req_id, 200, text)
        return None
