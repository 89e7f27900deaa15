"""Makes the immutable snapshot that screens, `ctl` and the log draw, from the books and the markets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from engine.control.snapshot import (
    Comparison,
    HealthRow,
    HealthWord,
    Hold,
    KillView,
    LinkRow,
    PositionRow,
    RiskRow,
    ScreenRow,
    SentinelRow,
    Snapshot,
    StrategyRow,
)
from engine.core import Core
from engine.kill import KillSwitch
from engine.metrics import Histogram
from engine.picture_rows import order_rows, position_row
from engine.view import EngineView


class Sources(Protocol):
    """What the snapshot needs beyond the books."""

    def risk_rows(self) -> tuple[RiskRow, ...]: ...

    def strategy_rows(self) -> tuple[StrategyRow, ...]: ...

    def trading(self) -> tuple[bool, str]: ...

    def paused(self) -> tuple[Hold, ...]: ...

    def comparison(self) -> Comparison:
        """The last comparison with the broker."""

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

    def sentinel(self) -> SentinelRow: ...


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
        comparison = self._sources.comparison()
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
            orders=order_rows(books, last_known=not comparison.orders),
            positions=self._positions(now, comparison.holds),
            risk=self._sources.risk_rows(),
            alerts=books.alerts.rows(now),
            strategies=self._sources.strategy_rows(),
            health=self._health(),
            kill=self._kill_view(),
            limits_version=books.limits_version,
            screens=self._sources.screens(),
            stops=books.stops,
            comparison=comparison,
        )

    # -- parts

    def _positions(self, now: int, compared: bool) -> tuple[PositionRow, ...]:
        core = self._core
        states = self._sources.position_states()
        shown = set(core.markets.by_symbol) | {p.symbol for p in core.books.positions}
        return tuple(
            position_row(core.books, symbol, core.markets.get(symbol), now, states, compared=compared)
            for symbol in sorted(shown)
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
            sentinel=self._sources.sentinel(),
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
