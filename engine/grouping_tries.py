"""What was last tried for the parts of a bracket; the same thing is tried again after waits that grow."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

from engine.model import NS

_FIRST_WAIT: Final = NS
"""ns until the same thing is tried again; doubled each time."""
_LONGEST_WAIT: Final = 30 * NS

Part = Literal["entry", "stop", "target", "old"]
"""`old`: an order that works beside the one that took its place."""


class Tried(NamedTuple):
    """What was last tried for a part of a bracket: the same again not before `due` (monotonic ns)."""

    qty: int
    due: int
    wait: int


class Tries:
    """By entry and part. All times monotonic, ns."""

    def __init__(self) -> None:
        self._tried: dict[tuple[str, Part], Tried] = {}
        self._due: dict[tuple[str, Part], int] = {}
        """When it is looked at again; not there once it has been."""

    def may_try(self, parent_id: str, part: Part, qty: int, now: int) -> bool:
        """True at once for something new, for the same thing again only after a wait that grows."""
        which = (parent_id, part)
        last = self._tried.get(which)
        if last is None or last.qty != qty:
            wait = _FIRST_WAIT
        elif now < last.due:
            return False
        else:
            wait = min(2 * last.wait, _LONGEST_WAIT)
        self._tried[which] = Tried(qty, now + wait, wait)
        self._due[which] = now + wait
        return True

    def look_at(self, parent_id: str, part: Part, due: int) -> None:
        """Has it looked at again then."""
        self._due[parent_id, part] = due

    def fall_due(self, now: int) -> bool:
        """Whether anything is to be looked at now; each is told once."""
        late = [which for which, due in self._due.items() if due <= now]
        for which in late:
            del self._due[which]
        return bool(late)

    def next_due(self) -> int | None:
        return min(self._due.values()) if self._due else None

    def forget(self, parent_id: str) -> None:
        for part in get_args(Part):
            self._tried.pop((parent_id, part), None)
            self._due.pop((parent_id, part), None)
