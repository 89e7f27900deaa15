"""A command in the words of the language: what `parse` reads back as the same command."""

from __future__ import annotations

from decimal import Decimal

from app.grammar.times import moment_text
from app.grammar.verbs import Arming, OfDesk, Theming
from engine.control import commands as c
from engine.model import OrderType, Side, TimeInForce


def say(command: c.AnyCommand | OfDesk) -> str:
    """The line that means this command. Raises `ValueError` for one that the language cannot say, such as the
    cancel of all orders of a strategy."""
    match command:
        case Arming(armed=armed):
            return "arm" if armed else "safe"
        case Theming(name=name):
            return f"theme {name or 'reload'}"
        case c.Submit():
            return _submit(command)
        case c.Modify():
            return _join(
                "modify",
                command.order_id,
                *_priced("size", command.size),
                *_priced("@", command.limit),
                *_priced("stop", command.stop),
                "preview" if command.preview else None,
            )
        case c.Cancel(order_id=order_id):
            return f"cancel {order_id}"
        case c.CancelAll(strategy=None, symbol=symbol):
            return _join("cancel all", symbol)
        case c.Flatten(symbol=symbol):
            return _join("flatten", symbol or "all")
        case c.Roll(source=source, target=target, size=size, within=within, preview=preview):
            return _join(
                "roll",
                source,
                target,
                None if size is None else f"{size:f}",
                None if within is None else f"within {within}",
                "preview" if preview else None,
            )
        case c.Kill(flatten=flatten):
            return "kill flatten" if flatten else "kill"
        case c.Acknowledge(alert_id=alert):
            return _join("ack", None if alert is None else str(alert))
        case c.Shelve(alert_id=alert, minutes=0):
            return f"unshelve {alert}"
        case c.Shelve(alert_id=alert, minutes=minutes, reason=reason):
            return f"shelve {alert} {minutes} {reason}"
        case c.TryAlerts():
            return "alert-test"
        case c.Adopt(symbol=symbol):
            return f"adopt {symbol}"
        case c.Claim(broker_id=broker_id, strategy=strategy):
            return f"claim {broker_id} {strategy}"
        case c.Gone(order_id=order_id):
            return f"gone {order_id}"
        case c.Pause(strategy=strategy):
            return _join("pause", strategy)
        case c.Resume(strategy=strategy):
            return _join("resume", strategy)
        case c.Reset(scope=scope, target=target):
            return _join("reset", scope, target or None)
        case c.SetLimit(name=name, value=value, preview=preview):
            return _join("limit", name, value, "preview" if preview else None)
        case c.StopStrategy(strategy=strategy, leave=leave):
            return _join("stop", strategy, leave)
        case c.TakeControl():
            return "take control"
        case c.Reload():
            return "reload"
        case c.Shutdown():
            return "shutdown"
    raise ValueError(f"{type(command).__name__} has no words")


def _join(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)


def _priced(word: str, value: Decimal | None) -> tuple[str, ...]:
    return () if value is None else (word, f"{value:f}")


def _submit(order: c.Submit) -> str:
    tif = None
    if order.tif is TimeInForce.GTD:
        tif = f"gtd {moment_text(order.expire or 0)}"
    elif order.tif is not TimeInForce.DAY:
        tif = order.tif.value.lower()
    return _join(
        "buy" if order.side is Side.BUY else "sell",
        f"{order.size:f}",
        order.symbol,
        "mkt" if order.type is OrderType.MARKET else None,
        *_priced("trigger", order.stop),
        *_priced("@", order.limit),
        *_priced("stop", order.stop_loss),
        *_priced("target", order.take_profit),
        tif,
        "reduce" if order.reduce_only else None,
        "post" if order.post_only else None,
        "preview" if order.preview else None,
    )
