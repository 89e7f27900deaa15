"""Plain text for people: what `ctl` prints without --json. Numbers are exact and never cropped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from engine.control.snapshot import (
    AlertRow,
    Comparison,
    HealthRow,
    KillView,
    OrderRow,
    PositionRow,
    RiskRow,
    SentinelRow,
    StrategyRow,
    order_age,
)
from engine.control.wire import Status

NONE = "-"
"""What stands for a value that is not known."""


def number(value: Decimal | int | float | None, signed: bool = False) -> str:
    """An exact number, in full; with `signed` a plus before positive ones."""
    if value is None:
        return NONE
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    return f"+{text}" if signed and value > 0 else text


def money(value: Decimal | None, signed: bool = False) -> str:
    """An amount to the cent; `--json` has it in full."""
    return NONE if value is None else f"{value:{'+' if signed and value else ''}.2f}"


def age(seconds: float | None) -> str:
    """Seconds as a person reads them: `0.2s`, `12s`, `3m04s`, `2h05m`, `3d04h`."""
    if seconds is None:
        return NONE
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


def utc(ts: int) -> str:
    """UTC ns → `2026-11-21 02:24:13Z`."""
    return f"{datetime.fromtimestamp(ts // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}Z"


def plain(text: str) -> str:
    """Foreign text without anything that a terminal would act on."""
    return "".join(c if c.isprintable() else "�" for c in text)


def columns(heads: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> str:
    """A table; a head that starts with `>` aligns its column to the right."""
    body = [[plain(cell) for cell in row] for row in rows]
    if not body:
        return empty
    right = [head.startswith(">") for head in heads]
    table = [[head.removeprefix(">") for head in heads], *body]
    widths = [max(len(row[n]) for row in table) for n in range(len(heads))]
    lines = (
        "  ".join(
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in table
    )
    return "\n".join(lines)


def orders(rows: Sequence[OrderRow], ts: int) -> str:
    """`ts`: the time of the picture that the rows are of, UTC ns."""
    heads = ("ID", "STATUS", "SYMBOL", "SIDE", "TYPE", ">QTY", ">FILLED", ">LEAVES", ">LIMIT", ">STOP")
    more = (">AVG", "TIF", "STRATEGY", ">AGE", "REASON")
    return columns(
        heads + more,
        (
            (
                o.id or o.broker_id,
                " ".join(
                    word
                    for word in (
                        f"{o.status}? last known" if o.last_known else o.status,
                        o.overlay,
                        "foreign" if o.foreign else "",
                    )
                    if word
                ),
                o.symbol,
                {"B": "buy", "S": "sell"}.get(o.side, o.side),
                o.type,
                number(o.qty),
                number(o.filled),
                number(o.leaves),
                number(o.limit),
                number(o.stop),
                number(o.avg_price),
                o.tif,
                o.strategy,
                age(order_age(o.created, ts)),
                o.reason,
            )
            for o in rows
        ),
        "no orders",
    )


def positions(rows: Sequence[PositionRow]) -> str:
    return columns(
        (
            "SYMBOL",
            ">INTENDED",
            ">EXECUTED",
            ">BROKER",
            ">DIFF",
            "STATE",
            ">AVG",
            ">LAST",
            ">OPEN P&L",
            ">REALISED",
            ">FEES",
            "DATA",
        ),
        (
            (
                p.symbol,
                number(p.intended, True),
                number(p.executed, True),
                # Without a difference the broker's figure says nothing about now.
                number(p.broker, True) + ("?" if p.broker is not None and p.diff is None else ""),
                number(p.diff, True),
                p.state,
                number(p.avg_price),
                number(p.last),
                number(p.open_pnl, True),
                number(p.realised_pnl, True),
                number(p.fees),
                f"{p.data_state} {age(p.data_age)}" if p.data_age is not None else p.data_state,
            )
            for p in rows
        ),
        "no positions",
    )


def risk(rows: Sequence[RiskRow]) -> str:
    return columns(
        ("STATE", "CONTROL", "SCOPE", ">USED", ">LIMIT", ">%", "ACTION", "DETAIL"),
        (
            (
                r.state,
                r.control,
                r.scope or "account",
                r.used,
                r.limit,
                NONE if r.ratio is None else f"{r.ratio * 100:.0f}",
                r.action,
                r.detail,
            )
            for r in rows
        ),
        "no controls",
    )


def alerts(rows: Sequence[AlertRow]) -> str:
    return columns(
        (">ID", "TIME", "SEVERITY", "ACK", "CODE", "SYMBOL", "TEXT"),
        (
            (
                str(a.id),
                utc(a.ts),
                a.severity,
                "yes" if a.acknowledged else "no",
                a.code,
                a.symbol or NONE,
                a.text,
            )
            for a in rows
        ),
        "no alerts",
    )


def strategies(rows: Sequence[StrategyRow]) -> str:
    known = columns(
        (
            "NAME",
            "STATE",
            "INTENDED",
            ">ORDERS",
            ">FILLS",
            ">P&L",
            ">LAG ms",
            ">QUEUE",
            ">CONFLATED",
            ">DROPPED",
            ">CPU %",
            ">RSS MB",
            ">RESTARTS",
            "REASON",
        ),
        (
            (
                s.name,
                s.state,
                " ".join(f"{symbol} {number(qty, True)}" for symbol, qty in s.intended.items()) or NONE,
                str(s.orders),
                str(s.fills),
                number(s.pnl, True),
                NONE if s.lag_ms is None else f"{s.lag_ms:.1f}",
                str(s.queue),
                str(s.conflated),
                str(s.dropped),
                NONE if s.cpu is None else f"{100 * s.cpu:.0f}",
                NONE if s.rss_mb is None else f"{s.rss_mb:.0f}",
                str(s.restarts),
                s.reason,
            )
            for s in rows
        ),
        "no strategies",
    )
    called = columns(
        ("NAME", "CALLBACK", ">COUNT", ">P50 µs", ">P99 µs", ">MAX µs", ">DEADLINE µs", ">LATE"),
        (
            (
                s.name,
                c.name,
                str(c.count),
                f"{c.p50:.0f}",
                f"{c.p99:.0f}",
                f"{c.max:.0f}",
                NONE if c.deadline is None else f"{c.deadline:.0f}",
                str(c.late),
            )
            for s in rows
            for c in s.callbacks
        ),
        "",
    )
    return "\n\n".join(part for part in (known, called) if part)


def _pairs(rows: Iterable[tuple[str, str]]) -> str:
    listed = [(name, plain(value)) for name, value in rows if value]
    width = max((len(name) for name, _ in listed), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in listed)


def status(s: Status) -> str:
    trading = f"NOT enabled: {s.trading_text or 'the three views do not agree yet'}"
    if s.trading:
        trading = "NOT enabled: halted" if s.halted else "enabled"
    limit = f" (day stops at -{money(s.day_limit)})" if s.day_limit is not None else ""
    feed = s.feed if s.feed_progress is None else f"{s.feed}, {s.feed_progress * 100:.1f} %"
    return _pairs(
        [
            ("mode", f"{s.mode}, account {s.account}"),
            ("engine time", utc(s.ts)),
            ("halted", f"HALTED: {s.halt_reason}" if s.halted else "no"),
            ("trading", trading),
            *((("paused", reason)) for reason in s.paused),
            ("day P&L", f"{money(s.day_pnl, True)} {s.currency}{limit}"),
            ("equity", f"{money(s.equity)} {s.currency}"),
            (
                "orders",
                f"{s.working} working"
                + ("" if s.comparison.orders else " as last known")
                + (f", {s.unknown} UNKNOWN" if s.unknown else ""),
            ),
            ("positions", f"{s.open_positions} open" + (f", {s.drift} DRIFT" if s.drift else "")),
            ("compared", compared(s.comparison, s.ts)),
            ("alarms", f"{s.alerts} not acknowledged"),
            ("screens", "; ".join(f"{row.role}: {row.who}" for row in s.screens) or "none"),
            ("feed", feed),
            ("health", f"broker {s.broker}, data {s.data}, engine {s.engine}, journal {s.journal}"),
            *_guards(s.sentinel),
            ("limits", f"version {s.limits_version}"),
            ("up for", age(s.uptime)),
            ("kill", kill(s.kill) if s.kill is not None else ""),
        ]
    )


def _guards(row: SentinelRow) -> list[tuple[str, str]]:
    """What acts when the engine cannot: its sentinel, and the venue's own switch."""
    heard = "" if row.heard is None else f", heard {age(row.heard)} ago"
    told = row.policy if row.state == "unknown" else f"{row.policy}: {row.state} {row.text}".rstrip()
    return [
        ("sentinel", told + heard),
        ("venue timer", f"{row.venue} {row.venue_text}".rstrip()),
    ]


