"""Taking over into the engine's books what the sentinel did: its orders become ours, its fills count once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from engine.facts import Busted, Corrected, Executed, OrderFact, OrderNotFound, OrderReport
from engine.journal import Row, StoreRefused
from engine.kill_shares import leave_none
from engine.records import AnyRecord, FactTaken, KillEnded, NotSentNote, OrderStored, Sent, decode
from engine.records_sentinel import OrderImported, SentinelImported, SentinelNote

if TYPE_CHECKING:
    from engine.engine import Engine


class Regained(NamedTuple):
    """The lease is the engine's again; `rows` of the sentinel's journal have not been taken over yet."""

    journal: str
    rows: tuple[Row, ...]


@dataclass(slots=True)
class Deeds:
    """What the rows tell, in words and figures."""

    acted: bool = False
    """It took the lease and worked at the broker."""
    silent: str = ""
    """Its note of the engine's silence."""
    verdict: str = ""
    """Last words of its procedure; empty: it did not come to an end."""
    flat: bool = False
    """That procedure proved that no position is left."""
    unpaged: str = ""
    """Why nobody was paged of it; empty: somebody was, or nobody was to be."""
    orders: int = 0
    cancels: int = 0
    fills: int = 0
    known: set[str] = field(default_factory=set)

    def text(self) -> str:
        """One sentence for a person."""
        if not self.acted:
            return self.silent
        done = f"{self.cancels} cancels, {self.orders} closing orders, {self.fills} executions"
        return f"{self.silent}; it acted: {done}; {self.verdict or 'it did NOT come to its end'}"


def take_over(engine: Engine, regained: Regained) -> Deeds:
    """Books the rows that were not booked before, and notes how far. Synchronous: all or, after a crash, the
    same again, which changes nothing twice. Raises `StoreRefused` where a row cannot be read."""
    deeds, core = Deeds(), engine.core
    rows = fresh(engine, regained)
    # All are read before the first is booked: what another build wrote is taken over wholly or not at all.
    records = [(row, read(row)) for row in rows]
    with engine.groups.at_once():
        for row, record in records:
            _take(engine, deeds, row, record)
    if deeds.flat:
        for symbol, text in leave_none(core, lambda _: True, ""):
            engine.strategies.emptied(symbol)
            core.log("warning", text, component="sentinel", symbol=symbol, status="FLAT")
    if rows:
        note = SentinelImported(journal=regained.journal, seq=rows[-1].seq, text=deeds.text())
        core.commit(note)
    return deeds


def fresh(engine: Engine, regained: Regained) -> list[Row]:
    """The rows beyond the last that was taken over."""
    before = engine.core.books.sentinel
    upto = before.seq if before is not None and before.journal == regained.journal else 0
    return [row for row in regained.rows if row.seq > upto]


def journal_of(rows: Iterable[Row]) -> str:
    """The mark of a sentinel's journal, which its first row carries; empty where there is none. Raises
    `StoreRefused` where it cannot be read."""
    for row in rows:
        if row.kind == "sentinel":
            note = read(row)
            return note.journal if isinstance(note, SentinelNote) else ""
    return ""


def read(row: Row) -> AnyRecord:
    """What a row of a sentinel's journal says. Raises `StoreRefused` with the remedy where this build does
    not know it: that may have been an order."""
    try:
        return decode(row.kind, row.body)
    except msgspec.MsgspecError as error:
        raise StoreRefused(
            f"row {row.seq} ({row.kind}) of the sentinel's journal cannot be read by this build, a newer one "
            f"wrote it: {error}. Start that build; or look at orders and positions at the broker, move "
            f"sentinel.db out of the state directory, and start this one"
        ) from error


def _take(engine: Engine, deeds: Deeds, row: Row, record: AnyRecord) -> None:
    core = engine.core
    match record:
        case SentinelNote(event="silent", text=text):
            deeds.silent = text
        case SentinelNote(event="unpaged", text=text):
            deeds.unpaged = text
        case SentinelNote(event="paged"):
            deeds.unpaged = ""
        case SentinelNote(event="fenced"):
            deeds.acted, deeds.verdict, deeds.flat = True, "", False
            # Before the note that it was taken over: whatever happens in between, the halt is there.
            why = "the sentinel acted while this engine stood still or was dead; look at the positions first"
            engine.halt("account", "", "sentinel", why)
        case KillEnded(verdict=verdict, flat=flat):
            deeds.verdict, deeds.flat = verdict, flat
        case OrderStored(order=order):
            deeds.orders += 1
            if core.books.orders.get(order.id) is None:
                deeds.known.add(order.id)
                core.commit(OrderImported(order=order), order.correlation, order.id)
        case Sent(what="cancel", order_id=order_id):
            deeds.cancels += 1
            found = core.books.orders.get(order_id)
            if found is not None and not found.life.is_closed:  # so that its answer is no surprise
                core.commit(record, row.correlation, order_id)
        case Sent(order_id=order_id) | NotSentNote(order_id=order_id) if order_id in deeds.known:
            core.commit(record, row.correlation, order_id)
        case FactTaken(fact=fact, source="stream"):
            deeds.fills += isinstance(fact, Executed)
            # Pictures of a moment that is over, and questions of its own, say nothing to us.
            told = isinstance(fact, Executed | Busted | Corrected | OrderFact)
            if told and not isinstance(fact, OrderReport | OrderNotFound):
                engine.facts.handle(fact, "sentinel")
        case _:
            pass
