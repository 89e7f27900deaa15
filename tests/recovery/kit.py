"""A rig whose link to the exchange is pulled, silenced and brought back, with one connection or two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from brokers.exchange.session import Session
from brokers.paper.adapter import PaperAdapter
from engine.model import NS
from engine.records import AnyRecord, decode
from tests.engine.rig import Rig

TWO: tuple[dict[str, str], ...] = ({"name": "primary"}, {"name": "backup"})
"""Two connections, by gateways of the exchange in this process."""


class Away(Rig):
    """The exchange takes nobody until it is told to."""

    def quote_all(self) -> None:
        if not hasattr(self, "_shut"):
            self._shut = True
            self.exchange.shut_gateway("primary", "not open yet")
        super().quote_all()


def adapters(rig: Rig) -> list[PaperAdapter]:
    return [rig.adapter, *cast(list[PaperAdapter], rig.engine.parts.backups)]


def session(rig: Rig) -> Session:
    """The exchange's end of the line."""
    found = rig.exchange.session(rig.config.account)
    assert found is not None
    return found


def silence(rig: Rig, seconds: float) -> None:
    """Half-open: the line looks fine and swallows everything; the exchange itself sees it much later."""
    session(rig).go_silent(int(seconds * NS), "the exchange noticed at last", None)


def up_sessions(rig: Rig) -> int:
    """How many sessions of ours the exchange has up; more than one must never be."""
    return sum(1 for adapter in adapters(rig) if adapter.up)


async def records(rig: Rig, kind: type[AnyRecord]) -> list[Any]:
    """The journal's records of one kind."""
    await rig.journal.flush()
    found = [decode(row.kind, row.body) async for row in rig.journal.rows()]
    return [r for r in found if isinstance(r, kind)]


def note_attempts(rig: Rig) -> list[tuple[float, str]]:
    """From now on: (seconds from now, gateway) of every attempt to connect."""
    start, noted = rig.clock.now(), list[tuple[float, str]]()

    def noting(adapter: PaperAdapter) -> Callable[[], Awaitable[None]]:
        connect = adapter.connect

        async def attempt() -> None:
            noted.append((round((rig.clock.now() - start) / NS, 3), adapter.gateway))
            await connect()

        return attempt

    for adapter in adapters(rig):
        adapter.connect = noting(adapter)  # type: ignore[method-assign,assignment]
    return noted


async def until(rig: Rig, condition: Any, within: float = 120.0) -> float:
    """Waits for it in steps of 10 ms; returns how long that took. Fails after `within` seconds."""
    start = rig.clock.now()
    while not condition():
        assert rig.clock.now() - start < within * NS, "it never came"
        await rig.sleep(0.01)
    return (rig.clock.now() - start) / NS
