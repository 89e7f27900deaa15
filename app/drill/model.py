"""What a drill leaves behind: values that are stored as JSON and drawn by every kind of report.

Times in a case are seconds since its start: of engine time where the case ran in virtual time, of the host
where it ran in real processes.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.model import Value

Status = Literal["passed", "failed", "skipped"]
Pace = Literal["virtual", "real"]

OWN_EXCHANGE = "the paper exchange"
"""What a drill runs against that has exchanges of its own."""
PROFILE = "profile "
"""Before the name of what `--against` names."""

GROUPS: dict[int, str] = {
    1: "Connection",
    2: "Every order transition on purpose",
    3: "Breaking things",
    4: "Limits, kill switch, flatten",
}
"""Names of the agenda's parts; a case's number begins with its part."""


class Step(Value, frozen=True, kw_only=True):
    """Something that was done, or a sign worth a place in the timeline."""

    at: float
    text: str


class Check(Value, frozen=True, kw_only=True):
    """What had to happen and what happened. `ids`: orders, correlations or alarms that prove it."""

    at: float
    what: str
    saw: str
    ok: bool
    took: float | None = None
    """Seconds that it was waited for."""
    ids: tuple[str, ...] = ()


class JournalLine(Value, frozen=True, kw_only=True):
    """A row of the case's journal, in words."""

    seq: int
    at: float
    kind: str
    order_id: str
    correlation: str
    text: str


class OrderBar(Value, frozen=True, kw_only=True):
    """An order in the timeline, from disk to its end. `end` None: still open when the case ended."""

    id: str
    label: str
    begin: float
    end: float | None
    status: str


class Dot(Value, frozen=True, kw_only=True):
    """A fill, refusal or alarm in the timeline. `lane`: order id, or empty."""

    at: float
    kind: Literal["fill", "refused", "alarm", "halt", "reset", "kill", "flat"]
    text: str
    lane: str = ""


class Band(Value, frozen=True, kw_only=True):
    """A time in which something was wrong: link down, market halted, process dead, disk full."""

    begin: float
    end: float
    text: str


class Line(Value, frozen=True, kw_only=True):
    """A figure over time that stays until it changes."""

    name: str
    points: tuple[tuple[float, float], ...]


class Timeline(Value, frozen=True, kw_only=True):
    """All that a picture of the case is drawn from."""

    span: float
    prices: tuple[Line, ...] = ()
    positions: tuple[Line, ...] = ()
    orders: tuple[OrderBar, ...] = ()
    dots: tuple[Dot, ...] = ()
    bands: tuple[Band, ...] = ()


class CaseResult(Value, frozen=True, kw_only=True):
    """One case of one drill."""

    id: str
    title: str
    why: str
    status: Status
    pace: Pace
    wall: float
    """Seconds of the host that it took."""
    engine: float
    """Seconds of engine time that it spanned."""
    steps: tuple[Step, ...] = ()
    checks: tuple[Check, ...] = ()
    problem: str = ""
    """Why it was skipped, or what broke it beyond its checks."""
    figures: dict[str, str] = msgspec.field(default_factory=dict)
    """What was measured, by name, with unit."""
    rows: int = 0
    """Rows that its journal holds."""
    journal: tuple[JournalLine, ...] = ()
    """The rows that tell most, in their order."""
    timeline: Timeline | None = None
    digest: str = ""
    """Hash of the state that its journal folds to."""

    @property
    def group(self) -> int:
        """The agenda's part."""
        return int(self.id.partition(".")[0])


class DrillReport(Value, frozen=True, kw_only=True):
    """One run of the agenda, as stored."""

    id: str
    started: int
    """Host time, UTC ns."""
    wall: float
    """Seconds of the host."""
    version: str
    build: str
    """Fingerprint of the program's own source."""
    config: str
    """Fingerprint of the settings that decide how it trades."""
    config_file: str
    against: str
    """Which paper account: `paper exchange`, or the profile's name."""
    seed: int
    whole: bool
    """Whether all cases were asked for."""
    interrupted: bool = False
    asked: int = 0
    """How many cases were asked for; 0 in reports of before this was kept."""
    cases: tuple[CaseResult, ...] = ()
    seal: str = ""
    """Hash over all the rest, set as it is stored: what was changed by hand afterwards is seen to be."""

    def count(self, status: Status) -> int:
        return sum(c.status == status for c in self.cases)

    @property
    def opens_gates(self) -> bool:
        """It was the whole agenda against exchanges of the drill's own: what a promotion gate looks at."""
        return self.whole and self.against == OWN_EXCHANGE

    @property
    def passed(self) -> bool:
        """Nothing failed, something passed, and it was not cut short."""
        return not self.interrupted and not self.count("failed") and self.count("passed") > 0
