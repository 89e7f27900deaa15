"""The engine's whole state, as a fold over the journal's records.

`Books.apply` is the only place where state changes, in a running engine as in recovery, so replaying the same
records gives the same state (`digest`). What follows from a change (sending, alarming, telling strategies) is
the engine's business; it reads it off the returned `Applied`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from engine import attribution
from engine import lifecycle_types as life
from engine.alerts import AlertBook
from engine.applied import Applied as Applied
from engine.config import EngineConfig
from engine.daystart import DayStart
from engine.facts import (
    AnyFact,
    Busted,
    Corrected,
    Executed,
    ForeignOrder,
    OrderFact,
)
from engine.halts import Halt, HaltBook
from engine.halts_called import called_for
from engine.holds import HoldBook
from engine.lifecycle_types import OrderEvent, Request
from engine.model import FLATTENER, ExecutionKey, Fill, Instrument, Side
from engine.orders import FOREIGN, OrderBook
from engine.orders_record import OrderRecord, Outcome
from engine.positions import Attribution, Position, PositionBook
from engine.records import (
    Adopted,
    AlertAcknowledged,
    AlertCleared,
    AlertRaised,
    AlertShelved,
    AnyRecord,
    ChildrenHeld,
    Claimed,
    ControlReset,
    ControlTripped,
    DayOpened,
    FactTaken,
    Halted,
    HaltReset,
    HoldEnded,
    Intended,
    KillBegan,
    KillEnded,
    LimitsChanged,
    LinkLost,
    LinkRestored,
    LostOrder,
    LostReplace,
    NotSentNote,
    OrderStored,
    PeakSeen,
    ReplaceStored,
    RollEnded,
    RollStarted,
    RunEnded,
    RunStarted,
    Sent,
    SentAgain,
    StrategyChanged,
    StrategyRestarted,
    StrategySaved,
    Transferred,
    Unanswered,
)
from engine.records_notes import NOTES
from engine.records_sentinel import OrderImported, SentinelImported
from engine.risk.override import Override
from engine.roll import RollBook
from engine.strategy.netting import needs

NET: Final = "net"
"""Strategy name of orders that serve the netted intentions of several strategies."""
EXTERNAL: Final = FOREIGN
"""Owner of executions that no order of ours explains."""
RESTARTS_KEPT: Final = 100
"""Restarts of a strategy that are remembered: the most that its policy may count."""
_ONE: Final = Decimal(1)


class Books:
    """Orders, positions, halts, the day, alerts."""

    def __init__(self, config: EngineConfig, instruments: Iterable[Instrument]) -> None:
        self.config = config
        self.instruments: dict[str, Instrument] = {i.symbol: i for i in instruments}
        self.orders = OrderBook(config.orders, config.account)
        self.positions = PositionBook()
        self.halts = HaltBook()
        self.holds = HoldBook()
        self.alerts = AlertBook()
        self.rolls = RollBook()
        self.day: DayOpened | None = None
        self.day_start: DayStart | None = None
        self.peak: Decimal | None = None
        self.run: RunStarted | None = None
        self.ended: RunEnded | None = None
        self.kills: tuple[KillBegan, ...] = ()
        """What was asked of the emergency procedure that has not ended, in order."""
        self.stops = 0
        """Halts of the account, and kills: also those that found it halted, and one instrument's."""
        self.sentinel: SentinelImported | None = None
        """Up to where the sentinel's journal has been taken over."""
        self.armed = False
        """The venue's switch was armed last, by this run or an earlier one."""
        self.tripped: dict[tuple[str, str], ControlTripped] = {}
        self.limits_version = 1
        self.overrides: dict[str, Override] = {}
        """Limits that were set while it ran, by key below [risk]."""
        self.strategies: dict[str, StrategyChanged] = {}
        self.restarts: dict[str, tuple[int, ...]] = {}
        """When each strategy was started again by itself, UTC ns, the newest at the end."""
        self.saved: dict[str, str] = {}
        """Own variables of each strategy, as JSON."""
        self.behind_orders: dict[str, dict[str, int]] = {}
        """By netted order: which strategies needed how much of it when it was made."""
        self.last_execution = 0
        """Venue time of the newest execution, ns."""
        self.symbol_touched: dict[str, int] = {}
        """Engine time of the last report on an order or execution by symbol, ns."""
        self.versions: dict[str, int] = {}
        """Counts changes of orders and positions by symbol."""
        self.version = 0
        """Counts records."""
        self.figures = 0
        """Counts those records of which a figure of risk may become another one."""
        self.symbols_version = 0
        self.strategy_baseline: dict[str, Decimal] = {}
        """Each strategy's profit at the start of the trading day, account currency."""
        self.last_fill: dict[str, int] = {}
        """Venue time of the newest execution by symbol, ns."""
        self.last_ts = 0
        self.fills = 0

    def _touch(self, symbol: str, ts: int) -> None:
        if symbol not in self.symbol_touched:
            self.symbols_version += 1
        self.symbol_touched[symbol] = ts
        self.versions[symbol] = self.versions.get(symbol, 0) + 1

    # -- the fold

    def apply(self, record: AnyRecord, ts: int) -> Applied:
        """Changes the state by one record. Never raises for a record that the engine wrote."""
        self.last_ts = ts
        self.version += 1
        if type(record) in NOTES:
            return self._noted(record)
        self.figures += 1
        match record:
            case FactTaken(fact=fact):
                return self._fact(fact, ts)
            case Sent():
                return self._sent(record, ts)
            case OrderStored(order=order) | OrderImported(order=order):
                made = self.orders.release(order, ts) or self.orders.add(order, ts)
                if order.strategy == NET:
                    intended = self.positions.get(order.symbol).intended
                    theirs = attribution.declared(self.positions, order.symbol)
                    self.behind_orders[order.id] = needs(order.side, intended, theirs)
                self.rolls.stored(order)
                self._touch(order.symbol, ts)
                return Applied(made)
            case ChildrenHeld(orders=orders):
                for child in orders:
                    if self.orders.rehold(child, ts) is None:
                        self.orders.add(child, ts, held=True)
                    self._touch(child.symbol, ts)
            case SentAgain(lost=waited, order_id=order_id):
                renamed = self.orders.rename(waited, order_id, ts)
                if renamed is not None:
                    self._touch(renamed.order.symbol, ts)
                return Applied(renamed, changed=renamed is not None)
            case ReplaceStored(replace=replace):
                return self._event(replace.order_id, life.ReplaceSent(replace=replace), ts)
            case NotSentNote(order_id=order_id, what=what, reason=reason, replace_id=replace_id):
                event = life.NotSent(reason=reason, what=Request(what), replace_id=replace_id or None)
                applied = self._halting(self._event(order_id, event, ts), ts)
                if not record.stored:
                    self.orders.drop(order_id)
                return applied
            case Unanswered(order_id=order_id, what=what):
                return self._event(order_id, life.Unanswered(what=Request(what)), ts)
            case LostOrder(order_id=order_id, reason=reason):
                return self._event(order_id, life.Lost(reason=reason), ts)
            case LostReplace(order_id=order_id, replace_ids=ids):
                return self._halting(self._event(order_id, life.ReplacesLost(ids=ids), ts), ts)
            case LinkLost(reason=reason):
                for open_order in self.orders.at_venue():
                    self.orders.apply(open_order.order.id, life.LinkLost(reason=reason), ts)
            case Intended(strategy=strategy, symbol=symbol, lots=lots):
                self.positions.intend(strategy, symbol, lots)
            case Transferred(symbol=symbol, seller=seller, buyer=buyer, lots=lots, price=price):
                self.positions.transfer(symbol, seller, buyer, lots, price)
            case Halted(scope=scope, target=target, code=code, reason=reason):
                self.stops += scope == "account" and not target
                return Applied(
                    changed=self.halts.latch(
                        Halt(scope=scope, target=target, code=code, reason=reason, ts=ts)
                    )
                )
            case LinkRestored():
                for code in ("link_down", "connect", "link_error"):
                    self.alerts.clear(code)
            case HaltReset(scope=scope, target=target):
                if (halt := self.halts.get(scope, target)) is not None:
                    # The kill's alarm is called `halt`, those of other halts are called as what halted; a
                    # trade of somebody else's is told of as well.
                    codes = ("halt", "operator_halt") if halt.code == "kill" else (halt.code,)
                    for code in (*codes, "foreign_fill"):
                        self.alerts.clear(code, target)
                if scope == "account" and not target:
                    # The person who lifts the halt has decided what becomes of an unfinished procedure.
                    self.kills = ()
                held = scope == "instrument" and self.holds.end(target)
                return Applied(changed=self.halts.reset(scope, target) or held)
            case HoldEnded(symbol=symbol):
                return Applied(changed=self.holds.end(symbol))
            case ControlTripped(control=control, scope=scope):
                self.stops += record.action == "kill"
                self.tripped[(control, scope)] = record
            case ControlReset(control=control, scope=scope):
                self.tripped.pop((control, scope), None)
                self.alerts.clear(control, scope if scope in self.instruments else "")
            case AlertCleared(code=code, symbol=symbol):
                return Applied(changed=self.alerts.clear(code, symbol) > 0)
            case AlertShelved(id=number, until=until, reason=reason):
                return Applied(changed=self.alerts.shelve(number, until, reason))
            case KillBegan(symbol=symbol):
                self.stops += symbol is None
                self.kills = (*self.kills, record)
            case KillEnded(flat=flat):
                self.kills = ()
                for code in ("kill_error", "kill_resumed", *(("not_flat",) if flat else ())):
                    self.alerts.clear(code)
            case Adopted(symbol=symbol, signed=signed, price=price):
                self.positions.adjust(symbol, signed, price, EXTERNAL)
                self._held_less(symbol)
                self._touch(symbol, ts)
            case Claimed(broker_id=broker_id, strategy=strategy):
                claimed = self.orders.claim(broker_id, strategy)
                if claimed is not None:
                    self._strangers(claimed.order.symbol)
                    self._touch(claimed.order.symbol, ts)
                return Applied(claimed, changed=claimed is not None)
            case DayOpened():
                self.day = record
                self.day_start = DayStart(self.positions)
                self.peak = record.opening_equity
                self.strategy_baseline = dict(record.strategies)
                self.alerts.clear("day")
            case PeakSeen(equity=equity):
                self.peak = equity
            case LimitsChanged(version=version, overrides=overrides):
                self.limits_version, self.overrides = version, overrides
            case StrategyChanged(name=name):
                self.strategies[name] = record
                if all(known.state not in ("failed", "stopped") for known in self.strategies.values()):
                    self.alerts.clear("strategy")
            case StrategyRestarted(name=name):
                self.restarts[name] = (*self.restarts.get(name, ()), ts)[-RESTARTS_KEPT:]
            case StrategySaved(name=name, saved=saved):
                self.saved[name] = saved
            case RunStarted():
                self.run, self.ended = record, None
                self.alerts.clear("feed")  # a run begins with one that works
            case RunEnded():
                self.ended = record
            case RollStarted():
                self.rolls.start(record)
            case RollEnded():
                self.rolls.end(record)
            case SentinelImported():
                self.sentinel = record
            case _:
                return Applied(changed=False)
        return Applied()

    def _sent(self, sent: Sent, ts: int) -> Applied:
        match sent.what:
            case "submit":
                return self._event(sent.order_id, life.Sent(), ts)
            case "cancel":
                return self._event(sent.order_id, life.CancelSent(), ts)
            case "arm" | "disarm":
                self.armed = sent.what == "arm"
                return Applied()
        return Applied(self.orders.get(sent.order_id), changed=False)

    def _noted(self, record: AnyRecord) -> Applied:
        match record:
            case AlertRaised(alert=alert):
                self.alerts.add(alert)
                return Applied()
            case AlertAcknowledged(id=alert_id):
                return Applied(changed=self.alerts.acknowledge(alert_id) > 0)
        return Applied(changed=False)

    def _strangers(self, symbol: str) -> None:
        """The alarm of orders placed elsewhere is over once none works in the instrument."""
        if not any(r.foreign and r.order.strategy == EXTERNAL for r in self.orders.working(symbol)):
            self.alerts.clear("foreign_order", symbol)

    def _event(self, order_id: str, event: OrderEvent, ts: int) -> Applied:
        outcome = self.orders.apply(order_id, event, ts)
        record = outcome.record
        if record is None or outcome.before is None:
            return Applied(None, outcome.anomalies, changed=False)
        self._touch(record.order.symbol, ts)
        return Applied(record, outcome.anomalies, was_closed=outcome.before.is_closed)

    def _fact(self, fact: AnyFact, ts: int) -> Applied:
        applied = self._report(fact, ts)
        if applied.fill is not None and applied.anomalies:
            self.holds.begin(applied.fill.symbol, applied.anomalies, ts)
        return self._halting(applied, ts)

    def _halting(self, applied: Applied, ts: int) -> Applied:
        """Latches the halts of an instrument that the surprises call for: with what told of them, so that no
        crash comes between the two."""
        for halt in called_for(applied, ts):
            applied.halted = self.halts.latch(halt)
        return applied

    def _report(self, fact: AnyFact, ts: int) -> Applied:
        match fact:
            case Executed(fill=fill):
                return self._execution(fill, ts)
            case OrderFact(order_id=order_id):
                return self._event(order_id, fact, ts)
            case Busted(key=key):
                return self._busted(key, ts)
            case Corrected(key=key, fill=fill):
                return self._corrected(key, fill, ts)
            case ForeignOrder():
                self._touch(fact.symbol, ts)
                record, anomalies = self.orders.foreign(fact, ts)
                self._strangers(fact.symbol)
                return Applied(record, anomalies)
            case _:
                return Applied(changed=False)

    def _held_less(self, symbol: str) -> None:
        """A position has changed: of one that is flat no stop or target is missing."""
        if not self.positions.qty(symbol):
            for code in ("unprotected", "no_target", "overclosed"):
                self.alerts.clear(code, symbol)

    def _execution(self, fill: Fill, ts: int) -> Applied:
        known = self.orders.get(fill.order_id) if fill.order_id else None
        was_closed = known is not None and known.life.is_closed
        outcome = self.orders.apply_fill(fill, ts)
        if not outcome.is_new:
            return Applied(outcome.record, outcome.anomalies, changed=False, was_closed=was_closed)
        owners = self._attribution(outcome.record, fill)
        self.positions.book(fill, owners)
        self.fills += 1
        self._held_less(fill.symbol)
        self.last_execution = max(self.last_execution, fill.ts)
        self.last_fill[fill.symbol] = max(self.last_fill.get(fill.symbol, 0), fill.ts)
        self._touch(fill.symbol, ts)
        return Applied(
            outcome.record, outcome.anomalies, fill=fill, attribution=owners, was_closed=was_closed
        )

    def _busted(self, key: ExecutionKey, ts: int) -> Applied:
        outcome = self.orders.bust(key, ts)
        key = outcome.fill.key if outcome.fill is not None else key
        # The position knows executions longer than the order book does.
        symbol = self.positions.find(key) if outcome.outcome in (Outcome.NEW, Outcome.EVICTED) else None
        if symbol is not None:
            self.positions.bust(symbol, key)
            self._held_less(symbol)
            self._touch(symbol, ts)
        return Applied(outcome.record, outcome.anomalies, changed=symbol is not None, symbol=symbol or "")

    def _corrected(self, key: ExecutionKey, fill: Fill, ts: int) -> Applied:
        outcome = self.orders.correct(key, fill, ts)
        old = outcome.fill.key if outcome.fill is not None else key
        if outcome.outcome is Outcome.EARLY and outcome.new is not None:
            owners = self._attribution(outcome.record, fill)
            self.positions.book(fill, owners)
            self._touch(fill.symbol, ts)
            return Applied(
                outcome.record, outcome.anomalies, fill=fill, attribution=owners, symbol=fill.symbol
            )
        symbol = self.positions.find(old) if outcome.outcome in (Outcome.NEW, Outcome.EVICTED) else None
        if symbol is None:
            return Applied(outcome.record, outcome.anomalies, changed=False)
        owners = self.positions.owners(symbol, old)
        if sum(lots for _, lots in owners) != fill.qty:
            owners = attribution.rescaled(owners, fill.qty)
        self.positions.correct(old, symbol, fill, owners)
        self._held_less(symbol)
        self._touch(symbol, ts)
        self._touch(fill.symbol, ts)
        before = outcome.fill
        only_fee = before is not None and _traded(before) == _traded(fill)
        return Applied(outcome.record, outcome.anomalies, symbol=symbol, only_fee=only_fee)

    def _attribution(self, record: OrderRecord | None, fill: Fill) -> Attribution:
        if record is not None:
            order_id, owner = record.order.id, record.order.strategy
        else:
            # An order that left memory was somebody's all the same.
            order_id = fill.order_id or ""
            owner = self.orders.evicted_owner(order_id) or EXTERNAL
        if owner == FLATTENER or self.rolls.closes(order_id):
            return attribution.closed(self.positions, fill, owner)
        if owner != NET:
            return ((owner, fill.qty),)
        return attribution.netted(self.positions, fill, self.behind_orders.get(order_id) or {EXTERNAL: 1})

    def behind(self, order_id: str) -> tuple[str, ...]:
        """The strategies whose netted intentions an order serves; none of an order that has an owner."""
        return tuple(sorted(self.behind_orders.get(order_id, ())))

    # -- profit

    def profit(self, symbol: str, mark_twice: int | None) -> Decimal | None:
        """Realised + open − fees since the journal began, account currency; None where it cannot be known
        (no mark for a position that is held, or no exchange rate)."""
        position = self.positions.get(symbol)
        held = position.held
        instrument = self.instruments.get(symbol)
        if instrument is None:
            return Decimal(0) if held.qty == 0 and held.cash == 0 else None
        rate = self.fx(instrument.currency)
        if rate is None or (held.qty and mark_twice is None):
            return None
        half = held.total_half(mark_twice or 0)
        return (instrument.tick_value * half / 2 - held.fees) * rate

    def fx(self, currency: str) -> Decimal | None:
        """Account currency for one unit of `currency`."""
        if currency == self.config.currency:
            return _ONE
        return self.config.fx.get(currency)

    # -- comparing

    def drift(self) -> dict[str, int]:
        """Lots by symbol by which the broker's newest word differs from our executions. A word that is older
        than our last fill says nothing of now and is left out."""
        return {
            p.symbol: p.broker - p.held.qty
            for p in self.positions
            if p.broker is not None and p.broker != p.held.qty and not self.is_outdated(p)
        }

    def is_outdated(self, position: Position) -> bool:
        """Whether the broker was read before our last fill in the instrument."""
        return position.broker_as_of < self.last_fill.get(position.symbol, 0)

    def digest(self) -> str:
        """Hash over everything that must be the same after a replay of the journal."""
        parts: tuple[object, ...] = (
            self.orders.digest(),
            self.positions.state(),
            self.rolls.state(),
            self.halts.state(),
            [(hold.symbol, hold.code) for hold in self.holds.all()],
            sorted(self.tripped),
            None if self.day is None else (self.day.trading_day, str(self.day.baseline)),
            self.limits_version,
            sorted(self.overrides.items()),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def _traded(fill: Fill) -> tuple[str, Side, int, int]:
    """What was traded, whatever it cost."""
    return fill.symbol, fill.side, fill.qty, fill.price
