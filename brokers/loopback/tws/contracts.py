"""What the gateway lists: contracts with their ids, months, hours and price rules, and how they are found."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from brokers.loopback.tws.layout import Values
from engine.feeds.errors import UnknownSymbol
from engine.feeds.instruments import MONTHS, catalogue
from engine.model import NS, Instrument, MarketState, Value
from engine.sessions import calendar

_DATED: Final = re.compile(rf"(.+?)([{MONTHS}])(\d{{1,2}})", re.ASCII)
_QUARTERS: Final = "HMUZ"


class Listed(Value, frozen=True, kw_only=True):
    """One contract. `instrument.symbol` is its name at the simulated exchange, `local_symbol` TWS's."""

    con_id: int
    instrument: Instrument
    symbol: str
    sec_type: str
    expiry: str
    """Last trade date, yyyymmdd; made up: the third Friday. Empty for what never expires."""
    local_symbol: str
    exchange: str
    name: str
    rule: int
    """Number of its market rule."""
    follows: str | None = None
    """Exchange symbol whose market data it gets, shifted by `basis` ticks; None: it has its own."""
    basis: int = 0

    @property
    def multiplier(self) -> str:
        return "" if self.sec_type != "FUT" else format(self.instrument.multiplier, "f")

    @property
    def trading_class(self) -> str:
        return self.symbol if self.sec_type == "FUT" else self.local_symbol

    def contract11(self, exchange: str | None = None) -> Values:
        """The contract in an answer; `exchange` as the client named it."""
        return {
            "conId": self.con_id,
            "symbol": self.symbol,
            "secType": self.sec_type,
            "expiry": self.expiry,
            "strike": Decimal(0),
            "right": "?" if self.sec_type == "FUT" else "",
            "multiplier": self.multiplier,
            "exchange": self.exchange if exchange is None else exchange,
            "currency": self.instrument.currency,
            "localSymbol": self.local_symbol,
            "tradingClass": self.trading_class,
        }


def third_friday(year: int, month: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(4 - first.weekday()) % 7 + 14)


ROLL: Final = timedelta(days=14)
"""Before its end a month is not the front one any more: markets have gone on to the next by then."""


def list_contracts(
    instruments: Iterable[Instrument], now: int, *, months: int = 2, basis: int = 40
) -> tuple[Listed, ...]:
    """Contracts for instruments of the catalogue. A root such as ES becomes its front month at `now` (UTC
    ns), with `months − 1` later ones beside it that follow its market `basis` ticks higher each."""
    listed: list[Listed] = []
    rules: dict[Decimal, int] = {}
    for instrument in instruments:
        rule = rules.setdefault(instrument.tick, 26 + len(rules))
        listed += _contracts(instrument, now, months, basis, rule)
    return tuple(listed)


