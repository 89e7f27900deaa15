"""What a kill covers: which orders go, which positions are closed, and how far. It only ever widens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.model import Purpose
from engine.records import KillBegan


@dataclass(frozen=True, slots=True)
class Aim:
    """What a procedure is to reach."""

    everything: bool
    """No order of the account works."""
    flat: bool
    """No position of the account is left."""
    targets: Mapping[str, int]
    """Signed lots by symbol that positions are brought down to, beside or instead of that."""


class Scope:
    """The sum of all requests that the running procedure has taken."""

    def __init__(self) -> None:
        self.everything = False
        """All orders of the account are cancelled."""
        self.entries = False
        """Orders that may open go in all instruments: the account is latched, positions are only reduced."""
        self.flatten_all = False
        """All positions of the account are closed."""
        self.targets: dict[str, int] = {}
        """Signed lots to reach, by symbol, beside or below `flatten_all`; a target is never weakened."""
        self.version = 0
        """Counts what was added; a reading made for an earlier version proves nothing about this one."""

    def widen(self, request: KillBegan) -> bool:
        """Takes a request in, which never weakens what was asked for before. True where it adds something."""
        before = (self.everything, self.entries, self.flatten_all, dict(self.targets))
        asked = dict(request.targets)
        if asked:
            self.entries |= request.symbol is None
        elif request.symbol is not None:
            asked[request.symbol] = 0
        else:
            self.everything = True
            self.flatten_all |= request.flatten
        if self.flatten_all:
            self.targets = {}
            asked = {}
        for symbol, target in asked.items():
            known = self.targets.get(symbol)
            if known is None or abs(target) < abs(known):
                self.targets[symbol] = target
        widened = before != (self.everything, self.entries, self.flatten_all, self.targets)
        self.version += widened
        return widened

    def aim(self) -> Aim:
        return Aim(self.everything, self.flatten_all, dict(self.targets))

    @property
    def flattening(self) -> bool:
        return self.flatten_all or bool(self.targets)

    @property
    def reducing(self) -> bool:
        """Some position is not to be closed but brought down to a figure."""
        return any(self.targets.values()) and not self.flatten_all

    def covers(self, symbol: str) -> bool:
        return self.everything or symbol in self.targets

    def closes(self, symbol: str) -> bool:
        """True where the procedure trades in this symbol."""
        return self.flatten_all or symbol in self.targets

    def empties(self, symbol: str) -> bool:
        """True where nothing of the position is to be left."""
        return self.closes(symbol) and self.targets.get(symbol, 0) == 0

    def reaches(self, symbol: str, purpose: Purpose) -> bool:
        """True where an order has to be gone before the final word."""
        if not self.covers(symbol):
            return self.entries and purpose is Purpose.TRADE
        if self.everything or purpose is not Purpose.PROTECT:
            return True
        # Part of the position stays, and with it the orders that protect it.
        return self.targets.get(symbol, 0) == 0

    def left(self, broker: Mapping[str, int], executed: Mapping[str, int]) -> dict[str, int]:
        """Symbols whose target is not reached by the broker's figures or ours (union) → the target."""
        symbols = set(self.targets)
        if self.flatten_all:
            symbols |= set(broker) | set(executed)
        found: dict[str, int] = {}
        for symbol in sorted(symbols):
            target = self.targets.get(symbol, 0)
            views = (broker.get(symbol, 0), executed.get(symbol, 0))
            if not all(reached(qty, target) for qty in views):
                found[symbol] = target
        return found

    def text(self, account: str) -> str:
        some = ", ".join(f"{s} to {t}" if t else s for s, t in sorted(self.targets.items()))
        if self.everything:
            whole = f"everything in account {account}"
            return f"{whole}, closing {some}" if some else whole
        return f"{some} and entry orders everywhere" if self.entries else some


def reached(qty: int, target: int) -> bool:
    """Zero must be met; a reduction is met when no more than the target is held on its side."""
    if target == 0:
        return qty == 0
    return abs(qty) <= abs(target) and (qty == 0 or (qty > 0) == (target > 0))


def common(ours: int, theirs: int) -> int:
    """What both views agree is there: the smaller of two positions on one side, else nothing."""
    if ours * theirs <= 0:
        return 0
    return ours if abs(ours) <= abs(theirs) else theirs
