"""The broker's executions held against ours: which are missing, foreign, taken back, corrected."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from engine.model import Fill, Side
from engine.reconcile_types import POLICY, Action, Finding, Kind, ReconcileInput, severity_of


class Fills:
    """The broker's executions, sorted by what they mean to us."""

    def __init__(self, given: ReconcileInput) -> None:
        self.missing: list[Fill] = []
        """Those that we do not have."""
        self.have: list[Fill] = []
        """Those that we have, as the venue states them."""
        self.busted: list[Fill] = []
        """Those that we count and the venue took back, as we count them."""
        self.corrected: list[tuple[Fill, Fill]] = []
        """(ours, the venue's) where they differ."""
        self._orders = given.orders
        self._cum: dict[str, int] = {}
        if given.executions is None:
            return
        gone = dict.fromkeys(given.executions.busted)
        for key in gone:
            ours = given.booked(key)
            if ours is not None:
                self.busted.append(ours)
        for key, fill in {fill.key: fill for fill in given.executions.fills}.items():
            if key in gone:
                continue
            if not given.known(key):
                self.missing.append(fill)
                order_id = self.order_of(fill)
                self._cum[order_id] = self._cum.get(order_id, 0) + fill.qty
                continue
            self.have.append(fill)
            ours = given.booked(key)
            if ours is not None and _terms(ours) != _terms(fill):
                self.corrected.append((ours, fill))

    @cached_property
    def _owner(self) -> dict[tuple[str, str, Side], str]:
        """Orders by the broker's id and their terms, for executions that do not name ours. The broker gives
        ids out again: an order from elsewhere comes first, because ours bear our own name; then open ones,
        which stand first."""
        owner: dict[tuple[str, str, Side], str] = {}
        for order in sorted(self._orders, key=lambda o: not o.foreign):
            if order.broker_id is not None:
                owner.setdefault((order.broker_id, order.symbol, order.side), order.id)
        return owner

    def order_of(self, fill: Fill) -> str:
        """The order in our books that it belongs to, taken in from elsewhere or ours; empty where none is."""
        return fill.order_id or self._owner.get((fill.broker_id or "", fill.symbol, fill.side), "")

    def missing_of(self, order_id: str) -> int:
        """Lots of an order that we have not booked."""
        return self._cum.get(order_id, 0)


def _terms(fill: Fill) -> tuple[str, int, int]:
    return fill.symbol, signed(fill), fill.price


def signed(fill: Fill) -> int:
    return fill.side.sign * fill.qty


def judge_fills(given: ReconcileInput, fills: Fills) -> Iterator[Finding]:
    manual = POLICY[given.policy.on_manual_trade]
    for fill in fills.missing:
        order_id = fills.order_of(fill)
        what = f"execution {fill.key.exec_id}: {signed(fill):+d} {fill.symbol} "
        what += f"at {given.price(fill.symbol, fill.price)}"
        if order_id:
            yield Finding(
                kind=Kind.MISSING_FILL,
                severity="warning",
                action=Action.BOOK,
                text=f"{what} of order {order_id} was never reported to us",
                symbol=fill.symbol,
                order_id=order_id,
                fill=fill,
            )
        else:
            yield Finding(
                kind=Kind.MANUAL_TRADE,
                severity=severity_of(manual),
                action=manual,
                text=f"{what} belongs to no order of ours: traded by hand or by another program",
                symbol=fill.symbol,
                fill=fill,
            )
    for fill in fills.busted:
        yield Finding(
            kind=Kind.BUSTED_FILL,
            severity="critical",
            action=Action.BOOK,
            text=f"execution {fill.key.exec_id} ({signed(fill):+d} {fill.symbol}) was taken back",
            symbol=fill.symbol,
            order_id=fills.order_of(fill),
            fill=fill,
        )
    for ours, fill in fills.corrected:
        yield Finding(
            kind=Kind.CORRECTED_FILL,
            severity="critical",
            action=Action.BOOK,
            text=(
                f"execution {fill.key.exec_id} is {signed(fill):+d} {fill.symbol} "
                f"at {given.price(fill.symbol, fill.price)} at the venue, "
                f"we have {signed(ours):+d} {ours.symbol} at {given.price(ours.symbol, ours.price)}"
            ),
            symbol=fill.symbol,
            order_id=fills.order_of(fill),
            fill=fill,
        )
