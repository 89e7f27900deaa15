"""Words of a command with their places, and the reader that takes them and says what is wrong where."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from typing import Final, NamedTuple

_WORDS: Final = re.compile(r"@|[^\s@]+")
_NUMBER: Final = re.compile(r"[+-]?(\d{1,18}(\.\d{1,18})?|\.\d{1,18})")
_LONG: Final = 60
"""Characters of a wrong word that are repeated."""


class Misspoken(ValueError):
    """What was typed is no command; the text says what would be. `start` and `end` are the place in the line,
    in characters."""

    def __init__(self, text: str, start: int = 0, end: int = 0) -> None:
        super().__init__(text)
        self.start = start
        self.end = max(end, start + 1)

    def pointed(self, line: str) -> str:
        """The text, the line, and a mark under the place: for a terminal."""
        mark = " " * self.start + "^" * min(self.end - self.start, max(1, len(line) - self.start))
        return f"{self}\n  {line}\n  {mark}"


class Word(NamedTuple):
    """One word as typed. `end` is behind its last character."""

    text: str
    start: int
    end: int

    @property
    def lower(self) -> str:
        return self.text.lower()


@dataclass(frozen=True, slots=True)
class Context:
    """What is known outside the language. Everything may be empty: the engine checks names again."""

    symbols: Collection[str] = ()
    orders: Collection[str] = ()
    """Ids of open orders."""
    strategies: Collection[str] = ()
    controls: Collection[str] = ()
    """Names of risk controls."""
    alerts: Collection[int] = field(default=())
    themes: Collection[str] = ()
    now: int = 0
    """Engine time, UTC ns; a time of day is the next one after it."""
    zone: str = "UTC"
    """Where times of day are meant; empty: they are not understood, since nobody knows."""


def words(line: str) -> list[Word]:
    """The line's words; `@` is one of its own, so that `@5012.25` and `ESZ6@5012.25` are understood."""
    return [Word(m[0], m.start(), m.end()) for m in _WORDS.finditer(line)]


def decimal(word: Word, what: str) -> Decimal:
    """A plain decimal number. Raises `Misspoken`: no exponent, no thousands separator, nothing infinite."""
    if _NUMBER.fullmatch(word.text):
        return Decimal(word.text)
    plain = word.text.replace(",", "").replace("_", "").replace("'", "")
    example = (
        plain if _NUMBER.fullmatch(plain) else "a number such as " + ("2" if what == "size" else "5012.25")
    )
    raise Misspoken(f"{shown(word)} is no {what}; write {example}", *word[1:])


def shown(word: Word) -> str:
    """A wrong word for a message."""
    return word.text if len(word.text) <= _LONG else word.text[:_LONG] + "…"


def near(text: str, known: Collection[str]) -> str:
    """ "; did you mean X?" where something known is close, else what is known, else nothing."""
    close = get_close_matches(text, list(known), 1, 0.6) or get_close_matches(
        text.upper(), list(known), 1, 0.6
    )
    if close:
        return f"; did you mean {close[0]}?"
    some = sorted(known)[:12]
    return f"; known are {', '.join(some)}" if some else ""


class Reader:
    """Takes words from left to right."""

    def __init__(self, line: str, context: Context) -> None:
        self.line = line
        self.context = context
        self._words = words(line)
        self._at = 0

    @property
    def end(self) -> int:
        """Where something missing would stand."""
        return len(self.line.rstrip())

    def peek(self) -> Word | None:
        """The next word; None at the end."""
        return self._words[self._at] if self._at < len(self._words) else None

    def next(self, missing: str) -> Word:
        """Takes the next word. `missing`: what to say where there is none."""
        word = self.peek()
        if word is None:
            raise Misspoken(missing, self.end + 1)
        self._at += 1
        return word

    def take(self, *texts: str) -> Word | None:
        """Takes the next word if it is one of these, whatever its case."""
        word = self.peek()
        if word is None or word.lower not in texts:
            return None
        self._at += 1
        return word

    def maybe(self) -> Word | None:
        """Takes the next word if there is one."""
        return self.next("") if self.peek() is not None else None

    def done(self, what: str) -> None:
        """Raises `Misspoken` where anything is left. `what`: what the command takes."""
        word = self.peek()
        if word is not None:
            raise Misspoken(f"{shown(word)} is too much: {what}", *word[1:])

    def name(self, word: Word, known: Collection[str], what: str, *, strict: bool = True) -> str:
        """A name, in the case in which it is known. Raises `Misspoken` for one that is not, where names are
        known at all; not `strict`, it is taken as typed: what takes risk away must not fail on what a screen
        has not heard of."""
        if not known or word.text in known:
            return word.text
        same = [k for k in known if k.lower() == word.lower]
        if len(same) == 1:
            return same[0]
        if not strict:
            return word.text
        raise Misspoken(f"no {what} {shown(word)}{near(word.text, known)}", *word[1:])

    def symbol(self, missing: str, *, strict: bool = True) -> str:
        """Takes a symbol."""
        return self.name(self.next(missing), self.context.symbols, "symbol", strict=strict)
