"""Every setting of the engine, in sections: unit, default, range and the reason stand in each description.

The application reads them from a file and the environment (`app.settings`); `breakwater init` writes its
comments from these descriptions. All sections are immutable; a reload makes a new one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from engine.config_link import ConnectionConfig, LinkConfig
from engine.config_roll import RollConfig
from engine.config_sentinel import SentinelConfig
from engine.config_strategy import CgroupConfig
from engine.config_strategy import StrategyConfig as StrategyConfig
from engine.config_strategy import Symbol as Symbol
from engine.model import PartialFillPolicy, ReplacePolicy
from engine.section import Section

Action = Literal["refuse", "pause", "cancel", "kill"]
"""What a breach does. refuse: the order only; pause: no opening orders until clear; cancel: pause and cancel
working entry orders; kill: the kill-and-flatten procedure."""


class InstrumentLimits(Section):
    """Limits of one instrument; what is not given here falls back to `risk`."""

    max_position: int | None = Field(None, ge=0, le=1_000_000_000)
    """Lots. Largest worst-case position on either side, because lots differ in worth. Default:
    risk.max_position."""
    max_order_qty: int | None = Field(None, ge=1, le=1_000_000_000)
    """Lots. Largest single order, because lots differ in worth. Default: risk.max_order_qty."""
    collar_ticks: int | None = Field(None, ge=1, le=1_000_000)
    """Ticks. Price collar in ticks instead of percent, because percent means nothing near or below zero."""
    max_spread_ticks: int | None = Field(None, ge=1, le=1_000_000)
    """Ticks. Spread above which opening orders pause, because each market has its own width. Default:
    risk.max_spread_ticks."""
    contract_close_days: int | None = Field(None, ge=0, le=365)
    """Days. Its own risk.contract_close_days, because contracts that deliver must be left earlier. Default:
    risk.contract_close_days."""


class RiskLimits(Section):
    """The limits of the risk engine. Reloadable while running; every change is versioned and journalled."""

    daily_loss_pct: Decimal = Field(Decimal("2"), gt=0, le=100)
    """Percent of the day's opening equity. Realised + open + fees below this stops the day, because a bad day
    must end before a bad night begins."""
    daily_loss_amount: Decimal | None = Field(None, gt=0)
    """Account currency. An absolute floor for the day's loss; the tighter of both counts, because a
    percentage of a large account can be more than a person means to lose."""
    daily_loss_action: Action = "kill"
    """What a breach of the daily loss does. kill, because a loss goes on while positions stay open."""
    broker_pnl: Literal["required", "used", "ignored"] = "required"
    """The broker's own profit of the day, where he tells one: required counts the worse of his and ours and
    opens nothing while his is not known; used counts it while it is known; ignored leaves it out. required,
    because an execution that we missed shows in his figure alone."""
    broker_pnl_difference: Decimal = Field(Decimal("500"), gt=0)
    """Account currency. Difference between the broker's profit of the day and ours that is alarmed, because
    one of the two does not know something."""
    max_position: int = Field(50, ge=0, le=1_000_000_000)
    """Lots per instrument. Worst case: position plus all that works or is in flight on that side, because any
    of it may fill at once."""
    max_position_action: Action = "refuse"
    """What a position beyond its limit does. The order that would cause it is refused in any case; refuse,
    because what is held already was allowed."""
    order_rate: int = Field(45, ge=1, le=100_000)
    """Messages per second for orders and replaces; below the 50 of the strictest retail gateway, because who
    exceeds that is disconnected."""
    order_burst: int = Field(5, ge=1, le=100_000)
    """Messages. Size of the token bucket: so many at once, because with order_rate that makes 50 in any
    second."""
    cancel_rate: int = Field(90, ge=1, le=100_000)
    """Messages per second for cancels and flattening; a budget of its own, so that a throttle never stops
    the reduction of risk."""
    order_rate_action: Action = "refuse"
    """What an exhausted order budget does. refuse, because a moment later there is budget again."""
    collar_pct: Decimal = Field(Decimal("5"), gt=0, le=100)
    """Percent of a fresh reference price that a limit may be away from it, against typing errors."""
    collar_ticks: int = Field(400, ge=1, le=1_000_000)
    """Ticks. Collar for instruments that may trade at or below zero, because percent means nothing there."""
    collar_action: Action = "refuse"
    """What a price outside the collar does. refuse, because a typing error is no reason to stop
    everything."""
    margin_flatten_pct: Decimal = Field(Decimal("90"), gt=0, le=100)
    """Percent of equity used as margin at which positions are reduced, because beyond 100 the broker does it,
    at its own prices."""
    margin_target_pct: Decimal = Field(Decimal("70"), gt=0, le=100)
    """Percent of equity used as margin down to which positions are reduced; well below margin_flatten_pct,
    because each small move would trigger it again."""
    margin_action: Action = "kill"
    """What utilisation above margin_flatten_pct does: kill here means reduce to the target, then pause,
    because refusing new orders frees no margin."""
    what_if_fresh: float = Field(60.0, ge=0, le=86_400)
    """Seconds for which a contract's margin by the broker's what-if is scaled to further orders, because each
    question costs a message; an order that opens waits for a new one after that. 0: every order is asked
    about."""
    what_if_within: float = Field(2.0, gt=0, le=60)
    """Seconds that an order waits for the broker's what-if, because it may never be answered."""
    what_if_fallback: float = Field(0.0, ge=0, le=86_400)
    """Seconds for which the last margin of a contract stands in where its what-if is refused or not answered.
    0: what opens is not sent then, because a margin that changed is the very thing to ask about."""
    max_spread_ticks: int = Field(4, ge=1, le=1_000_000)
    """Ticks. A wider market pauses opening orders, because nobody knows the price then."""
    spread_pause: float = Field(30.0, gt=0, le=86_400)
    """Seconds for which the spread breaker pauses after the spread was last too wide, because a market that
    has just gapped does it again."""
    spread_action: Action = "pause"
    """What a spread beyond the limit does. pause, because closing into a wide market costs most."""
    max_order_qty: int = Field(20, ge=1, le=1_000_000_000)
    """Lots. Largest single order, against fat fingers."""
    max_order_notional: Decimal = Field(Decimal("10000000"), gt=0)
    """Account currency. Largest |price| × size × multiplier of a single order, because the same lots are
    worth hundreds of times more in one instrument than in another."""
    allowed: tuple[Symbol, ...] = ()
    """Symbols that may be traded; empty: every instrument that the venue lists. A list guards against an
    order in a contract that nobody watches."""
    duplicate_window: float = Field(0.5, ge=0, le=3600)
    """Seconds in which a second order of a strategy with the same side, size, price and symbol is refused; 0:
    off. Against loops and double key presses."""
    max_working: int = Field(500, ge=1, le=100_000)
    """Orders. Most open orders at a time, those not yet acknowledged included; a guard against a strategy
    that forgets what it has placed."""
    max_gross: Decimal = Field(Decimal("50000000"), gt=0)
    """Account currency. Worst-case gross notional of the account, because limits of single instruments add
    up."""
    max_net: Decimal = Field(Decimal("50000000"), gt=0)
    """Account currency. Worst-case net notional of the account, because positions on one side fall
    together."""
    max_gross_by_class: dict[str, Decimal] = Field(default_factory=dict)
    """Account currency by asset class. Worst-case gross notional of one asset class, because its instruments
    move together."""
    max_drawdown_pct: Decimal = Field(Decimal("5"), gt=0, le=100)
    """Percent of the highest equity seen in the day. Falling further than this from the peak stops, because a
    day's gain is money as well."""
    drawdown_action: Action = "kill"
    """What a drawdown beyond the limit does. kill, because it goes on while positions stay open."""
    reject_storm: int = Field(10, ge=1, le=10_000)
    """Rejections within reject_window that pause opening orders, because something is wrong that more orders
    do not mend."""
    reject_window: float = Field(10.0, gt=0, le=3600)
    """Seconds over which rejections are counted; short, because a storm is told by its rate."""
    reject_action: Action = "pause"
    """What a storm of rejections does. pause, because positions are not at fault."""
    error_storm: int = Field(20, ge=1, le=10_000)
    """Errors of adapter, feed or strategy within error_window that pause opening orders, because what fails
    again and again is not to be trusted with more."""
    error_window: float = Field(60.0, gt=0, le=3600)
    """Seconds over which errors are counted; longer than that of rejections, because errors come slower."""
    error_action: Action = "pause"
    """What a storm of errors does. pause, because what reduces risk must still go."""
    stale_after: float = Field(5.0, gt=0, le=86_400)
    """Seconds. Least age of a quote that counts as stale; an instrument with a slower rhythm gets more,
    because a quiet market is no lost one."""
    max_executions: int = Field(2_000, ge=1, le=10_000_000)
    """Executions per strategy in execution_window after which it pauses until a person resumes it, because a
    runaway strategy trades with good orders."""
    execution_window: float = Field(60.0, gt=0, le=86_400)
    """Seconds over which executions are counted; a minute, because a fast market alone fills many in one
    second."""
    execution_action: Action = "pause"
    """What too many executions do. pause, because a person must look before anything else happens."""
    contract_warn_days: int = Field(10, ge=0, le=365)
    """Days before a contract's last safe day (last trading day, or first notice) from which its end is
    alarmed, once a day, because rolling takes a person's decision."""
    contract_close_days: int = Field(2, ge=0, le=365)
    """Days before a contract's last safe day from which only orders that reduce pass, because what is held
    into the end is delivered, or closed by the broker at his prices."""
    warn_pct: Decimal = Field(Decimal("80"), gt=0, le=100)
    """Percent of a limit from which the screen says WARN, because a person needs time to act before it
    trips."""
    run_time_factor: Decimal = Field(Decimal("2"), ge=1, le=100)
    """Factor by which a limit that is set while it runs (`limit ES 3`) may be wider than here, because a
    tired person should not be able to lift it away; 1: it can only be tightened."""
    instruments: dict[Symbol, InstrumentLimits] = Field(default_factory=dict)
    """Limits by symbol."""

    @model_validator(mode="after")
    def _target_below_trigger(self) -> RiskLimits:
        if self.margin_target_pct >= self.margin_flatten_pct:
            raise ValueError("margin_target_pct must be below margin_flatten_pct")
        return self


