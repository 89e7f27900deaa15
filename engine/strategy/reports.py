"""What a strategy's host tells the engine: actions and what led to them, states and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol

from engine.control.snapshot import CallbackRow
from engine.model import NS, Bar, Quote, Trade, Value
from engine.strategy.messages import AnyAction, Pause, PositionSet, StrategyFill, StrategyOrder, Timer

State = Literal["starting", "running", "paused", "stopped", "failed"]

KIND_NAMES: Final[dict[type, str]] = {
    Quote: "quote",
    Trade: "trade",
    Bar: "bar",
    StrategyFill: "fill",
    StrategyOrder: "order",
    Timer: "timer",
    PositionSet: "position",
    Pause: "pause",
}


class Origin(NamedTuple):
    """What led to an action: an event that the strategy had been sent, and the touch that it saw."""

    kind: str
    """quote, trade, bar, fill, order, timer, position, pause, start or stop."""
    symbol: str
    ts: int
    """Stamp of the event, UTC ns; 0 where it has none."""
    arrived: int
    """Host's performance counter when the event reached the engine, ns; 0 for start and stop."""
    bid: int | None
    ask: int | None


class Acted(NamedTuple):
    action: AnyAction
    origin: Origin


class HostSink(Protocol):
    """Where a host reports to; called on the engine's thread."""

    def on_actions(self, name: str, acted: Sequence[Acted]) -> None:
        """Actions of one answer, in order. `SetTimer` is dealt with by the host and not among them."""

    def on_state(self, name: str, state: State, reason: str) -> None: ...

    def on_saved(self, name: str, saved: str) -> None:
        """Its own variables as JSON, to be kept; before the actions of the same answer."""

    def on_log(self, name: str, level: str, text: str, fields: Mapping[str, str]) -> None:
        """level: info (log), output (printed), error (traceback, last words)."""


class HostStatus(Value, frozen=True, kw_only=True):
    """Figures for screen and log."""

    name: str
    state: State
    reason: str
    pid: int | None
    lag_ms: float | None
    """Age of the oldest event that it has not taken; None when it does not run."""
    rss_mb: float | None
    cpu: float | None
    """Share of one processor over the last seconds; None where it is not known."""
    queue: int
    """Events that it has not taken."""
    callbacks: tuple[CallbackRow, ...]
    batches: int
    events: int
    actions: int
    conflated: int
    dropped: int
    lines_lost: int


class Rate:
    """Counts within seconds that start with their first event."""

    __slots__ = ("_count", "_limit", "_since")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._since = -NS
        self._count = 0

    def take(self, now: int, count: int) -> bool:
        """False when `count` more would exceed the limit within this second."""
        if now - self._since >= NS:
            self._since = now
            self._count = 0
        self._count += count
        return self._count <= self._limit
