"""Times in the command language: `14:30` is the next one in the desk's zone, with a date it is that day's."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from app.grammar.tokens import Context, Misspoken, Word, shown

_NS: Final = 1_000_000_000
_OF_DAY: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_WITH_ZONE: Final = re.compile(r"(Z|[+-]\d\d:\d\d)$", re.IGNORECASE)
_FORMS: Final = "write 14:30 (the next one), or 2026-11-27T14:30, or 2026-11-27T20:30Z for UTC"


def moment(word: Word, context: Context) -> int:
    """UTC ns, whole seconds. Raises `Misspoken` for what is no time, and for one that is over."""
    if not context.zone and not _WITH_ZONE.search(word.text):
        raise Misspoken(f"{shown(word)} is in which zone? Write 2026-11-27T20:30Z for UTC", *word[1:])
    zone = ZoneInfo(context.zone or "UTC")
    now = datetime.fromtimestamp(context.now / _NS, zone)
    of_day = _OF_DAY.fullmatch(word.text)
    if of_day is not None:
        hour, minute, second = (int(part or 0) for part in of_day.groups())
        when = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
        if when <= now:
            when += timedelta(days=1)
    else:
        try:
            if "T" not in word.text.upper():
                raise ValueError
            when = datetime.fromisoformat(word.text.upper())
        except ValueError:
            raise Misspoken(f"{shown(word)} is no time; {_FORMS}", *word[1:]) from None
        if when.tzinfo is None:
            when = when.replace(tzinfo=zone)
    found = int(when.timestamp()) * _NS
    if found <= context.now:
        raise Misspoken(f"{word.text} is over; {_FORMS}", *word[1:])
    return found


def moment_text(ns: int) -> str:
    """As `moment` reads it, in UTC."""
    return datetime.fromtimestamp(ns // _NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
