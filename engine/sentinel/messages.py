"""What engine and sentinel say to each other: one JSON object a line, over a local stream socket.

The two may be of different builds: a sentinel outlives its engine, and the next engine may be newer. Within
one format fields that are not known are passed over, and what the engine says keeps its shape. Who cannot
read the other makes room: a sentinel takes words that it does not know for an engine that lives.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from engine.model import Value
from engine.sentinel.machine import Phase

MAX_LINE: Final = 16 * 1024
"""Bytes of the longest line; who sends more is no engine and no sentinel."""


FORMAT: Final = 2
"""Counts the changes after which one side does not understand the other. 1 gave no number."""


class ToSentinel(Value, frozen=True, tag_field="say", kw_only=True, forbid_unknown_fields=False):
    """Base of what the engine says."""


class Beat(ToSentinel, frozen=True, tag="beat"):
    """The engine's thread came round: number, lease, and how far its journal is."""

    n: int
    epoch: int
    seq: int


class HandBack(ToSentinel, frozen=True, tag="hand_back"):
    """The engine lives and finds the lease taken: it asks for it."""


class Goodbye(ToSentinel, frozen=True, tag="goodbye"):
    """The engine ends as planned."""

    reason: str


class Said(Value, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """What the sentinel answers to each heartbeat, and to who only asks how it is."""

    phase: Phase
    policy: str
    pid: int
    after: float = 0.0
    """Seconds of silence after which it acts."""
    n: int = 0
    """Of the newest heartbeat that it heard."""
    venue: str = ""
    """Where it would act."""
    reachable: bool | None = None
    """Whether its own session there stands; None: there is none to have."""
    text: str = ""
    """Its newest note, or why it cannot act."""
    format: int = 1
    """`FORMAT` of what it says."""
    build: str = ""
    """Mark of the code that it runs."""
    unpaged: str = ""
    """Why what it had to say has reached nobody; empty: it has, or there was nothing."""


_heard: Final[msgspec.json.Decoder[Beat | HandBack | Goodbye]] = msgspec.json.Decoder(
    Beat | HandBack | Goodbye
)
_said: Final = msgspec.json.Decoder(Said)


def line(message: ToSentinel | Said) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def heard(text: bytes) -> Beat | HandBack | Goodbye:
    """Raises `msgspec.MsgspecError`."""
    return _heard.decode(text)


def said(text: bytes) -> Said:
    """Raises `msgspec.MsgspecError`."""
    return _said.decode(text)


class Lines:
    """Cuts a stream into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that are complete now. Raises `ValueError` for one that is too long."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            raise ValueError(f"a line of more than {MAX_LINE} bytes")
        yield from whole
