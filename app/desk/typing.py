"""Bytes from the terminal as keys and other messages; nothing that comes in can silence the kill key.

Textual's parser is at an end for ever after half a UTF-8 character, raises on sequences that it only half
knows, makes keys of escape sequences within a paste, and swallows every key after a paste whose end was lost.
"""

from __future__ import annotations

import re
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from typing import Final

from textual import events
from textual._xterm_parser import XTermParser
from textual.message import Message

from app.desk.keys import KILL_KEYS

PASTE_BEGINS: Final = "\x1b[200~"
PASTE_ENDS: Final = "\x1b[201~"
SILENCE: Final = 2.0
"""Seconds without a byte after which a paste has probably lost its end."""
_ESCAPE: Final = "\x1b"
_SEQUENCES: Final = re.compile("(?=\x1b)")
_CONTROL: Final = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]")
"""A whole control sequence, ECMA-48 5.4."""
_REPLY: Final = re.compile("\x1b[]P_^X].", re.DOTALL)
"""How a string that a terminal answers with begins (ECMA-48 5.6); alone, it is alt and a key."""
_BELL: Final = "\x07"
REPLY_LASTS: Final = 0.5
"""Seconds without a byte after which an answer that has not ended is over."""


class KeyStream:
    """What is read goes in, messages come out. For one thread."""

    def __init__(self, *, debug: bool = False, now: Callable[[], float] = time.monotonic) -> None:
        self._debug = debug
        self._now = now
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._parser = XTermParser(debug)
        self._tail = ""
        """The last characters, in which a mark may have begun."""
        self._pasted = ""
        self._in_reply = False
        self._fed_at = now()
        self._told = False
        self.pasting = False
        """True between the begin of a paste and its end: what comes is text, not keys."""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Takes one read."""
        text = self._decode(data)
        if not text:
            return  # half a character; to the parser nothing at all would be the end of everything
        before, self._fed_at = self._fed_at, self._now()
        self._in_reply = self._in_reply and self._fed_at - before < REPLY_LASTS
        if self.pasting and (text == _ESCAPE or self._is_kill(text)):
            # Alone in its read, so pressed and not pasted: the paste has lost its end.
            self.pasting = False
            if text == _ESCAPE:
                return
        while text:
            if self.pasting:
                text, pasted = self._to_the_end_of_the_paste(text)
                if pasted is not None:
                    yield events.Paste(pasted)
            else:
                keys, text = self._to_the_next_paste(text)
                for sequence in _SEQUENCES.split(keys):
                    yield from self._parsed(self._without_replies(sequence))

    def tick(self) -> Iterator[Message]:
        """To be called now and then: a lone Esc becomes a key when nothing follows it."""
        try:
            yield from self._parser.tick()
        except Exception:  # noqa: BLE001 - as in `_parsed`
            self._parser = XTermParser(self._debug)

    def silent_paste(self) -> bool:
        """True once for a paste that nothing has followed for a while."""
        if not self.pasting or self._told or self._now() - self._fed_at < SILENCE:
            return False
        self._told = True
        return True

    def _parsed(self, text: str) -> Iterator[Message]:
        if not text:
            return
        try:
            yield from self._parser.feed(text)
        except Exception:  # noqa: BLE001 - whatever a terminal sends, the next key must be read
            self._parser = XTermParser(self._debug)

    def _without_replies(self, text: str) -> str:
        """What is typed. The parser would make keys of what terminals answer and it does not know."""
        if self._in_reply:
            # Any escape ends it, whether it is its terminator or a key.
            ended = text.startswith(_ESCAPE) or _BELL in text
            self._in_reply = not ended
            if not ended:
                return ""
            text = text.removeprefix("\x1b\\") if text.startswith(_ESCAPE) else text.partition(_BELL)[2]
        if _REPLY.match(text):
            self._in_reply = _BELL not in text
            return text.partition(_BELL)[2]
        control = _CONTROL.match(text)
        if control is not None and not self._understood(control[0]):
            return text[control.end() :]
        return text

    def _to_the_next_paste(self, text: str) -> tuple[str, str]:
        """What is keys, and what follows the mark of a paste. The mark may have begun in an earlier read."""
        seen = self._tail + text
        at = seen.find(PASTE_BEGINS)
        if at < 0:
            self._tail = seen[1 - len(PASTE_BEGINS) :]
            return text, ""
        before = at - len(self._tail)
        rest = seen[at + len(PASTE_BEGINS) :]
        if before < 0:
            # The parser holds the mark's begin; it must not see a paste, of which it would make keys.
            self._parser = XTermParser(self._debug)
        self.pasting, self._told = True, False
        self._tail = self._pasted = ""
        return text[: max(0, before)], rest

    def _to_the_end_of_the_paste(self, text: str) -> tuple[str, str | None]:
        """What follows the paste, and the pasted text once it has ended."""
        self._pasted += text
        at = self._pasted.find(PASTE_ENDS, max(0, len(self._pasted) - len(text) - len(PASTE_ENDS)))
        if at < 0:
            return "", None
        whole, rest = self._pasted[:at], self._pasted[at + len(PASTE_ENDS) :]
        self.pasting = False
        self._pasted = ""
        return rest, whole

    @staticmethod
    def _understood(text: str) -> list[Message]:
        """What a parser of its own makes of a whole sequence."""
        try:
            return list(XTermParser(False).feed(text))
        except Exception:  # noqa: BLE001 - the same as a sequence that says nothing
            return []

    @classmethod
    def _is_kill(cls, text: str) -> bool:
        found = cls._understood(text)
        return bool(found) and all(
            isinstance(message, events.Key) and message.key in KILL_KEYS for message in found
        )
