"""Settings of the link to Interactive Brokers: where TWS or IB Gateway listens, and which contracts are
meant."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from engine.config import Symbol
from engine.config_link import MaintenanceWindow
from engine.section import Section


class IbContract(Section):
    """What one of our symbols is at IB. It must lead to exactly one contract, or nothing is traded."""

    exchange: str = Field(min_length=1, max_length=32, examples=["CME"])
    """Where it is traded, as IB calls it, because tick and fees depend on it and orders go there."""
    con_id: int = Field(0, ge=0)
    """IB's number of the contract, which alone suffices; 0: it is found by what else is given, because
    numbers change with every month."""
    symbol: str = Field("", max_length=32)
    """IB's symbol; by default ours, because most are the same."""
    sec_type: Literal["FUT", "STK", "CASH", "CRYPTO", "CMDTY", "IND"] = "FUT"
    """Kind of security, because one symbol may stand for several."""
    currency: str = Field("USD", pattern=r"^[A-Z]{3,5}$")
    """Currency of its price, because a symbol may be listed in several."""
    expiry: str = Field("", pattern=r"^(front|\d{6}|\d{8})?$")
    """yyyymm or yyyymmdd; front: the nearest month whose last safe day (last trading day, or first notice) is
    later than roll_days from now, so that the configuration need not change with the month."""
    roll_days: int = Field(8, ge=0, le=365)
    """Days before its last safe day from which a month is no longer the front one, because liquidity leaves
    it before; more than risk.contract_close_days, or the front month is one in which nothing is opened."""
    notice_days: int = Field(0, ge=0, le=120)
    """Days from its first notice day to its last trading day, because a contract that delivers must be left
    before the notice (gold about 30, grains about 15); 0: only its last trading day counts."""
    local_symbol: str = Field("", max_length=32)
    """The exchange's own symbol with the month, as ESZ5, because it is exact where it is known."""
    trading_class: str = Field("", max_length=32)
    """Class of the contract, because some share a symbol (ES and its weekly relatives)."""
    multiplier: str = Field("", max_length=16)
    """Size of the contract as IB writes it, because full-size and micro contracts may share a symbol."""
    calendar: str = Field("", max_length=32)
    """Our trading calendar for it, because sessions end by it. By default that of our catalogue for a symbol
    that is there, else always."""
    asset_class: str = Field("", max_length=32)
    """What it counts as, because limits go by asset class. By default as in our catalogue, else its kind."""
    outside_rth: bool = True
    """Whether its orders work outside regular hours too, because protection that sleeps at night is none."""
    nonpositive_price: bool = False
    """Whether prices of zero and below are real, because some futures have them."""
    fee: Decimal = Field(Decimal(0), ge=0)
    """Account currency for one lot, because profit is estimated before IB tells the commission. 0: that of
    our catalogue."""
    initial_margin: Decimal = Field(Decimal(0), ge=0)
    """Account currency for one lot. 0: asked of IB by a what-if order at each start, because it changes."""
    maintenance_margin: Decimal = Field(Decimal(0), ge=0)
    """Account currency for one lot; as initial_margin, because both are told together."""


class IbConfig(Section):
    """The connection to TWS or IB Gateway."""

    host: str = Field("127.0.0.1", min_length=1, max_length=255)
    """Where TWS or IB Gateway runs; on this machine, because its API has no password."""
    port: int = Field(4002, ge=1, le=65_535)
    """Number of its TCP port. TWS: 7497 paper, 7496 live; IB Gateway: 4002 paper, 4001 live. It proves
    nothing, because anything may listen there: whether money is real is told by the account."""
    client_id: int = Field(1, ge=0, le=2_147_483_647)
    """Our number at TWS. Keep it, because only the client that placed an order can change or cancel it; set
    it as master client id in TWS as well, so that trades by hand are told at once. 0 binds orders placed by
    hand: they are seen at once and can be cancelled one by one; under any other number they are seen when
    open orders are read, and only the global cancel reaches them."""
    sentinel_id: int = Field(901, ge=1, le=2_147_483_647)
    """The sentinel's number at TWS while it waits, so that it sees that TWS is there without taking the
    engine's; it acts under client_id, because only that can cancel the engine's orders."""
    answer_within: float = Field(5.0, gt=0, le=60)
    """Seconds after which one question of ours counts as unanswered, because TWS may never answer."""
    message_limit: int = Field(40, ge=5, le=45)
    """Messages per second over everything, because TWS takes 50 and then drops some, and the client library
    holds back above 45, where a cancel would wait behind orders."""
    market_data: Literal["live", "delayed"] = "live"
    """live, because delayed quotes may be 15 minutes old: they are only to look at, never to trade on."""
    what_if: bool = True
    """Whether margins are asked of IB, at each start and before orders that open (risk.what_if_fresh),
    because its figures change. false: those of the configuration hold."""
    max_active: int = Field(20, ge=1, le=1_000)
    """Orders at work per contract and side, because IB takes no more and refuses those beyond."""
    quiet: tuple[MaintenanceWindow, ...] = ()
    """Windows in which no order and no change is sent, because IB resets its servers at night and tells
    executions late; cancels and flattening go. Zone, begin and end are as in link.maintenance."""
    contracts: dict[Symbol, IbContract] = Field(default_factory=dict)
    """By our symbol: what is traded and what it is at IB, because one symbol may stand for many contracts."""