def compared(last: Comparison, ts: int) -> str:
    """When positions and orders were last compared with the broker, and whether that still tells of now."""
    when = "never in this run" if last.at is None else f"{age(max(0, ts - last.at) / 1e9)} ago"
    return when if last.holds else f"NOT COMPARED: {last.why}; last {when}"


def kill(view: KillView) -> str:
    state = "running" if view.running else view.verdict
    return f"{view.scope}: {state}"


def health(h: HealthRow) -> str:
    pairs = _pairs(
        [
            ("broker", f"{h.broker} {h.broker_text}".strip()),
            ("data", f"{h.data} {age(h.data_age)}"),
            (
                "engine",
                f"{h.engine}; risk loop p50 {h.risk_p50_ms:.1f}, p99 {h.risk_p99_ms:.1f}, "
                f"max {h.risk_max_ms:.1f} ms",
            ),
            (
                "journal",
                f"{h.journal} {h.journal_text}".strip()
                + f"; row {h.journal_seq}; commit p50 {h.commit_p50_us:.0f}, p99 {h.commit_p99_us:.0f} µs",
            ),
            *_guards(h.sentinel),
            ("memory", f"{h.rss_mb:.0f} MB"),
            ("up for", age(h.uptime)),
        ]
    )
    stages = columns(
        ("STAGE", ">COUNT", ">P50 µs", ">P95 µs", ">P99 µs", ">MAX µs"),
        (
            (p.stage, str(p.count), f"{p.p50:.0f}", f"{p.p95:.0f}", f"{p.p99:.0f}", f"{p.max:.0f}")
            for p in h.latencies
        ),
        "no latencies yet",
    )
    figures = _pairs(
        [
            *((name, f"{value:.6g}") for name, value in sorted(h.rates.items())),
            *((name, str(value)) for name, value in sorted(h.counters.items())),
        ]
    )
    return "\n\n".join(part for part in (pairs, stages, figures) if part)


SHOW: dict[str, Callable[[Any, int], str]] = {
    "status": lambda head, _: status(head),
    "orders": orders,
    "positions": lambda rows, _: positions(rows),
    "risk": lambda rows, _: risk(rows),
    "alerts": lambda rows, _: alerts(rows),
    "health": lambda row, _: health(row),
    "strategies": lambda rows, _: strategies(rows),
}
"""How each topic is shown, as of a time in UTC ns."""
