"""What a command would do now, said in the question before it: adopt, start and stop strategies."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from app.desk.view import formats
from app.desk.view.orders import is_working
from engine.control.commands import Adopt, AnyCommand, ReloadStrategy, Resume, StopStrategy
from engine.control.snapshot import OrderRow, PositionRow, Snapshot, StrategyRow
from engine.model import Purpose

NAMED: Final = 4
"""Orders or positions that are named; of more the number is said."""


def meant(command: AnyCommand, snapshot: Snapshot | None) -> list[str]:
    """Paragraphs; none for a command that needs none, or while there is no picture of the engine."""
    if snapshot is None:
        return []
    match command:
        case Adopt(symbol=symbol):
            return _adopt(snapshot, symbol)
        case StopStrategy(strategy=name, leave=leave):
            return _stop(snapshot, name, leave)
        case Resume(strategy=str(name)):
            return _resume(snapshot, name)
        case Resume():
            return ["Orders that open may leave again, of every strategy and by hand."]
        case ReloadStrategy(strategy=name):
            return _reload(snapshot, name)
    return []


def _adopt(snapshot: Snapshot, symbol: str) -> list[str]:
    row = next((row for row in snapshot.positions if row.symbol == symbol), None)
    if row is None:
        return [f"{symbol} has no position here."]
    if row.broker is None:
        return [f"The broker's position of {symbol} is not known: there is nothing to adopt yet."]
    was, now = formats.size(row.executed, sign=True), formats.size(row.broker, sign=True)
    if row.executed == row.broker:
        change = f"Our position {was} is the broker's already: the quantity stays."
    else:
        difference = formats.size(row.broker - row.executed, sign=True)
        change = (
            f"The broker's view wins: our position {was} → {now}. The difference of {difference} is booked "
            "at the market's middle, to nobody's strategy; executions made elsewhere are booked first, at "
            "their price."
        )
    own = _shares(row)
    lines = [
        change,
        "No order is sent by this." + (f" The strategies keep their shares: {own}." if own else ""),
    ]
    if row.state.startswith("halted"):
        lines.append(
            f"{symbol} is {row.state}; where the difference halted it, it may trade again after this."
        )
    if row.diff is None:
        lines.append("The broker's figure is from before the last fill: it is read again, and may differ.")
    return lines


def _stop(snapshot: Snapshot, name: str, leave: str) -> list[str]:
    one = _strategy(snapshot, name)
    if one is None:
        return []
    policy = leave or one.on_stop or "cancel"
    whose = "as you say" if leave else "its on_stop in the configuration"
    entries, protecting = _orders(snapshot, name)
    held = _holdings(snapshot, name)
    intended = _intended(one)
    lines = [
        f"{name} gets its last word (its own on_stop may send orders or intend something new), then its "
        f"process ends. After that: {policy} ({whose})."
    ]
    if policy == "keep":
        lines.append(f"Orders that stay working: {_named(entries + protecting)}.")
    else:
        stays = f" Protective orders stay: {_named(protecting)}." if protecting else ""
        lines.append(f"Orders that are cancelled: {_named(entries)}.{stays}")
    if policy == "flatten":
        lines.append(f"Its positions are closed: {held or 'it has none'}.")
    elif intended:
        lines.append(
            f"Its positions stay: {held or 'none'}. What it intends last is still worked for: now "
            f"{intended}. 'stop {name} flatten' closes its share."
        )
    else:
        more = f" Nobody looks after them then; 'stop {name} flatten' closes them." if held else ""
        lines.append(f"Its positions stay: {held or 'none'}.{more}")
    return lines


def _resume(snapshot: Snapshot, name: str) -> list[str]:
    one = _strategy(snapshot, name)
    if one is None:
        return []
    held = _holdings(snapshot, name) or "none"
    entries, protecting = _orders(snapshot, name)
    orders = _named(entries + protecting)
    intended = _intended(one)
    if one.state in ("running", "starting"):
        return [f"{name} is {one.state} already: nothing changes."]
    if one.state == "paused":
        wants = f" It intends {intended}: what is missing to that is ordered at once." if intended else ""
        return [f"{name} may open positions again. It holds {held}; working orders: {orders}.{wants}"]
    why = f" ({one.reason})" if one.reason else ""
    last = f" What it intended last, {intended}, counts only once it says so again." if intended else ""
    return [
        f"{name} is {one.state}{why}. It is started in a fresh process and may trade at once.",
        f"It is handed its positions: {held}; its working orders: {orders}; and what it saved.{last}",
    ]


def _reload(snapshot: Snapshot, name: str) -> list[str]:
    one = _strategy(snapshot, name)
    if one is None:
        return []
    entries, protecting = _orders(snapshot, name)
    held, orders = _holdings(snapshot, name) or "none", _named(entries + protecting)
    return [
        "Its file is loaded and checked in a fresh process; what is wrong with it is said, and the old one "
        "runs on.",
        f"A sound one takes over with its positions: {held}; its working orders: {orders}; and what it "
        "saved. Nothing is cancelled or closed, and the old one's on_stop does not run.",
    ]


def _strategy(snapshot: Snapshot, name: str) -> StrategyRow | None:
    return next((one for one in snapshot.strategies if one.name == name), None)


def _orders(snapshot: Snapshot, name: str) -> tuple[list[OrderRow], list[OrderRow]]:
    """Its working orders: those that it placed to trade, and those that protect a position."""
    own = [order for order in snapshot.orders if order.strategy == name and is_working(order)]
    trade = [order for order in own if order.purpose == Purpose.TRADE.value]
    return trade, [order for order in own if order.purpose != Purpose.TRADE.value]


def _named(orders: Sequence[OrderRow]) -> str:
    """Side, what is left, symbol and price of each."""
    said = []
    for order in orders[:NAMED]:
        price = order.limit if order.limit is not None else order.stop
        at = f" @ {formats.price(price)}" if price is not None else ""
        said.append(f"{order.side} {formats.size(order.leaves)} {order.symbol}{at}")
    if len(orders) > NAMED:
        said.append(f"{len(orders) - NAMED} more")
    return ", ".join(said) or "none"


def _holdings(snapshot: Snapshot, name: str) -> str:
    """Its share of each position; empty where it has none."""
    shares = [(row.symbol, row.by_strategy.get(name, Decimal(0))) for row in snapshot.positions]
    return ", ".join(f"{symbol} {formats.size(share, sign=True)}" for symbol, share in shares if share)


def _shares(row: PositionRow) -> str:
    return ", ".join(f"{name} {formats.size(share, sign=True)}" for name, share in row.by_strategy.items())


def _intended(one: StrategyRow) -> str:
    return ", ".join(
        f"{symbol} {formats.size(want, sign=True)}" for symbol, want in sorted(one.intended.items())
    )
