"""The day's profit by IB's own count (reqPnL): a subscription that is renewed where it says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from brokers.ib import raw
from brokers.ib.pacing import Lane, Pacer
from brokers.ib.reads import Send
from engine.model import NS
from engine.ports import Clock

RENEW: Final = 20 * NS
"""Silence after which it is asked for anew: TWS tells changes alone, so that a quiet market is silent too."""
FRESH: Final = 60 * NS
"""A figure that is older is not known."""
FIRST: Final = 2 * NS
"""How long a new session waits for its first figure."""


class Profit:
    """`number` gives a fresh request number, `send` hands work to the library's thread."""

    def __init__(
        self, clock: Clock, account: str, pacer: Pacer, number: Callable[[], int], send: Send
    ) -> None:
        self._clock = clock
        self._account = account
        self._pacer = pacer
        self._number = number
        self._send = send
        self._req = 0
        self._asked = 0
        self._heard: int | None = None
        self._value: Decimal | None = None
        self._first: asyncio.Event = asyncio.Event()

    def begin(self) -> None:
        """A new session: nothing of the former one counts."""
        self._req, self._asked, self._heard, self._value = 0, 0, None, None
        self._first = asyncio.Event()

    def take(self, message: raw.Raw) -> None:
        """A figure that TWS says is unset leaves the former one to age."""
        if isinstance(message, raw.Pnl) and message.req_id == self._req and message.daily is not None:
            self._value, self._heard = message.daily, self._clock.mono()
            self._first.set()

    async def value(self) -> Decimal | None:
        """The profit in account currency; None where it is not told, or too old to be true."""
        self._renew()
        if self._heard is None and self._req and self._clock.mono() - self._asked < FIRST:
            timer = self._clock.call_later(FIRST, self._first.set)
            await self._first.wait()
            timer.cancel()
        if self._heard is None or self._clock.mono() - self._heard > FRESH:
            return None
        return self._value

    def _renew(self) -> None:
        """Subscribes, or does so again after a silence; where no message is free, the next call does."""
        now = self._clock.mono()
        if self._req and now - max(self._asked, self._heard or 0) < RENEW:
            return
        if self._pacer.wait(Lane.QUESTIONS):
            return
        former, account = self._req, self._account
        req = self._req = self._number()
        self._asked = now
        self._pacer.take(Lane.QUESTIONS)
        if former:
            self._send(lambda wire: wire.send("cancelPnL", former))
        self._send(lambda wire: wire.send("reqPnL", req, account, ""))
