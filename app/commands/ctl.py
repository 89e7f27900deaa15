"""`breakwater ctl`: its command line; `app.ctl` carries it out."""

from __future__ import annotations

import argparse
from typing import Any

from app.exitcodes import CTL_MEANING, table

_TOPICS = {
    "status": "mode, halts, day's P&L, what is open",
    "orders": "working orders, then the newest closed ones",
    "positions": "intended, executed and the broker's, side by side",
    "risk": "every control with its figure",
    "alerts": "newest first",
    "health": "links, risk loop, journal, latencies, rates",
    "strategies": "state, intentions, P&L of each",
}


def add(commands: argparse._SubParsersAction[Any], common: list[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "ctl",
        parents=common,
        help="ask or command a running engine",
        description="Asks or commands the engine of a state directory, over its socket.",
        epilog=table(CTL_MEANING),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=_run)
    verbs = parser.add_subparsers(dest="ctl", metavar="WHAT", required=True)

    def verb(name: str, text: str, wait: float = 10.0) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = verbs.add_parser(
            name, parents=common, help=text, description=text.capitalize() + "."
        )
        made.add_argument("--wait", type=_seconds, default=wait, metavar="S", help=f"seconds ({wait:g})")
        return made

    for topic, text in _TOPICS.items():
        verb(topic, text)
    news = verb("news", "fills, rejections, alarms and audit of this run, numbered, each once")
    news.add_argument("--after", type=_number, default=0, metavar="N", help="those numbered higher than this")
    news.add_argument("--follow", action="store_true", help="go on with what comes, through restarts")
    _orders(verb)
    _safety(verb)


def _orders(verb: Any) -> None:
    for side in ("buy", "sell"):
        words = verb(side, f"place an order as on the desk: {side} 2 ES @ 5012.25 stop 5008 target 5020")
        words.add_argument("words", nargs="+", metavar="WORD")
    limit = verb("limit", "set one risk limit until the file is read again: limit ES 3, limit daily_loss 2%%")
    limit.add_argument("words", nargs="+", metavar="WORD")
    do = verb("do", "carry out a line of the desk's command language: do 'cancel all ES'", 120.0)
    do.add_argument("words", nargs="+", metavar="WORD")
    roll = verb(
        "roll", "close in one month, open in another what was closed: roll ESZ6 ESH7 2 within 4", 120.0
    )
    roll.add_argument("words", nargs="+", metavar="WORD")
    submit = verb("submit", "place an order: submit ES buy 1 @4800.25")
    submit.add_argument("symbol")
    submit.add_argument("side", choices=("buy", "sell"))
    submit.add_argument("size", help="contracts or coins, above zero")
    submit.add_argument("price", nargs="?", metavar="@PRICE", help="limit price")
    submit.add_argument("--limit", metavar="PRICE")
    submit.add_argument("--stop", metavar="PRICE", help="trigger; with a limit price a stop-limit order")
    submit.add_argument("--market", action="store_true")
    submit.add_argument("--tif", choices=("DAY", "GTC", "IOC", "FOK"), default="DAY")
    submit.add_argument("--reduce-only", action="store_true")
    submit.add_argument("--post-only", action="store_true")
    submit.add_argument("--take-profit", metavar="PRICE", help="with --stop-loss: a bracket")
    submit.add_argument("--stop-loss", metavar="PRICE")
    submit.add_argument("--preview", action="store_true", help="ask the gate only, send nothing")
    modify = verb("modify", "change a working order")
    modify.add_argument("order", help="our order id")
    modify.add_argument("words", nargs="*", metavar="CHANGE", help="as on the desk: size 3 @ 5010 stop 4990")
    modify.add_argument("--size", help="new total size")
    modify.add_argument("--limit", metavar="PRICE")
    modify.add_argument("--stop", metavar="PRICE")
    cancel = verb("cancel", "cancel an order, or 'all'")
    cancel.add_argument("order", nargs="+", help="our order id; or all, or all and a symbol")
    cancel_all = verb("cancel-all", "cancel all working orders, or those of a symbol or strategy")
    cancel_all.add_argument("symbol", nargs="?")
    cancel_all.add_argument("--strategy")
    everything = verb(
        "cancel-everything", "the broker's own cancel of all orders, also of others and by hand"
    )
    everything.add_argument("account", help="the account's id, because this reaches beyond what is ours")
    claim = verb("claim", "take an order that was placed elsewhere into our books")
    claim.add_argument("broker_id")
    claim.add_argument("--strategy", default="manual")
    gone = verb("gone", "an order in doubt has ended, as the broker says by other means")
    gone.add_argument("order_id")


def _safety(verb: Any) -> None:
    kill = verb("kill", "halt, cancel everything, flatten everything; stays until it is proven", 120.0)
    kill.add_argument("--no-flatten", action="store_true", help="keep the positions")
    kill.add_argument("--reason", default="operator")
    flatten = verb("flatten", "close a symbol, or everything; stays until it is proven", 120.0)
    flatten.add_argument("symbol", nargs="?")
    reset = verb("reset", "take back one named halt")
    scopes = ("halt", "day-loss", "instrument", "control")
    # The name of the control, as the risk table has it, does as well.
    reset.add_argument("scope", type=lambda text: text.replace("_", "-"), choices=scopes)
    reset.add_argument("target", nargs="?", help="symbol or control's name, for the last two")
    for name, text in (("pause", "no opening orders"), ("resume", "opening orders again")):
        verb(name, f"{text}, of one strategy or of all").add_argument("strategy", nargs="?")
    strategy = verb("strategy", "start, stop, pause, resume or reload a strategy")
    strategy.add_argument("what", choices=("start", "stop", "pause", "resume", "reload"))
    strategy.add_argument("name")
    strategy.add_argument(
        "leave",
        nargs="?",
        choices=("keep", "cancel", "flatten"),
        help="with stop: what becomes of its orders and its share of positions",
    )
    reload = verb("reload", "read the configuration again and take over its risk limits")
    reload.add_argument(
        "--widen",
        action="store_true",
        help="also where that lets more through; without it the word WIDEN is asked for at a terminal, and "
        "refused elsewhere",
    )
    verb("adopt", "take the broker's position of a symbol as the truth").add_argument("symbol")
    verb("ack", "acknowledge an alert, or all").add_argument("alert", help="number, or all")
    verb("alert-test", "send a test through every way by which alarms reach a person", 330.0)
    verb("shutdown", "stop the engine gracefully")


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number of 0 or more")
    return int(text)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 86400 seconds")
    return value


def _run(args: argparse.Namespace) -> int:
    from app import ctl

    return ctl.run(args)
