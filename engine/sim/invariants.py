"""What must always hold of an engine and of what the venue sees of it, checked while a simulated run goes on.

The checks trust none of the engine's sums: each is counted anew from the single orders and executions. Those
of the venue's side come in through `Truth`. A violation raises `Broken`, whose text names what is wrong.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from engine.books import Applied, Books
from engine.facts import AnyFact, Busted, Corrected, Executed, ReplaceRejected
from engine.journal import StoreState
from engine.kill_scope import Aim
from engine.model import NS, ExecutionKey, Fill, Order, Purpose, Replace, Side
from engine.orders_record import OrderRecord
from engine.positions import Position
from engine.records import (
    AnyRecord,
    DayOpened,
    FactTaken,
    HaltReset,
    KillBegan,
    KillEnded,
    NotSentNote,
    OrderStored,
    ReplaceStored,
    Sent,
)
from engine.records_notes import NOTES
from engine.sim.recount import Recount, lots_of

if TYPE_CHECKING:
    from engine.engine import Engine

CANCEL_WITHIN: Final = 20 * NS
"""Time within which a cancel that was taken has to leave, ns."""
PERSONS: Final = ("sim", "test", "operator")
"""Who may lift a halt."""


class Broken(AssertionError):
    """Something that must always hold does not. `rule` is a short, stable name."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.rule = rule


class Truth(Protocol):
    """The venue's own books, which the engine cannot see."""

    def execution(self, key: ExecutionKey) -> Fill | None:
        """The execution with this key, standing or taken back; None where there never was one."""

    def has_seen(self, order_id: str) -> bool:
        """Whether this order of ours ever reached the venue."""

    def denies(self, aim: Aim) -> str:
        """Why it was not true that this was reached when the engine last asked; empty where it was, or
        where the venue itself had said something else."""


@dataclass(slots=True)
class Counts:
    """How often each thing was looked at, so that a run in which nothing happens is seen to be one."""

    books: int = 0
    sends: int = 0
    openings: int = 0
    protections: int = 0
    """Protective orders that left behind a halt of the account."""
    flats: int = 0
    halts: int = 0


