"""The door of a loopback venue: a TCP port on 127.0.0.1."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def listen(serve: Serve, port: int) -> tuple[asyncio.Server, int]:
    """Opens it; 0: any port. Returns the listener and the port. Raises `OSError` with the remedy."""
    try:
        listener = await asyncio.start_server(serve, "127.0.0.1", port)
    except OSError as error:
        raise OSError(
            f"port {port} cannot be opened ({error.strerror or error}); is TWS or another venue running "
            "there? Choose another one: --port 0 takes any that is free"
        ) from error
    return listener, listener.sockets[0].getsockname()[1]
