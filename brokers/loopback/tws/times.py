"""Times as TWS writes and reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.model import NS

_UTC_FORM: Final = re.compile(r"\d{8}-\d\d:\d\d:\d\d")
_ZONE_FORM: Final = re.compile(r"(\d{8}) +(\d\d:\d\d:\d\d)(?: +(\S+))?")


def stamp(ts: int, zone: str) -> str:
    """UTC ns → `yyyymmdd hh:mm:ss zone`."""
    return datetime.fromtimestamp(ts // NS, ZoneInfo(zone)).strftime("%Y%m%d %H:%M:%S ") + zone


def clock_time(ts: int, zone: str) -> str:
    """UTC ns → `hh:mm` (message 8)."""
    return datetime.fromtimestamp(ts // NS, ZoneInfo(zone)).strftime("%H:%M")


def read(text: str, zone: str) -> tuple[int, bool]:
    """`yyyymmdd-hh:mm:ss` (UTC) or `yyyymmdd hh:mm:ss[ zone]` → UTC ns, and whether the zone was missing.
    Raises `ValueError` for anything else."""
    if _UTC_FORM.fullmatch(text):
        moment = datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
        return round(moment.timestamp()) * NS, False
    match = _ZONE_FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not yyyymmdd-hh:mm:ss or yyyymmdd hh:mm:ss zone")
    try:
        place = ZoneInfo(match[3] or zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"time zone {match[3]!r} is not known") from error
    moment = datetime.strptime(f"{match[1]} {match[2]}", "%Y%m%d %H:%M:%S").replace(tzinfo=place)
    return round(moment.timestamp()) * NS, match[3] is None


def midnight(ts: int, zone: str) -> int:
    """UTC ns of the last midnight in the zone."""
    moment = datetime.fromtimestamp(ts // NS, ZoneInfo(zone))
    return round(moment.replace(hour=0, minute=0, second=0).timestamp()) * NS
