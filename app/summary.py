"""The last words of a run, for a person."""

from __future__ import annotations

from typing import Any


def summary_text(summary: dict[str, Any]) -> str:
    """Several lines that end with a newline."""
    pnl = summary["pnl"]
    lines = [
        f"run ended: {summary['reason']}",
        *_shadow(summary),
        f"  orders {summary['orders']}  fills {summary['fills']}  rejects {summary['rejects']}"
        f" ({summary['reject_rate']:.1%})  refused by the gate {summary['refused']}"
        f"  cancels {summary['cancels']}",
        f"  P&L {'not known' if pnl is None else pnl} after fees of {summary['fees']}",
        f"  {_flat(summary)}; {'reconciled with the broker' if summary['reconciled'] else 'NOT RECONCILED'}",
    ]
    for symbol, lots in summary["drift"].items():
        lines.append(f"  DRIFT {symbol}: the broker has {lots:+d} lots more than our executions add up to")
    for name, word in summary["strategies"].items():
        if word.startswith("failed"):
            lines.append(f"  strategy {name} {word.replace('failed', 'was stopped', 1)}")
    if summary.get("bad_lines"):
        lines.append(f"  {summary['bad_lines']} malformed lines in the recording; the log names the first")
    verified, missing = summary["protective_verified"], summary["protective_missing"]
    if verified or missing:
        lines.append(f"  protective orders: {verified} verified at the broker, {missing} MISSING")
    if summary["halted"]:
        lines.append("  HALTED: the halt holds until it is reset")
    if summary["fill_rate"]:
        rates = "  ".join(f"{kind} {share:.1%}" for kind, share in summary["fill_rate"].items())
        lines.append(f"  filled of what was sent: {rates}")
    for symbol, ticks in summary["slippage_ticks"].items():
        lines.append(f"  slippage {symbol} {ticks:+.3f} ticks a lot against the price that the strategy saw")
    stages = {name: row for name, row in summary["latency"].items() if row["count"]}
    if stages:
        lines.append(f"  {'latency':<24}{'count':>8}{'p50':>11}{'p95':>11}{'p99':>11}{'max':>11}")
    for name, row in stages.items():
        figures = "".join(f"{_duration(row[key]):>11}" for key in ("p50_us", "p95_us", "p99_us", "max_us"))
        lines.append(f"  {name:<24}{row['count']:>8}{figures}")
    return "\n".join(lines) + "\n"


def _shadow(summary: dict[str, Any]) -> list[str]:
    days = summary.get("shadow_days")
    if days is None:
        return []
    served = f"{days} day{'' if days == 1 else 's'} served in stage shadow"
    return [f"  SHADOW: nothing was sent; fills are modelled from the broker's quotes and trades; {served}"]


def _flat(summary: dict[str, Any]) -> str:
    if summary["flat"]:
        return "flat" if not summary["working"] else f"flat, {summary['working']} orders still open"
    held = ", ".join(f"{symbol} {size}" for symbol, size in summary["sizes"].items())
    return f"NOT FLAT: {held}"


def _duration(us: float) -> str:
    if us >= 1e6:
        return f"{us / 1e6:.2f} s"
    if us >= 1000:
        return f"{us / 1000:.2f} ms"
    return f"{us:.1f} µs"
