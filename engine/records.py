"""What the journal holds: one immutable record for all that was asked, decided, sent, heard and changed.

The engine's state is a fold over these records (`engine.books`); replaying them gives the same state again.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

import msgspec

from engine.alerts import Alert
from engine.control.commands import AnyCommand
from engine.facts import AnyFact
from engine.model import Instrument, Order, Replace, Side
from engine.record import Record
from engine.records_sentinel import OrderImported, SentinelImported, SentinelNote
from engine.risk.override import Override


class RunStarted(Record, frozen=True, tag="run_started"):
    install: str
    run: int
    mode: str
    account: str
    broker: str
    feed: str = ""
    stage: str = "paper"
    """How far this trader has come: paper, shadow, pilot or live."""
    real_time: bool = False
    """Engine time ran as the host's did: only such a run counts as days served."""
    boot: str = ""
    """Which start of the host this was, by its kernel; empty where it does not say, and in virtual time."""
    uptime: int = 0
    """ns since that start, time asleep included: a clock that nobody sets."""
    instruments: tuple[Instrument, ...] = ()
    """What was listed: prices in the rows are ticks of these."""


class GateOverridden(Record, frozen=True, tag="gate_overridden"):
    """A person started a stage although its gate was not met."""

    stage: str
    missing: tuple[str, ...]
    typed: str
    who: str


class RunEnded(Record, frozen=True, tag="run_ended"):
    reason: str
    flat: bool
    complete: bool = False
    """A recording was delivered to its end; the next run with it starts afresh."""


class OrderStored(Record, frozen=True, tag="order"):
    """An approved order, before it is sent."""

    order: Order


class ChildrenHeld(Record, frozen=True, tag="children"):
    """Protective orders of an entry whose bracket the engine works: they wait for its fills, on these terms.
    Each is stored as an order when it is released."""

    orders: tuple[Order, ...]


class ReplaceStored(Record, frozen=True, tag="replace"):
    replace: Replace


class Refused(Record, frozen=True, tag="refused"):
    """An order that the gate refused; nothing was sent."""

    order: Order
    control: str
    reason: str


class ReplaceRefused(Record, frozen=True, tag="replace_refused"):
    """A change that was not asked of the broker, or came to nothing, with the reason."""

    replace: Replace
    control: str
    reason: str


class ReplaceWaits(Record, frozen=True, tag="replace_waits"):
    """A change by cancel-then-new: the new order follows when the cancel is confirmed."""

    replace: Replace


class Sent(Record, frozen=True, tag="sent"):
    """Something was handed to the adapter; `arm` and `disarm` of the venue's switch are no order's."""

    order_id: str
    what: Literal["submit", "cancel", "replace", "arm", "disarm"]
    replace_id: str = ""


class NotSentNote(Record, frozen=True, tag="not_sent"):
    """It is certain that nothing left; the order (or the change) is off."""

    order_id: str
    what: Literal["submit", "cancel", "replace"]
    reason: str
    replace_id: str = ""
    stored: bool = True
    """False: not even the order is on disk. It was none, here as in a replay."""


class Unanswered(Record, frozen=True, tag="unanswered"):
    """No answer in time: the outcome is not known, the broker is being asked."""

    order_id: str
    what: Literal["submit", "cancel", "replace", "query"]


class LinkLost(Record, frozen=True, tag="link_lost"):
    """The session broke: all that was in flight is in doubt. The rest says what it left behind."""

    reason: str
    connection: str = ""
    working: tuple[str, ...] = ()
    """Our open orders."""
    in_flight: tuple[str, ...] = ()
    """Those of them that were unanswered."""
    positions: dict[str, int] = msgspec.field(default_factory=dict)
    """Executed positions, signed lots."""


class LinkRestored(Record, frozen=True, tag="link_restored"):
    """The session is usable again, over this connection; `down_for` in ns. Nothing is reconciled yet."""

    connection: str
    attempts: int
    down_for: int


class LostOrder(Record, frozen=True, tag="lost"):
    """The broker said more than once that it has no such order, and no execution of it exists."""

    order_id: str
    reason: str


