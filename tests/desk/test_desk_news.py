"""News on the Log screen: none left out, filtered by stream and by id, and from there to the story."""

from __future__ import annotations

from decimal import Decimal

from deskpilot import Desk, drive, painted, press, text_of
from fakelink import TS, FakeLink, snapshot

from app.desk.app import DeskApp
from app.desk.panes.news import NewsPane
from app.desk.storypage import StoryPage
from app.desk.view import news as view
from engine.alerts import Alert
from engine.control.news import Event, stream_of
from engine.control.questions import StoryOf
from engine.facts import Executed, Rejected
from engine.model import ExecutionKey, Fill, Side
from engine.recorder.words import Words
from engine.records import AlertRaised, AnyRecord, FactTaken, Halted

ZONE = "America/Chicago"


def event(seq: int, record: AnyRecord, order_id: str = "", correlation: str = "") -> Event:
    stream = stream_of(record)
    assert stream is not None
    return Event(seq, TS + seq * 1_000_000_000, stream, correlation, order_id, record)


def happened() -> list[Event]:
    fill = Fill(
        key=ExecutionKey("SIM", "PAPER", "2026-01-07", "x1"),
        symbol="ES",
        side=Side.BUY,
        qty=2,
        price=24000,
        ts=TS,
        order_id="trend-1",
        fee=Decimal(0),
    )
    return [
        event(1, FactTaken(fact=Executed(ts=TS, fill=fill)), "trend-1", "c-7"),
        event(2, FactTaken(fact=Rejected(ts=TS, order_id="trend-2", reason="price")), "trend-2", "c-8"),
        event(3, AlertRaised(alert=Alert(id=12, ts=TS, severity="critical", code="drift", text="apart"))),
        event(4, Halted(scope="account", target="", code="kill", reason="operator (ann)")),
    ]


def link_with(events: list[Event]) -> FakeLink:
    link = FakeLink(snapshot())
    link.events = events
    return link


def test_rows_are_newest_first_with_sign_word_and_id() -> None:
    table = view.table(happened(), Words(), ZONE)
    assert [row.cells[0].text for row in table.rows] == ["· AUDIT", "! ALARM", "✕ REJECT", "● FILL"]
    assert [view.about(e) for e in happened()] == ["trend-1", "trend-2", "#12", ""]
    assert view.fits(happened()[0], "fill", "c-7") and not view.fits(happened()[0], "alarm", "")


def test_w_shows_the_news_l_one_stream_o_one_id_and_enter_the_story() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f7", "w")
        await painted(pilot)
        pane = app.desk.query_one(NewsPane)
        assert "● FILL" in text_of(app) and "✕ REJECT" in text_of(app) and "Log ·" not in text_of(app)
        await press(pilot, "l", "l")
        assert pane.stream == "reject" and "✕ REJECT" in text_of(app) and "● FILL" not in text_of(app)
        await press(pilot, "l", "l", "l")
        assert pane.stream == "all"
        pane.focus()
        await press(pilot, "end", "o")
        await painted(pilot)
        assert "about c-7" in text_of(app) and "✕ REJECT" not in text_of(app)
        await press(pilot, "home", "enter")
        assert isinstance(app.screen, StoryPage)
        assert link.asked[-1] == StoryOf(ident="trend-1")
        await press(pilot, "escape", "o", "w")
        await painted(pilot)
        assert "Log ·" in text_of(app) and "● FILL" not in text_of(app)

    drive(test, link=link_with(happened()), size=(120, 40))


def test_news_that_come_while_somebody_reads_wait_and_are_counted() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f7", "w")
        pane = app.desk.query_one(NewsPane)
        pane.focus()
        await press(pilot, "home", "down")
        link.events = [*happened(), event(5, Halted(scope="instrument", target="ES", code="x", reason="y"))]
        link.snapshot = snapshot(seq=2)
        await painted(pilot)
        assert "1 newer, Home follows" in text_of(app)
        await press(pilot, "home")
        link.snapshot = snapshot(seq=3)
        link.events = [*link.events, event(6, Halted(scope="instrument", target="CL", code="x", reason="y"))]
        await painted(pilot)
        assert pane.last == 6 and "newer" not in text_of(app)

    drive(test, link=link_with(happened()), size=(120, 40))
