"""The status line: mode, may we trade, alarms, the day's result against its limit, links, time.

What matters most stands left. When the width does not suffice, fields first take their short form, then the
least important ones go; state, alarms, the day's result, working orders and the clock stay the longest.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from rich.cells import cell_len

from app.desk.view import formats
from app.desk.view.alerts import unacknowledged
from app.desk.view.cells import Cell, clean
from app.desk.view.health import WORDS
from app.desk.view.orders import tally
from app.desk.view.remedies import remedy
from engine.control.snapshot import HealthWord, Hold, ScreenRole, Snapshot

Cells = tuple[Cell, ...]

STALE_AFTER: Final = 1.0
"""Seconds without a snapshot after which nothing on screen may look live."""
SEPARATOR = Cell(" │ ", "muted")
TIGHT = Cell("│", "muted")
NARROW = 100
"""Cells below which the separators lose their spaces."""

_MODES = {
    "LIVE": "mode-live",
    "PAPER": "mode-paper",
    "REPLAY": "mode-replay",
    "SHADOW": "mode-replay",
}


class Field(NamedTuple):
    """A part of the status line: its forms from the shortest to the longest, each with a rank.

    Forms are taken in the order of their ranks as long as they fit; 0 is the first.
    """

    forms: tuple[tuple[int, Cells], ...]


def mode(snapshot: Snapshot) -> str:
    """The engine's mode; RECORDED where there is no engine but a journal."""
    return "RECORDED" if snapshot.recorded else snapshot.mode


def conditions(snapshot: Snapshot, age: float = 0.0) -> Cells:
    """Words for what keeps opening orders back, the gravest first; none while nothing does. `age`: of the
    snapshot, in seconds."""
    if snapshot.recorded:
        return (Cell(" RECORDED ", "mode-replay"),)
    found: list[Cell] = []
    if age > STALE_AFTER:
        found.append(Cell(" STALE ", "stale"))  # nobody knows whether an order would leave now
    if snapshot.halted:
        found.append(Cell(" HALTED ", "halted"))
    if not snapshot.trading:
        found.append(_not_trading(snapshot))
    if _holds(snapshot):
        found.append(Cell(_pause_word(snapshot), "paused"))
    return tuple(found)


def _not_trading(snapshot: Snapshot) -> Cell:
    return Cell(" DISCONNECTED " if snapshot.health.broker == "down" else " NOT READY ", "paused")


def stance(snapshot: Snapshot, sends: bool) -> Cells:
    """ARMED or SAFE: whether this desk sends orders or only previews them, whatever else is the matter. A
    recording has neither."""
    if snapshot.recorded:
        return ()
    return (Cell(" ARMED ", "armed") if sends else Cell(" SAFE ", "heading"),)


_UNTIL_RESET: Final = "protection only until :reset halt"


def _holds(snapshot: Snapshot) -> tuple[Hold, ...]:
    """What keeps opening orders back; while everything is halted, one instrument or strategy is no news."""
    return tuple(hold for hold in snapshot.paused if not (snapshot.halted and hold.scope))


LISTED: Final = 4
"""Scopes that are named where many are held back for one reason."""


def _grouped(holds: tuple[Hold, ...]) -> list[Hold]:
    """One for each reason: when a feed stops, every instrument has the same one."""
    groups: dict[tuple[str, str, str], list[Hold]] = {}
    for hold in holds:
        found = re.compile(rf"\b{re.escape(hold.scope)}\b") if hold.scope else None
        text, then = (found.sub("\0", part) if found else part for part in (hold.text, hold.then))
        groups.setdefault((hold.code, text, then), []).append(hold)
    merged = []
    for (code, text, then), same in groups.items():
        if len(same) == 1:
            merged.append(same[0])
            continue
        scopes = [hold.scope for hold in same]
        more = f" and {len(scopes) - LISTED} more" if len(scopes) > LISTED else ""
        all_of = ", ".join(scopes[:LISTED]) + more
        text = text.replace("\0 is ", "\0 are ").replace("\0", all_of)
        merged.append(Hold(code=code, scope=all_of, text=text, then=then.replace("\0", "them")))
    return merged


def what_to_do(hold: Hold) -> str:
    """As for the alarm of the same cause; a pause has none."""
    if hold.code in ("paused", "link"):
        return ":resume goes on"
    return remedy("halt" if hold.code == "kill" else hold.code, symbol=hold.scope)


def _told(holds: list[Hold], *, whole: bool) -> str:
    """In brief: one with what to do and without until when; of several what is wrong alone."""
    said = []
    for hold in holds:
        doing = what_to_do(hold) if whole or len(holds) == 1 else ""
        said.append((hold.whole if whole else hold.text) + (f" ▸ {doing}" if doing else ""))
    return (f"{len(said)} reasons: " if len(said) > 1 else "") + " · ".join(said)


def _pause_word(snapshot: Snapshot) -> str:
    """PAUSED where nothing may open at all; LIMITED where single instruments or strategies alone may not."""
    return " LIMITED " if all(hold.scope for hold in _holds(snapshot)) else " PAUSED "


_ROLES: dict[ScreenRole, tuple[str, str]] = {
    "view": (
        " LOOKING ON ",
        "this screen is not in control; :take control takes over, F12 kills from here as well",
    ),
    "read-only": (
        " READ ONLY ",
        "nothing is sent from here, not even a kill; 'breakwater ctl kill' does that",
    ),
}


