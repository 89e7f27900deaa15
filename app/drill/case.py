"""What a case is: a number, a title, why it matters, and a function that does it and checks."""

from __future__ import annotations

import fnmatch
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from engine.model import Instrument

if TYPE_CHECKING:
    from app.drill.live import LiveDrill
    from app.drill.virtual import VirtualDrill

VirtualScript = Callable[["VirtualDrill"], Awaitable[None]]
LiveScript = Callable[["LiveDrill"], None]
S = TypeVar("S", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Case:
    """One entry of the agenda."""

    id: str
    title: str
    why: str
    """What this protects from: the incident or complaint behind it."""
    virtual: VirtualScript | None = None
    """Runs in virtual time on an exchange of its own."""
    live: LiveScript | None = None
    """Runs with real processes."""
    own_exchange: bool = True
    """False where it needs no power over the exchange, so that it also runs against any paper account."""
    controls: tuple[str, ...] = ()
    """Risk controls that it hits on purpose."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of its run: see `VirtualDrill` and `LiveDrill`."""

    @property
    def order(self) -> tuple[int, ...]:
        """By which the agenda is sorted."""
        return tuple(int(part) for part in self.id.split("."))


class Agenda:
    """All cases, in order."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self.cases = sorted(cases, key=lambda c: c.order)
        ids = [c.id for c in self.cases]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"two cases have the number {', '.join(twice)}")

    def chosen(self, patterns: Sequence[str]) -> list[Case]:
        """The cases that numbers (`2.3`, `2`) or globs (`3.*`, `*kill*`) name; all with none.

        Raises `ValueError` for a pattern that names none.
        """
        if not patterns:
            return list(self.cases)
        chosen: dict[str, Case] = {}
        for pattern in patterns:
            found = [c for c in self.cases if _named(c, pattern)]
            if not found:
                raise ValueError(f"no case is called '{pattern}'; 'breakwater drill --list' shows all")
            chosen.update({c.id: c for c in found})
        return sorted(chosen.values(), key=lambda c: c.order)


def _named(case: Case, pattern: str) -> bool:
    wanted = pattern.strip().lower()
    if fnmatch.fnmatchcase(case.id, wanted) or case.id.startswith(wanted.rstrip(".") + "."):
        return True
    return not wanted.replace(".", "").isdigit() and fnmatch.fnmatchcase(case.title.lower(), wanted)


class Collection:
    """The cases of one file, registered by decorator."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def virtual(
        self,
        id: str,
        title: str,
        why: str,
        *,
        controls: tuple[str, ...] = (),
        limits: Mapping[str, Any] | None = None,
        keep: tuple[str, ...] = (),
        config: Mapping[str, Any] | None = None,
        venue: Mapping[str, Any] | None = None,
        cash: int | Decimal | None = None,
        instruments: Sequence[Instrument] | None = None,
        touch: Mapping[str, tuple[int, int]] | None = None,
        recorded: bool = False,
    ) -> Callable[[S], S]:
        """A case in virtual time. `keep`: limits that stay as the trader's configuration has them, while all
        others are set wide; `limits`: risk settings of the case itself; `config`, `venue`: other sections;
        `recorded`: it runs at the time of the recorded release, in gold."""
        settings = {
            "limits": limits or {},
            "keep": keep,
            "config": config or {},
            "venue": venue or {},
            "cash": cash,
            "instruments": instruments,
            "touch": touch,
            "recorded": recorded,
        }

        def register(script: S) -> S:
            self.cases.append(
                Case(id, title, why, virtual=script, controls=controls, settings=settings)  # type: ignore[arg-type]
            )
            return script

        return register

    def live(
        self,
        id: str,
        title: str,
        why: str,
        *,
        own_exchange: bool = True,
        controls: tuple[str, ...] = (),
        limits: Mapping[str, Any] | None = None,
        keep: tuple[str, ...] = (),
        config: Mapping[str, Any] | None = None,
    ) -> Callable[[S], S]:
        """A case with real processes; with `own_exchange` False it needs no power over the exchange."""
        settings = {"limits": limits or {}, "keep": keep, "config": config or {}}

        def register(script: S) -> S:
            case = Case(
                id,
                title,
                why,
                live=script,
                own_exchange=own_exchange,
                controls=controls,
                settings=settings,  # type: ignore[arg-type]
            )
            self.cases.append(case)
            return script

        return register
