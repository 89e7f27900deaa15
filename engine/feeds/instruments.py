"""The catalogue: contract symbols such as ESH4 → `Instrument`, from `instruments.toml` by root."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any, Final

from msgspec.structs import replace

from engine.feeds.errors import UnknownSymbol
from engine.model import Instrument

MONTHS: Final = "FGHJKMNQUVXZ"
"""Delivery month codes, January to December."""

_CONTRACT: Final = re.compile(rf"([A-Z0-9]+?)([{MONTHS}])(\d{{1,2}})", re.ASCII)
_MONEY: Final = ("tick", "lot", "multiplier", "initial_margin", "maintenance_margin", "fee", "fee_rate")


class Catalogue:
    """Instruments by root. `tables` has the form of `instruments.toml`; figures are strings, kept exact."""

    def __init__(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        self._roots: dict[str, Instrument] = {}
        self._months: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._found: dict[str, Instrument] = {}
        for root, table in tables.items():
            fields = dict(table)
            self._months[root] = fields.pop("months", "")
            self._names[root] = fields.pop("name", root)
            for key in _MONEY:
                if key in fields:
                    fields[key] = Decimal(fields[key])
            self._roots[root] = Instrument(symbol=root, **fields)

    @property
    def roots(self) -> tuple[str, ...]:
        return tuple(self._roots)

    def name(self, root: str) -> str:
        """What a person calls the product."""
        return self._names[root]

    def root(self, symbol: str) -> str:
        """ESH4 → ES; a symbol without delivery month is its own root. Raises `UnknownSymbol`."""
        if symbol in self._roots:
            return symbol
        match = _CONTRACT.fullmatch(symbol)
        if match is not None and match[2] in self._months.get(match[1], ""):
            return match[1]
        raise UnknownSymbol(self._complaint(symbol))

    def lookup(self, symbol: str) -> Instrument:
        """The instrument of a root (ES) or of a contract (ESH4). Raises `UnknownSymbol`."""
        found = self._found.get(symbol)
        if found is None:
            found = self._found[symbol] = replace(self._roots[self.root(symbol)], symbol=symbol)
        return found

    def _complaint(self, symbol: str) -> str:
        match = _CONTRACT.fullmatch(symbol)
        if match is not None and match[1] in self._roots:
            listed = self._months[match[1]] or "no delivery months"
            return f"symbol {symbol!r}: {match[1]} lists {listed}, not {match[2]}"
        near = get_close_matches(symbol.upper(), self._roots, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        return (
            f"symbol {symbol!r} is not in the instrument catalogue{hint} It has {', '.join(self._roots)}; "
            "futures also with month and year, such as ESZ6"
        )


@cache
def catalogue() -> Catalogue:
    """The catalogue that comes with the package."""
    text = resources.files("engine.feeds").joinpath("instruments.toml").read_text(encoding="utf-8")
    return Catalogue(tomllib.loads(text))


def lookup(symbol: str) -> Instrument:
    """`Catalogue.lookup` of the package's own catalogue. Raises `UnknownSymbol`."""
    return catalogue().lookup(symbol)


def root_of(symbol: str) -> str:
    """The product of any symbol: that of the catalogue, else what stands before a delivery month, else the
    symbol itself."""
    try:
        return catalogue().root(symbol)
    except UnknownSymbol:
        match = _CONTRACT.fullmatch(symbol)
        return symbol if match is None else match[1]
