"""Settings of paging: which program is told of alarms, of which, and when."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.section import Section


class AlertsConfig(Section):
    """Paging: a program of yours is told of alarms, so that they reach you without a screen."""

    command: tuple[str, ...] = ()
    """The program and its arguments, started without a shell; it is given one JSON object on its standard
    input (`title`, `text`, `alarms`, …) and ends with 0 once it has delivered it. Empty: nobody is paged. No
    default, because only you know how you can be reached."""
    level: Literal["warning", "critical"] = "critical"
    """The least severe alarm that pages; critical, because what pages at night must be worth it. How a kill
    ended pages in any case."""
    attended: float = Field(2.0, ge=0, le=1440)
    """Minutes that an alarm may stand unacknowledged while a screen is attached, before it pages; without a
    screen it pages at once. 2, because who sits there sees it; 0: always at once."""
    repeat: float = Field(10.0, ge=0, le=1440)
    """Minutes after which an alarm that nobody acknowledged pages again; 0: never. 10, because one page can
    be slept through."""
    within: float = Field(20.0, gt=0, le=300)
    """Seconds that the program may take; then it is ended, and the page is tried again. 20, because mail and
    web services can be slow."""
    gap: float = Field(15.0, ge=0, le=3600)
    """Seconds between two runs of the program; what comes meanwhile goes into one page. The first alarm after
    a quiet time never waits. 15, so that a storm of alarms is a few pages and not hundreds."""