def _contracts(instrument: Instrument, now: int, months: int, basis: int, rule: int) -> list[Listed]:
    known = catalogue()
    try:
        root = known.root(instrument.symbol)
        venue, name = known.lookup(root).venue, known.name(root)
    except UnknownSymbol:
        root, venue, name = instrument.symbol, instrument.venue, instrument.symbol
    today = datetime.fromtimestamp(now // NS, UTC).date()
    dated = _DATED.fullmatch(instrument.symbol) if root != instrument.symbol else None
    if dated is not None:
        digits = dated[3]
        year = int(digits) + (today.year // 10 * 10 if len(digits) == 1 else today.year // 100 * 100)
        if len(digits) == 1 and year < today.year - 5:
            year += 10
        return [_future(instrument, root, venue, name, rule, year, MONTHS.index(dated[2]) + 1)]
    codes = _codes(root)
    if not codes:
        kind = "CRYPTO" if instrument.asset_class == "crypto" else "CMDTY"
        return [
            Listed(
                con_id=_con_id(instrument.symbol),
                instrument=instrument,
                symbol=instrument.symbol,
                sec_type=kind,
                expiry="",
                local_symbol=instrument.symbol,
                exchange=venue,
                name=name,
                rule=rule,
            )
        ]
    out: list[Listed] = []
    year, month = today.year, today.month
    while len(out) < months:
        if MONTHS[month - 1] in codes and third_friday(year, month) > today + ROLL:
            front = not out
            own = instrument if front else replace(instrument, symbol=_local(root, year, month))
            found = _future(own, root, venue, name, rule, year, month)
            out.append(found if front else replace(found, follows=instrument.symbol, basis=basis * len(out)))
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return out


def _codes(root: str) -> str:
    """Delivery months of a product: those of the catalogue; quarters for what only a test lists."""
    known = catalogue()
    if root not in known.roots:
        return _QUARTERS
    return "".join(code for code in MONTHS if _lists(f"{root}{code}6"))


def _lists(symbol: str) -> bool:
    try:
        catalogue().root(symbol)
    except UnknownSymbol:
        return False
    return True


def _future(
    instrument: Instrument, root: str, venue: str, name: str, rule: int, year: int, month: int
) -> Listed:
    local = _local(root, year, month)
    return Listed(
        con_id=_con_id(local),
        instrument=instrument,
        symbol=root,
        sec_type="FUT",
        expiry=third_friday(year, month).strftime("%Y%m%d"),
        local_symbol=local,
        exchange=venue,
        name=name,
        rule=rule,
    )


def _local(root: str, year: int, month: int) -> str:
    return f"{root}{MONTHS[month - 1]}{year % 10}"


def _con_id(local_symbol: str) -> int:
    """The same contract has the same id in every run."""
    return 100_000_000 + zlib.crc32(local_symbol.encode()) % 900_000_000


class ContractBook:
    """Finds contracts by what a client wrote, the way TWS does: empty fields match everything."""

    def __init__(self, listed: Sequence[Listed], zone: str) -> None:
        self.listed = tuple(listed)
        self._zone = zone
        self._by_id = {c.con_id: c for c in listed}
        self._by_symbol = {c.instrument.symbol: c for c in listed}

    def by_id(self, con_id: int) -> Listed | None:
        return self._by_id.get(con_id)

    def of(self, symbol: str) -> Listed:
        """The contract behind a symbol of the exchange. Raises `KeyError`."""
        return self._by_symbol[symbol]

    def find(self, wanted: Values, at: str | None = None) -> list[Listed]:
        """All contracts that fit. `at` (an exchange) overrides the one in `wanted`."""
        if wanted.get("conId"):
            found = self._by_id.get(wanted["conId"])
            candidates = [found] if found is not None else []
        else:
            candidates = list(self.listed)
        fits = [c for c in candidates if self._fits(c, wanted, at)]
        if wanted.get("secType") == "CONTFUT":
            fits = sorted(fits, key=lambda c: c.expiry)[:1]
        return fits

    @staticmethod
    def _fits(c: Listed, wanted: Values, at: str | None) -> bool:
        exchange = wanted.get("exchange", "") if at is None else at
        kind = "FUT" if wanted.get("secType") == "CONTFUT" else wanted.get("secType", "")
        return (
            wanted.get("symbol", "") in ("", c.symbol)
            and kind in ("", c.sec_type)
            and c.expiry.startswith(wanted.get("expiry", ""))
            and exchange in ("", c.exchange, "QBALGO" if c.sec_type == "FUT" else c.exchange)
            and wanted.get("currency", "") in ("", c.instrument.currency)
            and wanted.get("localSymbol", "") in ("", c.local_symbol)
            and wanted.get("tradingClass", "") in ("", c.trading_class)
            and wanted.get("multiplier", "") in ("", c.multiplier)
        )

    def rule(self, number: int) -> list[Values] | None:
        """Price steps of a market rule; None where there is none with that number."""
        for contract in self.listed:
            if contract.rule == number:
                return [{"lowEdge": Decimal(0), "increment": contract.instrument.tick}]
        return None

    def details(self, c: Listed, now: int) -> Values:
        """Everything about a contract, for message 10; hours in the gateway's zone for the days to come."""
        exchanges = f"{c.exchange},QBALGO" if c.sec_type == "FUT" else c.exchange
        hours = trading_hours(c.instrument, now, self._zone)
        lot = c.instrument.lot
        return {
            **{k: v for k, v in c.contract11().items() if k != "expiry"},
            "lastTradeDate": f"{c.expiry} 08:30 {self._zone}" if c.expiry else "",
            "marketName": c.symbol,
            "minTick": c.instrument.tick,
            "mdSizeMultiplier": 1,
            "orderTypes": "ACTIVETIM,DAY,GTC,GTD,LMT,MKT,OCA,STP,STPLMT,WHATIF",
            "validExchanges": exchanges,
            "priceMagnifier": 1,
            "underConId": _con_id(c.symbol) if c.sec_type == "FUT" else 0,
            "longName": c.name,
            "primaryExchange": "",
            "contractMonth": c.expiry[:6],
            "timeZoneId": self._zone,
            "tradingHours": hours,
            "liquidHours": hours,
            "evMultiplier": Decimal(0),
            "aggGroup": 2147483647 if c.sec_type != "FUT" else 1,
            "underSymbol": c.symbol if c.sec_type == "FUT" else "",
            "underSecType": "IND" if c.sec_type == "FUT" else "",
            "marketRuleIds": ",".join(str(c.rule) for _ in exchanges.split(",")),
            "realExpirationDate": c.expiry,
            "minSize": lot,
            "sizeIncrement": lot,
            "suggestedSizeIncrement": lot,
        }


def trading_hours(instrument: Instrument, now: int, zone: str, days: int = 6) -> str:
    """Open spans as TWS writes them: `yyyymmdd:hhmm-yyyymmdd:hhmm;…`, in `zone`."""
    hours, place = calendar(instrument.calendar), ZoneInfo(zone)

    def text(ts: int) -> str:
        return datetime.fromtimestamp(ts // NS, place).strftime("%Y%m%d:%H%M")

    midnight = datetime.fromtimestamp(now // NS, place).replace(hour=0, minute=0, second=0)
    at, end = round(midnight.timestamp()) * NS, now + days * 86_400 * NS
    spans = []
    while at < end:
        change = hours.next_change(at)
        until = min(change, end) if change is not None else end
        if hours.state(at) is MarketState.OPEN:
            spans.append(f"{text(at)}-{text(until)}")
        at = until
    return ";".join(spans)
