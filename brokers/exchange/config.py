"""Settings of the simulated exchange: latency, depth model, limits, session rules and faults.

Each description gives unit, default and reason; `breakwater init` may write its comments from them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from engine.config import Symbol
from engine.model import MarketState
from engine.section import Section


class AccountConfig(Section):
    """How an account at the exchange starts."""

    cash: Decimal = Field(Decimal(1_000_000), gt=0)
    """Account currency. Cash before the first trade."""
    currency: str = Field("USD", pattern=r"^[A-Z]{3,5}$")
    """Account currency."""
    fx: dict[str, Decimal] = Field(default_factory=dict)
    """Account currency for one unit of another currency; instruments in a currency that is neither the
    account's nor listed here are refused."""


class Bands(Section):
    """Prices that the exchange accepts for one instrument."""

    low: int | None = None
    """Ticks. Daily limit down: no order below, no trade below."""
    high: int | None = None
    """Ticks. Daily limit up."""
    collar: int | None = Field(None, ge=1, le=10_000_000)
    """Ticks. A limit price may be at most so far through the market (the far touch, else the last trade)."""

    @model_validator(mode="after")
    def _in_order(self) -> Bands:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be below high")
        return self


Ratio = Field(0.0, ge=0.0, le=1.0)


class FaultConfig(Section):
    """How often the exchange misbehaves. Each ratio is drawn from its own seeded generator, so that turning
    one fault on changes nothing about the others. All are off by default."""

    reject_new: float = Ratio
    """Share of new orders refused for no good reason."""
    reject_cancel: float = Ratio
    """Share of cancels refused although the order is working."""
    reject_replace: float = Ratio
    """Share of replaces refused although the order is working."""
    unknown_order: float = Ratio
    """Share of cancels, replaces and queries answered with "unknown order" although it is there."""
    lose_request: float = Ratio
    """Share of requests lost on their way in: no effect, no answer."""
    no_ack: float = Ratio
    """Share of new orders that are never acknowledged."""
    late_ack: float = Ratio
    """Share of acknowledgements that come late_ack_ms late, after whatever else happened."""
    fill_before_ack: float = Ratio
    """Share of acknowledgements held back until the order's first fill (at the latest late_ack_ms)."""
    drop_report: float = Ratio
    """Share of reports about orders that are lost on their way out; a query still tells the truth."""
    duplicate_report: float = Ratio
    """Share of reports that are delivered twice."""
    delay_report: float = Ratio
    """Share of reports that come delay_ms late, out of order."""
    reorder_report: float = Ratio
    """Share of reports that are overtaken by those that follow within reorder_ms."""
    fill_after_cancel: float = Ratio
    """Share of cancelled orders of which a fill is still reported after the cancel was confirmed."""
    overfill: float = Ratio
    """Share of filled orders of which one lot more is executed than they asked for."""
    bust: float = Ratio
    """Share of executions that are cancelled by the exchange bust_ms later."""
    correct: float = Ratio
    """Share of executions whose price is corrected by one tick bust_ms later."""
    protect: float = Ratio
    """Share of market orders that are worked as limit orders at the touch, so that a rest stays working."""
    twin_replace: float = Ratio
    """Share of replaces after which the old order is still live beside the new one."""
    unsolicited_cancel: float = Ratio
    """Share of resting orders that the exchange cancels by itself bust_ms after they came to rest."""
    stale_snapshot: float = Ratio
    """Share of snapshots that show what was true one answer ago, with their old time."""
    empty_snapshot: float = Ratio
    """Share of snapshots that are empty although there is something."""
    partial_snapshot: float = Ratio
    """Share of snapshots in which every second entry is missing."""
    query_lost: float = Ratio
    """Share of queries that never reach the exchange: the caller times out before any effect."""
    answer_lost: float = Ratio
    """Share of answers that are lost: the caller times out after the exchange did its part."""
    disconnect: float = Ratio
    """Share of requests on which the session drops for disconnect_ms; reports of that time are lost."""
    half_open: float = Ratio
    """Share of requests on which the session goes silent for half_open_ms before the drop is noticed."""
    reuse_ids: float = Ratio
    """Share of reconnects after which broker order ids are handed out again."""
    late_ack_ms: float = Field(2_000.0, ge=0, le=3_600_000)
    """Milliseconds that a late acknowledgement waits."""
    delay_ms: float = Field(1_500.0, ge=0, le=3_600_000)
    """Milliseconds that a delayed report waits."""
    reorder_ms: float = Field(20.0, ge=0, le=60_000)
    """Milliseconds within which a report may be overtaken."""
    bust_ms: float = Field(500.0, ge=0, le=86_400_000)
    """Milliseconds from an execution to its bust or correction, and from rest to an unsolicited cancel."""
    disconnect_ms: float = Field(1_000.0, ge=0, le=3_600_000)
    """Milliseconds for which a dropped session stays down."""
    half_open_ms: float = Field(3_000.0, ge=0, le=3_600_000)
    """Milliseconds for which a half-open session swallows everything before its loss is noticed."""


