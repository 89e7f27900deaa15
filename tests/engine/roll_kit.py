"""Two months of one product, a third that is none of theirs, and a person who rolls."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from engine.control.commands import Answer, Roll, Submit
from engine.model import NS, Side
from tests.engine.rig import CL, ES, START, Rig

DAY = 86_400 * NS
NEAR = replace(ES, symbol="ESH6", ends=START + 70 * DAY)
FAR = replace(ES, symbol="ESM6", ends=START + 160 * DAY)
TOUCH = {"ESH6": (24_000, 24_001), "ESM6": (24_040, 24_041), "CL": (7_000, 7_001)}
ROLL = Roll(source="ESH6", target="ESM6")


def play(script: Any, **more: Any) -> Any:
    """A run with both months."""
    more = {"instruments": (NEAR, FAR, CL), "touch": TOUCH, "venue": {"depth_levels": 0}, **more}
    return Rig.play(script, **more)


async def hold(rig: Rig, lots: int, symbol: str = "ESH6") -> None:
    """A position that was compared with the broker."""
    await rig.fill(Side.BUY if lots > 0 else Side.SELL, abs(lots), symbol)
    await rig.sleep(8)


async def bracketed(rig: Rig, lots: int) -> None:
    """A position with stop and target."""
    entry = Submit(
        symbol="ESH6",
        side=Side.BUY,
        size=Decimal(lots),
        limit=Decimal("6000.25"),
        stop_loss=Decimal(5980),
        take_profit=Decimal(6050),
    )
    assert (await rig.command(entry)).ok
    await rig.sleep(8)
    assert rig.position("ESH6") == lots


def begin(rig: Rig, command: Roll = ROLL) -> list[Answer]:
    """Gives the command without waiting for its end; its answers, as they come."""
    answers: list[Answer] = []
    rig.engine.command(command, "ann", answers.append)
    return answers


def sized(lots: str, **more: Any) -> Roll:
    return Roll(source="ESH6", target="ESM6", size=Decimal(lots), **more)


def held(rig: Rig) -> tuple[int, int]:
    """Executed lots of both months."""
    return rig.position("ESH6"), rig.position("ESM6")


def sent(rig: Rig, symbol: str) -> list[Any]:
    """Orders that reached the venue in a symbol, oldest first."""
    return [o for o in rig.exchange.audit(rig.config.account).orders if o.symbol == symbol]
