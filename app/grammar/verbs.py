"""A line of the command language as a command, with the word that must be typed before it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from app.grammar.orders import modify, submit
from app.grammar.tokens import Context, Misspoken, Reader, Word, decimal, near, shown
from engine.control.commands import (
    Acknowledge,
    Adopt,
    AnyCommand,
    Cancel,
    CancelAll,
    Claim,
    Flatten,
    Gone,
    Kill,
    Pause,
    Reload,
    ReloadStrategy,
    Reset,
    Resume,
    Roll,
    SetLimit,
    Shelve,
    Shutdown,
    StopStrategy,
    TakeControl,
    TryAlerts,
)
from engine.model import Value


class Arming(Value, frozen=True):
    """`arm` and `safe`: a state of the desk that says them, not of the engine."""

    armed: bool


class Theming(Value, frozen=True):
    """`theme`: how the desk that says it looks. `name` of a theme, a file's path, or empty: read it anew."""

    name: str = ""


OfDesk: TypeAlias = Arming | Theming
"""What is said to the desk and not to the engine."""


class Spoken(NamedTuple):
    """A command and the word that must be typed to send it; empty: sent at once, y: one key."""

    command: AnyCommand | OfDesk
    confirm: str = ""


class Verb(NamedTuple):
    """One word of the language. `takes` says for completion what follows it."""

    form: str
    help: str
    read: Callable[[Reader, Word], Spoken]
    takes: Literal[
        "size", "symbol", "order", "alert", "strategy", "scope", "orders", "limit", "theme", "months", ""
    ] = ""


def _ack(reader: Reader, _: Word) -> Spoken:
    word = reader.maybe()
    reader.done("ack takes one alert")
    if word is None or word.lower == "all":
        return Spoken(Acknowledge())
    return Spoken(Acknowledge(alert_id=_whole(word, "alert's number; say ack, or ack 17")))


def _whole(word: Word, what: str) -> int:
    if not (word.text.isascii() and word.text.isdecimal() and len(word.text) < 10):
        raise Misspoken(f"{shown(word)} is no {what}", *word[1:])
    return int(word.text)


def _shelve(reader: Reader, verb: Word) -> Spoken:
    """`shelve 17 30 waiting for the broker`, `unshelve 17`."""
    number = _whole(reader.next("which alert? shelve 17 30 waiting for the broker"), "alert's number")
    if verb.lower == "unshelve":
        reader.done("unshelve takes one alert")
        return Spoken(Shelve(alert_id=number, minutes=0))
    minutes = _whole(reader.next("for how many minutes?"), "number of minutes")
    why = []
    while (word := reader.maybe()) is not None:
        why.append(word.text)
    if not why:
        raise Misspoken("say why: shelve 17 30 waiting for the broker", reader.end + 1)
    return Spoken(Shelve(alert_id=number, minutes=minutes, reason=" ".join(why)))


def _adopt(reader: Reader, _: Word) -> Spoken:
    symbol = reader.symbol("say which symbol to adopt", strict=False)
    reader.done("one symbol at a time")
    return Spoken(Adopt(symbol=symbol), "ADOPT")


def _arming(reader: Reader, verb: Word) -> Spoken:
    reader.done(f"say {verb.lower} alone")
    return Spoken(Arming(verb.lower == "arm"))


def _theme(reader: Reader, _: Word) -> Spoken:
    word = reader.next("say theme reload, or which theme: theme light")
    reader.done("theme takes one name or path")
    return Spoken(Theming("" if word.lower == "reload" else word.text))


def _cancel(reader: Reader, verb: Word) -> Spoken:
    if verb.lower == "cancel-all" or reader.take("all"):
        symbol = reader.symbol("", strict=False) if reader.peek() is not None else None
        reader.done("one symbol at a time")
        return Spoken(CancelAll(symbol=symbol), "y")
    word = reader.next("say which order to cancel, or cancel all")
    order_id = reader.name(word, reader.context.orders, "open order", strict=False)
    reader.done("one order at a time")
    return Spoken(Cancel(order_id=order_id))


def _claim(reader: Reader, _: Word) -> Spoken:
    broker_id = reader.next("say which order of the broker's: claim BROKER_ID [STRATEGY]").text
    strategy = _strategy(reader) or "manual"
    reader.done("claim takes an id and a strategy")
    return Spoken(Claim(broker_id=broker_id, strategy=strategy), "y")


def _gone(reader: Reader, _: Word) -> Spoken:
    word = reader.next("say which order in doubt has ended at the broker: gone ORDER")
    order_id = reader.name(word, reader.context.orders, "open order", strict=False)
    reader.done("one order at a time")
    return Spoken(Gone(order_id=order_id), "GONE")


def _flatten(reader: Reader, _: Word) -> Spoken:
    if reader.take("all"):
        reader.done("say flatten all")
        return Spoken(Flatten(), "FLATTEN")
    symbol = reader.symbol("say which symbol to flatten, or all", strict=False)
    reader.done("one symbol at a time, or all")
    return Spoken(Flatten(symbol=symbol), "y")


