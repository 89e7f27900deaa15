"""The drill's world as the engine's tests use it: settings as plain dictionaries, a folder of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from app.drill.world import CL, ES, START, TOUCH, Plan, World
from brokers.exchange.config import ExchangeConfig
from engine.config import EngineConfig, JournalConfig
from engine.model import Instrument, MarketState

__all__ = ["CL", "ES", "HALTED", "OPEN", "RESERVED", "START", "Rig"]

T = TypeVar("T")


class Rig(World):
    """One run of an engine. Use `Rig.play(script)`: it makes the loop, starts all, and runs the script."""

    @classmethod
    def play(
        cls,
        script: Callable[[Rig], Awaitable[T]],
        *,
        directory: Path | None = None,
        config: dict[str, Any] | None = None,
        venue: dict[str, Any] | None = None,
        cash: int = 1_000_000,
        start: int = START,
        touch: dict[str, tuple[int, int]] | None = None,
        instruments: Sequence[Instrument] = (ES, CL),
    ) -> T:
        """Runs a script against a fresh engine (or one that finds its state in `directory`)."""
        if directory is None:
            with tempfile.TemporaryDirectory(prefix="rig-") as own:  # its reserve alone takes 16 MB
                return cls.play(
                    script,
                    directory=Path(own),
                    config=config,
                    venue=venue,
                    cash=cash,
                    start=start,
                    touch=touch,
                    instruments=instruments,
                )
        plan = Plan(
            directory=directory,
            config=EngineConfig(**{"journal": JournalConfig(durability="process"), **(config or {})}),
            venue=ExchangeConfig(**(venue or {})),
            cash=Decimal(cash),
            touch=dict(touch or TOUCH),
            start=start,
            instruments=instruments,
        )
        return cls.run(plan, script)


OPEN, HALTED, RESERVED = MarketState.OPEN, MarketState.HALTED, MarketState.RESERVED
