"""Strategies whose processes run in control groups: how the hosts of one engine are made then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from engine.config_strategy import StrategyConfig
from engine.strategy.cgroups.base import Groups, Limits, Unconfined
from engine.strategy.host import StrategyHost
from engine.strategy.lockstep import LockstepHost
from engine.strategy.process import Process, spawn
from engine.strategy.realtime import RealtimeHost


def hosts(groups: Groups, *, lockstep: bool) -> Callable[..., StrategyHost]:
    """Makes hosts for `engine.engine.Parts.host` whose processes are each in a group of their own."""
    kind: type[StrategyHost] = LockstepHost if lockstep else RealtimeHost

    def host(config: StrategyConfig, *args: Any, **kwargs: Any) -> StrategyHost:
        return kind(config, *args, spawn=partial(_spawn, groups, config), **kwargs)

    return host


def _spawn(groups: Groups, config: StrategyConfig, import_paths: Sequence[str]) -> Process:
    limits = Limits(config.memory_mb << 20, config.cpu_limit, config.max_tasks)
    group = groups.make(config.name, limits)
    try:
        process = spawn(import_paths)
    except OSError:
        group.remove()
        raise
    try:
        # Its first message, which the host sends, is what has it load the strategy's code.
        group.add(process.pid)
    except OSError as error:
        process.end()
        group.remove()
        into = Path(error.filename).parent if error.filename else groups.where
        raise Unconfined(f"it cannot be put into {into}: {error.strerror}") from None
    process.group = group
    return process