def _roll(reader: Reader, _: Word) -> Spoken:
    """`roll ESZ6 ESH7`, `roll ESZ6 ESH7 2 within 4`."""
    source = reader.symbol("roll what? Say roll FROM TO [LOTS|all] [within TICKS]")
    target = reader.symbol(f"roll {source} to which month?")
    size = None
    if not reader.take("all") and (word := reader.peek()) and word.lower not in ("within", "preview"):
        size = decimal(reader.next(""), "size")
        if size <= 0:
            raise Misspoken(f"size {word.text} is not above zero; say all for the whole position", *word[1:])
    within = None
    if reader.take("within"):
        ticks = reader.next("within how many ticks?")
        within = _whole(ticks, "number of ticks")
    preview = reader.take("preview") is not None
    reader.done("say roll FROM TO [LOTS|all] [within TICKS]")
    command = Roll(source=source, target=target, size=size, within=within, preview=preview)
    return Spoken(command, "" if preview else "ROLL")


def _kill(reader: Reader, _: Word) -> Spoken:
    flatten = reader.take("flatten") is not None
    reader.done("say kill, or kill flatten")
    return Spoken(Kill(flatten=flatten, reason="operator: command line"), "FLATTEN" if flatten else "")


def _limit(reader: Reader, _: Word) -> Spoken:
    word = reader.next("limit what? Say limit SYMBOL LOTS, limit CONTROL VALUE, or limit NAME file")
    name = reader.name(word, (*reader.context.symbols, *reader.context.controls), "limit", strict=False)
    value = reader.next(f"to what? Say limit {name} and a number, one with %, or file")
    if value.lower != "file" and not value.text[0].isalpha():
        decimal(value._replace(text=value.text.removesuffix("%")), "figure")
    preview = reader.take("preview") is not None
    reader.done("one limit at a time")
    return Spoken(SetLimit(name=name, value=value.text, preview=preview), "" if preview else "y")


def _take(reader: Reader, _: Word) -> Spoken:
    if not reader.take("control"):
        word = reader.next("say take control")
        raise Misspoken("say take control", *word[1:])
    reader.done("say take control")
    return Spoken(TakeControl())


def _modify(reader: Reader, _: Word) -> Spoken:
    command = modify(reader)
    return Spoken(command, "" if command.preview else "y")


def _order(reader: Reader, verb: Word) -> Spoken:
    command = submit(reader, verb)
    return Spoken(command, "" if command.preview else "y")


def _strategy(reader: Reader) -> str | None:
    word = reader.maybe()
    return None if word is None else reader.name(word, reader.context.strategies, "strategy")


def _pause(reader: Reader, verb: Word) -> Spoken:
    strategy = _strategy(reader)
    reader.done("one strategy at a time")
    if verb.lower == "pause":
        return Spoken(Pause(strategy=strategy))
    return Spoken(Resume(strategy=strategy), "y")


_LEAVES: Final = ("keep", "cancel", "flatten")


def _stop(reader: Reader, _: Word) -> Spoken:
    word = reader.next("say which strategy to stop; shutdown stops the engine")
    strategy = reader.name(word, reader.context.strategies, "strategy")
    leave = reader.take(*_LEAVES)
    reader.done("say stop STRATEGY, and keep, cancel or flatten for what it leaves behind")
    what: Any = "" if leave is None else leave.lower
    return Spoken(StopStrategy(strategy=strategy, leave=what), "y")


def _start(reader: Reader, _: Word) -> Spoken:
    word = reader.next("say which strategy to start")
    strategy = reader.name(word, reader.context.strategies, "strategy")
    reader.done("one strategy at a time")
    return Spoken(Resume(strategy=strategy), "y")


def _reload(reader: Reader, _: Word) -> Spoken:
    strategy = _strategy(reader)
    reader.done("say reload alone, or with one strategy")
    return Spoken(Reload()) if strategy is None else Spoken(ReloadStrategy(strategy=strategy), "y")


_RESETS: Final = "say reset halt, reset day_loss, reset instrument SYMBOL or reset control NAME"


def _reset(reader: Reader, _: Word) -> Spoken:
    word = reader.next(_RESETS)
    match word.lower:
        case "halt":
            command = Reset(scope="halt")
        case "day_loss" | "day-loss":
            command = Reset(scope="day_loss")
        case "instrument":
            command = Reset(scope="instrument", target=reader.symbol("say which instrument to reset"))
        case "control":
            command = Reset(scope="control", target=_control(reader))
        case _:
            raise Misspoken(f"{shown(word)} cannot be reset; {_RESETS}", *word[1:])
    reader.done(_RESETS)
    return Spoken(command, "RESET")


