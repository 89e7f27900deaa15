"""Settings of the link to the broker: heartbeats, reconnecting, alarms and their quiet windows, fail-over."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from engine.section import Section

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""As `datetime.date.weekday` counts them."""

LocalTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class MaintenanceWindow(Section):
    """A time in which the broker restarts by its own plan."""

    zone: str = Field(min_length=1, max_length=64, examples=["America/New_York"])
    """Name of a time zone, as America/New_York; a name, so that the window moves with its daylight saving."""
    begin: LocalTime = Field(examples=["23:45"])
    """HH:MM in that zone, because brokers announce their restarts by a clock on a wall."""
    end: LocalTime = Field(examples=["00:45"])
    """HH:MM in that zone; not after begin means on the next day, so that a window may hold midnight."""
    days: tuple[Weekday, ...] = Field(WEEKDAYS, min_length=1)
    """Days on which the window begins, because some restarts come once a week."""

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone {zone!r}; say for example America/New_York") from error
        return zone

    @model_validator(mode="after")
    def _has_a_length(self) -> MaintenanceWindow:
        if self.begin == self.end:
            raise ValueError(f"begin and end of a maintenance window are both {self.begin}; make them differ")
        return self

    def times(self) -> tuple[time, time]:
        return time.fromisoformat(self.begin), time.fromisoformat(self.end)


class ConnectionConfig(Section):
    """One way to the broker. All of them lead to the same account; only one is ever in use."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,15}$", examples=["primary"])
    """What it is called on the screen and in the journal, so that one sees which is in use; at most 16 of
    a-z, 0-9, _ and -."""
    address: str = Field("", max_length=4096)
    """Where it leads: a Unix socket's path, or 127.0.0.1:PORT. Empty: the exchange in this process, or the
    one that feed.source names, so that one connection needs no address."""


class LinkConfig(Section):
    """The link to the broker: how its loss is noticed, how it comes back, who is told, and when."""

    heartbeat: float = Field(5.0, ge=0.05, le=300)
    """Seconds between two heartbeats to the broker, which answers each; short, because a line that died
    without a word is found by nothing else."""
    patience: float = Field(15.0, ge=0.1, le=900)
    """Seconds without any sign of life from the broker after which the link counts as lost, because a
    socket can look healthy with nobody behind it. Where the protocol allows, the broker judges us by the
    same figure."""
    unanswered: float = Field(30.0, ge=1, le=3600)
    """Seconds for which no question was answered, although heartbeats were, after which the link is given up
    and made anew, because a peer that only beats is no broker."""
    answer_within: float = Field(10.0, ge=0.1, le=300)
    """Seconds that one question may take before it counts as unanswered, whatever the adapter thinks, so that
    none hangs for ever."""
    connect_within: float = Field(10.0, ge=0.1, le=300)
    """Seconds that one attempt to connect may take, so that the next one comes."""
    retry_first: float = Field(1.0, ge=0.01, le=300)
    """Seconds before the first new attempt; doubled for each further one (1, 2, 4, 8 …), because a broker
    that restarts is not helped by being hammered."""
    retry_max: float = Field(60.0, ge=0.01, le=3600)
    """Seconds. Longest wait between two attempts, so that a broker that is back is found soon."""
    retry_jitter: float = Field(0.25, ge=0, le=1)
    """Share of each wait that is left to chance, so that many clients do not come back in one instant."""
    retry_urgent: float = Field(2.0, ge=0.01, le=60)
    """Seconds. Longest wait between two attempts while a kill or flatten is under way, because it waits for
    the link."""
    stable_after: float = Field(30.0, ge=0, le=3600)
    """Seconds for which a link must stand before its failures are forgotten, so that a link that flaps goes
    on with longer waits and with the alarm that it had."""
    alarm_every: float = Field(60.0, ge=1, le=86_400)
    """Seconds between two alarms while the link stays down, so that nobody takes the first for the last; each
    says how long and what is exposed."""
    maintenance_max: float = Field(7_200.0, ge=0, le=86_400)
    """Seconds after the loss at which the alarm comes at the latest, however long the maintenance windows,
    because they may delay it and never suppress it."""
    failover_attempts: int = Field(3, ge=1, le=1_000)
    """Failed attempts (errors in a row) on one connection after which the next one is tried, where there is
    one, because a door that stays shut three times is shut."""
    failover_after: float = Field(15.0, ge=0.1, le=3600)
    """Seconds without a link after which the next connection is tried, whatever the number of attempts,
    because positions are not watched meanwhile."""
    failback: Literal["never", "flat", "quiet"] = "flat"
    """When to go back to the first connection: never (only when the other is lost), flat (no position, no
    working order), quiet (nothing in flight and no kill under way). Not at once, because going back means a
    short time without any link."""
    failback_after: float = Field(300.0, ge=1, le=86_400)
    """Seconds on another connection before going back is thought of, so that a first one that flaps is left
    alone; doubled when it failed."""
    resume: Literal["agreed", "operator"] = "agreed"
    """What enables trading after a loss: agreed (orders, executions, positions and account were read and the
    three views agree) or operator (that, and a person who says 'breakwater ctl resume', against surprises
    that no comparison shows)."""
    resume_reads: int = Field(1, ge=1, le=10)
    """Successive reads of the broker that must agree after a loss before trading is enabled, so that one
    lucky picture is not enough."""
    maintenance: tuple[MaintenanceWindow, ...] = ()
    """Windows in which a loss is expected. They may delay the alarm to their end, never suppress it."""

    @model_validator(mode="after")
    def _orders(self) -> LinkConfig:
        if self.patience <= self.heartbeat:
            raise ValueError("link.patience must be longer than link.heartbeat, or every link counts as lost")
        if self.retry_max < self.retry_first:
            raise ValueError("link.retry_max must not be below link.retry_first")
        return self
