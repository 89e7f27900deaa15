"""The flight recorder as a link: screens see the moment, nothing can be commanded, and no step is lost."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from app.replay.link import REFUSED, ReplayLink
from engine.control.commands import Answer, Kill
from engine.control.questions import AnyQuestion, DayOf, LogTail, MarketOf, RowsOf, StoryOf
from engine.control.replies import DaySeen, Declined, MarketSeen, Reply, RowsTold, StoryTold
from engine.control.snapshot import Snapshot
from engine.model import Side
from engine.recorder import open_tape
from tests.engine.rig import CL, ES, Rig

R = TypeVar("R", bound=Reply)
WITHIN = 60.0


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rig, Snapshot]:
    """Fills, a cancel, a rejection and a kill: the file, and the engine's own last picture."""
    folder = tmp_path_factory.mktemp("recorded")
    keep: list[tuple[Rig, Snapshot]] = []

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        order, _ = rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(0.3)
        rig.engine.intake.cancel(order.id)
        await rig.sleep(0.3)
        await rig.fill(Side.SELL, 2)
        rig.exchange.faults.arm("reject_new")
        rig.send(Side.SELL, 1, 24_050)
        await rig.sleep(0.3)
        rig.send(Side.BUY, 1, 23_980)
        await rig.command(Kill(reason="test"))
        await rig.sleep(0.3)
        keep.append((rig, rig.engine.picture.take()))

    Rig.play(script, directory=folder)
    return folder / "journal.db", *keep[0]


@pytest.fixture
def link(journal: tuple[Path, Rig, Snapshot]) -> Iterator[ReplayLink]:
    path, rig, _ = journal
    made = ReplayLink(path, lambda _: (rig.config, (ES, CL)))
    made.start()
    assert made.ready.wait(WITHIN) and made.failure is None
    yield made
    made.close()


def ask(link: ReplayLink, question: AnyQuestion, kind: type[R]) -> R:
    got: list[Reply] = []
    there = threading.Event()

    def sink(reply: Reply) -> None:
        got.append(reply)
        there.set()

    link.ask(question, sink)
    assert there.wait(WITHIN)
    assert isinstance(got[0], kind), got[0]
    return got[0]


def stands(link: ReplayLink) -> int:
    """Where it stands once everything that was asked before is done. A question is answered before the next
    move, so the second answer comes after the move that was under way."""
    for _ in range(100):
        told = ask(link, RowsOf(before=0, after=0), RowsTold)
        if told.at == link._here:
            return told.at
    raise AssertionError(f"it stands at {told.at} and not at {link._here}")


def test_at_the_end_it_shows_what_the_engine_showed(
    link: ReplayLink, journal: tuple[Path, Rig, Snapshot]
) -> None:
    _, _, last = journal
    seen = link.latest()
    assert seen is not None and seen.recorded and seen.mode == "REPLAY"

    def told(snapshot: Snapshot) -> list[tuple[object, ...]]:
        return [(o.id, o.status, o.filled, o.leaves, o.limit, o.avg_price, o.reason) for o in snapshot.orders]

    assert told(seen) == told(last)
    assert [(p.symbol, p.executed, p.realised_pnl, p.fees) for p in seen.positions] == [
        (p.symbol, p.executed, p.realised_pnl, p.fees) for p in last.positions
    ]
    assert [(a.id, a.text) for a in seen.alerts] == [(a.id, a.text) for a in last.alerts]
    assert seen.halted and last.halted and seen.halt_reason == last.halt_reason
    assert seen.kill is not None and last.kill is not None and seen.kill.verdict == last.kill.verdict
    assert seen.risk == tuple(r for r in seen.risk if r.state == "TRIPPED"), "no reading is made up"
    assert all(p.bid is None and p.last is None for p in seen.positions)


def test_it_goes_back_and_forth_and_says_where_it_is(link: ReplayLink) -> None:
    end = stands(link)
    assert link.step(-5) == "" and stands(link) == end - 5
    assert link.step(2) == "" and stands(link) == end - 3
    assert "rows 1 to" in link.step(1000) and stands(link) == end
    assert "rows 1 to" in link.step(-1000) and stands(link) == 1
    seen = link.latest()
    assert seen is not None and seen.orders == () and not seen.halted and seen.kill is None
    assert seen.trading_text.startswith("row 1 of")
    link.step(1), link.step(1), link.step(1)
    assert stands(link) == 4, "keys that come faster than it moves add up"


def test_events_are_found_in_both_directions(link: ReplayLink) -> None:
    link.step(-1000)
    kinds = []
    while not (said := link.event(1)):
        kinds.append(stands(link))
    assert "no fill, alarm, halt or kill after" in said
    assert kinds == sorted(set(kinds)) and len(kinds) >= 6
    back = [kinds[-1]]
    while not link.event(-1):
        back.append(stands(link))
    assert back == kinds[::-1]


def test_it_jumps_to_times_and_rows_and_explains_what_is_none(link: ReplayLink) -> None:
    told = ask(link, RowsOf(), RowsTold)
    assert link.jump("#7") == "" and stands(link) == 7
    assert link.jump(str(told.ends)) == "" and stands(link) == told.last
    assert link.jump("+1s") == ""
    stands(link)
    assert told.begins < ask(link, RowsOf(), RowsTold).ts <= told.begins + 1_000_000_000
    assert link.jump(str(told.begins)) == "" and link.jump("-1s") == ""
    here = stands(link)
    assert "is no time" in link.jump("tomorrow")
    assert stands(link) == here


