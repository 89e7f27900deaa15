"""Keeps the interpreter out of the risk loop: the garbage collector and the switch between threads."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread gives the interpreter up to another that waits; the default of 5 ms is half a
risk period."""
SETTLED = 10.0
"""Seconds after the start when a screen stands, whose many objects live as long as it does."""
COLLECT_EVERY = 60.0
"""Seconds between two looks at the oldest generation. The desk leaves nothing there (`app.desk.strips`): one
takes 2 to 7 ms as measured, within a period of the risk loop; it is for what nobody has thought of."""


def tame_collector() -> None:
    """Keeps the garbage collector's long pauses out of the risk loop: what exists now is frozen, young
    generations stay small and frequent, and the oldest is collected by hand alone (`collect_by_hand`)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 20, 1_000_000)


async def collect_by_hand(sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Freezes what the screen has brought, then looks at the oldest generation while little has gathered."""
    await sleep(SETTLED)
    gc.collect()
    gc.freeze()
    while True:
        await sleep(COLLECT_EVERY)
        gc.collect()
