"""Waiting with an end: what takes longer than it may is cancelled, and told from being cancelled oneself."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from engine.ports import Clock

T = TypeVar("T")


async def within(clock: Clock, what: Coroutine[Any, Any, T], limit: int) -> T:
    """The result of `what`. Raises `TimeoutError` once it has taken `limit` ns of engine time."""
    expired = False
    task = asyncio.ensure_future(what)

    def expire() -> None:
        nonlocal expired
        expired = True
        task.cancel()

    timer = clock.call_later(limit, expire)
    try:
        return await task
    except asyncio.CancelledError:
        if not expired:
            raise
        raise TimeoutError(f"nothing came within {limit / 1e9:g} s") from None
    finally:
        timer.cancel()
