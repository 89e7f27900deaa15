"""All bookings of one instrument, in order: the newest as they are, the older ones packed.

All of them are kept, because an execution that is taken back is taken back as if it had never been, however
old it is. That is rare, and nothing else looks at an old one; so these stand encoded,
at a fifth of their size.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from engine.model import ExecutionKey

Legs = tuple[tuple[str, int, int, Decimal], ...]
"""What one booking gave to whom: (strategy, signed lots, price, fee). A transfer's legs sum to no lots."""
Key = ExecutionKey | int
"""An execution's identity, or the number of an adoption or a transfer."""
Entry = tuple[Key, Legs]

PACKED = 1_024
"""Bookings of a pack: encoding it takes half a millisecond."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[list[Entry]]] = msgspec.msgpack.Decoder(list[Entry])


class Booked(MutableMapping[Key, Legs]):
    """Like a dictionary in the order of arrival. What is old is looked for at a cost that grows with it."""

    __slots__ = ("_count", "_packed", "_packs", "_recent")

    def __init__(self, packs: Sequence[bytes] = (), recent: Sequence[Entry] = (), packed: int = 0) -> None:
        """`packs` and `recent` as another one had them; `packed`: bookings of a pack, where not `PACKED`.
        Raises `msgspec.MsgspecError` for other bytes."""
        self._packed = packed or PACKED
        self._packs = list(packs)
        self._count = sum(len(_decoder.decode(pack)) for pack in packs)
        self._recent: dict[Key, Legs] = dict(recent)

    @property
    def packs(self) -> tuple[bytes, ...]:
        """The older ones, encoded."""
        return tuple(self._packs)

    @property
    def recent(self) -> list[Entry]:
        """The newest ones; a copy."""
        return list(self._recent.items())

    def is_recent(self, key: Key) -> bool:
        """Whether it is booked and among the newest: at the cost of a dictionary."""
        return key in self._recent

    def __len__(self) -> int:
        return self._count + len(self._recent)

    def __iter__(self) -> Iterator[Key]:
        for pack in self._packs:
            for key, _ in _decoder.decode(pack):
                yield key
        yield from self._recent

    def newest_first(self) -> Iterator[Entry]:
        """From the last to the first."""
        yield from reversed(self._recent.items())
        for pack in reversed(self._packs):
            yield from reversed(_decoder.decode(pack))

    def entries(self) -> Iterator[Entry]:
        """All, in their order."""
        for pack in self._packs:
            yield from _decoder.decode(pack)
        yield from self._recent.items()

    def __contains__(self, key: object) -> bool:
        return key in self._recent or (isinstance(key, ExecutionKey | int) and self._old(key) is not None)

    def __getitem__(self, key: Key) -> Legs:
        legs = self._recent.get(key)
        if legs is None:
            legs = self._old(key)
        if legs is None:
            raise KeyError(key)
        return legs

    def _old(self, key: Key) -> Legs | None:
        # Its text stands in the bytes as it is: only a pack that has it is decoded.
        sign = key.exec_id.encode() if isinstance(key, ExecutionKey) else b""
        for pack in self._packs:
            if sign in pack:
                for known, legs in _decoder.decode(pack):
                    if known == key:
                        return legs
        return None

    def __setitem__(self, key: Key, legs: Legs) -> None:
        if key not in self._recent and self._packs and self._old(key) is not None:
            self._unpack()
        self.add(key, legs)

    def add(self, key: Key, legs: Legs) -> None:
        """Books what is not booked yet; the caller knows that it is not among the older ones."""
        self._recent[key] = legs
        if len(self._recent) >= 2 * self._packed:
            entries = list(self._recent.items())
            self._packs.append(_encoder.encode(entries[: self._packed]))
            self._count += self._packed
            self._recent = dict(entries[self._packed :])

    def __delitem__(self, key: Key) -> None:
        if key not in self._recent:
            self._unpack()
        del self._recent[key]

    def _unpack(self) -> None:
        self._recent = dict(self.entries())
        self._packs, self._count = [], 0
