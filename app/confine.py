"""The control groups of strategies, as configured: whether they can be made, and what to do where not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import DecodeError
from msgspec.json import Decoder, encode

from app.doctor_host import Check, Place
from app.paths import confined_path
from app.problems import Problem
from app.settings import Settings
from engine.core import Log
from engine.strategy.cgroups.base import Groups, Unconfined
from engine.strategy.cgroups.directory import groups_of
from engine.strategy.confined import hosts
from engine.strategy.host import StrategyHost

KEY = "cgroup.directory"
_DIRECTORIES = Decoder(list[str])


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


def host_factory(
    settings: Settings, virtual: bool, log: Log, state: Path
) -> Callable[..., StrategyHost] | None:
    """What makes the hosts of strategies in control groups; None where none are asked for. What engines of
    the state directory `state` that were killed have left is removed, wherever the configuration had them
    make their groups."""
    directory = settings.cgroup.directory
    made_in = _made_in(state, log)
    kept = []
    for name in dict.fromkeys([*made_in, directory] if directory else made_in):
        left = groups_of(name).sweep()
        for group in left:
            log(
                "warning", f"a control group of an earlier run stays in {name}: {group}", component="strategy"
            )
        if left or name == directory:
            kept.append(name)
    if kept != made_in:
        _note(state, kept, log)
    return hosts(groups_of(directory), lockstep=virtual) if directory else None


def _made_in(state: Path, log: Log) -> list[str]:
    """Each `cgroup.directory` in which something may be left."""
    path = confined_path(state)
    try:
        return _DIRECTORIES.decode(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, DecodeError) as error:
        text = f"it is not known where earlier runs made control groups; {path} cannot be read: {error}"
        log("warning", text, component="strategy")
        return []


def _note(state: Path, directories: list[str], log: Log) -> None:
    """Kept before the first group is made: whoever is killed can note nothing."""
    path = confined_path(state)
    new = path.with_suffix(".new")
    try:
        new.write_bytes(encode(directories))
        new.replace(path)
    except OSError as error:
        text = f"where control groups are made could not be noted in {path}: {error.strerror}"
        log("warning", f"{text}; with another cgroup.directory nobody removes them", component="strategy")


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
