"""A process to be killed: writes rows at the pace of its disk and says which are acknowledged.

    python journal_victim.py JOURNAL aio|inline FIRST_ORDER

Each acknowledged row goes out as `seq body` in one write to the pipe, after its future is done.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from engine.clock import RealClock
from engine.config import JournalConfig
from engine.journal import Journal
from engine.model import ExecutionKey


async def main(path: Path, inline: bool, first: int) -> None:
    clock = RealClock(asyncio.get_running_loop())
    config = JournalConfig(min_free_mb=0, ballast_mb=1, max_batch=16)
    journal = await Journal.open(path, config, inline=inline, clock=clock)
    number = first

    async def producer() -> None:
        nonlocal number
        while True:
            number += 1
            body = f"order {number} " + "x" * (number % 700)
            key = ExecutionKey("SIM", "A", "2026-11-20", f"x{number}") if number % 3 == 0 else None
            seq = await journal.append("order", body, ts=clock.now(), order_id=str(number), key=key)
            os.write(1, f"{seq} {body}\n".encode())
            await asyncio.sleep(0)

    await asyncio.gather(*(producer() for _ in range(8)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2] == "inline", int(sys.argv[3])))
