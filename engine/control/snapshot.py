"""The picture of the engine that screens, `ctl` and the log draw: immutable, made on the engine's thread.

Numbers are exact decimals in natural units (prices as quoted, sizes in contracts or coins, money in account
currency) so that a reader needs no instrument table. Ages and delays are in seconds, latencies in µs.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

from engine.model import NS, Mode, Value

HealthWord = Literal["ok", "warn", "down", "unknown"]
CLOSED_SHOWN: Final = 100
"""Closed orders on a snapshot, newest first; older ones are in their stories and in the journal."""
NOT_COMPARED: Final = "not compared"
"""State of a position since whose comparison with the broker the link has broken or too much time passed."""


def order_age(created: int, ts: int) -> float:
    """Seconds from an order's creation to the time of a snapshot, both UTC ns; never negative."""
    return max(0.0, (ts - created) / NS)


class OrderRow(Value, frozen=True, kw_only=True):
    id: str
    broker_id: str
    strategy: str
    symbol: str
    side: str
    type: str
    tif: str
    qty: Decimal
    filled: Decimal
    leaves: Decimal
    limit: Decimal | None
    stop: Decimal | None
    avg_price: Decimal | None
    status: str
    """`OrderStatus` value; FOREIGN orders carry `foreign` as well."""
    overlay: str
    """`held` (a protective order that waits for its entry's fills), `cancel?`, `replace?`, `suspended`,
    `done-for-day` or empty."""
    reason: str
    created: int
    """UTC ns; how old it is follows from the snapshot's time (`order_age`), so that an order at which
    nothing happens stays the same row."""
    foreign: bool
    purpose: str
    correlation: str
    behind: tuple[str, ...] = ()
    """Of an order that serves the netted intentions of strategies: those strategies."""
    last_known: bool = False
    """The link has broken since the broker said so, and the orders have not been compared with it since:
    where this order stands now is not known. Never set on a closed one."""


class PositionRow(Value, frozen=True, kw_only=True):
    """Three sources side by side. None: not known."""

    symbol: str
    intended: Decimal | None
    executed: Decimal
    broker: Decimal | None
    diff: Decimal | None
    """Broker − executed; None where the broker's figure says nothing about now."""
    state: str
    """`agree`, `in flight`, `drift`, `not compared`, `unknown`, `halted: …`, `held: …`: the word that stands
    beside the sign."""
    avg_price: Decimal | None
    last: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    open_pnl: Decimal | None
    realised_pnl: Decimal
    fees: Decimal
    data_age: float | None
    data_state: str
    """`live`, `stale`, `crossed`, `closed`, `none`."""
    market_state: str
    by_strategy: dict[str, Decimal]


class RiskRow(Value, frozen=True, kw_only=True):
    control: str
    """Stable name, e.g. `daily_loss`; the screen shows `title`."""
    title: str
    scope: str
    """Empty for the account, else symbol or strategy."""
    used: str
    limit: str
    ratio: float | None
    """used / limit, None where it cannot be evaluated."""
    state: Literal["ACTIVE", "WARN", "TRIPPED", "UNKNOWN"]
    action: str
    detail: str


class AlertRow(Value, frozen=True, kw_only=True):
    id: int
    ts: int
    severity: Literal["info", "warning", "critical"]
    code: str
    text: str
    symbol: str
    correlation: str
    acknowledged: bool
    cleared: bool = False
    """What it tells of is over; it may still wait to be acknowledged."""
    shelved_until: int | None = None
    """UTC ns until which it keeps still; None: it does not."""
    shelved_why: str = ""
    count: int = 1
    """Alarms of one cause that this one stands for."""
    newest: int = 0
    """Number of the newest of them; 0: it is the only one."""
    others: tuple[str, ...] = ()
    """What the others said, oldest first."""

    @property
    def waits(self) -> bool:
        """An alarm, not mere information, that nobody has acknowledged or shelved."""
        return not self.acknowledged and self.severity != "info" and self.shelved_until is None


class CallbackRow(Value, frozen=True, kw_only=True):
    """How long one callback of a strategy takes, µs of host time."""

    name: str
    count: int
    p50: float
    p99: float
    max: float
    deadline: float | None = None
    """µs; longer ones are late."""
    late: int = 0


class StrategyRow(Value, frozen=True, kw_only=True):
    name: str
    state: Literal["starting", "running", "paused", "stopped", "failed"]
    reason: str
    intended: dict[str, Decimal]
    orders: int
    fills: int
    pnl: Decimal
    lag_ms: float | None
    """Age of the oldest event that it has not taken."""
    rss_mb: float | None
    queue: int = 0
    """Events that wait for it, those that it has been sent and has not taken included."""
    conflated: int = 0
    """Quotes that a newer one replaced before it took them, since it was started."""
    dropped: int = 0
    """Prints and bars that were dropped because too many waited, since it was started."""
    cpu: float | None = None
    """Share of one processor that it used in the last seconds; None where it is not known."""
    restarts: int = 0
    """How often its restart policy has started it again within a day (or its `restart_window`, where that is
    longer), earlier runs of the engine included; 100 at the most."""
    on_stop: str = ""
    """What becomes of its orders and its share of positions when it stops: `cancel`, `keep` or `flatten`."""
    callbacks: tuple[CallbackRow, ...] = ()
    """Since it was started, the one that took the most time first."""


