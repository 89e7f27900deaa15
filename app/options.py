"""What the command line says about one run, as one immutable value; how durations and speeds are written."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from engine.model import NS

MAX_SPEED = math.inf
"""`--speed max`: virtual time, as fast as the machine can."""

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d{1,9})?)s)?", re.ASCII)
_UNITS = (86_400, 3_600, 60)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """A run of the engine, as asked for. Everything that the settings say as well is merged already."""

    state_dir: Path
    """Where journal, socket, log and paper exchange live; made 0700 when it is missing."""
    config: Path | None
    """The file that was read, for reloads; None: there is none."""
    feed: str
    """Feed spec, such as `synthetic` or `replay:FILE`."""
    speed: float = 1.0
    """Multiple of real time; infinite for virtual time."""
    duration: int | None = None
    """Engine time after which the run stops gracefully, ns; None: until the feed ends or it is stopped."""
    seed: int = 1
    json: bool = False
    """Whether the summary is one JSON object on standard output."""
    live_confirmation: str | None = None
    """What was typed to confirm live trading; checked already."""
    gate_missing: tuple[str, ...] = ()
    """What the gate of the stage lacked when a person overrode it."""
    gate_typed: str = ""
    """What was typed to override it."""
    told: str = ""
    """Why this run is not what was asked for (no terminal), in words that the user has seen."""

    @property
    def virtual(self) -> bool:
        """Whether time is virtual (`--speed max`)."""
        return math.isinf(self.speed)


def parse_duration(text: str) -> int:
    """`90s`, `10m`, `1h30m`, `1d`, `0.5s` or a bare number of seconds → ns > 0. Raises `ValueError`."""
    wanted = f"'{text}' is no duration above zero; write it like 90s, 10m, 1h30m or 2d"
    plain = text.strip().lower()
    if re.fullmatch(r"[0-9]+(\.[0-9]{1,9})?", plain):
        plain += "s"
    match = _DURATION.fullmatch(plain)
    if match is None or not plain:
        raise ValueError(wanted)
    total = sum(int(part) * unit * NS for part, unit in zip(match.groups()[:3], _UNITS, strict=True) if part)
    if match[4]:
        whole, _, fraction = match[4].partition(".")
        total += int(whole) * NS + int(fraction.ljust(9, "0") or 0)
    if total <= 0:
        raise ValueError(wanted)
    return total


def parse_speed(text: str) -> float:
    """`max` → infinite; `10` or `0.5` → that multiple of real time. Raises `ValueError`."""
    if text.strip().lower() == "max":
        return MAX_SPEED
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed <= 100_000:
        raise ValueError(f"'{text}' is no speed; give a number above 0 up to 100000, or max")
    return speed