class LostReplace(Record, frozen=True, tag="lost_replace"):
    """Answers over `orders.lost_after` showed the order without these changes: they are given up."""

    order_id: str
    replace_ids: tuple[str, ...]


class SentAgain(Record, frozen=True, tag="sent_again"):
    """A lost order, or a protective one that waits since an earlier run, goes to the gate under a new id."""

    lost: str
    order_id: str


class FactTaken(Record, frozen=True, tag="fact"):
    """A report from outside, as it came."""

    fact: AnyFact
    source: str = "stream"
    """`stream`, or the query that brought it."""


class Intended(Record, frozen=True, tag="intended"):
    """A strategy declared a target position (signed lots; None takes it back)."""

    strategy: str
    symbol: str
    lots: int | None


class Halted(Record, frozen=True, tag="halted"):
    """No opening orders until a person resets it."""

    scope: Literal["account", "instrument", "strategy"]
    target: str
    code: str
    reason: str


class HaltReset(Record, frozen=True, tag="halt_reset"):
    scope: Literal["account", "instrument", "strategy"]
    target: str
    who: str


class HoldEnded(Record, frozen=True, tag="hold_ended"):
    """A comparison with the broker that began after the hold has agreed on its instrument."""

    symbol: str


class ControlTripped(Record, frozen=True, tag="control_tripped"):
    control: str
    scope: str
    action: str
    detail: str


class ControlReset(Record, frozen=True, tag="control_reset"):
    control: str
    scope: str
    who: str


class DayOpened(Record, frozen=True, tag="day_opened"):
    """Start of a trading day: what its loss is measured from."""

    trading_day: str
    opening_equity: Decimal
    baseline: Decimal
    """Profit since the journal began, at that moment, account currency."""
    strategies: dict[str, Decimal] = msgspec.field(default_factory=dict)
    """The same for each strategy's part."""
    why: str = "session"
    broker_pnl: Decimal | None = None
    """The broker's own profit of the day at that moment, account currency, where his day had begun before."""


class PeakSeen(Record, frozen=True, tag="peak"):
    """The day's highest equity so far, noted now and then so that a restart keeps the drawdown."""

    equity: Decimal


class CommandTaken(Record, frozen=True, tag="command"):
    command: AnyCommand
    who: str


class CommandAnswered(Record, frozen=True, tag="answer"):
    ok: bool
    text: str


class LimitsChanged(Record, frozen=True, tag="limits"):
    version: int
    who: str
    changes: tuple[tuple[str, str, str], ...]
    """(key, old, new)."""
    overrides: dict[str, Override] = msgspec.field(default_factory=dict)
    """All figures that stand in the place of the file's from now on, by key."""


class FindingSeen(Record, frozen=True, tag="finding"):
    code: str
    severity: str
    symbol: str
    order_id: str
    text: str
    action: str


class AlertRaised(Record, frozen=True, tag="alert"):
    alert: Alert


class AlertAcknowledged(Record, frozen=True, tag="alert_ack"):
    id: int | None
    who: str


class AlertCleared(Record, frozen=True, tag="alert_cleared"):
    """What the standing alarms of this code and symbol tell of is over."""

    code: str
    symbol: str = ""


class AlertShelved(Record, frozen=True, tag="alert_shelved"):
    """An alarm keeps still until then, UTC ns; at once again with a time that is past."""

    id: int
    until: int
    reason: str
    who: str


class KillBegan(Record, frozen=True, tag="kill_began"):
    """`targets`: signed lots to reach per symbol; empty with `symbol` None means everything to zero."""

    reason: str
    """For a person, where one asked: who it was and why."""
    symbol: str | None
    flatten: bool
    who: str = ""
    """The person who asked for it; empty: the engine itself did."""
    latch: bool = True
    """False at the end of a run: everything is closed, nothing stays halted."""
    targets: dict[str, int] = msgspec.field(default_factory=dict)


class KillStep(Record, frozen=True, tag="kill_step"):
    text: str


class KillEnded(Record, frozen=True, tag="kill_ended"):
    flat: bool
    verdict: str


class StrategyChanged(Record, frozen=True, tag="strategy"):
    name: str
    state: str
    reason: str


