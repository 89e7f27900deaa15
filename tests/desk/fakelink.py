"""A link without an engine: snapshots made by hand, commands kept in a list."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from engine.control.commands import Answer, AnyCommand
from engine.control.link import AnswerSink
from engine.control.news import Batch, Event
from engine.control.questions import AnyQuestion, AnyReply, Declined, ReplySink
from engine.control.snapshot import (
    AlertRow,
    CallbackRow,
    HealthRow,
    KillView,
    OrderRow,
    Percentiles,
    PositionRow,
    RiskRow,
    ScreenRole,
    Snapshot,
    StrategyRow,
)
from engine.records import RunStarted

D = Decimal
TS = 1_682_951_407_123_456_789
"""2023-05-01 14:30:07.123 UTC, 09:30:07 in Chicago."""


class FakeLink:
    """Answers every command with `answer`; `stale` seconds is the age that it reports."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.snapshot = snapshot
        self.stale = 0.1
        self.living = True
        self.part: ScreenRole = "control"
        self.sent: list[AnyCommand] = []
        self.who: list[str] = []
        self.answer: Answer | None = Answer(ok=True, text="done")
        self.broken: Exception | None = None
        self.asked: list[AnyQuestion] = []
        self.events: list[Event] = []
        self.started: RunStarted | None = None
        self.replies: dict[str, AnyReply | Callable[[Any], AnyReply]] = {}
        """By the question's tag; a question without one is declined."""

    def latest(self) -> Snapshot | None:
        return self.snapshot

    def age(self) -> float:
        return self.stale

    def alive(self) -> bool:
        return self.living

    def role(self) -> ScreenRole:
        return self.part

    def news(self, after: int) -> Batch:
        return Batch([event for event in self.events if event.seq > after])

    def send(self, command: AnyCommand, who: str, answer: AnswerSink | None = None) -> None:
        if self.broken is not None:
            raise self.broken
        self.sent.append(command)
        self.who.append(who)
        if answer is not None and self.answer is not None:
            answer(self.answer)

    def ask(self, question: AnyQuestion, sink: ReplySink) -> None:
        self.asked.append(question)
        reply = self.replies.get(str(question.__struct_config__.tag), Declined(text="nobody answers here"))
        sink(reply(question) if callable(reply) else reply)


def change(value: Any, **fields: Any) -> Any:
    """A copy with other fields."""
    return msgspec.structs.replace(value, **fields)


def order(number: int, status: str = "WORKING", **fields: Any) -> OrderRow:
    symbol = ("ESM3", "NQM3", "GCM3", "BTCUSDT")[number % 4]
    base = {"ESM3": D("4185.25"), "NQM3": D("13310.50"), "GCM3": D("1994.1"), "BTCUSDT": D("28641.5")}[symbol]
    qty = D(number % 7 + 1)
    filled = qty // 2 if status == "PARTIAL_FILL" else qty if status == "FILLED" else D(0)
    values: dict[str, Any] = {
        "id": f"trend-7f3a-{number:04d}",
        "broker_id": f"P{number}",
        "strategy": "trend" if number % 2 else "maker",
        "symbol": symbol,
        "side": "B" if number % 3 else "S",
        "type": "LMT",
        "tif": "DAY",
        "qty": qty,
        "filled": filled,
        "leaves": D(0) if status in ("CANCELED", "REJECTED", "FILLED") else qty - filled,
        "limit": base + D("0.25") * (number % 5),
        "stop": None,
        "avg_price": base if filled else None,
        "status": status,
        "overlay": "",
        "reason": "",
        "created": TS - number * 1_700_000_000,
        "foreign": False,
        "purpose": "trade",
        "correlation": f"c{number:08x}",
    }
    return OrderRow(**{**values, **fields})


def orders() -> tuple[OrderRow, ...]:
    return (
        order(1),
        order(2, "PARTIAL_FILL"),
        order(3, "PENDING_NEW"),
        order(4, overlay="cancel?"),
        order(5, "UNKNOWN", reason="submit timed out, broker asked 2 times"),
        order(6, foreign=True, strategy="", reason="placed at the broker"),
        order(7, type="STL", stop=D("1990.5"), purpose="protect"),
        order(8),
        order(9, "PARTIAL_FILL", overlay="replace?"),
        order(10),
        order(11, "FILLED"),
        order(12, "CANCELED", reason="by operator"),
        order(13, "REJECTED", reason="price 4.9 % from a fresh reference [limit 5 %]"),
        order(14, "EXPIRED"),
    )


