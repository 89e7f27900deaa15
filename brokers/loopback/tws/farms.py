"""The data farms behind TWS: what is said of market data, history and definitions, and what stands still."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

Code = Literal[2103, 2104, 2105, 2106, 2107, 2108, 2119, 2157, 2158]

_BROKEN: Final = "connection is broken"
_OK: Final = "connection is OK"
_IDLE: Final = "connection is inactive but should be available upon demand"
_SAID: Final[dict[int, tuple[str, str]]] = {
    2103: ("Market data", _BROKEN),
    2104: ("Market data", _OK),
    2105: ("HMDS data", _BROKEN),
    2106: ("HMDS data", _OK),
    2107: ("HMDS data", _IDLE),
    2108: ("Market data", _IDLE),
    2119: ("Market data", "is connecting"),
    2157: ("Sec-def data", _BROKEN),
    2158: ("Sec-def data", _OK),
}


class Farms:
    """How each kind of farm is at the moment. Ticks and bars stand still while market data is broken."""

    def __init__(self) -> None:
        self._now: dict[str, tuple[int, str]] = {}
        for code, name in ((2104, "usfuture"), (2106, "ushmds"), (2158, "secdefil")):
            self.change(code, name)

    def change(self, code: int, name: str) -> tuple[int, str]:
        """The farm changes its state; returns the message. Raises `ValueError` for another code."""
        if code not in _SAID:
            raise ValueError(f"{code} is no code of a data farm; those are {', '.join(map(str, _SAID))}")
        kind, state = _SAID[code]
        self._now[kind] = code, f"{kind} farm {state}:{name}"
        return self._now[kind]

    def all(self) -> Iterator[tuple[int, str]]:
        """What a client is told when it logs on."""
        yield from self._now.values()

    @property
    def market_data(self) -> bool:
        """False while ticks stand still."""
        return self._now["Market data"][0] == 2104
