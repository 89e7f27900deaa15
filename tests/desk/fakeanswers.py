"""Answers of an engine, made by hand: a market with depth, a day, the log, a story."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fakelink import TS, change

from engine.control.questions import AnyReply, MarketOf
from engine.control.replies import (
    AccountSeen,
    Bar,
    DayPoint,
    DayRow,
    DaySeen,
    FillMark,
    Latency,
    Level,
    LogLine,
    LogLines,
    MarketSeen,
    OwnOrder,
    Print,
    RowsTold,
    StoryLine,
    StoryTold,
)
from engine.model import NS

D = Decimal
TICK = D("0.25")
MID = D("4185.25")


def own(number: int, side: str, price: str, leaves: int, ahead: int | None, **fields: object) -> OwnOrder:
    values: dict[str, object] = {
        "id": f"trend-7f3a-{number:04d}",
        "side": side,
        "type": "LMT",
        "price": D(price),
        "leaves": D(leaves),
        "status": "WORKING",
        "ahead": None if ahead is None else D(ahead),
        "ahead_exact": True,
    }
    return OwnOrder(**{**values, **fields})  # type: ignore[arg-type]


def prints(count: int = 60) -> tuple[Print, ...]:
    return tuple(
        Print(
            n,
            TS - (count - n) * 730_000_000,
            MID + TICK * ((n * 7) % 5 - 2),
            D(n % 9 + 1),
            ("B", "S", "")[n % 7 % 3],
        )
        for n in range(1, count + 1)
    )


def bars(count: int = 120, seconds: int = 60) -> tuple[Bar, ...]:
    found = []
    price = 4170
    for n in range(count):
        step = (n * 13) % 7 - 3 + (n % 11 == 0)
        start, price = price, price + step
        high, low = max(start, price) + n % 3, min(start, price) - n % 2
        begin = (TS // (seconds * NS) - count + 1 + n) * seconds * NS
        found.append(Bar(begin, D(start), D(high), D(low), D(price), D(n % 40), n % 17 != 5))
    return tuple(found)


def market(question: MarketOf | None = None, *, depth: str = "orders", **fields: object) -> MarketSeen:
    """The E-mini at 4185.25 × 4185.50, with our orders in the book."""
    levels = 20 if depth == "orders" else 1
    count, seconds = (question.bars, question.bar_seconds) if question is not None else (120, 60)
    made = bars(count, seconds)
    values: dict[str, object] = {
        "symbol": question.symbol if question is not None else "ESM3",
        "ts": TS,
        "tick": TICK,
        "currency": "USD",
        "bid": MID,
        "bid_size": D(23),
        "ask": MID + TICK,
        "ask_size": D(17),
        "last": MID,
        "last_ts": TS,
        "state": "OPEN",
        "data_state": "live",
        "data_age": 0.2,
        "low_limit": D("4100.00"),
        "high_limit": D("4186.75"),
        "position": D(3),
        "avg_price": D("4183.916667"),
        "depth": depth,
        "depth_text": "the whole book"
        if depth == "orders"
        else "best bid and ask only: this feed has no depth",
        "bids": tuple(Level(MID - TICK * n, D(23 + 11 * n % 40), 16 + n) for n in range(levels)),
        "asks": tuple(Level(MID + TICK * (n + 1), D(17 + 13 * n % 50), 12 + n) for n in range(levels)),
        "own": (
            own(1, "BUY", "4185.25", 2, 14),
            own(2, "BUY", "4184.75", 5, 60, ahead_exact=False),
            own(3, "SELL", "4186.25", 3, None, overlay="cancel?"),
            own(4, "SELL", "4182.00", 3, None, type="STP"),
            own(5, "BUY", "4099.00", 1, 900),
        ),
        "prints": prints() if question is None or question.prints else (),
        "last_print": 60,
        "bars": made,
        "fills": (
            FillMark(made[-40].ts, "B", made[-40].low, D(2), "trend-7f3a-0011"),
            FillMark(made[-12].ts, "S", made[-12].high, D(1), "trend-7f3a-0012"),
        )
        if len(made) >= 40
        else (),
    }
    return MarketSeen(**{**values, **fields})  # type: ignore[arg-type]


def day(**fields: object) -> DaySeen:
    """A morning that went down to half its limit and came back."""
    shape = [0, -60, -180, -420, -700, -980, -1040, -880, -610, -250, 40, 310, 520, 480, 760, 990, 1130, 1204]
    points = tuple(
        DayPoint(TS - (len(shape) * 6 - n) * 75 * NS, D(v), D(v - 35), D(v + 25))
        for n, v in enumerate(
            a + (b - a) * k // 6
            for a, b in zip(shape, [*shape[1:], shape[-1]], strict=True)
            for k in range(6)
        )
    )

    def row(name: str, made: str, **more: object) -> DayRow:
        values: dict[str, object] = {
            "name": name,
            "position": None,
            "realised": D(made) - D(100),
            "fees": D("42.18"),
            "open": D("142.18"),
            "net": D(made),
            "fills": 33,
            "lots": D(71),
            "slippage": 0.31,
        }
        return DayRow(**{**values, **more})  # type: ignore[arg-type]

    values: dict[str, object] = {
        "trading_day": "2023-05-01",
        "currency": "USD",
        "ts": TS,
        "pnl": D("1204.50"),
        "limit": D(2000),
        "opening_equity": D(100_000),
        "equity": D("101204.50"),
        "peak": D("101230.00"),
        "account": AccountSeen(equity=D("101204.25"), at=TS - 4 * NS, counts=True),
        "carried": D("-12.50"),
        "points": points,
        "step": 75.0,
        "since": points[0].ts,
        "partial": "",
        "strategies": (
            row("trend", "812.50"),
            row("maker", "-96.75", slippage=-0.12),
            row("manual", "476.25"),
        ),
        "instruments": (
            row("ESM3", "1310.00", position=D(3)),
            row("NQM3", "-118.00", position=D(-2)),
            row("GCM3", "0", position=D(-1), open=None, net=None, slippage=None),
            row(
                "CLM3",
                "0",
                position=D(0),
                fills=0,
                lots=D(0),
                realised=D(0),
                open=D(0),
                fees=D(0),
                slippage=None,
            ),
        ),
    }
    return DaySeen(**{**values, **fields})  # type: ignore[arg-type]


def log() -> LogLines:
    texts = (
        ("info", "engine", "run started", "", "", "account=PAPER-1 feed=synthetic"),
        ("info", "orders", "sent", "trend-7f3a-0001", "c00000001", "qty=2 price=4185.25 status=PENDING_NEW"),
        ("info", "orders", "trend-7f3a-0001 WORKING", "trend-7f3a-0001", "c00000001", "broker_id=P1"),
        ("warning", "risk", "spread 6 ticks, openings pause 30 s", "", "c00000007", "control=spread"),
        ("error", "alert", "GCM3: executed -1, broker -2", "", "", "status=position_drift"),
        ("info", "fills", "fill", "trend-7f3a-0001", "c00000001", "qty=1 price=4185.25 exec_id=E12"),
    )
    lines = tuple(
        LogLine(
            n=n,
            ts=f"2023-05-01T14:{n % 60:02d}:07.{n:03d}456789Z",
            level=level,
            component=component,
            event=event,
            order_id=order,
            correlation=correlation,
            rest=rest,
        )
        for n, (level, component, event, order, correlation, rest) in enumerate(texts * 5, 1)
    )
    return LogLines(lines=lines, last=lines[-1].n, first=1)


def story(ident: str = "trend-7f3a-0002") -> StoryTold:
    """An order of the netted strategies, from the intention to the position."""
    steps = (
        (0, "intended", "", "trend wants to hold 3 NQM3"),
        (
            410_000,
            "order",
            ident,
            "net orders: buy 3 NQM3 at 13310.50 (limit, DAY); on disk before it is sent",
        ),
        (1_870_000, "sent", ident, "sent to the broker"),
        (4_020_000, "fact", ident, "the broker acknowledges it as P2"),
        (
            812_000_000,
            "fact",
            ident,
            "the broker reports a fill: bought 1 NQM3 at 13310.50, execution E12; "
            "position 0 → 1, booked to trend",
        ),
        (96_400_000_000, "alert", ident, "ALARM 17 (warning) slow: the rest has waited for 90 s"),
    )
    before = 0
    lines = []
    for number, (since, kind, order, text) in enumerate(steps):
        ts = TS - 100 * NS + since
        lines.append(
            StoryLine(
                row=411 + number,
                ts=ts,
                since=since,
                gap=since - before,
                kind=kind,
                order_id=order,
                correlation="c00000002",
                text=text,
            )
        )
        before = since
    return StoryTold(
        ident=ident,
        symbol="NQM3",
        orders=(ident,),
        correlations=("c00000002",),
        lines=tuple(lines),
        latencies=(
            Latency(stage="made→approved", ns=90_000),
            Latency(stage="approved→on disk and sent", ns=1_460_000),
            Latency(stage="sent→acknowledged", ns=2_150_000),
            Latency(stage="sent→first fill", ns=810_130_000),
        ),
    )


def rows(at: int = 414, **fields: object) -> RowsTold:
    """The flight recorder in the middle of a story."""
    told = story()
    lines = tuple(
        change(line, row=line.row - 12 + 6 * lap, ts=line.ts + lap * 97 * NS)
        for lap in range(5)
        for line in told.lines
    )
    values: dict[str, object] = {
        "at": at,
        "ts": next(line.ts for line in lines if line.row == at),
        "last": 1031,
        "begins": TS - 3600 * NS,
        "ends": TS + 1800 * NS,
        "path": "journal.db",
        "rows": lines,
        "events": (
            (TS - 3000 * NS, "fill"),
            (TS - 1500 * NS, "fill"),
            (TS - 1400 * NS, "alarm"),
            (TS + 600 * NS, "halt"),
            (TS + 900 * NS, "kill"),
        ),
    }
    return RowsTold(**{**values, **fields})  # type: ignore[arg-type]


def everything() -> dict[str, AnyReply | Callable[[Any], AnyReply]]:
    """For `FakeLink.replies`."""
    return {"market": market, "day": day(), "log": log(), "story": lambda q: story(q.ident), "rows": rows()}
