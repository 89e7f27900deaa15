"""What a comparison with the broker takes in and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

from engine.alerts import Severity
from engine.config import ReconcileConfig
from engine.facts import Executions, ForeignOrder, OpenOrders, OrderReport, Positions
from engine.model import ExecutionKey, Fill, OrderStatus, Side, Value


class Kind(StrEnum):
    """What was found, in the order in which findings are listed."""

    UNREADABLE = "unreadable"
    """A question to the broker was not answered: nothing can be said of what it was about."""
    MISSING_FILL = "missing_fill"
    """An execution of ours that we do not have."""
    MANUAL_TRADE = "manual_trade"
    """An execution that no order of ours explains."""
    BUSTED_FILL = "busted_fill"
    """An execution that we count and the venue took back."""
    CORRECTED_FILL = "corrected_fill"
    """An execution that we count with another side, size or price than the venue."""
    DRIFT = "drift"
    """A difference of positions that nothing explains."""
    STALE_SNAPSHOT = "stale_snapshot"
    """A difference, but the broker's figure is older than our last fill."""
    IN_FLIGHT = "in_flight"
    """A difference that fills on their way can explain."""
    UNKNOWN_ORDER = "unknown_order"
    """An open order at the broker that we do not know."""
    LOST_ORDER = "lost_order"
    """An open order of ours that the broker does not list."""
    STATUS_DIFFERS = "status_differs"
    """Both know the order, and say different things of it."""
    OFF_TARGET = "off_target"
    """The executed position is not the intended one, and no order works on it. No matter of the broker's."""


DIFFERENCES: Final = frozenset({Kind.DRIFT, Kind.STALE_SNAPSHOT, Kind.IN_FLIGHT})
"""Kinds that say that positions differ."""


class Action(StrEnum):
    """What the policy asks for."""

    NONE = "none"
    BOOK = "book"
    """Take the fact that the finding carries."""
    QUERY = "query"
    """Ask the broker again: about the order, or with another reading."""
    ADOPT = "adopt"
    """Take the broker's view as the truth, on the record."""
    WARN = "warn"
    HALT = "halt"
    """No new orders in the instrument (or the account), alarm, recovery."""


class SymbolView(Value, frozen=True, kw_only=True):
    """Our views of one symbol, in signed lots."""

    symbol: str
    intended: int | None = None
    executed: int = 0
    in_flight: bool = False
    """The caller knows that something is on its way (a replace unanswered, a link just back)."""
    last_report: int = 0
    """Engine time of the last report or message about the symbol's orders; 0: none yet."""
    last_fill: int = 0
    """Venue time of the last fill that we booked; 0: none yet."""


class OwnOrder(Value, frozen=True, kw_only=True):
    """An order as we hold it: all open ones, and closed ones as far as they are in memory."""

    id: str
    symbol: str
    side: Side
    status: OrderStatus
    qty: int
    cum: int
    broker_id: str | None = None
    limit: int | None = None
    stop: int | None = None
    sent: int = 0
    """Engine time of the last message that we sent for it; 0: none (foreign order)."""
    last_report: int = 0
    """Engine time of the last report about it; 0: none yet."""
    pending: bool = False
    """A cancel or replace is unanswered."""
    foreign: bool = False
    """Adopted: placed elsewhere, known by its broker id."""
    held: bool = False
    """A bracket's child that waits here for its entry's fills: the broker is not to have it."""

    @property
    def leaves(self) -> int:
        return max(self.qty - self.cum, 0)


def _never(_: ExecutionKey) -> bool:
    return False


def _nothing(_: ExecutionKey) -> Fill | None:
    return None


def in_ticks(_symbol: str, ticks: int) -> str:
    """A price where nobody knows the instrument's tick."""
    return f"{ticks} ticks"


class ReconcileInput(Value, frozen=True, kw_only=True):
    """One reading. What could not be read is None, never empty."""

    asked: int
    """Engine time at which the first question was asked, ns."""
    settle: int
    """ns during which an order counts as in flight after its last message or report."""
    policy: ReconcileConfig
    symbols: tuple[SymbolView, ...]
    orders: tuple[OwnOrder, ...]
    positions: Positions | None
    open_orders: OpenOrders | None
    executions: Executions | None
    known: Callable[[ExecutionKey], bool] = _never
    """Whether an execution was ever seen by us."""
    booked: Callable[[ExecutionKey], Fill | None] = _nothing
    """An execution as it counts in our positions; None where it does not, or is no longer in memory."""
    price: Callable[[str, int], str] = in_ticks
    """A price of a symbol, in ticks, as a person reads it."""


class Finding(Value, frozen=True, kw_only=True):
    """One thing that is not as it should be. Positions in signed lots."""

    kind: Kind
    severity: Severity
    action: Action
    text: str
    symbol: str = ""
    order_id: str = ""
    fill: Fill | None = None
    """MISSING_FILL, MANUAL_TRADE, CORRECTED_FILL: the venue's execution; BUSTED_FILL: ours."""
    report: OrderReport | ForeignOrder | None = None
    """What the broker says of the order."""
    executed: int | None = None
    broker: int | None = None
    unexplained: int = 0
    """DRIFT, IN_FLIGHT, STALE_SNAPSHOT: broker − executed − what settled executions explain."""
    if_it_stays: Action = Action.NONE
    """What the policy asks for when a difference that may explain itself does not go away."""
    confirmed: bool = False
    """Seen on more than one reading (`Confirmer`)."""


_DISAGREE: Final = frozenset(Kind) - {Kind.OFF_TARGET}


def agrees(findings: Iterable[Finding]) -> bool:
    """True where nothing is open between us and the broker (what is intended is not the broker's matter)."""
    return not any(finding.kind in _DISAGREE for finding in findings)


POLICY: Final = {"warn": Action.WARN, "adopt": Action.ADOPT, "halt": Action.HALT}
"""What the words of the configuration ask for."""


def severity_of(action: Action) -> Severity:
    """How loud a difference is, by what has to be done about it."""
    return "critical" if action is Action.HALT else "warning"