class StrategyRestarted(Record, frozen=True, tag="strategy_again"):
    """One that had failed is started again by its restart policy."""

    name: str


class StrategySaved(Record, frozen=True, tag="saved"):
    """A strategy's own variables, as JSON; they are handed back when it is started again."""

    name: str
    saved: str


class Adopted(Record, frozen=True, tag="adopted"):
    """The broker's position was taken over without an execution: signed lots to add, price in ticks."""

    symbol: str
    signed: int
    price: int
    who: str


class Claimed(Record, frozen=True, tag="claimed"):
    broker_id: str
    strategy: str
    who: str


class Transferred(Record, frozen=True, tag="transferred"):
    """Two strategies' opposite intentions met inside; no order was needed."""

    symbol: str
    seller: str
    buyer: str
    lots: int
    price: int


class RollStarted(Record, frozen=True, tag="roll_started"):
    """A position is rolled from one contract month to another. `roll`: the correlation id that its orders
    carry; `side`: of the orders that close `source`; `within` in ticks beyond the far touch."""

    roll: str
    source: str
    target: str
    side: Side
    lots: int
    within: int
    who: str


class RollEnded(Record, frozen=True, tag="roll_ended"):
    """Nothing of a roll can execute any more. `closed`, `opened`: lots that its legs have executed."""

    roll: str
    outcome: Literal["rolled", "part", "half"]
    closed: int
    opened: int
    text: str


AnyRecord = (
    RunStarted
    | GateOverridden
    | RunEnded
    | OrderStored
    | ChildrenHeld
    | ReplaceStored
    | Refused
    | ReplaceRefused
    | ReplaceWaits
    | Sent
    | NotSentNote
    | Unanswered
    | LinkLost
    | LinkRestored
    | LostOrder
    | LostReplace
    | SentAgain
    | FactTaken
    | Intended
    | Halted
    | HaltReset
    | HoldEnded
    | ControlTripped
    | ControlReset
    | DayOpened
    | PeakSeen
    | CommandTaken
    | CommandAnswered
    | LimitsChanged
    | FindingSeen
    | AlertRaised
    | AlertAcknowledged
    | AlertCleared
    | AlertShelved
    | KillBegan
    | KillStep
    | KillEnded
    | StrategyChanged
    | StrategyRestarted
    | StrategySaved
    | Adopted
    | Claimed
    | Transferred
    | RollStarted
    | RollEnded
    | SentinelNote
    | SentinelImported
    | OrderImported
)

KINDS: Final[dict[type, str]] = {t: str(t.__struct_config__.tag) for t in AnyRecord.__args__}

_ORDINARY: Final = (
    OrderStored,
    ReplaceStored,
    Refused,
    FindingSeen,
    PeakSeen,
    RunStarted,
    SentinelNote,
    StrategySaved,
)

EMERGENCY: Final = frozenset(kind for record, kind in KINDS.items() if record not in _ORDINARY)
"""Kinds that outlive trouble with the store: taken from its reserve when the disk is full, else kept until it
can be written again. All that changes the state must be among them, or the state after a restart would not be
the one that was seen. Not so orders, which are not sent then and are dropped; replaces, which are not sent
either (the journal keeps the row of one that it refused, because reports were understood by it while it
waited); what changes nothing, the day's peak, which is noted again, and what strategies save, which would
fill the reserve."""

_decoder: Final[msgspec.json.Decoder[AnyRecord]] = msgspec.json.Decoder(AnyRecord)
_order: Final[msgspec.json.Decoder[Order]] = msgspec.json.Decoder(Order)
_replace: Final[msgspec.json.Decoder[Replace]] = msgspec.json.Decoder(Replace)


def decode(kind: str, body: str | bytes) -> AnyRecord:
    """Row → record. Raises `msgspec.ValidationError` when the body is none of this kind."""
    # Orders and replaces are stored bare: the journal writes the very request that its proof stands for.
    if kind == "order":
        return OrderStored(order=_order.decode(body))
    if kind == "replace":
        return ReplaceStored(replace=_replace.decode(body))
    return _decoder.decode(body)