def position(symbol: str, held: int, **fields: Any) -> PositionRow:
    values: dict[str, Any] = {
        "symbol": symbol,
        "intended": D(held),
        "executed": D(held),
        "broker": D(held),
        "diff": D(0),
        "state": "agree",
        "avg_price": D("4180.50") if held else None,
        "last": D("4185.25"),
        "bid": D("4185.25"),
        "ask": D("4185.50"),
        "open_pnl": D(held) * D("237.5"),
        "realised_pnl": D("-310.25"),
        "fees": D("42.18"),
        "data_age": 0.2,
        "data_state": "live",
        "market_state": "OPEN",
        "by_strategy": {"trend": D(held)},
    }
    return PositionRow(**{**values, **fields})


def positions() -> tuple[PositionRow, ...]:
    return (
        position("ESM3", 3, by_strategy={"trend": D(2), "maker": D(1)}),
        position("NQM3", -2, avg_price=D("13312.75"), last=D("13310.50")),
        position(
            "GCM3", -1, broker=D(-2), diff=D(-1), state="drift", avg_price=D("1996.4"), last=D("1994.1")
        ),
        position(
            "BTCUSDT",
            0,
            intended=D("0.125"),
            executed=D("0.050"),
            broker=D("0.100"),
            diff=D("0.050"),
            state="in flight",
            last=D("28641.5"),
            by_strategy={"maker": D("0.05")},
        ),
        position(
            "CLM3", 0, intended=None, data_state="stale", data_age=14.2, market_state="HALTED", by_strategy={}
        ),
        position(
            "ZNM3",
            1,
            broker=None,
            diff=None,
            state="unknown",
            open_pnl=None,
            data_age=None,
            data_state="none",
        ),
    )


def risk() -> tuple[RiskRow, ...]:
    def control(
        name: str, title: str, used: str, limit: str, ratio: float | None, state: str, **fields: str
    ) -> RiskRow:
        values: dict[str, Any] = {"scope": "", "action": "refuse", "detail": "", **fields}
        return RiskRow(control=name, title=title, used=used, limit=limit, ratio=ratio, state=state, **values)  # type: ignore[arg-type]

    return (
        control("daily_loss", "Daily loss", "1,204.50", "2,000.00", 0.602, "ACTIVE", action="kill"),
        control("max_position", "Max position", "8", "10", 0.8, "WARN", scope="ESM3"),
        control("order_rate", "Order rate", "12/s", "45/s", 0.27, "ACTIVE"),
        control("price_sanity", "Price sanity", "0.1 %", "5 %", 0.02, "ACTIVE"),
        control(
            "margin",
            "Margin",
            "?",
            "90 %",
            None,
            "UNKNOWN",
            action="kill",
            detail="no account values for 12 s",
        ),
        control(
            "spread",
            "Spread breaker",
            "6 ticks",
            "4 ticks",
            1.5,
            "TRIPPED",
            scope="GCM3",
            action="pause",
            detail="openings pause for another 21 s",
        ),
        control("gross", "Gross exposure", "412,000", "500,000", 0.824, "WARN"),
    )


def alert(number: int, severity: str, text: str, **fields: Any) -> AlertRow:
    values: dict[str, Any] = {
        "id": number,
        "ts": TS - (20 - number) * 3_000_000_000,
        "severity": severity,
        "code": "note",
        "text": text,
        "symbol": "",
        "correlation": "",
        "acknowledged": False,
    }
    return AlertRow(**{**values, **fields})


def alerts() -> tuple[AlertRow, ...]:
    return (
        alert(19, "warning", "spread 6 ticks, openings pause 30 s", code="spread", symbol="GCM3"),
        alert(17, "critical", "GCM3: executed -1, broker -2", code="drift", symbol="GCM3"),
        alert(15, "info", "limits v3 in force", code="reload"),
        alert(
            12,
            "critical",
            "strategy runaway stopped: no answer for 2.0 s",
            code="strategy_hung",
            acknowledged=True,
        ),
        alert(9, "warning", "reject [bold]storm[/] eased", code="reject_storm", acknowledged=True),
    )


