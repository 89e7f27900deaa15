"""The one place that knows which client library speaks to TWS: ib_insync or ib_async, never both.

Only their socket client and decoder are used. Their `IB` object, which keeps an opinion of every order, is
not: the callbacks go to our own tap before anybody has interpreted them.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import logging
from dataclasses import dataclass
from typing import Any, Final

from engine.ports import NotSent

KNOWN: Final = ("ib_insync", "ib_async")
EXTRAS: Final = {"ib_insync": "ib", "ib_async": "ib-async"}
TAKES: Final = {"ib_insync": ("0.9.86", "0.9.87"), "ib_async": ("2.1", "3")}
"""First version that is taken and first that is not."""


def present() -> tuple[str, ...]:
    """The libraries that are installed here."""
    return tuple(name for name in KNOWN if importlib.util.find_spec(name) is not None)


def problem(found: tuple[str, ...] | None = None) -> str:
    """Why no client library can be used, with the remedy; empty where one can."""
    found = present() if found is None else found
    if not found:
        return "no client library for Interactive Brokers is installed; say: pip install 'breakwater[ib]'"
    if len(found) > 1:
        return (
            "ib_insync and ib_async are both installed, and each brings its own copy of the module eventkit, "
            "so that neither can be trusted; make a fresh environment with one of them: 'breakwater[ib]' or "
            "'breakwater[ib-async]'"
        )
    version = importlib.metadata.version(found[0])
    first, beyond = (_numbers(v) for v in TAKES[found[0]])
    if not first <= _numbers(version) < beyond:
        return (
            f"{found[0]} {version} is not one that this adapter was tested with; "
            f"say: pip install 'breakwater[{EXTRAS[found[0]]}]'"
        )
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdecimal())


@dataclass(frozen=True, slots=True)
class Library:
    """The parts of the client library that are used."""

    name: str
    version: str
    client: Any
    """Its socket client; takes the object whose methods are called back."""
    contract: Any
    order: Any
    execution_filter: Any


def load() -> Library:
    """Imports the library. Raises `NotSent` with the remedy where none, or more than one, is installed.

    Call it on the thread that will run the library: ib_insync keeps the event loop that it finds at import.
    """
    why = problem()
    if why:
        raise NotSent(why)
    (name,) = present()
    # Its log lines repeat what the callbacks say, and would be printed over the screen.
    logger = logging.getLogger(name)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return Library(
        name=name,
        version=importlib.metadata.version(name),
        client=importlib.import_module(f"{name}.client").Client,
        contract=importlib.import_module(f"{name}.contract").Contract,
        order=importlib.import_module(f"{name}.order").Order,
        execution_filter=importlib.import_module(f"{name}.objects").ExecutionFilter,
    )
