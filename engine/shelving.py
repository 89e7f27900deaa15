"""What an operator does about alerts: says that he knows (acknowledge), or wants to hear later (shelve)."""

from __future__ import annotations

from typing import Final

from engine.control.commands import Acknowledge, Answer, Shelve
from engine.core import Core
from engine.model import NS
from engine.records import AlertAcknowledged, AlertShelved

LONGEST: Final = 24 * 60
"""Minutes for which an alarm may be shelved: it must come up again before it is forgotten."""
_LONGEST_WHY: Final = 200


def acknowledge(core: Core, command: Acknowledge, who: str, correlation: str) -> Answer:
    """Journals that one alert, or all, are known."""
    done = core.commit(AlertAcknowledged(id=command.alert_id, who=who), correlation).changed
    if done:
        return Answer(ok=True, text="acknowledged")
    what = "nothing" if command.alert_id is None else f"no alert {command.alert_id}"
    return Answer(ok=command.alert_id is None, text=f"{what} waits to be acknowledged")


def shelve(core: Core, command: Shelve, who: str, correlation: str) -> Answer:
    """Journals until when an alarm keeps still, and why."""
    if not 0 <= command.minutes <= LONGEST:
        return Answer(ok=False, text=f"an alarm is shelved for 1 to {LONGEST} minutes; 0 ends it")
    why = command.reason.strip()[:_LONGEST_WHY]
    if command.minutes and not why:
        return Answer(ok=False, text="say why the alarm is shelved: it is journalled")
    until = core.clock.now() + command.minutes * 60 * NS
    record = AlertShelved(id=command.alert_id, until=until, reason=why, who=who)
    if not core.commit(record, correlation).changed:
        return Answer(ok=False, text=f"there is no alert {command.alert_id}")
    text = f"shelved for {command.minutes} min" if command.minutes else "no longer shelved"
    return Answer(ok=True, text=f"alert {command.alert_id} {text}")
