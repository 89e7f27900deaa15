"""A moment of a journal as the snapshot and the answers that a desk draws.

What a journal does not keep (prices of the market, readings of controls, latencies) is shown as not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal

from app.replay.index import Index
from engine.answers_day import by_instrument, by_strategy, carried, realised_today
from engine.answers_market import own_orders
from engine.books import Books
from engine.control.questions import MAX_MARKS, MAX_POINTS
from engine.control.replies import DayPoint, DaySeen, Declined, FillMark, MarketSeen
from engine.control.snapshot import HealthRow, KillView, RiskRow, Snapshot, StrategyRow
from engine.facts import Executed, MarketStateChanged
from engine.model import NS, ExecutionKey
from engine.picture_rows import order_rows, position_row
from engine.recorder import Moment
from engine.records import FactTaken, KillBegan, KillEnded, KillStep
from engine.strategy_restarts import DAY, restarts

_DAY: Final = 86_400.0
_STATES: Final = ("starting", "running", "paused", "stopped", "failed")


class Follower:
    """What a moment needs beyond the books: followed row by row."""

    def __init__(self) -> None:
        self.kill: KillView | None = None
        self.fills: dict[ExecutionKey, tuple[str, FillMark]] = {}
        """Executions with their symbol, for the charts; the newest at the end."""
        self.market_states: dict[str, MarketStateChanged] = {}
        self.link_up = False

    def follow(self, moment: Moment) -> None:
        """One further row."""
        row, record, books = moment
        assert row is not None
        match record:
            case KillBegan(reason=reason, symbol=symbol):
                self.kill = KillView(running=True, scope=symbol or "everything", steps=(reason,), verdict="")
            case KillStep(text=text) if self.kill is not None:
                steps = (*self.kill.steps[-29:], text)
                self.kill = KillView(running=True, scope=self.kill.scope, steps=steps, verdict="")
            case KillEnded(verdict=verdict) if self.kill is not None:
                self.kill = KillView(
                    running=False, scope=self.kill.scope, steps=self.kill.steps, verdict=verdict
                )
            case FactTaken(fact=Executed(fill=fill)):
                known = books.instruments.get(fill.symbol)
                price = Decimal(fill.price) if known is None else known.price(fill.price)
                size = Decimal(fill.qty) if known is None else known.size(fill.qty)
                mark = FillMark(row.ts, str(fill.side), price, size, fill.order_id or "")
                self.fills[fill.key] = (fill.symbol, mark)
            case FactTaken(fact=MarketStateChanged() as change):
                self.market_states[change.symbol] = change
            case _:
                pass


def snapshot(
    moment: Moment, follower: Follower, index: Index, what: str, path: str, seq: int, note: str
) -> Snapshot:
    """The state of a moment. `what`: the row in words; `seq`: number of the snapshot."""
    row, _, books = moment
    now = 0 if row is None else row.ts
    number, last = 0 if row is None else row.seq, max(index.last, 1)
    halt = books.halts.account()
    run, day = books.run, books.day
    profit = realised_today(books)
    if any(position.held.qty for position in books.positions):
        profit = None  # what is open has a value that the journal does not know
    shown = sorted({*books.instruments, *(p.symbol for p in books.positions)})
    text = f"row {number} of {index.last}: {what}" if row is not None else "before the first row"
    return Snapshot(
        seq=seq,
        ts=now,
        mode="REPLAY",
        account=books.config.account,
        currency=books.config.currency,
        feed=f"journal {path}",
        feed_progress=number / last,
        halted=halt is not None,
        halt_reason=halt.reason if halt is not None else "",
        paused=(),
        trading=False,
        trading_text=f"{text}. {note}" if note else text,
        equity=None if profit is None or day is None else day.opening_equity + profit,
        day_pnl=profit,
        day_limit=None,
        orders=order_rows(books),
        positions=tuple(position_row(books, symbol, None, now, {}) for symbol in shown),
        risk=_risk(books),
        alerts=books.alerts.rows(),
        strategies=_strategies(books),
        health=HealthRow(
            broker="unknown",
            broker_text=f"recorded: {run.broker}" if run is not None else "recorded",
            data="unknown",
            data_age=None,
            engine="unknown",
            risk_p50_ms=0.0,
            risk_p99_ms=0.0,
            risk_max_ms=0.0,
            journal="ok" if not note else "warn",
            journal_text=note,
            journal_seq=number,
            commit_p50_us=0.0,
            commit_p99_us=0.0,
            latencies=(),
            counters={"executions": books.fills, "rows": number},
            rates={},
            rss_mb=0.0,
            uptime=max(0.0, (now - index.time(index.first)) / NS),
        ),
        kill=follower.kill,
        limits_version=books.limits_version,
        recorded=True,
    )


def _risk(books: Books) -> tuple[RiskRow, ...]:
    """The controls that had tripped; readings of the others are not in a journal."""
    return tuple(
        RiskRow(
            control=control,
            title=control.replace("_", " "),
            scope=scope,
            used="?",
            limit="?",
            ratio=None,
            state="TRIPPED",
            action=tripped.action,
            detail=tripped.detail,
        )
        for (control, scope), tripped in sorted(books.tripped.items())
    )


def _strategies(books: Books) -> tuple[StrategyRow, ...]:
    names = sorted({*books.strategies, *(s for p in books.positions for s in p.parts)})
    return tuple(_strategy(books, name) for name in names)


def _strategy(books: Books, name: str) -> StrategyRow:
    change = books.strategies.get(name)
    state: Literal["starting", "running", "paused", "stopped", "failed"] = "stopped"
    if change is not None and change.state in _STATES:
        state = change.state  # type: ignore[assignment]
    intended = {
        p.symbol: books.instruments[p.symbol].size(p.intended[name])
        for p in books.positions
        if name in p.intended and p.symbol in books.instruments
    }
    executions = sum(p.parts[name].executions for p in books.positions if name in p.parts)
    (made,) = (row for row in by_strategy(books, lambda _: None, (name,), lambda _: None) if row.name == name)
    return StrategyRow(
        name=name,
        state=state,
        reason=change.reason if change is not None else "",
        intended=intended,
        orders=0,
        fills=executions,
        pnl=(made.realised or Decimal(0)) - (made.fees or Decimal(0)),
        lag_ms=None,
        rss_mb=None,
        restarts=restarts(books, name, DAY, books.last_ts),
    )


def market(moment: Moment, follower: Follower, symbol: str, *, bars: bool) -> MarketSeen | Declined:
    """What the journal knows of a market: our orders, our position, our fills; no prices of its own."""
    row, _, books = moment
    instrument = books.instruments.get(symbol)
    if row is None or instrument is None:
        return Declined(text=f"the journal knows no instrument {symbol} at this moment")
    held = books.positions.get(symbol).held
    told = follower.market_states.get(symbol)
    own, left_out = own_orders(books, instrument, None, 0)
    marks = [mark for of, mark in follower.fills.values() if of == symbol][-MAX_MARKS:]
    low, high = (None, None) if told is None else (told.low_limit, told.high_limit)
    return MarketSeen(
        symbol=symbol,
        ts=row.ts,
        tick=instrument.tick,
        lot=instrument.lot,
        currency=instrument.currency,
        bid=None,
        bid_size=None,
        ask=None,
        ask_size=None,
        last=marks[-1].price if marks else None,
        last_ts=marks[-1].ts if marks else 0,
        state="UNKNOWN" if told is None else str(told.state),
        data_state="none",
        data_age=None,
        low_limit=None if low is None else instrument.price(low),
        high_limit=None if high is None else instrument.price(high),
        position=instrument.size(held.qty),
        avg_price=None if held.average is None else round(held.average * instrument.tick, 6),
        depth="none",
        depth_text="recorded: last is our own last fill; the journal keeps no market prices",
        own=own,
        own_left_out=left_out,
        fills=tuple(marks) if bars else (),
    )


def day(moment: Moment, index: Index) -> DaySeen:
    """The day up to the moment: what was realised. What is open has no price in a journal."""
    row, _, books = moment
    number = 0 if row is None else row.seq
    opened = books.day
    name = opened.trading_day if opened is not None else ""
    made = [m for m in index.made if m.seq <= number and m.day == name]
    every = max(1, -(-len(made) // MAX_POINTS))
    points = tuple(
        DayPoint(chunk[0].ts, chunk[-1].pnl, min(m.pnl for m in chunk), max(m.pnl for m in chunk))
        for chunk in (made[n : n + every] for n in range(0, len(made), every))
    )
    nobody: Mapping[str, float] = {}
    return DaySeen(
        trading_day=name,
        currency=books.config.currency,
        ts=0 if row is None else row.ts,
        pnl=realised_today(books),
        limit=None,
        opening_equity=opened.opening_equity if opened is not None else None,
        equity=None,
        peak=books.peak,
        carried=carried(books),
        points=points,
        step=_DAY,
        since=made[0].ts if made else 0,
        partial="what was realised, less fees: a journal keeps no prices",
        strategies=by_strategy(books, lambda _: None, books.strategies, nobody.get),
        instruments=by_instrument(books, lambda _: None, books.instruments, nobody.get),
    )