def test_a_time_is_that_of_the_clock_that_the_desk_shows(link: ReplayLink) -> None:
    """A time as it stood on the screen, in Chicago, was taken for one of UTC, before the journal."""
    told = ask(link, RowsOf(), RowsTold)
    for text in ("08:30:01", "2026-01-07 08:30:01", "14:30:01Z", "2026-01-07T14:30:01Z"):
        assert link.jump("#1") == "" and stands(link) == 1
        assert link.jump(text, "America/Chicago") == "" and stands(link) > 1, text
        assert told.begins < ask(link, RowsOf(), RowsTold).ts <= told.begins + 1_000_000_000
    said = link.jump("08:30:01")
    assert said == "the journal begins at 2026-01-07 14:30:00 (UTC)" and stands(link) == 1
    said = link.jump("02:30", "America/Chicago")
    assert said == "the journal begins at 2026-01-07 08:30:00 (America/Chicago)"
    assert "in America/Chicago" in link.jump("noon", "America/Chicago")


def test_rows_around_the_moment_are_told_with_the_words_of_the_recorder(link: ReplayLink) -> None:
    link.jump("#10")
    stands(link)
    told = ask(link, RowsOf(before=3, after=2), RowsTold)
    assert [row.row for row in told.rows] == [7, 8, 9, 10, 11, 12]
    assert all(row.text for row in told.rows)
    kinds = {kind for _, kind in told.events}
    assert {"fill", "alarm", "halt", "kill"} <= kinds


def test_stories_the_day_and_markets_are_those_of_the_moment(link: ReplayLink) -> None:
    seen = link.latest()
    assert seen is not None
    filled = [o for o in seen.orders if o.status == "FILLED"]
    told = ask(link, StoryOf(ident=filled[-1].id), StoryTold)
    assert "position 0 → 3" in told.lines[-1].text
    assert "'nobody'" in ask(link, StoryOf(ident="nobody"), Declined).text
    day = ask(link, DayOf(), DaySeen)
    assert day.points and "keeps no prices" in day.partial
    rows = {row.name: row for row in day.instruments}
    assert rows["ES"].fills == 3 and rows["ES"].position == 0
    assert rows["ES"].net is not None and abs(rows["ES"].net - day.points[-1].pnl) <= Decimal("0.01")
    market = ask(link, MarketOf(symbol="ES", bars=10), MarketSeen)
    assert market.bid is None and market.bars == () and len(market.fills) == 3
    assert market.last == market.fills[-1].price and "own last fill" in market.depth_text
    assert "breakwater.jsonl" in ask(link, LogTail(), Declined).text
    link.jump("#1")
    stands(link)
    assert ask(link, MarketOf(symbol="ES", bars=10), MarketSeen).fills == ()
    while ask(link, MarketOf(symbol="ES"), MarketSeen).position == 0:
        assert link.event(1) == ""
        stands(link)
    rows = {row.name: row for row in ask(link, DayOf(), DaySeen).instruments}
    assert rows["ES"].position == 3 and rows["ES"].open is None, "what is held has no value here"


def test_nothing_can_be_commanded(link: ReplayLink) -> None:
    answers: list[Answer] = []
    link.send(Kill(), "me", answers.append)
    assert [(a.ok, a.text) for a in answers] == [(False, REFUSED)]


def test_it_plays_to_the_end_and_stands(link: ReplayLink) -> None:
    link.jump("#1")
    stands(link)
    for _ in range(4):
        assert "plays at" in link.play()
    for _ in range(200):
        told = ask(link, RowsOf(), RowsTold)
        if told.at == told.last and not told.speed:
            break
        threading.Event().wait(0.05)
    assert (told.at, told.speed) == (told.last, 0.0)


def test_a_closed_recording_declines_and_is_gone(link: ReplayLink) -> None:
    link.close()
    assert not link.alive()
    assert "closed" in ask(link, DayOf(), Declined).text


def test_a_journal_that_is_none_says_why(tmp_path: Path, journal: tuple[Path, Rig, Snapshot]) -> None:
    link = ReplayLink(tmp_path / "none.db", lambda _: (journal[1].config, ()))
    link.start()
    assert link.ready.wait(WITHIN)
    assert isinstance(link.failure, FileNotFoundError)
    assert not link.alive()
    link.close()


def test_a_damaged_journal_is_shown_up_to_the_damage(
    tmp_path: Path, journal: tuple[Path, Rig, Snapshot]
) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(journal[0].read_bytes())
    connection = sqlite3.connect(path)
    connection.execute("UPDATE log SET body = replace(body, 'a', 'b') WHERE seq = 12")
    connection.commit()
    connection.close()
    link = ReplayLink(path, lambda _: (journal[1].config, (ES, CL)))
    link.start()
    try:
        assert link.ready.wait(WITHIN)
        told = ask(link, RowsOf(), RowsTold)
        assert told.last == told.at == 11
        assert "row 12" in told.note
    finally:
        link.close()


def test_it_can_begin_anywhere(journal: tuple[Path, Rig, Snapshot]) -> None:
    path, rig, _ = journal
    with open_tape(path) as tape:
        last = tape.last
    link = ReplayLink(path, lambda _: (rig.config, (ES, CL)), begin=lambda tape: tape.last - 4)
    link.start()
    try:
        assert link.ready.wait(WITHIN)
        assert stands(link) == last - 4
    finally:
        link.close()
