"""`breakwater ctl` called in this process, against an engine that listens."""

from __future__ import annotations

from collections.abc import Callable

from control_harness import Served

from app import ctl
from app.cli import parse
from engine.control import commands as c

Sink = Callable[[c.Answer], None]


def run(served: Served, *words: str) -> int:
    return ctl.run(parse(["ctl", *words, "--state-dir", str(served.directory)]), {})
