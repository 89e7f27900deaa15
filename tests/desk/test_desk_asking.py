"""Screens that ask: one question at a time, only while they are shown, and never an old number after a no."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from deskpilot import Desk, drive, painted, press, text_of
from fakeanswers import MID, TICK, everything, log, market
from fakelink import FakeLink, change, recorded_snapshot, snapshot

from app.desk.app import DeskApp
from app.desk.dialogs import KillAsk
from app.desk.panes.log import LogPane
from app.desk.panes.market import Ladder, TapePane
from app.desk.storypage import StoryPage
from engine.control.commands import Answer
from engine.control.questions import AnyQuestion, LogTail, MarketOf, ReplySink, StoryOf
from engine.control.replies import Declined, LogLines

D = Decimal
Asked = TypeVar("Asked")


class SlowLink(FakeLink):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(snapshot())
        self.waiting: list[tuple[AnyQuestion, ReplySink]] = []

    def ask(self, question: AnyQuestion, sink: ReplySink) -> None:
        self.asked.append(question)
        self.waiting.append((question, sink))

    def reply_now(self) -> None:
        waiting, self.waiting = self.waiting, []
        for question, sink in waiting:
            reply: Any = everything()[str(question.__struct_config__.tag)]
            sink(reply(question) if callable(reply) else reply)


def on_desk(link: Callable[[], FakeLink] | None = None) -> Callable[[Callable[..., Any]], Callable[[], None]]:
    """Plays a test on a desk, at a link of its own where one is given."""

    def played(test: Callable[..., Any]) -> Callable[[], None]:
        def run() -> None:
            drive(test, link=None if link is None else link())

        run.__doc__ = test.__doc__
        return run

    return played


async def show(pilot: Desk, *keys: str) -> None:
    """Presses keys and waits until what they bring is painted."""
    await press(pilot, *keys)
    await painted(pilot)


async def next_frame(app: DeskApp, link: FakeLink, pilot: Desk, seconds: float = 1.0) -> None:
    """A new snapshot, so much later, painted."""
    assert link.snapshot is not None
    link.snapshot = change(link.snapshot, seq=link.snapshot.seq + 1)
    before = app.now()
    app.now = app._now = lambda: before + seconds
    await painted(pilot)


def asked_for(link: FakeLink, kind: type[Asked]) -> list[Asked]:
    return [q for q in link.asked if isinstance(q, kind)]


def books(link: FakeLink) -> list[MarketOf]:
    return [q for q in asked_for(link, MarketOf) if q.levels]


@on_desk()
async def test_nothing_is_asked_while_no_such_screen_is_shown(
    app: DeskApp, link: FakeLink, pilot: Desk
) -> None:
    assert link.asked == []
    await show(pilot, "7")
    assert books(link)
    await press(pilot, "f2")
    asked = len(link.asked)
    for _ in range(3):
        await next_frame(app, link, pilot)
    assert len(link.asked) == asked


@on_desk(SlowLink)
async def test_a_slow_engine_is_asked_again_only_after_its_answer(
    app: DeskApp, link: SlowLink, pilot: Desk
) -> None:
    await show(pilot, "7")
    asked = len(books(link))
    for _ in range(4):
        await next_frame(app, link, pilot, 0.5)
    assert len(books(link)) == asked
    link.reply_now()
    await pilot.pause()
    await next_frame(app, link, pilot, 0.5)
    assert len(books(link)) == asked + 1


@on_desk(SlowLink)
async def test_no_answer_for_three_seconds_is_said_and_the_old_book_goes(
    app: DeskApp, link: SlowLink, pilot: Desk
) -> None:
    await show(pilot, "7")
    link.reply_now()
    await pilot.pause()
    assert "4185.25" in text_of(app)
    await next_frame(app, link, pilot, 1.0)
    await next_frame(app, link, pilot, 3.1)
    assert "no answer for 3 s" in text_of(app)
    assert "4185.25" not in text_of(app)


@on_desk()
async def test_a_market_that_is_declined_leaves_no_number_behind(
    app: DeskApp, link: FakeLink, pilot: Desk
) -> None:
    await show(pilot, "7")
    assert app.desk.query_one(Ladder).rows
    link.replies["market"] = Declined(text="there is no market here")
    await next_frame(app, link, pilot)
    assert app.desk.query_one(Ladder).rows == []
    assert "there is no market here" in text_of(app)


@on_desk()
async def test_the_market_of_the_row_that_was_selected_is_shown_and_brackets_go_on(
    app: DeskApp, link: FakeLink, pilot: Desk
) -> None:
    await press(pilot, "f4")
    await press(pilot, "down")
    row = app.desk.pane("positions").selected
    assert row is not None and row.symbol != "ESM3"
    await show(pilot, "7")
    assert app.desk.query_one(Ladder).symbol == row.symbol
    await show(pilot, "right_square_bracket")
    assert app.desk.query_one(Ladder).symbol != row.symbol
    await show(pilot, "left_square_bracket")
    assert app.desk.query_one(Ladder).symbol == row.symbol


@on_desk()
async def test_the_ladder_tells_price_and_orders_under_the_cursor_and_keeps_them_there(
    app: DeskApp, link: FakeLink, pilot: Desk
) -> None:
    await show(pilot, "7")
    ladder = app.desk.query_one(Ladder)
    assert ladder.price == MID and [o.id for o in ladder.orders_here] == ["trend-7f3a-0001"]
    await press(pilot, "down", "down")
    assert ladder.price == MID - 2 * TICK and ladder.orders_here[0].price == ladder.price
    line = ladder.cursor
    link.replies["market"] = market(bid=MID + 2 * TICK, ask=MID + 3 * TICK)
    await next_frame(app, link, pilot, 0.5)
    assert ladder.price == MID - 2 * TICK and ladder.cursor == line
    await press(pilot, "greater_than_sign")
    assert [D(row.key) for row in ladder.rows] == sorted((D(r.key) for r in ladder.rows), reverse=True)


@on_desk()
async def test_the_tape_asks_for_what_is_new_and_counts_what_it_missed(
    app: DeskApp, link: FakeLink, pilot: Desk
) -> None:
    await show(pilot, "7")
    await next_frame(app, link, pilot)
    assert books(link)[-1].tape_after == 60
    link.replies["market"] = market(prints=(), prints_missed=12, last_print=72)
    await next_frame(app, link, pilot)
    assert "12 missed" in text_of(app)
    link.replies["market"] = market(prints=(), last_print=3)
    await next_frame(app, link, pilot)
    assert app.desk.query_one(TapePane).last == 0, "another engine counts anew"


@on_desk()
async def test_enter_on_an_order_tells_its_story_and_follows_it(
    app: DeskApp, link: FakeLink, pilot: Desk
) -> None:
    await press(pilot, "f3")
    await show(pilot, "enter")
    assert isinstance(app.screen, StoryPage)
    wanted = [q.ident for q in link.asked if isinstance(q, StoryOf)]
    assert wanted and set(wanted) == {"trend-7f3a-0001"}
    asked = len(wanted)
    await next_frame(app, link, pilot)
    assert link.snapshot is not None
    assert len(asked_for(link, StoryOf)) <= asked + 1
    asked = len(asked_for(link, StoryOf))
    first, *rest = link.snapshot.orders
    link.snapshot = change(link.snapshot, orders=(change(first, status="FILLED", filled=first.qty), *rest))
    await next_frame(app, link, pilot)
    assert len(asked_for(link, StoryOf)) == asked + 1
    await press(pilot, "escape")
    assert not isinstance(app.screen, StoryPage)


@on_desk()
async def test_the_log_follows_unless_somebody_reads_further_down(
    app: DeskApp, link: FakeLink, pilot: Desk
) -> None:
    await show(pilot, "f7")
    pane = app.desk.query_one(LogPane)
    pane.focus()
    await pilot.pause()
    assert pane.last == 30 and pane.rows[0].key == "30"
    await press(pilot, "down", "down", "down")
    last = log().lines[-1]
    link.replies["log"] = LogLines(lines=(change(last, n=31, event="news"),), last=31, first=1)
    await next_frame(app, link, pilot)
    assert pane.rows[0].key == "30" and "1 newer" in text_of(app)
    await press(pilot, "home")
    link.replies["log"] = LogLines(last=31, first=1)
    await next_frame(app, link, pilot)
    assert pane.rows[0].key == "31" and "newer" not in text_of(app)


@on_desk()
async def test_the_log_is_filtered_by_level_and_by_what_a_line_is_about(
    app: DeskApp, link: FakeLink, pilot: Desk
) -> None:
    await show(pilot, "f7")
    pane = app.desk.query_one(LogPane)
    pane.focus()
    await pilot.pause()
    await press(pilot, "o")
    asked = asked_for(link, LogTail)
    assert asked[-1].about == "c00000001" and asked[-1].after == 0
    await press(pilot, "l")
    asked = asked_for(link, LogTail)
    assert asked[-1].level == "warning" and asked[-1].about == "c00000001"
    await press(pilot, "o")
    assert asked_for(link, LogTail)[-1].about == ""


def test_a_recording_moves_by_keys_on_every_screen_and_kills_nothing() -> None:
    class Recording(FakeLink):
        moves: list[object]

        def step(self, rows: int) -> str:
            self.moves.append(rows)
            return ""

        def event(self, direction: int) -> str:
            self.moves.append(("event", direction))
            return "there is none"

        def jump(self, text: str, zone: str) -> str:
            self.moves.append(text)
            return f"'{text}' is no time"

        def play(self) -> str:
            self.moves.append("play")
            return "plays at 1 times its pace"

    link = Recording(recorded_snapshot())
    link.moves = []
    link.answer = Answer(ok=False, text="a recording")

    async def test(app: DeskApp, link: Recording, pilot: Desk) -> None:
        assert "RECORDED" in text_of(app) and "row 414 of 1031" in text_of(app)
        await show(pilot, "0")
        assert "the broker acknowledges it as P2" in text_of(app)
        await press(pilot, "comma", "full_stop", "left_curly_bracket", "right_parenthesis", "P")
        assert link.moves == [-1, 1, -100, ("event", 1), "play"]
        await press(pilot, "f3")
        await show(pilot, "full_stop", "J", *"noon", "enter")
        assert link.moves[-2:] == [1, "noon"]
        assert "'noon' is no time" in text_of(app)
        await show(pilot, "f12")
        assert "REFUSED kill: a recording" in text_of(app)
        assert not isinstance(app.screen, KillAsk), "nothing says that something was killed"
        await press(pilot, "ctrl+q")
        assert app.desk_result is not None and app.desk_result.reason == "quit-screen"

    drive(test, link=link)


@on_desk()
async def test_the_recorders_keys_say_what_they_need_on_an_engine(
    app: DeskApp, link: FakeLink, pilot: Desk
) -> None:
    await show(pilot, "full_stop")
    assert "replay --desk" in text_of(app)


@on_desk()
async def test_from_a_story_one_key_leads_to_its_lines_of_the_log(
    app: DeskApp, link: FakeLink, pilot: Desk
) -> None:
    await press(pilot, "f3")
    await show(pilot, "enter")
    await show(pilot, "l")
    assert not isinstance(app.screen, StoryPage)
    asked = asked_for(link, LogTail)[-1]
    assert (asked.about, asked.level) == ("c00000002", "debug")
    assert "about c00000002" in text_of(app)
    await press(pilot, "o")
    assert asked_for(link, LogTail)[-1].about == ""


@on_desk()
async def test_the_ladder_takes_the_place_of_the_chart_and_gives_it_back(
    app: DeskApp, link: FakeLink, pilot: Desk
) -> None:
    await show(pilot, "7")
    ladder = app.desk.query_one(Ladder)
    short = len(ladder.rows)
    await show(pilot, "v")
    assert len(ladder.rows) > short + 5 and "bars of" not in text_of(app)
    assert ladder.price == MID
    await show(pilot, "v")
    assert len(ladder.rows) == short and "bars of" in text_of(app)


@on_desk()
async def test_the_frame_names_the_bracket_keys_as_they_are_and_takes_no_markup(
    app: DeskApp, link: FakeLink, pilot: Desk
) -> None:
    await show(pilot, "7")
    assert "[ before" in text_of(app) and "] next" in text_of(app)
    await show(pilot, "f3", "f", *"[b]x[/b]", "enter")
    assert "[b]x[/b]" in text_of(app)
