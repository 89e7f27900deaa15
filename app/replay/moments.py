"""Times as a person writes them for the flight recorder, and a state of the books as data and as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from app.options import parse_duration
from app.tables import plain
from engine.model import NS
from engine.orders_record import OrderRecord
from engine.recorder import Moment, Tape
from engine.recorder.words import Words

FORMS = (
    "2026-11-25T14:30:07Z, '2026-11-25 14:30:07.250', 2026-11-25 (its midnight), "
    "14:30:07 (on its last day; in {}), +90s, -5m, or UTC ns"
)

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z?)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NO_SPAN = re.compile(r"[+-]0+[a-z]*", re.ASCII)
_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](.+)", re.ASCII)


def parse_time(text: str, tape: Tape, zone: tzinfo = UTC) -> int:
    """A moment as UTC ns. `+90s` counts from the journal's first row, `-5m` back from its last, a time of day
    is that of its last day; in `zone`, which is that in which the times were shown, and with a Z in UTC.
    Raises `ValueError` with the forms."""
    text = text.strip()
    wrong = ValueError(f"'{text}' is no time; write it like {FORMS.format(zone)}")
    if text.isdecimal() and len(text) > 12:
        return int(text)
    if _NO_SPAN.fullmatch(text):
        return tape.begins if text[0] == "+" else tape.ends
    if text[:1] in ("+", "-"):
        try:
            span = parse_duration(text[1:])
        except ValueError:
            raise wrong from None
        return tape.begins + span if text[0] == "+" else tape.ends - span
    if _DATE.fullmatch(text):
        text += "T00:00"
    zone = UTC if text.endswith("Z") else zone
    day = datetime.fromtimestamp(tape.ends // NS, zone).date()
    stamp = _STAMP.fullmatch(text)
    try:
        if stamp is not None:
            day, text = datetime.strptime(stamp[1], "%Y-%m-%d").replace(tzinfo=UTC).date(), stamp[2]
        clock = _CLOCK.fullmatch(text)
        if clock is None:
            raise wrong
        hour, minute, second = (int(part or 0) for part in clock.groups()[:3])
        # By the clock on the wall: midnight may lie in another offset, and a leap second in the next minute.
        moment = datetime(day.year, day.month, day.day, tzinfo=zone)
        moment += timedelta(hours=hour, minutes=minute, seconds=second)
        whole = int(moment.timestamp())
    except (ValueError, OverflowError):
        raise wrong from None
    if hour > 23 or minute > 59 or second > 60:
        raise wrong
    return whole * NS + int((clock[4] or "").ljust(9, "0") or 0)


def time_text(ts: int) -> str:
    """UTC ns as `2026-11-25 14:30:07.250 UTC`."""
    return f"{datetime.fromtimestamp(ts // NS, UTC):%Y-%m-%d %H:%M:%S}.{ts % NS // 1_000_000:03d} UTC"


def span_text(ns: int) -> str:
    """A duration: `850 µs`, `12.4 ms`, `3.02 s`, `4 m 05 s`."""
    if ns < 1_000_000:
        return f"{ns / 1e3:.0f} µs"
    if ns < NS:
        return f"{ns / 1e6:.1f} ms"
    if ns < 120 * NS:
        return f"{ns / 1e9:.2f} s"
    minutes, seconds = divmod(ns // NS, 60)
    return f"{minutes} m {seconds:02d} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} m"


def state(moment: Moment, tape: Tape, words: Words) -> dict[str, Any]:
    """The state as plain data, for `--json`; prices and sizes as quoted, exact."""
    row, books = moment.row, moment.books
    symbol = _symbol(moment)
    return {
        "row": 0 if row is None else row.seq,
        "rows": tape.last,
        "ts": None if row is None else row.ts,
        "time": None if row is None else time_text(row.ts),
        "what": "" if moment.record is None else words.record(moment.record, symbol),
        "run": None if books.run is None else books.run.run,
        "ended": None if books.ended is None else books.ended.reason,
        "day": None if books.day is None else books.day.trading_day,
        "halts": [
            {"scope": h.scope, "target": h.target, "code": h.code, "reason": h.reason}
            for h in books.halts.all()
        ],
        "kill": [k.reason for k in books.kills],
        "tripped": [" ".join(filter(None, key)) for key in sorted(books.tripped)],
        "limits_version": books.limits_version,
        "positions": [
            {
                "symbol": p.symbol,
                "position": words.size(p.symbol, p.held.qty),
                "average": words.average(p.symbol, p.held.average),
                "fees": str(p.held.fees),
                "by_strategy": {s: words.size(p.symbol, h.qty) for s, h in sorted(p.parts.items()) if h.qty},
                "intended": {s: words.size(p.symbol, q) for s, q in sorted(p.intended.items())},
            }
            for p in sorted(books.positions, key=lambda p: p.symbol)
            if p.held.bought or p.held.sold or p.intended
        ],
        "orders": [_order(r, words) for r in books.orders.working()],
        "executions": books.fills,
        "alarms": [
            {"id": a.id, "severity": a.severity, "code": a.code, "text": a.text}
            for a in books.alerts.rows(500)
            if not a.acknowledged
        ],
        "digest": books.digest(),
    }


def _symbol(moment: Moment) -> str:
    if moment.row is None or not moment.row.order_id:
        return ""
    record = moment.books.orders.get(moment.row.order_id)
    return "" if record is None else record.order.symbol


def _order(record: OrderRecord, words: Words) -> dict[str, Any]:
    life, order = record.life, record.current()
    asked = [what for what, there in (("cancel", life.pending_cancel), ("change", life.unanswered)) if there]
    return {
        "id": order.id,
        "what": words.order(order),
        "status": str(life.status),
        "asked": asked,
        "filled": words.size(order.symbol, life.cum),
        "left": words.size(order.symbol, life.leaves),
        "broker_id": life.broker_id or "",
        "foreign": record.foreign,
        "purpose": str(order.purpose),
    }


def state_text(told: dict[str, Any]) -> str:
    """The state on a terminal."""
    lines = [f"row {told['row']} of {told['rows']}" + (f", {told['time']}" if told["time"] else "")]
    if told["what"]:
        lines.append(f"  {told['what']}")
    run = f"run {told['run']}" if told["run"] is not None else "before the first run"
    ended = f", ended: {told['ended']}" if told["ended"] else ""
    lines.append(f"{run}{ended}; trading day {told['day'] or '-'}; limits version {told['limits_version']}")
    for halt in told["halts"]:
        lines.append(f"HALTED {halt['target'] or 'account'} ({halt['code']}): {halt['reason']}")
    lines += [f"KILL under way: {reason}" for reason in told["kill"]]
    if told["tripped"]:
        lines.append(f"limits tripped: {', '.join(told['tripped'])}")
    lines.append("positions:" if told["positions"] else "no positions")
    for position in told["positions"]:
        parts = ", ".join(f"{s} {q}" for s, q in position["by_strategy"].items())
        average = "" if position["average"] == "-" else f" at {position['average']}"
        lines.append(
            f"  {position['symbol']:8} {position['position']:>8}{average}" + (f"  ({parts})" if parts else "")
        )
    lines.append(f"orders open: {len(told['orders'])}" if told["orders"] else "no orders open")
    for order in told["orders"]:
        asked = f", {' and '.join(order['asked'])} asked for" if order["asked"] else ""
        foreign = ", placed elsewhere" if order["foreign"] else ""
        lines.append(
            f"  {order['id']:20} {order['status']}{asked}{foreign}: {order['what']}; "
            f"{order['filled']} filled, {order['left']} left"
        )
    if told["alarms"]:
        lines.append(f"alarms not acknowledged: {len(told['alarms'])}, the newest:")
        lines += [f"  {a['id']} {a['severity']} {a['code']}: {a['text']}" for a in told["alarms"][:5]]
    lines.append(f"{told['executions']} executions so far; state {told['digest'][:16]}")
    return "\n".join(plain(line) for line in lines) + "\n"
