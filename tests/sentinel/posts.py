"""An engine's end of the connection to its sentinel, by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.options import RunOptions
from app.paths import sentinel_socket
from app.sentinel.post import SentinelPost
from engine.control.wire import reachable


async def reached(post: SentinelPost) -> None:
    """Until it is connected; it goes by the clock, as it does when it is tended."""
    for _ in range(500):
        if post._transport is not None and not post._transport.is_closing():
            return
        post._due = 0.0
        post.tend()
        await asyncio.sleep(0.02)
    raise AssertionError(post.problem)


async def told_of_a_squatter(state: Path) -> str:
    """What an engine says that would end its sentinel, where this process sits on the sentinel's socket."""
    with reachable(sentinel_socket(state)) as address:
        server = await asyncio.start_unix_server(lambda *_: None, address)
    options = RunOptions(state_dir=state, config=None, feed="exchange:x.sock")
    post = SentinelPost(options, "off", 5.0, lambda *_, **__: None)
    await reached(post)
    text = post.end(by_force=False)
    await post.close()
    server.close()
    return text
