"""Promotion gates: what has to be shown before the next stage may be started, and what is missing of it.

Stages go up from paper over shadow and pilot to live. A gate reads stored drills (of this build and these
settings) and the days that the journals say were served. It can be overridden by a person who types it out;
that is journalled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.drill.results import build_fingerprint, config_fingerprint, stored
from app.paths import place_of, state_dir
from app.served import record_of
from app.settings import Settings
from engine.core import utc_text

STAGES = ("paper", "shadow", "pilot", "live")


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the checklist. `stages`: those that may not be started without it."""

    met: bool
    text: str
    remedy: str
    stages: tuple[str, ...]


class GateClosed(Exception):
    """The stage may not be started; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Passage:
    """How a run got through its gate. `missing` is not empty where a person overrode it."""

    stage: str
    missing: tuple[str, ...] = ()
    typed: str = ""


def phrase(settings: Settings) -> str:
    """What a person types to override the gate."""
    return f"promote {settings.account} to {settings.stage}"


def evidence(settings: Settings, state: Path, env: Mapping[str, str]) -> tuple[Path, ...]:
    """State directories that are looked at: the run's own, the paper one, that of this broker's shadow, those
    of promotion.evidence."""
    default = {**env, "BREAKWATER_STATE_DIR": ""}
    shadow = place_of("paper", settings.feed.source, "shadow")
    named = [Path(p).expanduser() for p in settings.promotion.evidence]
    return tuple(
        dict.fromkeys(
            (state, *(state_dir(None, place, default) for place in ("paper", shadow)), *named),
        )
    )


def checklist(settings: Settings, state: Path, env: Mapping[str, str]) -> list[Item]:
    """Everything that moving up demands."""
    rules = settings.promotion
    places = evidence(settings, state, env)
    items = [_drilled(settings, places)]
    record = record_of(places)
    for stage, days, above in (
        ("paper", rules.paper_days, ("shadow", "pilot", "live")),
        ("shadow", rules.shadow_days, ("pilot", "live")),
        ("pilot", rules.pilot_days, ("live",)),
    ):
        served = record.days(stage, rules.day_hours)
        if not days and not (stage == "shadow" and served):
            continue
        asked = f"{days} days served in stage {stage}" if days else f"served in stage {stage}, none demanded"
        lacking = days - len(served)
        more = f"{lacking} more day{'s' if lacking != 1 else ''}"
        since = f", {served[0]} to {served[-1]}" if served else ""
        items.append(
            Item(
                len(served) >= days,
                f"{asked}: {len(served)} so far{since}",
                f"run it as {stage} in real time for {rules.day_hours:g} h on {more}",
                above,
            )
        )
    items += [
        Item(False, f"a journal that counts for nothing: {text}", "see 'breakwater journal verify'", ())
        for text in record.unreadable
    ]
    return items


def _drilled(settings: Settings, places: tuple[Path, ...]) -> Item:
    """The newest whole drill of this build and these settings, whichever way it went."""
    build, config = build_fingerprint(), config_fingerprint(settings)
    other = ""
    above = ("shadow", "pilot", "live")
    problems: list[str] = []
    reports = [r for place in places for r in stored(place, problems)]
    for report in sorted(reports, key=lambda r: r.started, reverse=True):
        if not report.opens_gates:
            continue
        if (report.build, report.config) != (build, config):
            what = "another build" if report.build != build else "other settings"
            other = other or f" (the last one, {report.id}, was of {what})"
            continue
        when = utc_text(report.started)
        if report.passed:
            skipped = report.count("skipped")
            left = f", {skipped} skipped" if skipped else ""
            return Item(
                True, f"drills passed: {report.id}, {when}, {report.count('passed')} cases{left}", "", above
            )
        failed = ", ".join(c.id for c in report.cases if c.status == "failed") or "cut short or running"
        return Item(
            False,
            f"drills passed: {report.id} did not ({failed})",
            "mend it and run 'breakwater drill'",
            above,
        )
    other = other or "".join(f" ({text})" for text in problems[:1])
    return Item(
        False,
        f"drills passed with this build and these settings: none stored{other}",
        "run 'breakwater drill'",
        above,
    )


def missing(settings: Settings, state: Path, env: Mapping[str, str]) -> list[Item]:
    """What the configured stage lacks."""
    return [i for i in checklist(settings, state, env) if not i.met and settings.stage in i.stages]


def pass_gate(settings: Settings, state: Path, env: Mapping[str, str], typed: str | None) -> Passage:
    """Lets a run of the configured stage through, or raises `GateClosed`. Real money takes pilot or live."""
    stage = settings.stage
    if settings.profile == "live" and stage not in ("pilot", "live"):
        other = "; a shadow of a real account takes profile = paper" if stage == "shadow" else ""
        raise GateClosed(
            f"profile = live trades real money, and stage is {stage}; set stage = pilot or live{other}"
        )
    if stage == "paper":
        if typed is not None:
            raise GateClosed("--override-gate was given, and stage = paper has no gate; leave it out")
        return Passage(stage)
    lacking = missing(settings, state, env)
    if not lacking:
        return Passage(stage)
    if typed is not None and typed.strip() == phrase(settings):
        return Passage(stage, tuple(i.text for i in lacking), typed.strip())
    lines = [f"stage = {stage} may not be started yet; missing:"]
    lines += [f"  {i.text}: {i.remedy}" for i in lacking]
    if typed is not None:
        lines.append(f"'{typed}' is not what overrides it")
    lines.append(
        f"a person can override it, and the journal keeps that: --override-gate '{phrase(settings)}'"
    )
    raise GateClosed("\n".join(lines))
