"""What of a burst the client library has to decode: of each tick only the latest, of everything else all.

It stands between the socket and the library, on the library's thread. The library would take each message
apart, and copy all that waits behind it each time; here a tick that a later one of the same read overtakes
costs a look at its first fields. Order is kept: a survivor stands where it stood.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_HEAD: Final = 4
_NAMED: Final = 4
"""Fields that say which tick it is: message, version, subscription, tick type."""
_PRICE: Final = b"1"
_TICKS: Final = frozenset({_PRICE, b"2"})
"""Messages that the next one of their kind makes worthless: price and size ticks."""
_NO_DATA: Final = b"-1\0"
"""How a price begins that says that there is none: it takes nothing back, so it overtakes nothing, and is
none that counts. A real price of -1 is decoded each time."""
_LAST: Final = frozenset({b"4", b"68"})
"""Tick types that are prints, which are counted also where they are overtaken."""


class Sieve:
    """`decode` takes one whole message with its head; `missed` is told of prints that were overtaken: the
    subscription's number, and how many."""

    def __init__(self, decode: Callable[[bytes], object], missed: Callable[[int, int], object]) -> None:
        self._decode = decode
        self._missed = missed
        self._rest = b""
        self.overtaken = 0
        """Ticks that were never decoded."""

    def feed(self, data: bytes) -> None:
        """Takes what one read of the socket brought."""
        data = self._rest + data if self._rest else bytes(data)
        kept: list[bytes] = []
        latest: dict[tuple[bytes, bytes, bytes], int] = {}
        prints: dict[bytes, int] = {}
        at, end = 0, len(data)
        dropped = 0
        while at + _HEAD <= end:
            after = at + _HEAD + int.from_bytes(data[at : at + _HEAD], "big")
            if after > end:
                break
            parts: tuple[bytes, ...] = ()
            if data[at + 5 : at + 6] == b"\0" and data[at + 4 : at + 5] in _TICKS:
                parts = tuple(data[at + _HEAD : after].split(b"\0", _NAMED))
            # Else it is no tick, or one that the library shall complain about.
            if len(parts) > _NAMED and not (parts[0] == _PRICE and parts[_NAMED].startswith(_NO_DATA)):
                kind, _, req, tick, _ = parts
                former = latest.get((kind, req, tick))
                if former is not None:
                    kept[former] = b""
                    dropped += 1
                    if kind == _PRICE and tick in _LAST:
                        prints[req] = prints.get(req, 0) + 1
                latest[kind, req, tick] = len(kept)
            kept.append(data[at:after])
            at = after
        self._rest = data[at:]
        self.overtaken += dropped
        for req, count in prints.items():
            self._missed(int(req), count)
        for message in kept:
            if message:
                self._decode(message)
