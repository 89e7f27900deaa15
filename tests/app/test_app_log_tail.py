"""The log's newest lines as a screen asks for them: numbered, filtered, bounded, and without secrets."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import logs
from app.logring import LEVELS, LogRing
from app.logsink import STARS, Renderer
from engine.control.questions import LogTail
from engine.control.replies import Declined, LogLines, Reply


@pytest.fixture
def running() -> Iterator[None]:
    logs.configure(level="debug", secrets=["hunter2-token"])
    yield
    logs.shutdown()


def ask(question: LogTail) -> LogLines:
    got: list[Reply] = []
    there = threading.Event()

    def sink(reply: Reply) -> None:
        got.append(reply)
        there.set()

    logs.tail(question, sink)
    assert there.wait(30)
    assert isinstance(got[0], LogLines), got
    return got[0]


@pytest.mark.usefixtures("running")
def test_lines_are_followed_from_where_the_reader_is() -> None:
    log = logs.engine_log()
    log("info", "one", order_id="a-1", correlation_id="c1", qty="3", extra=[1, 2])
    log("warning", "two", symbol="ES")
    seen = ask(LogTail())
    assert [(line.n, line.event) for line in seen.lines] == [(1, "one"), (2, "two")]
    first = seen.lines[0]
    assert (first.order_id, first.correlation, first.component) == ("a-1", "c1", "engine")
    assert first.rest == "qty=3 extra=[1,2]"
    log("info", "three")
    seen = ask(LogTail(after=seen.last))
    assert [(line.n, line.event) for line in seen.lines] == [(3, "three")]
    assert ask(LogTail(after=3)).lines == ()


@pytest.mark.usefixtures("running")
def test_only_the_level_and_the_id_that_were_asked_for() -> None:
    log = logs.engine_log()
    log("debug", "quiet", correlation_id="c1")
    log("info", "about c1", correlation_id="c1")
    log("error", "mentions c1 but is about another")
    log("error", "loud", cause_id="c1")
    log("info", "an order's", order_id="a-1")
    assert [line.event for line in ask(LogTail(level="error")).lines][-1] == "loud"
    assert [line.event for line in ask(LogTail(level="debug", about="c1")).lines] == [
        "quiet",
        "about c1",
        "loud",
    ]
    assert [line.event for line in ask(LogTail(about="a-1")).lines] == ["an order's"]


@pytest.mark.usefixtures("running")
def test_no_secret_reaches_a_screen() -> None:
    log = logs.engine_log()
    log("info", "logging in with hunter2-token", password="abc", note="hunter2-token")
    (line,) = ask(LogTail()).lines
    assert "hunter2" not in repr(line) and "abc" not in repr(line)
    assert STARS in line.event and f"password={STARS}" in line.rest


def test_after_the_end_of_the_log_it_says_so_and_nobody_waits() -> None:
    logs.shutdown()
    got: list[Reply] = []
    logs.tail(LogTail(), got.append)
    assert isinstance(got[0], Declined)
    writer = logs.configure()
    logs.shutdown()
    ran: list[int] = []
    writer.do(lambda: ran.append(1))
    assert ran == [1]


@given(
    events=st.lists(st.tuples(st.sampled_from(LEVELS), st.sampled_from(["", "c1", "c2"])), max_size=60),
    after=st.integers(0, 70),
    most=st.integers(0, 20),
    level=st.sampled_from(LEVELS[:4]),
    about=st.sampled_from(["", "c1"]),
)
def test_the_newest_that_fit_are_given_and_none_twice(
    events: list[tuple[str, str]], after: int, most: int, level: str, about: str
) -> None:
    renderer, ring, kept = Renderer(), LogRing(kept=25), 25
    for number, (what, ident) in enumerate(events, 1):
        ring.write(renderer.line({"event": f"{number} level error", "level": what, "correlation_id": ident}))
    seen = ring.tail(LogTail(after=after, level=level, about=about, lines=most))  # type: ignore[arg-type]
    fitting = [
        number
        for number, (what, ident) in enumerate(events, 1)
        if number > max(after, len(events) - kept)
        and LEVELS.index(what) >= LEVELS.index(level)
        and (not about or ident == about)
    ]
    assert [line.n for line in seen.lines] == (fitting[-most:] if most else [])
    assert seen.last == len(events)
    if after:
        assert seen.missed == max(0, len(events) - kept - after)
