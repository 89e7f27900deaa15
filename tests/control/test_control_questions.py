"""Questions over the link in memory: one at a time behind the commands, and never left without an answer."""

from __future__ import annotations

import threading
from decimal import Decimal

import msgspec
import pytest

from engine.control.commands import Answer, AnyCommand, CancelAll, Kill
from engine.control.memory import MemoryLink
from engine.control.questions import (
    MAX_ASKED,
    AnyQuestion,
    AnyReply,
    DayOf,
    LogTail,
    MarketOf,
    ReplySink,
    StoryOf,
    decode_question,
    decode_reply,
    encode,
)
from engine.control.replies import Bar, DaySeen, Declined, Level, LogLines, MarketSeen, Print, StoryTold

D = Decimal
MARKET = MarketSeen(
    symbol="ES",
    ts=1,
    tick=D("0.25"),
    currency="USD",
    bid=D("6000.25"),
    bid_size=D(3),
    ask=None,
    ask_size=None,
    last=D("-0.5"),
    last_ts=1,
    state="OPEN",
    data_state="live",
    data_age=0.2,
    low_limit=None,
    high_limit=None,
    position=D(0),
    avg_price=None,
    depth="top",
    depth_text="top only",
    bids=(Level(D("6000.25"), D(3)),),
    prints=(Print(1, 2, D("6000.25"), None, ""),),
    bars=(Bar(1, D(1), D(2), D(1), D(2), D(0), True),),
)


@pytest.mark.parametrize(
    "question",
    [StoryOf(ident="#12"), MarketOf(symbol="ES", tape_after=7), DayOf(), LogTail(level="error")],
    ids=lambda q: q.__struct_config__.tag,
)
def test_a_question_survives_the_wire(question: AnyQuestion) -> None:
    assert decode_question(encode(question)) == question


@pytest.mark.parametrize(
    "reply", [MARKET, StoryTold(ident="x"), LogLines(), Declined(text="no")], ids=lambda r: type(r).__name__
)
def test_a_reply_survives_the_wire(reply: AnyReply) -> None:
    assert decode_reply(encode(reply)) == reply
    assert not isinstance(reply, DaySeen)


def test_what_is_no_question_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_question(b'{"question":"everything"}')
    with pytest.raises(msgspec.ValidationError):
        decode_question(b'{"question":"market","symbol":"ES","depth":9}')


class Engine:
    """The other side of a link, by hand."""

    def __init__(self) -> None:
        self.link = MemoryLink(lambda: 0.0)
        self.did: list[str] = []
        self.wakes = 0

    def wake(self) -> None:
        self.wakes += 1

    def handle(self, command: AnyCommand, _who: str, _answer: object) -> None:
        self.did.append(type(command).__name__)

    def answer(self, question: AnyQuestion, sink: ReplySink) -> None:
        self.did.append(type(question).__name__)
        sink(StoryTold(ident="told"))

    def turn(self) -> None:
        self.link.serve(self.handle, self.answer)


def test_commands_go_before_questions_and_questions_take_turns() -> None:
    engine = Engine()
    got: list[AnyReply] = []
    engine.link.ask(DayOf(), got.append)
    engine.link.ask(StoryOf(ident="a"), got.append)
    engine.link.attach(engine.wake)
    assert engine.wakes == 1, "what waited before the engine came is told to it"
    engine.link.send(CancelAll(), "me")
    engine.link.send(Kill(), "me")
    engine.turn()
    assert engine.did == ["Kill", "CancelAll", "DayOf"]
    before = engine.wakes
    assert before == 4, "attached, two commands, and once more for the question that still waits"
    engine.turn()
    assert engine.did[3:] == ["StoryOf"]
    assert engine.wakes == before
    assert len(got) == 2


def test_questions_beyond_the_bound_are_declined_and_those_before_are_not() -> None:
    engine = Engine()
    got: list[AnyReply] = []
    for _ in range(MAX_ASKED + 1):
        engine.link.ask(DayOf(), got.append)
    assert [type(r) for r in got] == [Declined]
    for _ in range(MAX_ASKED):
        engine.turn()
    assert len(got) == MAX_ASKED + 1
    assert sum(isinstance(r, Declined) for r in got) == 1


def test_an_engine_that_is_gone_declines_what_waits_and_what_comes() -> None:
    engine = Engine()
    got: list[AnyReply] = []
    answers: list[Answer] = []
    engine.link.ask(DayOf(), got.append)
    engine.link.send(CancelAll(), "me", answers.append)
    engine.link.close("it was stopped")
    engine.link.ask(DayOf(), got.append)
    assert [r.text for r in got if isinstance(r, Declined)] == ["the engine is gone: it was stopped"] * 2
    assert [a.ok for a in answers] == [False]


def test_no_question_is_left_without_an_answer_when_the_engine_ends_meanwhile() -> None:
    """Screens ask from their threads while the engine's closes the link: each sink is called exactly once."""
    for _ in range(50):
        engine = Engine()
        got: list[list[AnyReply]] = [[] for _ in range(20)]
        begin = threading.Barrier(3)

        def ask(
            sinks: list[list[AnyReply]], link: MemoryLink = engine.link, begin: threading.Barrier = begin
        ) -> None:
            begin.wait()
            for sink in sinks:
                link.ask(DayOf(), sink.append)

        threads = [threading.Thread(target=ask, args=(part,)) for part in (got[:10], got[10:])]
        for thread in threads:
            thread.start()
        begin.wait()
        engine.turn()
        engine.link.close("over")
        for thread in threads:
            thread.join()
        assert [len(replies) for replies in got] == [1] * 20
