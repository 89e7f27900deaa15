"""What a screen may ask beyond the snapshot; the answers are in `engine.control.replies`.

The snapshot is the small frame that always comes. What only one open screen needs is asked for, at the pace
at which the last answer came: a slow side makes itself slow, and nothing is worked out while nobody looks.
Each answer is bounded, whatever was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import msgspec

from engine.control.replies import DaySeen, Declined, LogLines, MarketSeen, RowsTold, StoryTold
from engine.model import Value

MAX_ASKED: Final = 32
"""Questions of a screen that may wait; it asks anew only when the last answer has come."""
MAX_LEVELS: Final = 50
"""Book levels on each side in one answer."""
MAX_PRINTS: Final = 500
"""Prints in one answer, and about what is kept for each instrument."""
MAX_BARS: Final = 400
"""Bars in one answer."""
MAX_MARKS: Final = 200
"""Fills on a chart in one answer."""
MAX_OWN: Final = 200
"""Own orders in one market in one answer."""
MAX_LINES: Final = 500
"""Lines of a story, or of the log, in one answer."""
MAX_POINTS: Final = 720
"""Points of the day's curve."""
BAR_SECONDS: Final = (5, 60, 300)
"""Spans of bars that there are."""


class Question(Value, frozen=True, tag_field="question", kw_only=True):
    """Base of all questions. Asking changes nothing."""


class StoryOf(Question, frozen=True, tag="story"):
    """The whole story of an order, a correlation or an alarm."""

    ident: str
    """An order id, a correlation id, or an alarm's number as `#12`."""


class MarketOf(Question, frozen=True, tag="market"):
    """One market: touch, book, our orders in it, prints, bars."""

    symbol: str
    levels: int = 20
    """Book levels wanted on each side, 0 to `MAX_LEVELS`."""
    tape_after: int = 0
    """Prints numbered higher than this; the newest where there are more than `prints`."""
    prints: int = 100
    bars: int = 0
    """How many bars, the newest; 0: none, and no fills either."""
    bar_seconds: int = 60
    """One of `BAR_SECONDS`."""


class DayOf(Question, frozen=True, tag="day"):
    """The trading day: its curve against the limit, and who made what."""


class LogTail(Question, frozen=True, tag="log"):
    """Lines of the log, as many as it keeps at hand."""

    after: int = 0
    """Lines numbered higher than this."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lines of this level and above."""
    about: str = ""
    """Only lines with this correlation id, cause or order id; empty: all."""
    lines: int = 200
    """The newest so many that fit the rest."""


class RowsOf(Question, frozen=True, tag="rows"):
    """Rows of the journal around the one where the flight recorder stands."""

    before: int = 20
    after: int = 20


AnyQuestion = StoryOf | MarketOf | DayOf | LogTail | RowsOf


AnyReply = Declined | StoryTold | MarketSeen | DaySeen | LogLines | RowsTold
ReplySink = Callable[[AnyReply], None]
"""Called once, on a thread of the link's choosing."""
Answerer = Callable[[AnyQuestion, ReplySink], None]
"""Answers one question. Never blocks, never raises, calls the sink once, now or later."""

_encoder: Final = msgspec.json.Encoder()
_questions: Final[msgspec.json.Decoder[AnyQuestion]] = msgspec.json.Decoder(AnyQuestion)
_replies: Final[msgspec.json.Decoder[AnyReply]] = msgspec.json.Decoder(AnyReply)


def encode(value: AnyQuestion | AnyReply) -> bytes:
    """As JSON, with its tag."""
    return _encoder.encode(value)


def decode_question(raw: bytes) -> AnyQuestion:
    """Raises `msgspec.ValidationError` for anything else."""
    return _questions.decode(raw)


def decode_reply(raw: bytes) -> AnyReply:
    """Raises `msgspec.ValidationError` for anything else."""
    return _replies.decode(raw)
