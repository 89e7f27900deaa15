"""Makes the immutable snapshot that screens, `ctl` and the log draw, from the books and the markets."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from engine.control.snapshot import (
    HealthRow,
    HealthWord,
    KillView,
    LinkRow,
    OrderRow,
    PositionRow,
    RiskRow,
    ScreenRow,
    Snapshot,
    StrategyRow,
    order_age,
)
from engine.core import Core
from engine.kill import KillSwitch
from engine.lifecycle_types import OrderLife
from engine.metrics import Histogram
from engine.model import NS, Instrument, Side
from engine.orders_record import OrderRecord
from engine.positions import Position, money_micro
from engine.view import EngineView

CLOSED_SHOWN = 100
"""Closed orders on a snapshot, newest first."""


class Sources(Protocol):
    """What the snapshot needs beyond the books."""

    def risk_rows(self) -> tuple[RiskRow, ...]: ...

    def strategy_rows(self) -> tuple[StrategyRow, ...]: ...

    def trading(self) -> tuple[bool, str]: ...

    def paused(self) -> tuple[str, ...]: ...

    def position_states(self) -> Mapping[str, str]:
        """The word of the last comparison by symbol."""

    def feed(self) -> tuple[str, float | None]: ...

    def rss_mb(self) -> float | None: ...

    def pace(self) -> HealthWord:
        """Whether the risk loop keeps its time."""

    def counters(self) -> dict[str, int]: ...

    def rates(self) -> dict[str, float]: ...

    def uptime(self) -> float: ...

    def link(self) -> LinkRow: ...

    def screens(self) -> tuple[ScreenRow, ...]: ...


class Picture:
    """Builds snapshots; numbers them."""

    def __init__(self, core: Core, view: EngineView, kill: KillSwitch, sources: Sources) -> None:
        self._core = core
        self._view = view
        self._kill = kill
        self._sources = sources
        self._seq = 0

    def take(self) -> Snapshot:
        """The state right now."""
        core, books = self._core, self._core.books
        self._seq += 1
        now = core.clock.now()
        halt = books.halts.account()
        trading, trading_text = self._sources.trading()
        feed, progress = self._sources.feed()
        limit = self._view.day_limit()
        mode = core.mode
        assert mode in ("LIVE", "PAPER", "REPLAY", "SHADOW")
        return Snapshot(
            seq=self._seq,
            ts=now,
            mode=mode,  # type: ignore[arg-type]
            account=core.config.account,
            currency=core.config.currency,
            feed=feed,
            feed_progress=progress,
            halted=halt is not None,
            halt_reason=halt.reason if halt is not None else "",
            paused=self._sources.paused(),
            trading=trading,
            trading_text=trading_text,
            equity=self._view.equity(),
            day_pnl=self._view.day_pnl(),
            day_limit=limit,
            orders=self._orders(now),
            positions=self._positions(now),
            risk=self._sources.risk_rows(),
            alerts=books.alerts.rows(now),
            strategies=self._sources.strategy_rows(),
            health=self._health(),
            kill=self._kill_view(),
            limits_version=books.limits_version,
            screens=self._sources.screens(),
        )

    # -- parts

    def _orders(self, now: int) -> tuple[OrderRow, ...]:
        books = self._core.books
        working = [self._order(r, now) for r in books.orders.working()]
        working.reverse()
        closed = [self._order(r, now) for r in books.orders.recent_closed(CLOSED_SHOWN)]
        return (*working, *closed)

    def _order(self, record: OrderRecord, now: int) -> OrderRow:
        order, life = record.order, record.life
        instrument = self._core.books.instruments.get(order.symbol)
        average = record.avg_price
        return OrderRow(
            id=order.id,
            broker_id=life.broker_id or "",
            strategy=order.strategy,
            symbol=order.symbol,
            side="BUY" if order.side is Side.BUY else "SELL",
            type=str(order.type),
            tif=str(order.tif),
            qty=size_of(instrument, life.qty),
            filled=size_of(instrument, life.cum),
            leaves=size_of(instrument, life.leaves),
            limit=price_of(instrument, life.limit),
            stop=price_of(instrument, life.stop),
            avg_price=None if average is None or instrument is None else average * instrument.tick,
            status=str(life.status),
            overlay="held" if record.held else overlays(life),
            reason=life.reason,
            created=order.created,
            age=order_age(order.created, now),
            foreign=record.foreign,
            purpose=str(order.purpose),
            correlation=order.correlation,
        )

    def _positions(self, now: int) -> tuple[PositionRow, ...]:
        core = self._core
        states = self._sources.position_states()
        shown = set(core.markets.by_symbol) | {p.symbol for p in core.books.positions}
        return tuple(self._position(core.books.positions.get(s), now, states) for s in sorted(shown))

    def _position(self, position: Position, now: int, states: Mapping[str, str]) -> PositionRow:
        core = self._core
        symbol = position.symbol
        instrument = core.books.instruments.get(symbol)
        market = core.markets.get(symbol)
        held = position.held
        quote = market.quote if market is not None else None
        data = market.data(now) if market is not None else None
        mark = market.mark_twice if market is not None else None
        realised = money_micro(instrument, held.realised_micro) if instrument is not None else Decimal(0)
        open_pnl: Decimal | None = Decimal(0) if held.qty == 0 else None
        if held.qty and mark is not None and instrument is not None:
            open_pnl = instrument.money(held.total_half(mark)) / 2 - realised
        halt = core.books.halts.instrument(symbol)
        state = f"halted: {halt.code}" if halt is not None else states.get(symbol, "unknown")
        broker = position.broker
        stale = core.books.is_outdated(position)
        if stale and halt is None:
            # The broker was read before our last fill: its figure says nothing about now.
            state = "in flight"
        return PositionRow(
            symbol=symbol,
            intended=None if position.target is None else size_of(instrument, position.target),
            executed=size_of(instrument, held.qty),
            broker=None if broker is None else size_of(instrument, broker),
            diff=None if broker is None or stale else size_of(instrument, broker - held.qty),
            state=state,
            avg_price=None
            if held.average is None or instrument is None
            else round(held.average * instrument.tick, 6),
            last=price_of(instrument, market.last if market is not None else None),
            bid=price_of(instrument, quote.bid if quote is not None else None),
            ask=price_of(instrument, quote.ask if quote is not None else None),
            open_pnl=_cents(open_pnl),
            realised_pnl=round(realised, 2),
            fees=round(held.fees, 2),
            data_age=None if data is None or data.age is None else data.age / NS,
            data_state="none" if data is None else data.word,
            market_state="UNKNOWN" if market is None else str(market.state(now)),
            by_strategy={
                s: size_of(instrument, part.qty) for s, part in sorted(position.parts.items()) if part.qty
            },
        )

    def _health(self) -> HealthRow:
        core = self._core
        metrics = core.metrics
        age = self._view.data_age()
        period = metrics.stages.get("risk period") or Histogram()
        commit = metrics.stages.get("journal commit") or Histogram()
        journal = core.journal.state
        journal_word: HealthWord = {"ok": "ok", "slow": "warn"}.get(journal, "down")  # type: ignore[assignment]
        uptime, link = self._sources.uptime(), self._sources.link()
        data: HealthWord = "unknown"
        if age is not None:
            data = "ok" if not self._view.stale_symbols() else "warn"
        return HealthRow(
            broker="ok" if core.link_up else "down",
            broker_text=link.text,
            data=data,
            data_age=age,
            engine=self._sources.pace(),
            risk_p50_ms=period.quantile(0.5) / 1e6,
            risk_p99_ms=period.quantile(0.99) / 1e6,
            risk_max_ms=period.max / 1e6,
            journal=journal_word,
            journal_text=core.journal.trouble,
            journal_seq=core.journal.seq,
            commit_p50_us=commit.quantile(0.5) / 1000,
            commit_p99_us=commit.quantile(0.99) / 1000,
            latencies=metrics.percentiles(),
            counters=self._sources.counters(),
            rates=self._sources.rates(),
            rss_mb=self._sources.rss_mb() or 0.0,
            uptime=uptime,
            link=link,
        )

    def _kill_view(self) -> KillView | None:
        progress = self._kill.progress
        if not progress.scope:
            return None
        return KillView(
            running=progress.running,
            scope=progress.scope,
            steps=tuple(progress.steps[-30:]),
            verdict=progress.verdict,
        )


def overlays(life: OrderLife) -> str:
    """What is under way with an order on top of its status, in words; see `OrderRow.overlay`."""
    words = {
        "cancel?": life.pending_cancel,
        "replace?": life.replaces,
        "suspended": life.suspended,
        "done-for-day": life.done_for_day,
    }
    return " ".join(word for word, there in words.items() if there)


def size_of(instrument: Instrument | None, lots: int) -> Decimal:
    """Lots as a size; as they are where the instrument is not known."""
    return Decimal(lots) if instrument is None else instrument.size(lots)


def price_of(instrument: Instrument | None, ticks: int | None) -> Decimal | None:
    """Ticks as a price; as they are where the instrument is not known."""
    if ticks is None:
        return None
    return Decimal(ticks) if instrument is None else instrument.price(ticks)


def _cents(money: Decimal | None) -> Decimal | None:
    return None if money is None else round(money, 2)