class Watch:
    """Watches one engine from its start to its death. `after` takes what is to be called as soon as the
    callback is over in which the books change: in its middle they need not agree with each other."""

    def __init__(
        self,
        engine: Engine,
        truth: Truth,
        counts: Counts,
        failed: Callable[[Broken], None],
        after: Callable[[Callable[[], None]], None],
    ) -> None:
        self._engine = self.engine = engine
        self._books = self.books = engine.core.books
        self._truth = truth
        self.failed = failed
        self.counts = counts
        self._left: deque[int] = deque()
        self._after = after
        self._due_look = False
        """The books have changed, and will be looked at."""
        self._versions: dict[str, int] = {}
        self._recount = Recount(self._books)
        self._held: dict[str, tuple[int, int, int]] = {}
        """What was held when the bookings were summed last: a sum over all of them takes its time."""
        self._day = self._books.day.trading_day if self._books.day is not None else ""
        self._halts = frozenset(self._books.halts.keys())
        """What is halted, as of the last record."""
        self._due: dict[str, int] = {}
        """Cancels that were taken and have not left: order id → monotonic ns."""
        self._asked = list(self._books.kills)
        """What was asked of the kill procedure since it ended last."""
        self._most: dict[str, dict[str, int]] = {
            record.order.id: {change.id: change.qty for change in record.life.unanswered}
            for record in self._books.orders.working()
        }
        """Lots that each replace asked for which was not refused, by order and id of the replace."""
        self._unfinished = bool(self._books.kills)
        """A kill or flatten of an earlier run is to be taken up again."""
        self._born = engine.core.clock.mono()
        self.read: Callable[[], bool] = lambda: True
        """Whether the venue has answered what is held since the line came up; who knows the line sets it."""
        self._cancel = engine.intake.cancel
        engine.intake.cancel = self._cancelled  # type: ignore[method-assign]
        self._apply = self._books.apply
        # The only way in which state changes; looked at from outside, changed in nothing.
        self._books.apply = self._applied  # type: ignore[method-assign]
        self._look_soon()

    # -- records

    def _applied(self, record: AnyRecord, ts: int) -> Applied:
        applied = self._apply(record, ts)
        if not self._due_look:
            self._look_soon()
        try:
            self._look(record, applied)
        except Broken as broken:
            # What the engine would catch must not be hidden by it.
            self.failed(broken)
            raise
        return applied

    def _look(self, record: AnyRecord, applied: Applied) -> None:
        if self._books.halts.keys() != self._halts:
            self._halted(record)
        if type(record) not in NOTES:
            self._moved(record, applied)
        if isinstance(record, DayOpened):
            self._day = record.trading_day
        elif isinstance(record, KillBegan):
            self._asked.append(record)
        lifted = isinstance(record, HaltReset) and record.scope == "account" and not record.target
        if isinstance(record, KillEnded) or lifted:
            self._asked.clear()
            self._unfinished = False

    def _halted(self, record: AnyRecord) -> None:
        """The record changed what is halted."""
        before, after = self._halts, frozenset(self._books.halts.keys())
        self._halts = after
        gone = before - after
        if gone:
            if not isinstance(record, HaltReset) or gone != {(record.scope, record.target)}:
                raise Broken("halt", f"{sorted(gone)} unlatched by {record!r}")
            if record.who.split()[0] not in PERSONS:
                raise Broken("halt", f"{sorted(gone)} unlatched by {record.who}, who is no person")
        if after - before:
            self.counts.halts += 1

    def _moved(self, record: AnyRecord, applied: Applied) -> None:
        """The record may move an order, a position or the day."""
        match record:
            case FactTaken(fact=fact):
                self._heard(fact, applied)
            case Sent(order_id=order_id, what="cancel"):
                self._due.pop(order_id, None)
            case OrderStored(order=order):
                self._approved(order, order.qty)
            case ReplaceStored(replace=change):
                self._replaced(change)
            case KillEnded():
                self._proven(record)
            case DayOpened(trading_day=day, why=why) if why in ("start", "session") and day == self._day:
                raise Broken("day", f"{day} was opened a second time ({why}): its loss is forgotten")
            case NotSentNote(order_id=order_id, what="submit") if self._truth.has_seen(order_id):
                raise Broken("not sent", f"{order_id} is noted as never sent, and it reached the venue")
            case _:
                pass

    def _heard(self, fact: AnyFact, applied: Applied) -> None:
        """The broker said something."""
        if applied.record is not None:
            self._filled(applied.record)
        if applied.fill is not None:
            self._real(applied.fill)
            self._beyond(applied)
            self._late(applied.fill, applied)
            return
        match fact:
            case ReplaceRejected(order_id=order_id, replace_id=replace_id):
                self._most.get(order_id, {}).pop(replace_id or "", None)
                self._beyond(applied)
            case Executed(fill=fill) if fill.qty > 0 and not self._books.orders.knows(fill.key):
                raise Broken("dropped", f"{fill.key.exec_id} was taken in and is nowhere: {applied!r}")
            case Busted(key=key) if self._books.positions.find(key) is not None:
                raise Broken("bust", f"{key.exec_id} was taken back by the venue and is booked still")
            case Corrected(fill=fill) if fill.qty > 0:
                self._corrected(fill)
            case _:
                pass

    def _beyond(self, applied: Applied) -> None:
        """More than was ever asked for stops its instrument in the same breath."""
        record = applied.record
        if record is None or record.foreign:
            return
        asked = max(record.order.qty, record.life.worst_qty, *self._most.get(record.order.id, {}).values())
        if record.life.cum > asked and self._books.halts.instrument(record.order.symbol) is None:
            text = f"{record.order.id} has {record.life.cum} lots of {asked}, and its instrument trades on"
            raise Broken("overfill", text)

    def _late(self, fill: Fill, applied: Applied) -> None:
        """What was executed of an order that was over, or of none that is known, holds its instrument from
        that row on. The report of an order's end may come before its executions, and counts them: lots of
        which it told are exposed until they come, and are no surprise."""
        record = applied.record
        if record is not None and (
            record.foreign or not applied.was_closed or record.life.cum <= record.life.told
        ):
            return
        if not (self._books.holds.get(fill.symbol) or self._books.halts.instrument(fill.symbol)):
            raise Broken("late", f"{fill.key.exec_id} came late or of no order, and {fill.symbol} trades on")

    def _corrected(self, fill: Fill) -> None:
        position = self._books.positions.get(fill.symbol)
        legs = position.booked.get(fill.key)
        if legs is not None and {leg[2] for leg in legs} != {fill.price}:
            raise Broken(
                "correction", f"{fill.key.exec_id} was corrected to {fill!r} and is booked as {legs}"
            )

    def _cancelled(self, order_id: str, correlation: str = "") -> str:
        problem = self._cancel(order_id, correlation)
        record = self._books.orders.get(order_id)
        if not problem and record is not None and not record.life.pending_cancel:
            self._due.setdefault(order_id, self._engine.core.clock.mono())
        return problem

    def _duties(self) -> None:
        """What was promised is done in time."""
        mono = self._engine.core.clock.mono()
        if self._engine.kill.running:
            self._unfinished = False  # taken up; that a later stop leaves it unfinished is no fault
        elif self._unfinished and mono - self._born > 2 * NS:
            raise Broken("kill", "an unfinished kill or flatten was not taken up again")
        for order_id, since in list(self._due.items()):
            record = self._books.orders.get(order_id)
            if record is None or record.life.is_closed or not self._engine.core.link_up:
                del self._due[order_id]
            elif mono - since > CANCEL_WITHIN:
                raise Broken("cancel", f"the cancel of {order_id} was taken and never left")

    def _real(self, fill: Fill) -> None:
        """What is booked has happened."""
        known = self._truth.execution(fill.key)
        if known is None:
            raise Broken("phantom", f"{fill.key.exec_id} was booked and never happened")
        if (known.symbol, known.side, known.qty) != (fill.symbol, fill.side, fill.qty):
            raise Broken("phantom", f"{fill.key.exec_id} was {known!r} and is booked as {fill!r}")

    # -- the way out

    def _protects(self, order: Order, request: Order | Replace, lots: int) -> None:
        """Behind an account's halt protection leaves only where it provably reduces, at the prices it has."""
        halt = self._books.halts.account()
        if halt is None or order.purpose is not Purpose.PROTECT:
            return
        self.counts.protections += 1
        record = self._books.orders.get(order.id)
        if isinstance(request, Replace) and record is not None:
            now = record.life
            if (request.limit, request.stop) != (now.limit, now.stop):
                raise Broken("halted", f"the prices of {order.id} are changed although {halt.reason}")
            if request.qty <= now.qty:
                return
            lots = max(lots, now.worst_leaves)
        if not self._recount.reduces(order, lots):
            raise Broken("halted", f"{order.id} may raise the position and was sent although {halt.reason}")

    def _exempt(self, order: Order, lots: int) -> bool:
        return order.purpose is not Purpose.TRADE or self._recount.reduces(order, lots)

    def _approved(self, order: Order, lots: int) -> None:
        """Counted in the books a moment ago: no limit may be exceeded by it."""
        if self._exempt(order, lots):
            return
        self.counts.openings += 1
        held = self._books.positions.qty(order.symbol) * order.side.sign
        worst = held + self._recount.exposure(order.symbol, order.side)
        limits = self._engine.limits.current
        own = limits.instruments.get(order.symbol)
        most = own.max_position if own is not None and own.max_position is not None else limits.max_position
        if worst > most:
            raise Broken(
                "exposure", f"{order.id} was approved: {order.symbol} may reach {worst} of {most} lots"
            )

    def _replaced(self, change: Replace) -> None:
        record = self._books.orders.get(change.order_id)
        if record is None:
            raise Broken("replace", f"{change.order_id} is replaced and not known")
        self._most.setdefault(change.order_id, {})[change.id] = change.qty
        # Larger than what works: after a change that the venue took, not than what was ordered at first.
        if record.order.purpose is Purpose.TRADE and change.qty > record.life.qty:
            self._approved(record.order, change.qty - record.life.cum)

    def _in_time(self) -> None:
        """The budget for orders and replaces holds over any second."""
        limits, now = self._engine.limits.current, self._engine.core.clock.mono()
        self._left.append(now)
        while self._left[0] <= now - NS:
            self._left.popleft()
        # What was approved within a second may leave closer together: a commit that hung lets go of it all.
        most = 2 * (limits.order_rate + limits.order_burst)
        if len(self._left) > most:
            raise Broken("rate", f"{len(self._left)} orders and replaces left within a second")

    def leaves(self, request: Order | Replace, seq: int) -> None:
        """An order or replace is handed to the adapter at this moment."""
        self.counts.sends += 1
        self._in_time()
        if isinstance(request, Order):
            order, lots = request, request.qty
        else:
            record = self._books.orders.get(request.order_id)
            if record is None:
                raise Broken("replace", f"{request.order_id} is replaced and not known")
            order, lots = record.order, request.qty - record.life.cum
            now = record.life
            same = (request.limit, request.stop) == (now.limit, now.stop)
            if same and request.qty <= now.qty and self._books.halts.account() is None:
                return  # it only makes the order smaller
        if order.purpose is Purpose.FLATTEN:
            return
        self._protects(order, request, lots)
        if seq <= 0:
            raise Broken("journal", f"{order.id} is no flattening order and left without a row")
        if self._exempt(order, lots):
            return
        reason = self._closed_to(order)
        if reason:
            raise Broken("opening", f"{order.id} opens and was sent although {reason}")

    def _closed_to(self, order: Order) -> str:
        """Why nothing may open now, from the parts themselves and not from what they conclude."""
        engine, books = self._engine, self._books
        if not engine.view.enabled:
            return "trading is not enabled"
        if books.positions.get(order.symbol).broker is None:
            return f"the broker's position in {order.symbol} was not read in this run"
        if not self.read():
            return "the broker's positions were not read since the line came up"
        for halt in books.halts.all():
            if (halt.scope, halt.target) in (
                ("account", ""),
                ("account", "pause"),
                ("instrument", order.symbol),
                ("strategy", order.strategy),
            ):
                return f"{halt.scope} {halt.target} is halted: {halt.reason}"
        if books.holds.get(order.symbol) is not None:
            return (
                "something was executed there that was not meant to be, and the broker was not compared since"
            )
        if engine.kill.covers(order.symbol):
            return "kill or flatten is running"
        if engine.core.journal.state is not StoreState.OK:
            return f"the store is {engine.core.journal.state}"
        instrument = books.instruments[order.symbol]
        for control in engine.controls.all:
            scope = {
                "symbol": order.symbol,
                "strategy": order.strategy,
                "class": instrument.asset_class,
            }.get(control.kind, "")
            if scope in control.holds:
                return f"{control.name} is tripped: {control.holds[scope]}"
            if scope in control.broken:
                return f"{control.name} cannot be evaluated: {control.broken[scope]}"
        return ""

    # -- flat

    def _proven(self, ended: KillEnded) -> None:
        self.counts.flats += 1
        aim = self._engine.kill.aim
        for asked in self._asked:
            wanted = asked.targets or ({asked.symbol: 0} if asked.symbol is not None else {})
            done = aim.flat or all(
                s in aim.targets and abs(aim.targets[s]) <= abs(lots) for s, lots in wanted.items()
            )
            if not wanted:
                done = aim.everything and (aim.flat or not asked.flatten)
            if not done:
                raise Broken("flat", f"'{ended.verdict}' was said, and {asked!r} was not done")
        problem = self._truth.denies(aim)
        if problem:
            raise Broken("flat", f"'{ended.verdict}' was said: {problem}")

    # -- after every callback that changed something

    def _look_soon(self) -> None:
        self._due_look = True
        self._after(self._step)

    def _step(self) -> None:
        self._due_look = False
        try:
            self._agree()
        except Broken as broken:
            self.failed(broken)

    def _agree(self) -> None:
        """Sums are what the single executions and orders give."""
        books = self._books
        if self._due or self._unfinished:
            self._duties()
        for symbol, version in books.versions.items():
            if self._versions.get(symbol) != version:
                self._versions[symbol] = version
                self.counts.books += 1
                position = books.positions.get(symbol)
                held = (books.positions.version, position.held.qty, position.held.cash)
                if self._held.get(symbol) != held:
                    self._held[symbol] = held
                    self._sums(position)
                self._orders(books, symbol)

    @staticmethod
    def _sums(position: Position) -> None:
        symbol = position.symbol
        booked = sum(signed for _, legs in position.booked.entries() for _, signed, _, _ in legs)
        if position.held.qty != booked:
            raise Broken("sums", f"{symbol} holds {position.held.qty} lots, {booked} were booked")
        legs = [leg for _, one in position.booked.entries() for leg in one]
        cash = -sum(signed * price for _, signed, price, _ in legs)
        if position.held.cash != cash:
            raise Broken("sums", f"{symbol} has {position.held.cash} tick-lots of cash, executions {cash}")
        parts = sum(part.qty for part in position.parts.values())
        if parts != position.held.qty:
            raise Broken("sums", f"{symbol} holds {position.held.qty}, the strategies' parts {parts} lots")

    @staticmethod
    def _filled(record: OrderRecord) -> None:
        """What an order has filled, whether it is over or not, is what its executions give."""
        if record.life.cum != record.executed and not record.foreign:
            text = f"{record.order.id} counts {record.life.cum} lots, its executions {record.executed}"
            raise Broken("sums", text)

    def _orders(self, books: Books, symbol: str) -> None:
        for record in books.orders.working(symbol):
            self._filled(record)
            # A replace under way may have taken effect already: seed 650, an overfill behind one.
            if record.life.cum > record.life.worst_qty and not record.foreign:
                text = f"{record.order.id} is open with {record.life.cum} of {record.life.qty} lots filled"
                raise Broken("overfill", text)
        counting = self._recount.counting(symbol)
        for side, kept in zip((Side.BUY, Side.SELL), books.orders.exposure(symbol), strict=True):
            counted = lots_of(counting, side)
            if kept != counted:
                text = f"{symbol} may {side.name.lower()} {counted} lots more, {kept} are reckoned with"
                raise Broken("exposure", text)