def strategies() -> tuple[StrategyRow, ...]:
    def one(name: str, state: str, **fields: Any) -> StrategyRow:
        values: dict[str, Any] = {
            "reason": "",
            "intended": {},
            "orders": 41,
            "fills": 33,
            "pnl": D("812.50"),
            "lag_ms": 0.8,
            "rss_mb": 38.2,
        }
        return StrategyRow(name=name, state=state, **{**values, **fields})  # type: ignore[arg-type]

    called = (
        CallbackRow(
            name="on_quote", count=184_201, p50=38.0, p99=212.0, max=61_400.0, deadline=50_000.0, late=2
        ),
        CallbackRow(name="on_fill", count=33, p50=51.0, p99=90.0, max=90.0),
    )
    busy = {"queue": 132, "conflated": 1_204, "cpu": 0.31, "callbacks": called}
    return (
        one("trend", "running", intended={"ESM3": D(2), "NQM3": D(-2)}, **busy),
        one("maker", "paused", reason="by operator", pnl=D("-96.75"), intended={"ESM3": D(1)}),
        one(
            "runaway",
            "failed",
            reason="no answer for 2.0 s (while True), process ended",
            pnl=D(0),
            lag_ms=None,
            rss_mb=None,
        ),
    )


def health(**fields: Any) -> HealthRow:
    values: dict[str, Any] = {
        "broker": "ok",
        "broker_text": "paper exchange",
        "data": "ok",
        "data_age": 0.2,
        "engine": "ok",
        "risk_p50_ms": 10.1,
        "risk_p99_ms": 11.4,
        "risk_max_ms": 17.9,
        "journal": "ok",
        "journal_text": "synced",
        "journal_seq": 10412,
        "commit_p50_us": 310.0,
        "commit_p99_us": 1240.0,
        "latencies": (
            Percentiles(
                stage="tick→intent",
                count=4031,
                p50=180.0,
                p95=420.0,
                p99=760.0,
                max=5400.0,
                spread=(0, 0, 0, 0, 0, 3, 40, 610, 2400, 850, 110, 12, 4, 2),
            ),
            Percentiles(
                stage="approved→recorded",
                count=412,
                p50=340.0,
                p95=900.0,
                p99=1300.0,
                max=9100.0,
                spread=(0, 0, 0, 0, 0, 0, 0, 9, 88, 261, 50, 3, 0, 0, 1),
            ),
            Percentiles(
                stage="sent→acknowledged", count=410, p50=2100.0, p95=4800.0, p99=9900.0, max=44000.0
            ),
        ),
        "counters": {"fills": 388, "duplicates ignored": 3},
        "rates": {"reject_rate": 0.012, "fill_rate.LMT": 0.81},
        "rss_mb": 66.4,
        "uptime": 7325.0,
    }
    return HealthRow(**{**values, **fields})


def snapshot(**fields: Any) -> Snapshot:
    values: dict[str, Any] = {
        "seq": 1,
        "ts": TS,
        "mode": "PAPER",
        "account": "PAPER-1",
        "currency": "USD",
        "feed": "synthetic",
        "feed_progress": None,
        "halted": False,
        "halt_reason": "",
        "paused": (),
        "trading": True,
        "trading_text": "three views agree",
        "equity": D("101204.50"),
        "day_pnl": D("1204.50"),
        "day_limit": D("2000"),
        "orders": orders(),
        "positions": positions(),
        "risk": risk(),
        "alerts": alerts(),
        "strategies": strategies(),
        "health": health(),
        "kill": None,
        "limits_version": 3,
    }
    return Snapshot(**{**values, **fields})


def killing(*, running: bool = True, verdict: str = "") -> KillView:
    return KillView(
        running=running,
        scope="everything",
        steps=(
            "2023-05-01 14:30:04Z flatten everything in account PAPER-1: daily loss",
            "2023-05-01 14:30:04Z cancel trend-7f3a-0001",
            "2023-05-01 14:30:04Z cancel maker-7f3a-0002",
            "2023-05-01 14:30:05Z the broker did not answer: timed out after 1 s",
            "2023-05-01 14:30:06Z NQM3: buy 2 at 13312.00 (try 1)",
            "2023-05-01 14:30:06Z ESM3: sell 3 at 4184.75 (try 1)",
        ),
        verdict=verdict,
    )


def halted_snapshot() -> Snapshot:
    return snapshot(
        halted=True,
        halt_reason="daily loss 2,004.25 of 2,000.00",
        day_pnl=D("-2004.25"),
        kill=killing(),
    )


def recorded_snapshot() -> Snapshot:
    """A moment of a journal: no prices, no readings, nothing to command."""
    return snapshot(
        mode="REPLAY",
        feed="journal journal.db",
        feed_progress=0.4,
        trading=False,
        trading_text="row 414 of 1031: the broker acknowledges it as P2",
        equity=None,
        day_pnl=None,
        day_limit=None,
        risk=(),
        recorded=True,
    )
