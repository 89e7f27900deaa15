"""The control groups of strategies, as configured: whether they can be made, and what to do where not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

from app.doctor_host import Check, Place
from app.problems import Problem
from app.settings import Settings
from engine.core import Log
from engine.strategy.cgroups.base import Groups, Unconfined
from engine.strategy.cgroups.directory import groups_of
from engine.strategy.confined import hosts
from engine.strategy.host import StrategyHost

KEY = "cgroup.directory"


def try_out(groups: Groups) -> None:
    """Puts a process of no use into a group of these. Raises `Unconfined` with why that cannot be done."""
    # It ends by itself when we do: it reads what only we hold.
    idle = subprocess.Popen(
        [sys.executable, "-ISc", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        groups.probe(idle.pid)
    finally:
        idle.kill()
        idle.communicate()


def unconfined(settings: Settings, where: str) -> list[Problem]:
    """Why strategies could not be put into the control groups that the configuration `where` asks for; a
    group is made and removed to know. A start without the limits that somebody relies on is refused."""
    if not settings.cgroup.directory or not settings.strategies:
        return []
    try:
        try_out(groups_of(settings.cgroup.directory))
    except Unconfined as error:
        return [Problem(where, KEY, "; ".join(filter(None, (str(error), error.remedy))))]
    return []


def host_factory(settings: Settings, virtual: bool, log: Log) -> Callable[..., StrategyHost] | None:
    """What makes the hosts of strategies in control groups; None where none are asked for. What an engine
    that was killed has left there is removed."""
    if not settings.cgroup.directory:
        return None
    groups = groups_of(settings.cgroup.directory)
    for name in groups.sweep():
        log("warning", f"a control group of an earlier run stays: {name}", component="strategy")
    return hosts(groups, lockstep=virtual)


def check(place: Place) -> Iterator[Check]:
    """For `breakwater doctor`; nothing where no control groups are asked for."""
    directory = place.settings.cgroup.directory
    if not directory:
        return
    groups = groups_of(directory)
    try:
        try_out(groups)
        weaker = groups.weaker()
    except Unconfined as error:
        remedy = f"{KEY}: {error.remedy}" if error.remedy else f"see {KEY}"
        yield Check("control groups", "FAIL", str(error), remedy)
        return
    text = f"strategies get their own in {groups.where}"
    yield Check("control groups", "PASS", f"{text}; {weaker}" if weaker else text)
