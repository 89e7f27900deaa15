"""A fresh process in which a strategy's file is loaded and checked before it takes the place of another."""

from __future__ import annotations

import asyncio
from typing import Final

from engine.strategy.messages import (
    MAX_FRAME,
    Check,
    Done,
    Failed,
    Malformed,
    Splitter,
    Start,
    frame,
    read_reply,
)
from engine.strategy.process import Process

_READ: Final = 1 << 18


class Unfit(Exception):
    """The file cannot be run; the text says why."""


async def examine(process: Process, start: Start, timeout: float) -> Done:
    """Has the process load the class and check its parameters; afterwards it waits for its `Start`.

    `timeout`: seconds of host time. Raises `Unfit` with what is wrong; the process is the caller's to end.
    """
    loop = asyncio.get_running_loop()
    link = process.link
    link.setblocking(False)
    frames = Splitter(MAX_FRAME)
    try:
        async with asyncio.timeout(timeout):
            await loop.sock_sendall(link, frame(Check(start)))
            bodies: list[bytes] = []
            while not bodies:
                data = await loop.sock_recv(link, _READ)
                if not data:
                    await loop.run_in_executor(None, process.wait, 1.0)
                    how = process.used_up(start.cpu) or process.last_words() or process.death()
                    raise Unfit(f"its process ended while it was loaded: {how}")
                bodies = frames.feed(data)
        reply = read_reply(bodies[0])
    except TimeoutError:
        raise Unfit(f"it was not loaded within {timeout:g} s") from None
    except Malformed as error:
        raise Unfit(f"broke the protocol: {error}") from None
    except OSError as error:
        raise Unfit(f"its process ended while it was loaded: {error}") from None
    match reply:
        case Failed():
            raise Unfit(reply.reason)
        case Done():
            return reply
        case _:
            raise Unfit(f"broke the protocol: {type(reply).__name__} out of turn")
