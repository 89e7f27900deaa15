"""Attached screens over the real socket: what they are shown, in what order, and what they may ask."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from control_harness import PATIENCE, Served, order_row, shows, until

from app.link import SocketLink
from engine.alerts import Alert
from engine.books import Applied
from engine.control.commands import Answer, Cancel, Kill, Pause
from engine.control.news import News
from engine.control.questions import AnyReply, StoryOf
from engine.control.replies import StoryTold
from engine.feeds.instruments import lookup
from engine.records import AlertRaised, CommandTaken, RunStarted


def test_a_screen_sees_what_the_engine_publishes(served: Served, links: Callable[..., SocketLink]) -> None:
    link = links()
    until(lambda: link.latest() is not None, "the first snapshot")
    shows(link, lambda: served.snapshot)
    for step in range(10):
        served.update(
            halted=step % 2 == 0,
            orders=tuple(order_row(n) for n in range(step, 6 + step)),
            equity=Decimal(step),
        )
        shows(link, lambda: served.snapshot)
    assert served.server.screens is not None
    counters = served.server.screens.counters
    assert counters["wholes"] == 1 and counters["frames"] >= 10, counters
    assert link.alive() and link.role() == "control"
    assert served.seats.joined[0][0].endswith(f"pid={os.getpid()}")


def test_no_frame_is_made_while_nobody_looks(served: Served, links: Callable[..., SocketLink]) -> None:
    served.update(halted=True)
    assert not any(thread.name == "screens" for thread in threading.enumerate())
    link = links()
    until(lambda: link.latest() is not None, "a snapshot")
    assert [t.name for t in threading.enumerate()].count("screens") == 1
    link.close("done")
    until(lambda: served.seats.left == [(1, True, "done")], "the goodbye")
    asked: list[int] = []
    served.newest = lambda: asked.append(1)  # type: ignore[method-assign,assignment,func-returns-value]
    time.sleep(0.2)
    assert not asked


def test_age_is_that_of_the_publication_not_of_the_arrival(
    served: Served, links: Callable[..., SocketLink]
) -> None:
    link = links()
    until(lambda: link.latest() is not None, "a snapshot")
    served.update(feed="late", at=time.monotonic() - 7)
    shows(link, lambda: served.snapshot)
    assert 7 <= link.age() < 20
    served.update(halted=True)
    until(lambda: link.age() < 1, "a fresh one")
    began = time.monotonic()
    until(lambda: link.age() > 0.5, "age without news")
    assert time.monotonic() - began > 0.3


def test_a_command_has_two_answers_and_goes_with_its_seat(
    served: Served, links: Callable[..., SocketLink]
) -> None:
    link = links()
    got: list[Answer] = []
    until(lambda: link.latest() is not None, "a snapshot")
    link.send(Cancel(order_id="x"), "desk", got.append)
    until(lambda: len(got) == 2, "two answers")
    assert [answer.final for answer in got] == [False, True]
    assert served.commands[0][0] == Cancel(order_id="x")
    assert served.commands[0][1].endswith("seat=1")


def test_a_kill_has_a_connection_of_its_own(served: Served, links: Callable[..., SocketLink]) -> None:
    link = links()
    got: list[Answer] = []
    link.send(Kill(flatten=False), "desk", got.append)
    until(lambda: len(got) == 2, "two answers")
    assert "seat" not in served.commands[0][1]


def test_a_kill_passes_while_the_screens_thread_stands_still(
    served: Served, links: Callable[..., SocketLink]
) -> None:
    link = links()
    until(lambda: link.latest() is not None, "a snapshot")
    standing, go_on = threading.Event(), threading.Event()
    screens = served.server.screens
    assert screens is not None

    def stand() -> None:
        standing.set()
        go_on.wait(PATIENCE)

    screens.on_screens(stand)
    assert standing.wait(PATIENCE)
    got: list[Answer] = []
    link.send(Kill(flatten=False), "desk", got.append)
    until(lambda: len(got) == 2, "two answers")
    go_on.set()


def test_a_kill_is_sent_again_until_an_engine_has_it(served: Served, tmp_path: Path) -> None:
    """The line is cut under it, and the engine comes back only a moment later."""
    link = SocketLink(served.directory)
    link.start()
    until(lambda: link.latest() is not None, "a snapshot")
    served.run(served.server.close())
    got: list[Answer] = []
    link.send(Kill(flatten=False), "desk", got.append)
    time.sleep(0.3)
    assert not got
    served.start()
    until(lambda: len(got) == 2, "two answers")
    assert got[-1].ok and isinstance(served.commands[0][0], Kill)
    until(lambda: (link.alive() and link.age() < 1) or served.update(), "the screen as well")
    link.close(None)


def test_a_kill_that_reaches_nobody_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app import killline

    monkeypatch.setattr(killline, "SEND_WITHIN", 0.3)
    link = SocketLink(tmp_path)
    link.start()
    got: list[Answer] = []
    link.send(Kill(), "desk", got.append)
    until(lambda: got, "an answer")
    assert not got[0].ok and got[0].text.startswith("no engine runs here")
    assert got[0].data == {"outcome": "not sent"}
    assert "Act at the broker" in got[0].text
    assert not link.alive()
    link.close(None)


def test_a_read_only_screen_sends_nothing(served: Served, links: Callable[..., SocketLink]) -> None:
    link = links(read_only=True)
    until(lambda: link.latest() is not None, "a snapshot")
    got: list[Answer] = []
    link.send(Kill(), "desk", got.append)
    link.send(Pause(), "desk", got.append)
    assert [answer.ok for answer in got] == [False, False]
    assert "read-only" in got[0].text and "NOTHING was sent" in got[0].text
    assert not served.commands and link.role() == "read-only"
    assert served.seats.joined[0][1] is True


def test_questions_go_over_the_socket(served: Served, links: Callable[..., SocketLink]) -> None:
    link = links(read_only=True)
    until(lambda: link.latest() is not None, "a snapshot")
    got: list[AnyReply] = []
    for ident in "abc":
        link.ask(StoryOf(ident=ident), got.append)
    until(lambda: len(got) == 3, "the answers")
    assert got == [StoryTold(ident="a"), StoryTold(ident="b"), StoryTold(ident="c")]


def alarm(number: int) -> AlertRaised:
    return AlertRaised(
        alert=Alert(id=number, ts=number, severity="warning", code="x", text=f"alarm {number}")
    )


def test_news_are_lossless_numbered_and_go_on_after_a_new_connection(
    served: Served, links: Callable[..., SocketLink]
) -> None:
    for number in range(1, 6):
        served.told.tell(alarm(number), Applied(), number, f"c{number}", "")
    link = links()
    until(lambda: len(link.news(0).events) == 5, "what was told before")
    assert [event.record for event in link.news(3).events] == [alarm(4), alarm(5)]
    assert link.news(3).events[0].correlation == "c4" and link.news(3).events[0].stream == "alarm"
    served.run(served.server.close())
    for number in range(6, 9):
        served.told.tell(alarm(number), Applied(), number, "", "")
    served.start()
    until(lambda: len(link.news(0).events) == 8, "what was told meanwhile")
    assert [event.seq for event in link.news(0).events] == list(range(1, 9)), "each once"


def test_news_of_a_restarted_engine_follow_those_of_the_one_before(
    served: Served, links: Callable[..., SocketLink]
) -> None:
    served.told.tell(alarm(1), Applied(), 1, "", "")
    link = links()
    until(lambda: len(link.news(0).events) == 1, "the first run's")
    served.run(served.server.close())
    served.told, served.run_name = News(), "run-2"
    served.told.tell(CommandTaken(command=Kill(), who="me"), Applied(), 2, "", "")
    served.start()
    until(lambda: len(link.news(0).events) == 2, "the second run's")
    assert [event.stream for event in link.news(1).events] == ["audit"]


def test_how_the_run_began_is_told_also_when_the_history_has_it_no_longer(
    served: Served, links: Callable[..., SocketLink]
) -> None:
    began = RunStarted(
        install="i", run=3, mode="PAPER", account="A", broker="paper", instruments=(lookup("ESZ3"),)
    )
    served.told = News(kept=2)
    served.run(served.server.close())
    served.start()
    served.told.tell(began, Applied(), 1, "", "")
    for number in range(2, 9):
        served.told.tell(alarm(number), Applied(), number, "", "")
    link = links(read_only=True)
    assert link.attached(PATIENCE) == ""
    assert link.started == began and link.told == 8
    link.listen(7, PATIENCE)
    assert [event.seq for event in link.news(6).events] == [7, 8]


def test_what_the_history_has_no_longer_is_told_as_missed(
    served: Served, links: Callable[..., SocketLink]
) -> None:
    served.told = News(kept=10)
    served.run(served.server.close())
    served.start()
    for number in range(1, 26):
        served.told.tell(alarm(number), Applied(), number, "", "")
    link = links()
    until(lambda: link.news(0).events, "news")
    batch = link.news(0)
    assert batch.missed == 15 and [event.ts for event in batch.events] == list(range(16, 26))