class OrderConfig(Section):
    """How orders are followed."""

    answer_after: float = Field(5.0, gt=0, le=600)
    """Seconds without an answer to a submit, cancel or replace after which the broker is asked about it; a
    venue answers in milliseconds, so that this is silence, and asking sooner costs messages."""
    answer_backoff_max: float = Field(60.0, gt=0, le=3600)
    """Seconds. Longest wait between two such questions; the wait doubles each time, so that a broker in
    trouble is not flooded."""
    lost_after: float = Field(5.0, gt=0, le=600)
    """Seconds between the broker's first and its last "no such order" after which an order that was sent is
    given up, and never less than answer_after, because until then the request may still be under way, and
    would open a position that nobody expects any more. So long counts a change without which the broker has
    twice shown its order."""
    partial_fill: PartialFillPolicy = PartialFillPolicy.LET_RIDE
    """What happens to the rest of a partly filled order: let_ride or cancel_remainder. let_ride, because the
    rest keeps its place in the queue."""
    remainder_after: float = Field(10.0, ge=0, le=86_400)
    """Seconds after the first fill at which cancel_remainder cancels the rest, because most of a fill comes
    at once or not at all."""
    replace: ReplacePolicy = ReplacePolicy.IN_PLACE
    """in_place: the venue changes the order; cancel_then_new: only after the cancel is confirmed. in_place,
    because the order is in the market throughout."""
    closed_in_memory: int = Field(2_000, ge=10, le=1_000_000)
    """Closed orders that stay in memory for the screen and late reports; not all, because memory must not
    grow with the day. The journal keeps all."""
    on_lost: Literal["hand_over", "resubmit"] = "hand_over"
    """What becomes of an order that the broker never knew, executions looked through: hand_over tells its
    strategy and does nothing, because only the strategy knows whether it is still wanted; resubmit sends a
    plain limit order again under a new id once all views agree, unless the strategy took it back."""
    resubmit_within: float = Field(30.0, ge=0, le=3600)
    """Seconds after it was given up in which a lost order may be sent again, because later the market is
    another; after that it is handed over."""
    brackets: Literal["venue", "engine"] = "venue"
    """Who works brackets. venue: the venue where it can, because it goes on when we are gone; engine: always
    the engine, which releases, resizes and cancels protective orders by itself."""
    on_stop: Literal["cancel", "keep"] = "cancel"
    """What a graceful stop does with working entry orders; cancel, because nobody would watch them.
    Protective orders always stay."""


