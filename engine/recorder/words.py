"""Every record of the journal as one sentence for a person; prices and sizes as quoted where known."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from engine import facts, records
from engine.control.wording import worded
from engine.core import utc_text
from engine.facts import AnyFact
from engine.model import NS, Fill, Instrument, Order, Purpose, Replace, Side
from engine.records import AnyRecord
from engine.records_sentinel import OrderImported, SentinelImported, SentinelNote

_VERB: Final = {Side.BUY: "buy", Side.SELL: "sell"}
_PAST: Final = {Side.BUY: "bought", Side.SELL: "sold"}
_SENT: Final = {
    "submit": "sent to the broker",
    "cancel": "cancel sent",
    "replace": "change sent",
    "arm": "the venue is told to cancel all unless the engine says so again and again",
    "disarm": "the venue is told not to cancel by itself",
}


class Words:
    """Knows the instruments; without one, prices are ticks and sizes lots, and that is said."""

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self._known = {i.symbol: i for i in instruments}

    # -- figures

    def price(self, symbol: str, ticks: int | None) -> str:
        """Ticks as a price."""
        if ticks is None:
            return "-"
        known = self._known.get(symbol)
        return f"{ticks} ticks" if known is None else f"{known.price(ticks):f}"

    def size(self, symbol: str, lots: int) -> str:
        """Lots as a size."""
        known = self._known.get(symbol)
        if known is None or known.lot == 1:
            return f"{lots:,d}"
        return f"{known.size(lots):,f}"

    def average(self, symbol: str, ticks: Decimal | None) -> str:
        """A price between ticks."""
        if ticks is None:
            return "-"
        known = self._known.get(symbol)
        value = ticks if known is None else ticks * known.tick
        text = f"{value.quantize(Decimal('0.0001')).normalize():f}"
        return f"{text} ticks" if known is None else text

    def order(self, order: Order) -> str:
        """An order's terms: `buy 5 ES at 6000.25 limit, DAY`."""
        terms = f"{_VERB[order.side]} {self.size(order.symbol, order.qty)} {order.symbol}"
        if order.limit is not None:
            terms += f" at {self.price(order.symbol, order.limit)}"
        if order.stop is not None:
            terms += f", stop {self.price(order.symbol, order.stop)}"
        kind = {"MKT": "market", "LMT": "limit", "STP": "stop", "STL": "stop limit"}[str(order.type)]
        flags = [kind, str(order.tif)]
        flags += ["reduce only"] if order.reduce_only else []
        flags += ["post only"] if order.post_only else []
        flags += [str(order.purpose)] if order.purpose is not Purpose.TRADE else []
        return f"{terms} ({', '.join(flags)})"

    def fill(self, fill: Fill) -> str:
        """An execution: `bought 2 ES at 6000.25 (E12)`."""
        return (
            f"{_PAST[fill.side]} {self.size(fill.symbol, fill.qty)} {fill.symbol} at "
            f"{self.price(fill.symbol, fill.price)}, execution {fill.key.exec_id}"
        )

    # -- records

    def record(self, record: AnyRecord, symbol: str = "") -> str:
        """What the row says. `symbol`: of the order that it is about, for its prices."""
        match record:
            case records.RunStarted(run=run, mode=mode, broker=broker, feed=feed, account=account):
                return f"run {run} starts: {mode}, account {account} at {broker}" + (
                    f", data {feed}" if feed else ""
                )
            case records.GateOverridden(stage=stage, missing=missing, who=who):
                return f"{who} overrides the gate of stage {stage}, which lacks: {'; '.join(missing)}"
            case records.RunEnded(reason=reason, flat=flat):
                return f"the run ends ({reason}), {'flat' if flat else 'with positions open'}"
            case records.OrderStored(order=order):
                return f"{order.strategy} orders: {self.order(order)}; on disk before it is sent"
            case records.ChildrenHeld(orders=orders):
                return f"protection waits for its fills: {'; '.join(map(self.order, orders))}"
            case records.ReplaceStored(replace=replace):
                return f"a change is on disk: {self._terms(replace, symbol)}"
            case records.Refused(order=order, control=control, reason=reason):
                return f"the gate refuses to {self.order(order)}: {control}: {reason}"
            case records.Sent(what=what):
                return _SENT[what]
            case records.NotSentNote(what=what, reason=reason):
                return f"{what} was not sent: {reason}"
            case records.Unanswered(what=what):
                return f"no answer to the {what} in time: UNKNOWN, counted as exposure, the broker is asked"
            case records.LinkLost(reason=reason):
                return f"all that was in flight is in doubt: {reason}"
            case records.LostOrder(reason=reason):
                return f"given up as lost: {reason}"
            case records.LostReplace(replace_ids=ids):
                return f"change given up as lost: {', '.join(ids)}"
            case records.FactTaken(fact=fact, source=source):
                told = self.fact(fact, symbol)
                return told if source == "stream" else f"{told} (answer to the {source} query)"
            case records.Intended(strategy=strategy, symbol=about, lots=lots):
                aim = "nothing any more" if lots is None else f"{self.size(about, lots)} {about}"
                return f"{strategy} wants to hold {aim}"
            case records.Halted(scope=scope, target=target, reason=reason):
                return f"HALT of {target or 'the account'} ({scope}): {reason}"
            case records.HaltReset(target=target, who=who):
                return f"{who} lifts the halt of {target or 'the account'}"
            case records.HoldEnded(symbol=symbol):
                return f"{symbol} is no longer held: the broker agrees with our books"
            case records.ControlTripped(control=control, scope=scope, action=action, detail=detail):
                where = f" for {scope}" if scope else ""
                return f"limit {control}{where} trips: {detail}; it will {action}"
            case records.ControlReset(control=control, who=who):
                return f"{who} resets {control}"
            case records.DayOpened(trading_day=day, opening_equity=equity, why=why):
                return f"trading day {day} opens at {equity:,.2f} ({why})"
            case records.PeakSeen(equity=equity):
                return f"highest equity of the day: {equity:,.2f}"
            case records.CommandTaken(command=command, who=who):
                return f"{who} commands: {worded(command)}"
            case records.CommandAnswered(ok=ok, text=text):
                return f"answer: {text}" if ok else f"answer: NO, {text}"
            case records.LimitsChanged(version=version, who=who, changes=changes):
                listed = ", ".join(f"{key} {old} → {new}" for key, old, new in changes)
                return f"{who} changes the limits to version {version}: {listed}"
            case records.FindingSeen(code=code, text=text, action=action):
                return f"comparison with the broker: {code}: {text}; {action}"
            case records.AlertRaised(alert=alert):
                return f"ALARM {alert.id} ({alert.severity}) {alert.code}: {alert.text}"
            case records.AlertAcknowledged(id=alert_id, who=who):
                return f"{who} acknowledges {'all alarms' if alert_id is None else f'alarm {alert_id}'}"
            case records.AlertCleared(code=code, symbol=about):
                return f"what alarms {' '.join(filter(None, (code, about)))} tell of is over"
            case records.AlertShelved(id=alert_id, until=until, reason=reason, who=who):
                return f"{who} shelves alarm {alert_id} until {utc_text(until)}: {reason or 'no longer'}"
            case records.KillBegan(reason=reason, symbol=about, flatten=flatten, targets=targets):
                name = "kill and flatten" if flatten else "kill"
                aim = f" down to {targets}" if targets else ""
                return f"{name} begins for {about or 'everything'}{aim}: {reason}"
            case records.KillStep(text=text):
                return f"kill: {text}"
            case records.KillEnded(verdict=verdict):
                return f"kill ends: {verdict}"
            case records.StrategyChanged(name=name, state=state, reason=reason):
                return f"strategy {name} is {state}" + (f": {reason}" if reason else "")
            case records.StrategyRestarted(name=name):
                return f"strategy {name} is started again by its restart policy"
            case records.StrategySaved(name=name, saved=saved):
                return f"strategy {name} saves {saved if len(saved) <= 200 else f'{len(saved):,} characters'}"
            case records.Adopted(symbol=about, signed=signed, price=price, who=who):
                return f"{who} adopts {signed:+d} lots {about} at {self.price(about, price)} from the broker"
            case records.Claimed(broker_id=broker_id, strategy=strategy, who=who):
                return f"{who} gives the order {broker_id} to {strategy}"
            case records.ReplaceRefused(control=control, reason=reason):
                return f"the change comes to nothing: {control}: {reason}"
            case records.ReplaceWaits(replace=replace):
                return f"the change to {self._terms(replace, symbol)} waits for the cancel of the old order"
            case records.LinkRestored(connection=connection, down_for=down_for):
                return f"the link is usable again by {connection}, after {down_for / NS:.1f} s"
            case records.SentAgain(lost=before, order_id=again):
                return f"what was {before} goes to the gate under a new id, as {again}"
            case records.RollStarted(source=source, target=target, lots=lots, within=within, who=who):
                size = self.size(source, lots)
                return f"{who} rolls {size} {source} to {target}, within {within} ticks of the touch"
            case records.RollEnded(text=text):
                return f"the roll is over: {text}"
            case records.Transferred(symbol=about, seller=seller, buyer=buyer, lots=lots, price=price):
                moved = f"{self.size(about, lots)} {about} at {self.price(about, price)}"
                return f"{seller} hands {moved} to {buyer} inside; no order was needed"
            case SentinelNote(event=event, text=text):
                return f"sentinel, {event}: {text}"
            case SentinelImported(seq=seq, text=text):
                return f"what the sentinel did is taken over, up to its row {seq}: {text}"
            case OrderImported(order=order):
                return f"the sentinel had stored {self.order(order)}"

    def fact(self, fact: AnyFact, symbol: str = "") -> str:
        """What the broker said."""
        match fact:
            case facts.Executed(fill=fill):
                return f"the broker reports a fill: {self.fill(fill)}"
            case facts.Busted(key=key):
                return f"the broker takes execution {key.exec_id} back (bust)"
            case facts.Corrected(key=key, fill=fill):
                return f"the broker corrects execution {key.exec_id}: {self.fill(fill)}"
            case facts.Acknowledged(broker_id=broker_id):
                return f"the broker acknowledges it as {broker_id}" if broker_id else "acknowledged"
            case facts.Rejected(reason=reason):
                return f"the broker rejects it: {reason}"
            case facts.PendingCancel():
                return "the broker works on the cancel"
            case facts.Canceled(reason=reason, unsolicited=unsolicited, cum=cum):
                own = "the broker cancels it by itself" if unsolicited else "cancelled"
                filled = f", {cum} lots filled by its count" if cum else ""
                return own + (f": {reason}" if reason else "") + filled
            case facts.CancelRejected(reason=reason):
                return f"the broker refuses the cancel: {reason}"
            case facts.PendingReplace():
                return "the broker works on the change"
            case facts.Replaced(qty=qty, limit=limit):
                return f"changed: {self.size(symbol, qty)} at {self.price(symbol, limit)}"
            case facts.ReplaceRejected(reason=reason):
                return f"the broker refuses the change: {reason}"
            case facts.Expired(reason=reason):
                return "expired" + (f": {reason}" if reason else "")
            case facts.DoneForDay():
                return "done for the day"
            case facts.Suspended():
                return "suspended by the broker"
            case facts.Released():
                return "released by the broker"
            case facts.Restated(qty=qty, limit=limit, reason=reason):
                terms = f"{self.size(symbol, qty)} at {self.price(symbol, limit)}"
                return f"the broker restates it: {terms}" + (f" ({reason})" if reason else "")
            case facts.Triggered():
                return "the stop is triggered"
            case facts.OrderReport(status=status, cum=cum, leaves=leaves):
                return f"the broker says: {status}, {cum} filled, {leaves} left"
            case facts.OrderNotFound():
                return "the broker says that it has no such order"
            case facts.Listed(names=names):
                listed = ", ".join(f"{self.size(symbol, lots)} as {name}" for name, lots in names)
                return f"the broker works under its id {listed or 'no more than this one'}"
            case facts.ForeignOrder(broker_id=broker_id, symbol=about, side=side, qty=qty, status=status):
                terms = f"{_VERB[side]} {self.size(about, qty)} {about}"
                return f"an order placed elsewhere: {broker_id}, {terms}, {status}"
            case facts.LinkUp():
                return "the link to the broker is up"
            case facts.LinkDown(reason=reason):
                return f"the link to the broker is DOWN: {reason}"
            case facts.Gap(reason=reason):
                return f"reports may be missing: {reason}"
            case facts.MarketStateChanged(symbol=about, state=state):
                return f"market of {about} is {state}"
            case facts.BrokerNotice(code=code, text=text):
                return f"the broker says {code}: {text}"

    def _terms(self, replace: Replace, symbol: str) -> str:
        terms = f"{self.size(symbol, replace.qty)}"
        if replace.limit is not None:
            terms += f" at {self.price(symbol, replace.limit)}"
        if replace.stop is not None:
            terms += f", stop {self.price(symbol, replace.stop)}"
        return terms
