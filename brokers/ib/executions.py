"""Executions by stem and revision: the first sight is a fill, a higher revision replaces it, size 0 takes it
back.

An execution's identity is its id without the last part. Commissions come apart and at any time; one that
comes first waits, one that comes later corrects the fee.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from brokers.ib import raw
from brokers.ib.contracts import Resolved
from brokers.ib.terms import SIDES
from engine.facts import AnyFact, Busted, Corrected, Executed
from engine.model import NS, ExecutionKey, Fill, OffGrid


class Known(NamedTuple):
    """The newest revision of an execution."""

    revision: int
    fill: Fill
    busted: bool
    told: bool
    """Whether the engine has it; one that was only read on connecting is told when it is asked for."""


def split(exec_id: str) -> tuple[str, int]:
    """`0000e0d5.6555b1d4.01.02` → (`0000e0d5.6555b1d4.01`, 2). An id without a number at its end is whole."""
    stem, dot, revision = exec_id.rpartition(".")
    return (stem, int(revision)) if dot and revision.isdecimal() else (exec_id, 0)


class Executions:
    """All executions seen in this run, of all sessions."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._fees: dict[str, Decimal] = {}

    def take(
        self, execution: raw.Execution, where: Resolved, order_id: str | None, now: int, *, told: bool
    ) -> AnyFact | None:
        """A live report, or one in an answer, as the fact that it is. None for one that says less than we
        know. `told`: whether the fact goes to the engine."""
        stem, revision = split(execution.exec_id)
        known = self._known.get(stem)
        if known is not None and revision < known.revision:
            return None
        fill = self._fill(stem, execution, where, order_id)
        if known is not None and (known.fill.order_id is not None and fill.order_id is None):
            fill = msgspec.structs.replace(fill, order_id=known.fill.order_id)
        busted = execution.qty == 0
        self._known[stem] = Known(revision, fill, busted, told or (known is not None and known.told))
        if busted:
            return Busted(ts=now, key=fill.key)
        first = known is None or revision == known.revision
        if first and revision <= 1:
            return Executed(ts=execution.ts, fill=fill)
        return Corrected(ts=now, key=fill.key, fill=fill)

    def is_known(self, exec_id: str) -> bool:
        """Whether this revision, or a later one, was seen."""
        stem, revision = split(exec_id)
        known = self._known.get(stem)
        return known is not None and known.revision >= revision

    def charge(self, commission: raw.Commission, now: int) -> Corrected | None:
        """A commission. The correction that it calls for, where its execution came before it."""
        if commission.amount is None:
            return None
        self._fees[commission.exec_id] = commission.amount
        stem, revision = split(commission.exec_id)
        known = self._known.get(stem)
        if known is None or known.revision != revision or known.busted or known.fill.fee == commission.amount:
            return None
        fill = msgspec.structs.replace(known.fill, fee=commission.amount)
        self._known[stem] = known._replace(fill=fill)
        return Corrected(ts=now, key=fill.key, fill=fill) if known.told else None

    def _fill(self, stem: str, execution: raw.Execution, where: Resolved, order_id: str | None) -> Fill:
        instrument = where.instrument
        price = execution.price / where.magnifier
        try:
            ticks = instrument.to_ticks(price)
        except OffGrid:  # an average, or a combination's price: the nearest is all that can be booked
            ticks = instrument.nearest_ticks(price)
        known = self._known.get(stem)
        key = (
            known.fill.key
            if known is not None
            else ExecutionKey(
                venue=instrument.venue,
                account=execution.account,
                trading_day=_day(execution.ts),
                exec_id=stem,
            )
        )
        return Fill(
            key=key,
            symbol=instrument.symbol,
            side=SIDES[execution.side],
            qty=int(execution.qty / instrument.lot),
            price=ticks,
            ts=execution.ts,
            order_id=order_id,
            broker_id=str(execution.perm_id) if execution.perm_id else None,
            fee=self._fees.get(execution.exec_id, Decimal(0)),
        )

    def since(self, ts: int) -> Iterator[Known]:
        """The newest revision of every execution from `ts` (UTC ns) on, in order of time; told from now
        on."""
        for stem, known in sorted(self._known.items(), key=lambda item: (item[1].fill.ts, item[0])):
            if known.fill.ts >= ts:
                self._known[stem] = known._replace(told=True)
                yield known

    def filled(self, order_id: str) -> int:
        """Lots executed of an order of ours, as far as they were seen."""
        return sum(k.fill.qty for k in self._known.values() if not k.busted and k.fill.order_id == order_id)

    def filled_of(self, broker_id: str | None) -> int:
        """Lots executed under one permId."""
        return sum(
            k.fill.qty
            for k in self._known.values()
            if broker_id is not None and not k.busted and k.fill.broker_id == broker_id
        )


def _day(ts: int) -> str:
    """Part of an execution's identity only: ids of TWS do not repeat over days."""
    return datetime.fromtimestamp(ts // NS, UTC).date().isoformat()
