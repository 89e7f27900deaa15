"""What `breakwater doctor` says of paging: whom an alarm reaches, and with `--page` whether it does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal, NamedTuple

from app.paging.delivery import deliver, missing
from app.paging.pager import here
from app.paging.pages import page_of, test_line
from app.settings import Settings


class Finding(NamedTuple):
    state: Literal["PASS", "WARN", "FAIL"]
    text: str
    remedy: str = ""


def look(settings: Settings, env: Mapping[str, str], *, send: bool) -> Finding:
    """One finding; with `send` the program is run once with a test page."""
    rules = settings.alerts
    if not rules.command:
        text = "nobody is paged: an alarm is seen on a screen and in the log alone"
        if send or settings.profile == "live":
            return Finding("WARN", text, "set alerts.command to a program that reaches you")
        return Finding("PASS", text)
    problem = missing(rules.command, env)
    if problem:
        return Finding("FAIL", problem, "give its whole path, or install it")
    told = f"{rules.level} alarms go to {rules.command[0]}"
    if not send:
        return Finding("PASS", f"{told}; 'breakwater doctor --page' sends a test")
    mode = "LIVE" if settings.profile == "live" else "PAPER"
    page = page_of(here(mode, settings.account), 0, [test_line(time.time_ns())])
    problem = deliver(rules.command, page, rules.within)
    if problem:
        return Finding("FAIL", f"the test page was not delivered: {problem}", "try the program by hand")
    return Finding("PASS", f"{told}; it took the test page: look whether that has reached you")
