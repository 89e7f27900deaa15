"""The notebook of one case: what was done, what had to happen, what happened, and when."""

from __future__ import annotations

from collections.abc import Callable

from app.drill.model import Band, Check, Step
from engine.model import NS
from engine.orders_record import Exposure
from engine.risk.control import Refusal


class Broken(Exception):
    """A case cannot go on: what the rest of it stands on did not happen. The text says what."""


class NotPossible(Exception):
    """A case cannot be run here; the text says why. It counts as skipped, never as passed."""


def words(saw: object) -> str:
    """What was seen, as a person reads it and not as a program writes it down."""
    match saw:
        case None:
            return "nothing"
        case Refusal():
            return f"{saw.control}: {saw.text}"
        case Exposure():
            return f"{saw.buy} lots to buy, {saw.sell} to sell" if any(saw) else "no lots"
        case set() | frozenset():
            return words(sorted(map(words, saw)))
        case list() | tuple():
            return ", ".join(dict.fromkeys(map(words, saw))) or "none"
        case _:
            return str(saw)


class Notes:
    """Collects; `now` gives ns of the case's own time, `begin` is when it began (default: now)."""

    def __init__(self, now: Callable[[], int], begin: int | None = None) -> None:
        self._now = now
        self._begin = now() if begin is None else begin
        self.steps: list[Step] = []
        self.checks: list[Check] = []
        self.bands: list[Band] = []
        self.figures: dict[str, str] = {}

    @property
    def begin(self) -> int:
        """Start of the case, ns of its own time."""
        return self._begin

    def at(self) -> float:
        """Seconds since the case began."""
        return round((self._now() - self._begin) / NS, 6)

    def did(self, text: str) -> None:
        """Something was done on purpose."""
        self.steps.append(Step(at=self.at(), text=text))

    def check(self, what: str, ok: bool, saw: object, *ids: str, took: float | None = None) -> bool:
        """What had to happen and what was seen; the case fails where it was not `ok`."""
        self.checks.append(
            Check(
                at=self.at(),
                what=what,
                saw=words(saw),
                ok=bool(ok),
                took=None if took is None else round(took, 6),
                ids=ids,
            )
        )
        return bool(ok)

    def need(self, what: str, ok: bool, saw: object, *ids: str) -> None:
        """A check without which the rest of the case means nothing. Raises `Broken`."""
        if not self.check(what, ok, saw, *ids):
            raise Broken(f"{what}: {words(saw)}")

    def figure(self, name: str, text: str) -> None:
        """Something that was measured."""
        self.figures[name] = text

    def band(self, begin: float, text: str) -> None:
        """Something was wrong from `begin` (seconds) until now."""
        self.bands.append(Band(begin=begin, end=self.at(), text=text))

    @property
    def ok(self) -> bool:
        """At least one check, and none that failed."""
        return bool(self.checks) and all(c.ok for c in self.checks)
