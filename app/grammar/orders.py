"""Orders in words: `buy 2 ESZ6 @ 5012.25 stop 5008 target 5020`, and changes of working ones.

A *trigger* starts an order: `buy 1 ESZ6 trigger 5015` is a stop order, which buys once 5015 trades; with
`@ 5016` it then becomes a limit order. A *stop* ends a position: `stop 5008` protects what the order fills,
as `target 5020` takes its profit, and each cancels the other.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from app.grammar.times import moment
from app.grammar.tokens import Misspoken, Reader, Word, decimal, shown
from engine.control.commands import Modify, Submit
from engine.model import OrderType, Side, TimeInForce

_FORM: Final = (
    "SIZE SYMBOL @ PRICE (or mkt, or trigger PRICE) [stop PRICE] [target PRICE] [day|gtc|ioc|fok|gtd TIME]"
)
_TYPES: Final = {
    (False, False): OrderType.MARKET,
    (True, False): OrderType.LIMIT,
    (False, True): OrderType.STOP,
    (True, True): OrderType.STOP_LIMIT,
}
_TIFS: Final = {tif.value.lower(): tif for tif in TimeInForce}
OPTIONS: Final = ("@", "mkt", "trigger", "stop", "target", *_TIFS, "reduce", "post", "preview")
"""What may follow the symbol."""
_PRICES: Final = {"@": "limit", "trigger": "stop", "stop": "stop_loss", "target": "take_profit"}
_CALLED: Final = {
    "limit": "limit price",
    "stop": "trigger price",
    "stop_loss": "stop",
    "take_profit": "target",
}


def submit(reader: Reader, verb: Word) -> Submit:
    """What follows `buy` or `sell`. Raises `Misspoken`."""
    side = Side.BUY if verb.lower == "buy" else Side.SELL
    size = _size(reader, f"say {verb.lower} {_FORM}")
    symbol = reader.symbol(f"{verb.lower} {size} of what? Name a symbol")
    found: dict[str, Any] = {}
    market: Word | None = None
    tif: Word | None = None
    while (word := reader.maybe()) is not None:
        lower = word.lower
        if lower == "@" and reader.take("mkt", "market"):
            market = word
        elif lower in _PRICES:
            key = _PRICES[lower]
            if key in found:
                raise Misspoken(f"a second {_CALLED[key]}; give one", *word[1:])
            found[key] = _price(reader, word, _CALLED[key])
        elif lower in ("mkt", "market"):
            market = word
        elif lower in _TIFS:
            if tif is not None:
                raise Misspoken(f"{lower} beside {tif.lower}: give one time in force", *word[1:])
            tif, found["tif"] = word, _TIFS[lower]
            if _TIFS[lower] is TimeInForce.GTD:
                when = reader.next("gtd until when? For example gtd 14:30")
                found["expire"] = moment(when, reader.context)
        elif lower in ("reduce", "reduce-only"):
            found["reduce_only"] = True
        elif lower in ("post", "post-only"):
            found["post_only"] = True
        elif lower == "preview":
            found["preview"] = True
        else:
            raise Misspoken(_what_now(word, found), *word[1:])
    _complete(reader, verb, found, market)
    kind = _TYPES["limit" in found, "stop" in found]
    return Submit(symbol=symbol, side=side, size=size, type=kind, **found)


def _complete(reader: Reader, verb: Word, found: dict[str, Any], market: Word | None) -> None:
    """What does not go together, and what is missing."""
    priced = "limit" in found or "stop" in found
    if market is not None and priced:
        raise Misspoken("mkt takes no price; leave out one of them", *market[1:])
    if market is None and not priced:
        text = "at what price? Say @ PRICE, or mkt"
        if "stop_loss" in found:
            entry = f"trigger {found['stop_loss']}"
            text += (
                f"; an order that waits for {found['stop_loss']} is '{entry}' ('stop' protects what fills)"
            )
        raise Misspoken(text, reader.end + 1)
    if found.get("post_only") and "limit" not in found:
        raise Misspoken("post goes with a limit price: say @ PRICE", reader.end + 1)
    if found.get("reduce_only") and ("stop_loss" in found or "take_profit" in found):
        raise Misspoken(
            "an order that only reduces opens nothing that stop or target could protect", *verb[1:]
        )


def _what_now(word: Word, found: dict[str, Any]) -> str:
    if "limit" not in found and _looks_like_price(word):
        return f"{word.text} is what? A limit price is written @ {word.text}"
    return f"{shown(word)} is not understood here; there are {', '.join(OPTIONS)}"


def _looks_like_price(word: Word) -> bool:
    try:
        decimal(word, "price")
    except Misspoken:
        return False
    return True


def _size(reader: Reader, missing: str) -> Decimal:
    word = reader.next(missing)
    if word.text in reader.context.symbols:
        raise Misspoken(f"the size comes first: 2 {word.text}", *word[1:])
    size = decimal(word, "size")
    if size <= 0:
        raise Misspoken(f"size {word.text} is not above zero; say sell to sell", *word[1:])
    return size


def _price(reader: Reader, after: Word, what: str) -> Decimal:
    return decimal(reader.next(f"what {what}? Write {after.lower} 5012.25"), what)


def modify(reader: Reader) -> Modify:
    """What follows `modify`. Raises `Misspoken`."""
    form = "modify ORDER [size N] [@ PRICE] [stop TRIGGER] [preview]"
    order_id = reader.name(reader.next(f"say {form}"), reader.context.orders, "open order")
    found: dict[str, Decimal] = {}
    preview = False
    while (word := reader.maybe()) is not None:
        match word.lower:
            case "preview":
                preview = True
                continue
            case "size":
                key, value = "size", _size(reader, "what size? Write size 2")
            case "@":
                key, value = "limit", _price(reader, word, "limit price")
            case "stop" | "trigger":
                key, value = "stop", _price(reader, word, "trigger price")
            case _:
                raise Misspoken(f"{shown(word)} is not understood here; say {form}", *word[1:])
        if key in found:
            raise Misspoken(f"a second {word.lower}; give one", *word[1:])
        found[key] = value
    if not found:
        raise Misspoken(f"change what? Say {form}", reader.end + 1)
    return Modify(order_id=order_id, preview=preview, **found)