class ReconcileConfig(Section):
    """The comparison of intended, executed and broker-confirmed positions."""

    every: float = Field(5.0, ge=0.5, le=3600)
    """Seconds between two comparisons; a difference must be found before it costs, so that this is short, and
    brokers limit questions."""
    orders_every: float = Field(0.0, ge=0, le=3600)
    """Seconds between two looks at the open orders alone, for brokers whose limits call for a long
    reconcile.every, because orders change more often than positions; 0: with each comparison only."""
    settle: float = Field(2.0, ge=0, le=60)
    """Seconds after an order's last report during which it counts as in flight, because the broker's
    positions follow its executions late."""
    on_manual_trade: Literal["warn", "adopt", "halt"] = "halt"
    """Position that changed by an execution which is not ours. halt, because somebody else trades this
    account."""
    on_late_fill: Literal["hold", "halt"] = "hold"
    """Execution of an order that was over in our books, or of one that they do not explain. Either way its
    instrument opens nothing from then on: hold, until a comparison with the broker that began afterwards has
    agreed, because a fill that crosses its cancel happens every day; halt, until a person resets it. One that
    bears an id of ours which is not in the books always halts."""
    on_drift: Literal["warn", "adopt", "halt"] = "halt"
    """Position that differs with no execution to explain it. halt, because nobody knows which figure is
    true."""
    on_unknown_order: Literal["warn", "adopt", "halt"] = "adopt"
    """Order at the broker that we did not place. adopt shows it as foreign and counts its exposure, because
    it may fill."""