def why(snapshot: Snapshot, role: ScreenRole = "control", width: int = 10_000) -> Cells:
    """The sentence behind each of the conditions, and behind a screen that does not command; empty while
    nothing is the matter. In `width` cells, where it can be."""
    said: list[Cell] = []
    if snapshot.recorded:
        return (Cell(" RECORDED ", "mode-replay"), Cell(f" {snapshot.trading_text}", "heading"))
    if role in _ROLES:
        word, sentence = _ROLES[role]
        said += [Cell(word, "paused"), Cell(f" {sentence} ", "heading")]
    if snapshot.halted:
        said.append(Cell(" HALTED ", "halted"))
        said.append(Cell(f" {snapshot.halt_reason or 'no reason given'}: {_UNTIL_RESET} ", "heading"))
    if not snapshot.trading:
        said.append(_not_trading(snapshot))
        said.append(Cell(f" {snapshot.trading_text or 'the three views do not agree yet'}", "heading"))
    if held := _holds(snapshot):
        said.append(Cell(_pause_word(snapshot), "paused"))
        groups = _grouped(held)
        text = f" {_told(groups, whole=True)}"
        if _length(tuple(said)) + cell_len(text) > width:
            # What to do is worth more than until when.
            text = f" {_told(groups, whole=False)}"
        said.append(Cell(text, "heading"))
    return tuple(said)


def _link(name: str, word: HealthWord, figure: str) -> Cells:
    glyph, meaning = WORDS[word]
    return (Cell(f"{name} "), Cell(f"{glyph} {figure}".rstrip(), meaning))


def _day(snapshot: Snapshot) -> Field:
    exact = (Cell("DAY "), formats.pnl(snapshot.day_pnl))
    brief = (Cell("DAY "), formats.pnl(snapshot.day_pnl, brief=True))
    if snapshot.day_limit is None:
        return Field(((2, brief), (10, exact)))
    floor = Cell(f"/{formats.brief_money(-snapshot.day_limit)}", "muted")
    words = Cell(f" stop at {formats.money(-snapshot.day_limit)} {snapshot.currency}", "muted")
    return Field(((2, (*brief, floor)), (10, (*exact, floor)), (17, (*exact, words))))


def fields(snapshot: Snapshot, age: float, zone: str, sends: bool = False) -> list[Field]:
    """The parts from left to right. `age` is that of the snapshot, in seconds; `sends`: the desk is armed."""
    health = snapshot.health
    waiting = len(unacknowledged(snapshot))
    alarms: Cells = (Cell(f"ALM {waiting}!", "alarm-unack") if waiting else Cell("ALM 0", "muted"),)
    broker = (*_link("BRK", health.broker, health.broker.upper() if health.broker != "ok" else ""), Cell(" "))
    stopped = age > STALE_AFTER
    head = Cell(f" {snapshot.mode} ", _MODES[snapshot.mode])
    may, wrong = stance(snapshot, sends), conditions(snapshot, age)
    word: HealthWord = "down" if stopped else health.engine
    loop = formats.age(age) if stopped else f"{health.risk_p99_ms:.1f}ms"
    engine = _link("ENG", word, loop)
    working = f"{tally(snapshot.orders).working}{'' if snapshot.comparison.orders else '?'}"
    progress = formats.percent(snapshot.feed_progress) if snapshot.feed_progress is not None else ""
    feed = Cell(f"{snapshot.feed} {progress}".strip(), "muted")
    return [
        Field(((0, (head, *wrong[:1], *may)), (5, (head, *wrong, *may)))),
        Field(((1, alarms),)),
        _day(snapshot),
        Field(
            (
                (6, (*broker, *_link("MD", health.data, ""))),
                (8, (*broker, *_link("MD", health.data, formats.age(health.data_age)))),
            )
        ),
        Field(
            (
                (7, _link("ENG", word, "")),
                (9, engine),
                (16, (*engine, Cell(f" age {formats.age(age)}", "muted"))),
            )
        ),
        Field(((3, (Cell(f"ORD {working}"),)), (15, (Cell(f"ORD {working} working"),)))),
        Field(((12, (Cell(progress or snapshot.feed, "muted"),)), (14, (feed,)))),
        Field(((11, (Cell(f"acct {snapshot.account}", "muted"),)),)),
        Field(
            (
                (4, (Cell(formats.clock(snapshot.ts, zone)),)),
                (13, (Cell(formats.clock(snapshot.ts, zone, with_zone=True)),)),
            )
        ),
    ]


def _length(cells: Cells) -> int:
    return sum(cell_len(clean(cell.text)) for cell in cells)


def line(snapshot: Snapshot, age: float, zone: str, width: int, sends: bool = False) -> Cells:
    """The status line in at most `width` cells; `sends`: the desk is armed."""
    parts = fields(snapshot, age, zone, sends)
    separator = TIGHT if width < NARROW else SEPARATOR
    steps = sorted((rank, index, form) for index, part in enumerate(parts) for rank, form in part.forms)
    chosen: dict[int, Cells] = {}
    used = 0
    for _rank, index, form in steps:
        before = _length(chosen[index]) if index in chosen else -_length((separator,)) if chosen else 0
        more = _length(form) - before
        if used + more <= width:
            chosen[index] = form
            used += more
    cells: list[Cell] = []
    for index in sorted(chosen):
        if cells:
            cells.append(separator)
        cells += chosen[index]
    return tuple(cells)