def _control(reader: Reader) -> str:
    """A control, or `control:scope` for one that has tripped for a symbol or strategy only."""
    word = reader.next("say which control to reset")
    name, colon, scope = word.text.partition(":")
    known = reader.name(Word(name, word.start, word.start + len(name)), reader.context.controls, "control")
    return known + colon + scope


def _alert_test(reader: Reader, _: Word) -> Spoken:
    reader.done("say alert-test alone")
    return Spoken(TryAlerts())


def _shutdown(reader: Reader, _: Word) -> Spoken:
    reader.done("say shutdown alone")
    return Spoken(Shutdown(), "STOP")


_ENTRY: Final = (
    "@ PRICE|mkt|trigger PRICE [stop PRICE] [target PRICE] [day|gtc|ioc|fok|gtd TIME] [reduce|post]"
)

VERBS: Final[dict[str, Verb]] = {
    "buy": Verb(
        f"buy SIZE SYMBOL {_ENTRY}", "place an order; stop and target protect what fills", _order, "size"
    ),
    "sell": Verb(f"sell SIZE SYMBOL {_ENTRY}", "the same on the other side", _order, "size"),
    "modify": Verb(
        "modify ORDER [size N] [@ PRICE] [stop TRIGGER]",
        "change a working order (confirmed)",
        _modify,
        "order",
    ),
    "cancel": Verb("cancel ORDER|all [SYMBOL]", "cancel one order, or all (confirmed)", _cancel, "orders"),
    "cancel-all": Verb("cancel-all [SYMBOL]", "cancel all working orders (confirmed)", _cancel, "symbol"),
    "flatten": Verb("flatten SYMBOL|all", "close one symbol, or everything (confirmed)", _flatten, "symbol"),
    "roll": Verb(
        "roll FROM TO [LOTS|all] [within TICKS]",
        "close in one month, then open in another what was closed (confirmed)",
        _roll,
        "months",
    ),
    "kill": Verb("kill [flatten]", "halt and cancel all at once, as F12", _kill),
    "arm": Verb("arm", "let this desk send orders", _arming),
    "safe": Verb("safe", "this desk only previews orders; kill, cancel and flatten always work", _arming),
    "theme": Verb("theme NAME|reload", "another theme for this desk, or its file read anew", _theme, "theme"),
    "ack": Verb("ack [N]", "acknowledge alert N, or all", _ack, "alert"),
    "shelve": Verb("shelve N MINUTES WHY", "keep alert N still for a time", _shelve, "alert"),
    "unshelve": Verb("unshelve N", "let alert N be heard again", _shelve, "alert"),
    "alert-test": Verb("alert-test", "a test through every way by which alarms reach you", _alert_test),
    "adopt": Verb("adopt SYMBOL", "take the broker's position as the truth (confirmed)", _adopt, "symbol"),
    "claim": Verb("claim BROKER_ID [STRATEGY]", "take over an order placed elsewhere (confirmed)", _claim),
    "gone": Verb("gone ORDER", "an order in doubt has ended, the broker says (confirmed)", _gone, "order"),
    "limit": Verb(
        "limit SYMBOL LOTS | CONTROL VALUE[%] | NAME file",
        "set one risk limit until the file is read again, or take it back (confirmed)",
        _limit,
        "limit",
    ),
    "pause": Verb("pause [STRATEGY]", "no opening orders, of one strategy or at all", _pause, "strategy"),
    "reload": Verb(
        "reload [STRATEGY]",
        "read the risk limits again; or load a strategy's file again, where it is sound (confirmed)",
        _reload,
        "strategy",
    ),
    "reset": Verb(
        "reset halt|day_loss|instrument SYMBOL|control NAME",
        "take back one halt (confirmed)",
        _reset,
        "scope",
    ),
    "resume": Verb("resume [STRATEGY]", "allow opening orders again (confirmed)", _pause, "strategy"),
    "start": Verb("start STRATEGY", "start a stopped strategy again (confirmed)", _start, "strategy"),
    "stop": Verb(
        "stop STRATEGY [keep|cancel|flatten]",
        "stop a strategy; the word says what becomes of its orders and position (confirmed)",
        _stop,
        "strategy",
    ),
    "take": Verb("take control", "have this screen give the orders", _take),
    "shutdown": Verb("shutdown", "stop the engine (confirmed)", _shutdown),
}
"""All words that a line may begin with."""

HELP: Final[tuple[tuple[str, str], ...]] = tuple((verb.form, verb.help) for verb in VERBS.values())


def parse(line: str, context: Context | None = None) -> Spoken:
    """A typed line. Raises `Misspoken` with the place and a remedy."""
    reader = Reader(line, context or Context())
    word = reader.next(f"say a command; there are {', '.join(VERBS)}")
    verb = VERBS.get(word.lower)
    if verb is None:
        hint = near(word.lower, VERBS)
        if "did you mean" not in hint:
            hint = f"; there are {', '.join(VERBS)}"
        raise Misspoken(f"no command {shown(word)!r}{hint}", *word[1:])
    return verb.read(reader, word)