class KillConfig(Section):
    """Kill and flatten."""

    through_ticks: int = Field(2, ge=0, le=10_000)
    """Ticks beyond the far touch at which flattening orders are priced: marketable limits, never market,
    because a market order is refused in a halt and fills at any price."""
    reprice_after: float = Field(1.0, gt=0, le=60)
    """Seconds after which an unfilled flattening order is cancelled and priced anew, further through, because
    the market has left it."""
    escalate_ticks: int = Field(2, ge=0, le=10_000)
    """Ticks added to through_ticks with each new price, because being flat matters more than the price."""
    cancel_wait: float = Field(2.0, gt=0, le=60)
    """Seconds to wait for cancels to be answered before the broker is asked and they are sent again, because
    a fill may cross a cancel."""
    answer_within: float = Field(5.0, gt=0, le=600)
    """Seconds after which a question to the broker counts as unanswered and is asked again, because a kill
    must not wait for a lost answer."""
    confirm_every: float = Field(0.5, gt=0, le=60)
    """Seconds between two reads of the broker's positions and orders; twice a second, because brokers limit
    questions."""
    confirm_reads: int = Field(2, ge=2, le=10)
    """Successive reads that must show flat with nothing working before the engine says flat, because one
    reading may be old."""
    alarm_after: float = Field(15.0, gt=0, le=600)
    """Seconds after which NOT FLAT is alarmed, and again each time after twice as long; the procedure goes
    on, because a person can do what it cannot."""


