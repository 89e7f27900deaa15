"""Plants a bug: changes a module's source text while it is imported, in this process only.

A mutant is a handful of replacements in source text. A text that is not found exactly once is an error, so a
mutant can never silently stop being one.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.sim.options import Options


@dataclass(frozen=True, slots=True)
class Edit:
    """`before` becomes `after` in the source of `module`."""

    module: str
    before: str
    after: str


def _any(_: Options) -> bool:
    return True


def faults(*names: str, all_of: Sequence[str] = ()) -> Callable[[Options], object]:
    """Worlds with at least one of these faults, and with all of the others."""
    return lambda options: options.rates.keys() & set(names) and options.rates.keys() >= set(all_of)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug."""

    name: str
    story: str
    """What the bug is, as one would tell it afterwards."""
    edits: tuple[Edit, ...]
    worlds: Callable[[Options], object] = _any
    """Worlds in which it is likely to show; the others are not played, and count as seeds that did not find it:
    the number of seeds that a hunt tells is never smaller than if all had been played."""


class Stale(LookupError):
    """The text that a mutant replaces is not there once: the code has moved on, the mutant must follow."""


def mutated(source: str, edit: Edit) -> str:
    """The source with the edit made. Raises `Stale`."""
    found = source.count(edit.before)
    if found != 1:
        raise Stale(f"{edit.module}: {found} places with {edit.before!r}")
    return source.replace(edit.before, edit.after)


def source_of(module: str) -> str:
    """The text of a module that need not be imported. Raises `Stale` where there is none."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise Stale(f"there is no module {module}")
    return Path(spec.origin).read_text(encoding="utf-8")


class _Loader(SourceFileLoader):
    """Compiles the mutated text; never reads or writes a cached compilation."""

    def __init__(self, fullname: str, path: str, edits: Sequence[Edit]) -> None:
        super().__init__(fullname, path)
        self._edits = edits

    def get_code(self, fullname: str) -> Any:
        source = Path(self.path).read_text(encoding="utf-8")
        for edit in self._edits:
            source = mutated(source, edit)
        return compile(source, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits: dict[str, list[Edit]] = {}
        for edit in edits:
            self._edits.setdefault(edit.module, []).append(edit)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        edits = self._edits.get(fullname)
        if edits is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            raise Stale(f"there is no module {fullname}")
        return importlib.util.spec_from_file_location(
            fullname, spec.origin, loader=_Loader(fullname, spec.origin, edits)
        )


def plant(mutant: Mutant) -> None:
    """From now on this process imports the mutated modules. Raises `Stale` when one is imported already."""
    for edit in mutant.edits:
        if edit.module in sys.modules:
            raise Stale(f"{edit.module} is imported already; plant before anything of the engine is")
    sys.meta_path.insert(0, _Finder(mutant.edits))
