"""Small parts of the IB adapter: the way out of the library, lanes, order numbers, the state of the line."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest

from brokers.ib import raw
from brokers.ib.idmark import BLOCK, HIGHEST, IdMark
from brokers.ib.line import LineState
from brokers.ib.pacing import Lane, Pacer
from brokers.ib.raw import NextId, Ticks
from brokers.ib.thread import AT_ONCE, Inbox
from engine.model import NS
from engine.ports import NotSent
from engine.sim.loop import VirtualClock, VirtualLoop

# -- from the library's thread to the engine's


def test_facts_come_without_loss_and_in_order_while_ticks_conflate() -> None:
    many = 20_000
    facts: list[int] = []
    ticks: list[Ticks] = []
    turns = 0

    async def run() -> None:
        nonlocal turns
        done = asyncio.Event()

        def take(message: raw.Raw) -> None:
            assert isinstance(message, NextId)
            facts.append(message.order_id)
            if len(facts) == many:
                done.set()

        inbox = Inbox(asyncio.get_running_loop(), take, ticks.append)

        def library() -> None:
            for n in range(many):
                inbox.put(NextId(n))
                inbox.put_ticks(Ticks(7, float(n), 1, None, 0, None, 0, prints=1))

        thread = threading.Thread(target=library)
        thread.start()
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)
        thread.join()
        await asyncio.sleep(0.05)
        assert inbox.conflated == many - len(ticks)

    asyncio.run(run())
    assert facts == list(range(many))
    assert ticks[-1].bid == many - 1 and len(ticks) < many
    assert sum(t.prints for t in ticks) == many, "what was conflated is counted"
    assert turns >= many / AT_ONCE, "a storm of facts leaves the loop to others in between"


def test_an_engine_that_is_gone_is_told_nothing() -> None:
    loop = asyncio.new_event_loop()
    inbox = Inbox(loop, lambda _: None, lambda _: None)
    loop.close()
    inbox.put(NextId(1))
    inbox.put_ticks(Ticks(1, 1.0, 1, None, 0, None, 0, 0))


# -- lanes


def pacer(per_second: int = 40) -> tuple[VirtualLoop, Pacer]:
    loop = VirtualLoop(0)
    return loop, Pacer(VirtualClock(loop), per_second)


def fill(lanes: Pacer, lane: Lane) -> int:
    taken = 0
    while True:
        try:
            lanes.take(lane)
        except NotSent:
            return taken
        taken += 1


def test_each_lane_leaves_room_for_those_above() -> None:
    _, lanes = pacer()
    assert [fill(lanes, lane) for lane in (Lane.QUESTIONS, Lane.ORDERS, Lane.CANCELS)] == [10, 20, 10]
    _, lanes = pacer()
    assert fill(lanes, Lane.CANCELS) == 40


def test_a_strategy_that_never_rests_leaves_questions_theirs() -> None:
    """Found by a storm: orders filled the second again and again, no question was asked for 30 s, and the
    engine gave the link up."""
    loop, lanes = pacer()
    clock, asked = VirtualClock(loop), 0
    for _ in range(500):
        fill(lanes, Lane.ORDERS)
        if not lanes.wait(Lane.QUESTIONS):
            lanes.take(Lane.QUESTIONS)
            asked += 1
        loop.run_until_complete(clock.sleep(NS // 100))
    assert asked >= 40


def test_a_question_knows_how_long_it_must_wait() -> None:
    loop, lanes = pacer()
    assert lanes.wait(Lane.QUESTIONS) == 0
    fill(lanes, Lane.QUESTIONS)
    wait = lanes.wait(Lane.QUESTIONS)
    assert NS < wait <= 1.1 * NS
    loop.run_until_complete(VirtualClock(loop).sleep(wait))
    assert lanes.wait(Lane.QUESTIONS) == 0 and fill(lanes, Lane.QUESTIONS) == 10


def test_never_more_than_the_limit_in_any_second() -> None:
    loop, lanes = pacer()
    clock, sent = VirtualClock(loop), []
    for _ in range(400):
        for lane in Lane:
            try:
                lanes.take(lane)
            except NotSent:
                continue
            sent.append(clock.now())
        loop.run_until_complete(clock.sleep(NS // 100))
    assert len(sent) > 120
    for first in sent:
        assert sum(first <= at <= first + NS for at in sent) <= 40


# -- order numbers


def test_numbers_go_on_after_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "ib.json"
    before = IdMark(path)
    used = [before.take() for _ in range(BLOCK + 10)]
    after = IdMark(path)
    assert used == sorted(set(used)) and after.take() > max(used)


def test_numbers_begin_at_tws_s_and_are_on_disk_before_they_are_used(tmp_path: Path) -> None:
    mark = IdMark(tmp_path / "ib.json")
    mark.at_least(5_000)
    mark.at_least(10)
    number = mark.take()
    assert number == 5_000
    assert json.loads((tmp_path / "ib.json").read_text())["reserved"] >= number


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"reserved": "x"}'])
def test_a_mark_that_cannot_be_read_is_no_mark(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ib.json"
    path.write_text(text)
    with pytest.raises(NotSent, match="cannot be read"):
        IdMark(path)


def test_a_mark_that_cannot_be_written_gives_no_number(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotSent, match="cannot be reserved"):
        IdMark(tmp_path / "file" / "ib.json").take()


def test_numbers_end() -> None:
    mark = IdMark(None)
    mark.at_least(HIGHEST)
    with pytest.raises(NotSent, match="reset them"):
        mark.take()


# -- the line


def error(code: int, text: str = "") -> raw.Error:
    return raw.Error(-1, code, text)


def test_the_line_by_the_codes_of_tws() -> None:
    line = LineState()
    line.came_up()
    for code in (2103, 2104, 2105, 2106, 2107, 2108, 2119, 2157, 2158, 399, 202):
        assert line.hear(error(code)) is None and line.up
    assert line.hear(error(1100)) == "doubt" and not line.up and "1100" in line.reason
    assert line.hear(error(2110)) is None, "told once"
    assert line.hear(error(1102)) == "back" and not line.data_lost
    line.came_up()
    assert line.hear(error(1102)) == "gap", "a loss that we did not hear of"
    assert line.hear(error(2110)) == "doubt"
    assert line.hear(error(1101)) == "back" and line.data_lost
    line.came_up()
    assert line.hear(error(100)) == "gap" and line.up
    assert line.hear(error(1300, "the port is now 7498")) == "leave" and line.port == 7498