class JournalConfig(Section):
    """The write-ahead store."""

    durability: Literal["power", "process"] = "power"
    """power: every commit is synced and survives a power cut; process: survives only a process kill. A
    simulated run at full speed may use process, a broker never does, because its orders outlive us."""
    ballast_mb: int = Field(16, ge=0, le=1024)
    """Megabytes of reserve space that are released when the disk is full, so that the emergency records can
    be written."""
    min_free_mb: int = Field(64, ge=0, le=1_000_000)
    """Megabytes that must be free at start, or the engine refuses to start, because a disk that fills during
    the day stops trading."""
    slow_after: float = Field(1.0, gt=0, le=60)
    """Seconds that a commit may take before the store counts as slow and opening orders stop, because no
    order may leave before it is stored."""
    max_batch: int = Field(256, ge=1, le=10_000)
    """Rows that one commit takes at the most, so that none waits long for others."""


class ScreenConfig(Section):
    """What the engine does about screens."""

    frame_rate: float = Field(10.0, ge=2, le=20)
    """Hertz. How often a snapshot is made; ten a second, because no eye reads more and each costs the engine
    half a millisecond."""
    on_last_ui_lost: Literal["continue", "halt", "cancel", "flatten"] = "continue"
    """What happens when the last screen in control is lost without a goodbye (SSH cut, terminal closed, tmux
    killed, screen crashed or killed; quitting it is a goodbye). continue: an alarm alone; halt: no opening
    orders until a person resets; cancel: halt, and cancel all working orders; flatten: halt, cancel, and
    close all positions with proof. continue, because strategies and limits work without a screen."""
    ui_lost_after: float = Field(30.0, ge=0, le=86_400)
    """Seconds after the loss at which halt, cancel or flatten comes, unless a screen is in control again;
    half a minute, because a line that was cut is mostly back by then."""


class EngineConfig(Section):
    """All sections that the engine needs."""

    account: str = Field("PAPER", min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_-]+$")
    """The account that is traded; it stands on every order, so that an order can reach no other."""
    currency: str = Field("USD", pattern=r"^[A-Z]{3,5}$")
    """Account currency. Limits and P&L are in it, because the broker's statement is."""
    fx: dict[str, Decimal] = Field(default_factory=lambda: {"USDT": Decimal(1)})
    """Account currency for one unit of another currency; orders in an instrument whose currency is missing
    here are refused, because their worth is not known. By default a dollar stablecoin counts at par."""
    risk_period: float = Field(0.010, ge=0.001, le=1.0)
    """Seconds between two rounds of the independent risk loop; a hundred a second, because a fast market
    moves far in less than one."""
    stall_after: float = Field(1.0, ge=0.05, le=600)
    """Seconds that the engine may stand still before where it stands is written to a file of the state
    directory, and told; one, because a hundred rounds of the risk loop are missed by then."""
    risk: RiskLimits = RiskLimits()
    orders: OrderConfig = OrderConfig()
    reconcile: ReconcileConfig = ReconcileConfig()
    kill: KillConfig = KillConfig()
    roll: RollConfig = RollConfig()
    link: LinkConfig = LinkConfig()
    journal: JournalConfig = JournalConfig()
    screen: ScreenConfig = ScreenConfig()
    sentinel: SentinelConfig = SentinelConfig()
    cgroup: CgroupConfig = CgroupConfig()
    connections: tuple[ConnectionConfig, ...] = Field((), max_length=8)
    """Ways to the broker, the preferred first; fail-over goes down the list. Empty: one, named primary."""
    strategies: tuple[StrategyConfig, ...] = ()
    """The strategies that run."""

    @model_validator(mode="after")
    def _sentinel_waits_for_the_loop(self) -> EngineConfig:
        if self.sentinel.after < 100 * self.risk_period:
            raise ValueError(
                f"sentinel.after: {self.sentinel.after:g} s is less than a hundred rounds of the risk loop; "
                f"make it {100 * self.risk_period:g} or more, or risk_period shorter"
            )
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> EngineConfig:
        names = [s.name for s in self.strategies]
        twice = {n for n in names if names.count(n) > 1}
        if twice:
            raise ValueError(
                f"strategies: names must differ; {', '.join(sorted(twice))} is there more than once"
            )
        ways = [c.name for c in self.connections]
        twice = {n for n in ways if ways.count(n) > 1}
        if twice:
            raise ValueError(
                f"connections: names must differ; {', '.join(sorted(twice))} is there more than once"
            )
        return self