class ExchangeConfig(Section):
    """How the simulated exchange behaves."""

    order_latency_ms: float = Field(2.0, ge=0, le=60_000)
    """Milliseconds from a request to its arrival at the matching engine; as a retail line has it, because
    paper without latency flatters."""
    order_jitter_ms: float = Field(0.5, ge=0, le=60_000)
    """Milliseconds. Mean of the exponential delay on top, cut at ten times the mean, because no line is
    even."""
    report_latency_ms: float = Field(2.0, ge=0, le=60_000)
    """Milliseconds from a report's making to its arrival at the client; as a retail line has it, because
    cancels cross fills in that time."""
    report_jitter_ms: float = Field(0.5, ge=0, le=60_000)
    """Milliseconds. Mean of the exponential delay on top, cut at ten times the mean, because no line is
    even."""
    query_timeout: float = Field(5.0, gt=0, le=600)
    """Seconds after which an unanswered query counts as failed, because a lost answer must not be waited
    for."""
    message_limit: int = Field(200, ge=1, le=1_000_000)
    """Requests per second and session above which requests are refused, because real gateways do so."""
    limit_cancels: bool = False
    """Whether cancels count against message_limit; off, because real venues mostly let them through."""
    initial_state: MarketState = MarketState.OPEN
    """State of every instrument until the feed, a script or a person says otherwise; OPEN, because recordings
    seldom say."""
    follow_calendars: bool = True
    """Whether the instruments' calendars open and close their markets; a feed's own states go on top. On,
    because orders out of hours would fill on stale quotes."""
    reserved_matching: bool = True
    """Whether limit orders are matched in the reserved state; on, because flattening goes by limits then.
    Market orders are refused in any case."""
    halted_accepts: bool = False
    """Whether new orders are accepted (and held) during a halt; off, because most venues refuse them. Cancels
    always are."""
    suspend_on_halt: bool = False
    """Whether working orders are reported as suspended when a halt begins, and released when it ends; off,
    because few venues say so."""
    stop_trigger: Literal["trade", "quote", "both"] = "both"
    """What triggers stops: a print at or beyond the stop; or a quote whose near side is there (bid for buy
    stops, ask for sell stops), because a wide spread alone must trigger nothing."""
    self_match: Literal["cancel_newest", "cancel_oldest"] = "cancel_oldest"
    """Which of two orders of one account is cancelled when they would trade with each other, because venues
    forbid that; the oldest, as CME does by default."""
    oco_on_partial: Literal["reduce", "cancel"] = "reduce"
    """What a partial fill does to the other orders of its group. reduce, because what is left must stay
    protected."""
    bust_reopens: bool = False
    """Whether a busted quantity works again, or is gone from the order; off, because most venues leave the
    order closed."""
    cancel_on_disconnect: bool = False
    """Whether DAY orders are cancelled when their session drops; off, because stops would be lost with the
    line."""
    pending_reports: bool = False
    """Whether cancels and replaces are answered with a pending report first; off, because few venues send
    it."""
    separate_queries: bool = False
    """True: answers to queries come by a channel of their own and may overtake reports; off, because most
    gateways keep the order."""
    depth: dict[Symbol, tuple[int, ...]] = Field(default_factory=dict)
    """Lots by symbol on the levels behind the touch, nearest first; the last repeats. Default: measured,
    because few recordings have them."""
    depth_ratio: float = Field(2.0, gt=0, le=100)
    """Lots on each level behind the touch, as a multiple of the median touch size seen so far; 2, because ES
    rests 23 lots at the touch and 50 on each level behind it, gold 5 and 10."""
    depth_step: int = Field(1, ge=1, le=100_000)
    """Ticks between two levels behind the touch; 1, because busy futures are quoted on every tick."""
    depth_levels: int = Field(50, ge=0, le=100_000)
    """Levels behind the touch that an order may walk through before liquidity ends, because no book is
    endless."""
    assumed_touch: int = Field(10, ge=1, le=1_000_000_000)
    """Lots at the touch where the feed publishes prices without sizes, because something must be there to
    trade with."""
    assumed_print: int = Field(1, ge=1, le=1_000_000_000)
    """Lots of a print whose size the feed does not publish; 1, because that is the median."""
    market_protection: int | None = Field(None, ge=0, le=10_000_000)
    """Ticks beyond the touch at which a market order or a triggered stop stops taking, because venues protect
    them so; what is left is cancelled. Default: no protection but the depth model's end."""
    overtake_ms: float = Field(20.0, ge=0, le=10_000)
    """Milliseconds within which a print may follow the quote that already shows it, because crypto feeds send
    quotes first; such a print does not advance our queue a second time."""
    auction_ms: float = Field(1_000.0, ge=0, le=60_000)
    """Milliseconds after the open within which a print counts as the opening auction's, because recordings do
    not mark it."""
    bands: dict[Symbol, Bands] = Field(default_factory=dict)
    """Daily limits and collar by symbol."""
    collar: int | None = Field(None, ge=1, le=10_000_000)
    """Ticks. Collar of all instruments that have none of their own, because venues refuse limits far through
    the market. Default: none."""
    margin_check: bool = True
    """Whether orders that the account cannot carry are refused; on, because a broker does so."""
    keep_closed: int = Field(100_000, ge=10, le=100_000_000)
    """Closed orders that stay in memory, because late questions ask about them; older ones are found in the
    ledger, if there is one."""
    faults: FaultConfig = FaultConfig()
    """Misbehaviour on request."""

    def latency_ns(self) -> tuple[int, int, int, int]:
        """Order latency and jitter, report latency and jitter, in ns."""
        return (
            round(self.order_latency_ms * 1e6),
            round(self.order_jitter_ms * 1e6),
            round(self.report_latency_ms * 1e6),
            round(self.report_jitter_ms * 1e6),
        )