class Percentiles(Value, frozen=True, kw_only=True):
    """Of one latency stage, µs."""

    stage: str
    count: int
    p50: float
    p95: float
    p99: float
    max: float
    spread: tuple[int, ...] = ()
    """The distribution: counts of durations under 1 µs, under 2, 4, 8 µs …, each without the shorter ones."""


class LinkRow(Value, frozen=True, kw_only=True):
    """The link to the broker. Times in seconds."""

    text: str = ""
    """All of it in one line, for a person."""

    connection: str = ""
    """The one in use, or the one that is tried next."""
    connections: tuple[str, ...] = ()
    up: bool = False
    since: float = 0.0
    """How long it has been up, or down."""
    attempts: int = 0
    """Attempts to connect since the link was last good."""
    next_try: float | None = None
    """Until the next attempt; None while one is under way, or none is needed."""
    last_loss: str = ""
    """Why it was last lost."""
    losses: int = 0
    heard: float | None = None
    """Since the broker's last sign of life; None while it is down."""


class SentinelRow(Value, frozen=True, kw_only=True):
    """The process that watches over the engine. `state` unknown: none is wanted."""

    state: HealthWord = "unknown"
    policy: str = "off"
    text: str = ""
    heard: float | None = None
    """Seconds since it answered last, while it answers."""
    venue: str = "OFF"
    """The venue's own dead-man's switch: ARMED, UNSAFE (a stop works there, so it is not armed), NOT ARMED
    (it could not be told), NOT AVAILABLE, or OFF (not wanted)."""
    venue_text: str = ""


class HealthRow(Value, frozen=True, kw_only=True):
    broker: HealthWord
    broker_text: str
    data: HealthWord
    data_age: float | None
    engine: HealthWord
    risk_p50_ms: float
    risk_p99_ms: float
    risk_max_ms: float
    journal: HealthWord
    journal_text: str
    journal_seq: int
    commit_p50_us: float
    commit_p99_us: float
    latencies: tuple[Percentiles, ...]
    counters: dict[str, int]
    rates: dict[str, float]
    """reject_rate, fill_rate.LMT …, slippage_ticks …"""
    rss_mb: float
    uptime: float
    link: LinkRow = LinkRow()
    sentinel: SentinelRow = SentinelRow()


ScreenRole = Literal["control", "view", "read-only"]
"""control: its commands are carried out; view: only its kill and its wish for control are; read-only: it may
send nothing."""


class ScreenRow(Value, frozen=True, kw_only=True):
    """A screen that looks at this engine."""

    id: int
    who: str
    role: ScreenRole
    since: int
    """UTC ns."""


class Comparison(Value, frozen=True, kw_only=True):
    """The last comparison of positions and orders with the broker, and whether it still tells of now."""

    at: int | None = None
    """UTC ns; None: there was none in this run."""
    holds: bool = True
    """Without it no position `agree`s: each is `not compared`."""
    why: str = ""
    """Why it does not hold, as half a sentence."""
    orders: bool = True
    """The link has held since: what the broker last said of its orders stands."""


class Hold(Value, frozen=True, kw_only=True):
    """Something that keeps opening orders back for now, though the account is not halted."""

    code: str
    """Of a control or of a halt, or `store`."""
    scope: str
    """Symbol, strategy or asset class that it holds back; empty: everything."""
    text: str
    """What is wrong: a sentence without its end."""
    then: str = ""
    """What follows, and until when."""

    @property
    def whole(self) -> str:
        return f"{self.text}: {self.then}" if self.then else self.text


class KillView(Value, frozen=True, kw_only=True):
    """Progress of kill or flatten; `steps` are sentences for a person, newest last."""

    running: bool
    scope: str
    steps: tuple[str, ...]
    verdict: str
    """Empty while it runs; then `flat, confirmed twice by the broker at …` or `NOT FLAT: …`."""


class Snapshot(Value, frozen=True, kw_only=True):
    seq: int
    ts: int
    """Engine time, UTC ns."""
    mode: Mode
    account: str
    currency: str
    feed: str
    feed_progress: float | None
    halted: bool
    halt_reason: str
    paused: tuple[Hold, ...]
    """Why opening orders pause right now, halts of single instruments included; empty when nothing does."""
    trading: bool
    """False until recovery has found the three views in agreement."""
    trading_text: str
    equity: Decimal | None
    day_pnl: Decimal | None
    day_limit: Decimal | None
    """Loss at which the day stops, as a positive amount."""
    orders: tuple[OrderRow, ...]
    """Working first, then the newest closed."""
    positions: tuple[PositionRow, ...]
    risk: tuple[RiskRow, ...]
    alerts: tuple[AlertRow, ...]
    """Newest first."""
    strategies: tuple[StrategyRow, ...]
    health: HealthRow
    kill: KillView | None
    limits_version: int
    screens: tuple[ScreenRow, ...] = ()
    """Those attached, and the one in the engine's own process."""
    recorded: bool = False
    """A moment of a journal: nothing here lives, and nothing can be commanded."""
    stops: int = 0
    """Counts what stopped the account or was begun to stop it, whoever did it. A screen that was armed at
    another count is not armed any more: a halt that was latched and reset between two pictures counts."""
    comparison: Comparison = Comparison()
