"""The desk's command line: words to commands, and which of them must be confirmed and how."""

from __future__ import annotations

from typing import NamedTuple

from engine.control.commands import (
    Acknowledge,
    Adopt,
    AnyCommand,
    Cancel,
    CancelAll,
    Flatten,
    Kill,
    Pause,
    Reload,
    Reset,
    Resume,
    Shutdown,
)


class Misspoken(ValueError):
    """What was typed is no command; the text says what would be."""


class Spoken(NamedTuple):
    """A command and the word that must be typed to send it; empty: sent at once, y: one key."""

    command: AnyCommand
    confirm: str = ""


HELP: tuple[tuple[str, str], ...] = (
    ("ack [N]", "acknowledge alert N, or all"),
    ("adopt SYMBOL", "take the broker's position as the truth (confirmed)"),
    ("cancel ORDER", "cancel one order"),
    ("cancel-all [SYMBOL]", "cancel all working orders (confirmed)"),
    ("flatten SYMBOL|all", "close one symbol, or everything (confirmed)"),
    ("kill", "halt and cancel all at once, as F12"),
    ("pause [STRATEGY]", "no opening orders, of one strategy or at all"),
    ("reload", "read the risk limits again"),
    ("reset halt|day_loss", "take back a halt, or the day's loss (confirmed)"),
    ("reset instrument SYMBOL", "take back the halt of one instrument (confirmed)"),
    ("reset control NAME", "take back one control's trip (confirmed)"),
    ("resume [STRATEGY]", "allow opening orders again (confirmed)"),
    ("shutdown", "stop the engine (confirmed)"),
)


def _one(words: list[str], what: str) -> str:
    if len(words) != 1:
        raise Misspoken(f"say which {what}")
    return words[0]


def _at_most_one(words: list[str], what: str) -> str | None:
    if len(words) > 1:
        raise Misspoken(f"one {what} at a time")
    return words[0] if words else None


def parse(text: str) -> Spoken:
    """What was typed after the colon. Raises `Misspoken` with a remedy."""
    verb, *rest = text.split() or [""]
    match verb.lower():
        case "ack":
            number = _at_most_one(rest, "alert")
            if number is not None and not number.isdecimal():
                raise Misspoken(f"{number} is no alert's number; say ack, or ack 17")
            return Spoken(Acknowledge(alert_id=None if number is None else int(number)))
        case "adopt":
            return Spoken(Adopt(symbol=_one(rest, "symbol to adopt")), "ADOPT")
        case "cancel":
            return Spoken(Cancel(order_id=_one(rest, "order to cancel")))
        case "cancel-all":
            return Spoken(CancelAll(symbol=_at_most_one(rest, "symbol")), "y")
        case "flatten":
            symbol = _one(rest, "symbol to flatten, or all")
            if symbol.lower() == "all":
                return Spoken(Flatten(), "FLATTEN")
            return Spoken(Flatten(symbol=symbol), "y")
        case "kill":
            return Spoken(Kill(flatten=False, reason="operator: command line"))
        case "pause":
            return Spoken(Pause(strategy=_at_most_one(rest, "strategy")))
        case "resume":
            return Spoken(Resume(strategy=_at_most_one(rest, "strategy")), "y")
        case "reload":
            return Spoken(Reload())
        case "reset":
            return Spoken(_reset(rest), "RESET")
        case "shutdown":
            return Spoken(Shutdown(), "STOP")
    known = ", ".join(sorted({words.split()[0] for words, _ in HELP}))
    raise Misspoken(f"no command {verb!r}; there are {known}")


def _reset(words: list[str]) -> Reset:
    match words:
        case ["halt"]:
            return Reset(scope="halt")
        case ["day_loss" | "day-loss"]:
            return Reset(scope="day_loss")
        case ["instrument", symbol]:
            return Reset(scope="instrument", target=symbol)
        case ["control", name]:
            return Reset(scope="control", target=name)
    raise Misspoken("say reset halt, reset day_loss, reset instrument SYMBOL or reset control NAME")
