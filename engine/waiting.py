"""Waiting with an end: what takes longer than it may is cancelled, and nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from engine.model import NS
from engine.ports import Clock

T = TypeVar("T")


async def within(clock: Clock, what: Awaitable[T], limit: int) -> T:
    """The result of `what`. Raises `TimeoutError` once it has taken `limit` ns of engine time.

    It does not wait for what it cancels: a callee that is deaf to cancellation holds nobody up.
    """
    task = asyncio.ensure_future(what)
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task.add_done_callback(lambda done: finish(over, done))
    timer = clock.call_later(limit, finish, over, None)
    try:
        await over
    finally:
        timer.cancel()
        task.cancel()
    if not task.done() or task.cancelled():
        raise TimeoutError(f"nothing came within {limit / NS:g} s")
    return task.result()


def finish(over: asyncio.Future[None], done: asyncio.Future[Any] | None) -> None:
    """Ends a wait: because the task is `done`, or with None because its time is over."""
    if done is not None and not done.cancelled():
        done.exception()  # looked at, also where nobody waits for it any more
    if not over.done():
        over.set_result(None)
