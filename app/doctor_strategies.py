"""Whether each configured strategy can be loaded as a start would: its file, its class, its parameters."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.doctor_host import Check, Place
from engine.config_strategy import StrategyConfig
from engine.strategy import messages
from engine.strategy.candidate import Unfit, examine
from engine.strategy.process import spawn

LOADED_WITHIN: Final = 30.0
"""Seconds for one, as at a start."""


def strategies(place: Place) -> Iterator[Check]:
    """Each is loaded in a process of its own, as a reload checks it; nothing of it is run but its import."""
    if not place.settings.strategies:
        yield Check("strategies", "PASS", "none configured: the samples run on paper")
        return
    folders = [place.config.parent, Path.cwd()] if place.config else [Path.cwd()]
    paths = tuple(dict.fromkeys(str(folder.resolve()) for folder in folders))
    for config in place.settings.strategies:
        wrong = _wrong(config, paths)
        if wrong:
            remedy = "mend its file, or its entry under [[strategies]]: it would be stopped at its start"
            yield Check("strategies", "FAIL", f"{config.name}: {wrong}", remedy)
        else:
            yield Check(
                "strategies", "PASS", f"{config.name}: {config.module} loads, its parameters are right"
            )


def _wrong(config: StrategyConfig, paths: tuple[str, ...]) -> str:
    """What is wrong with it; empty: nothing."""
    try:
        process = spawn(paths)
    except OSError as error:
        return f"cannot start its process: {error}"
    try:
        asyncio.run(examine(process, _start(config, paths), LOADED_WITHIN))
    except Unfit as error:
        return str(error)
    finally:
        process.end()
    return ""


def _start(config: StrategyConfig, paths: tuple[str, ...]) -> messages.Start:
    """It is only checked: no market, no position and no order is there yet."""
    return messages.Start(
        module=config.module,
        name=config.name,
        params=config.params,
        symbols=config.symbols,
        instruments={},
        positions={},
        orders=(),
        next_ref=1,
        quotes=(),
        now=0,
        seed="doctor",
        memory=config.memory_mb << 20,
        files=config.max_files,
        nice=0,
        import_paths=paths,
        cpu=config.cpu_seconds or 0,
    )
