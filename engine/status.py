"""What the engine says of itself: rows for the screen, health for the log, the last words of a run."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from engine.control.snapshot import (
    Comparison,
    HealthWord,
    Hold,
    LinkRow,
    RiskRow,
    ScreenRow,
    SentinelRow,
    StrategyRow,
)
from engine.halts import Halt
from engine.holds import InstrumentHold
from engine.journal import StoreState
from engine.limiting import watched_by
from engine.model import NS
from engine.risk import words
from engine.risk.control import Reading

if TYPE_CHECKING:
    from engine.engine import Engine

_HARD: Final = ("daily_loss", "max_position", "order_rate", "price_sanity", "margin", "spread")
_STATES: Final = ("TRIPPED", "UNKNOWN", "WARN", "ACTIVE")


def _importance(reading: Reading) -> tuple[int, int, float]:
    """What a tired person must see first: what has tripped, then the six hard controls, then what is full."""
    hard = _HARD.index(reading.control) if reading.control in _HARD else len(_HARD)
    return _STATES.index(reading.state), hard, -(reading.ratio or 0.0)


class _Drawn(NamedTuple):
    """A figure as the screen draws it."""

    reading: Reading
    importance: tuple[int, int, float]
    row: RiskRow


_by_importance: Final = attrgetter("importance")


def _named(prefix: str, rates: Mapping[str, float]) -> dict[str, float]:
    """The rates whose names start with `prefix`, without it."""
    return {k.removeprefix(prefix): round(v, 3) for k, v in rates.items() if k.startswith(prefix)}


def _waits(hold: InstrumentHold) -> Hold:
    text, then = words.hold(hold.symbol, hold.code, hold.reason)
    return Hold(code=hold.code, scope=hold.symbol, text=text, then=then)


def _held(halt: Halt, scope: str) -> Hold:
    text, then = words.halt(halt.scope, halt.target, halt.code, halt.reason)
    return Hold(code=halt.code, scope=scope, text=text, then=then)


def _noted(row: RiskRow, note: str) -> RiskRow:
    return msgspec.structs.replace(row, detail=f"{row.detail}; {note}".lstrip("; ")) if note else row


class Status:
    """Implements `engine.picture.Sources`; looks, and changes nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._drawn: dict[tuple[str, str], _Drawn] = {}

    def risk_rows(self) -> tuple[RiskRow, ...]:
        drawn = [self._draw(reading) for reading in self._engine.risk.readings()]
        drawn.sort(key=_by_importance)
        rows = [one.row for one in drawn]
        notes: dict[tuple[str, str], str] = {}
        for key, override in self._engine.core.books.overrides.items():
            notes[watched_by(key)] = (
                f"set to {override.value} by {override.who}, file {override.file or 'none'}"
            )
        if not notes:
            return tuple(rows)
        return tuple(_noted(row, notes.get((row.control, row.scope), "")) for row in rows)

    def _draw(self, reading: Reading) -> _Drawn:
        """From one picture to the next most figures stay: their texts are not made anew."""
        key = (reading.control, reading.scope)
        drawn = self._drawn.get(key)
        if drawn is None or drawn.reading is not reading:
            drawn = self._drawn[key] = _Drawn(reading, _importance(reading), reading.row())
        return drawn

    def strategy_rows(self) -> tuple[StrategyRow, ...]:
        return self._engine.strategies.rows()

    def trading(self) -> tuple[bool, str]:
        if self._engine.view.enabled:
            return True, "trading"
        if not self._engine.core.link_up:
            return False, self._engine.link.row().text
        return False, self._engine.disabled_text

    def paused(self) -> tuple[Hold, ...]:
        halts, journal = self._engine.core.books.halts, self._engine.core.journal
        found = []
        if (pause := halts.pause()) is not None:
            found.append(_held(pause, scope=""))
        if journal.state is not StoreState.OK:
            text, then = words.store(journal.trouble)
            found.append(Hold(code="store", scope="", text=text, then=then))
        holds = [
            Hold(code=control, scope=scope, text=text, then=then)
            for control, scope, text, then in self._engine.risk.holds()
        ]
        # What waits for a person stands before what may end by itself, what holds for all before both.
        found.extend(hold for hold in holds if not hold.scope)
        found.extend(_held(halt, scope=halt.target) for halt in halts.all() if halt.scope == "instrument")
        found.extend(hold for hold in holds if hold.scope)
        found.extend(_waits(one) for one in self._engine.core.books.holds.all())
        return tuple(found)

    def comparison(self) -> Comparison:
        return self._engine.reconciler.compared.row()

    def position_states(self) -> Mapping[str, str]:
        return self._engine.reconciler.words

    def feed(self) -> tuple[str, float | None]:
        return self._engine.parts.feed_name, self._engine.parts.feed_progress()

    def rss_mb(self) -> float | None:
        return self._engine.parts.rss_mb()

    def pace(self) -> HealthWord:
        """warn: of the newest thousand rounds of the risk loop more than one in a hundred took twice their
        period. In virtual time rounds have no host time to keep."""
        recent = self._engine.metrics.late_rounds
        late = sum(recent) * 100 > max(len(recent), 100)
        return "warn" if late and not self._engine.parts.lockstep else "ok"

    def counters(self) -> dict[str, int]:
        """All counters, those of the parts around the engine (log, control socket) included."""
        engine = self._engine
        return {
            **dict(sorted(engine.metrics.counters.items())),
            "data_refused": engine.core.markets.refused,
            "drift": len(engine.core.books.drift()),
            **engine.parts.counters(),
        }

    def rates(self) -> dict[str, float]:
        """Shares, slippage in ticks a lot, and drift.SYMBOL: the broker's position less ours, in lots."""
        drift = self._engine.core.books.drift()
        return {
            **self._engine.metrics.rates(),
            **{f"drift.{symbol}": float(lots) for symbol, lots in sorted(drift.items())},
        }

    def uptime(self) -> float:
        return (self._engine.core.clock.mono() - self._engine.started) / NS

    def link(self) -> LinkRow:
        return self._engine.link.row()

    def sentinel(self) -> SentinelRow:
        keeper, switch = self._engine.keeper, self._engine.dead_man
        row = SentinelRow() if keeper is None else keeper.row()
        return msgspec.structs.replace(row, venue=switch.word, venue_text=switch.text)

    def screens(self) -> tuple[ScreenRow, ...]:
        return self._engine.seats.rows()

    def summary(self) -> dict[str, object]:
        """Figures of the run for its last words."""
        core = self._engine.core
        counters = core.metrics.counters
        flat = not any(p.held.qty for p in core.books.positions)
        pnl = self._engine.view.total_pnl()
        rates = self.rates()
        return {
            "orders": counters.get("orders", 0),
            "fills": counters.get("fills", 0),
            "rejects": counters.get("rejects", 0),
            "refused": counters.get("refused", 0),
            "cancels": counters.get("cancels", 0),
            "pnl": None if pnl is None else str(round(pnl, 2)),
            "fees": str(round(sum((p.held.fees for p in core.books.positions), Decimal(0)), 2)),
            "flat": flat,
            "reconciled": self._engine.reconciler.agreed,
            "halted": core.books.halts.account() is not None,
            "working": core.books.orders.open_count(),
            "protective_verified": self._engine.protective[0],
            "protective_missing": self._engine.protective[1],
            "slippage_ticks": _named("slippage.", rates),
            "fill_rate": _named("fill_rate.", rates),
            "reject_rate": round(rates.get("reject_rate", 0.0), 3),
            "drift": core.books.drift(),
            "strategies": {
                row.name: f"{row.state}: {row.reason}".strip(": ") for row in self.strategy_rows()
            },
            "latency": {
                p.stage: {
                    "count": p.count,
                    "p50_us": p.p50,
                    "p95_us": p.p95,
                    "p99_us": p.p99,
                    "max_us": p.max,
                }
                for p in core.metrics.percentiles()
            },
            "risk_rounds": self._engine.risk.rounds,
            "positions": {p.symbol: p.held.qty for p in core.books.positions if p.held.qty},
            "sizes": {
                p.symbol: f"{core.books.instruments[p.symbol].size(p.held.qty):+f}"
                for p in core.books.positions
                if p.held.qty
            },
            "digest": core.books.digest(),
        }

    def log_health(self) -> None:
        """The figures of `ctl health`, in the log once a minute."""
        metrics = self._engine.metrics
        self._engine.core.log(
            "info",
            "health",
            component="health",
            status=self.pace(),
            counters=self.counters(),
            rates={name: round(rate, 4) for name, rate in self.rates().items()},
            latency_us={
                p.stage: {"n": p.count, "p50": p.p50, "p95": p.p95, "p99": p.p99, "max": p.max}
                for p in metrics.percentiles()
            },
            journal_seq=self._engine.core.journal.seq,
            reconciled=self._engine.reconciler.agreed,
        )
