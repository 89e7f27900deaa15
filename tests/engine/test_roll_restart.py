"""A roll that a restart cuts in two: nothing of it goes on by itself, and the numbers are exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.books import Books
from engine.books_image import gather, put_back, take
from engine.records import RollEnded
from tests.engine.operator_kit import journalled
from tests.engine.rig import CL, Rig
from tests.engine.roll_kit import FAR, NEAR, ROLL, begin, held, hold, play, sent


def crash(rig: Rig) -> None:
    """The last word of a script: the engine takes nothing back, as after kill -9."""
    rig.engine._stopping = "killed"


@pytest.mark.parametrize("opened", [True, False])
def test_between_the_legs(tmp_path: Path, opened: bool) -> None:
    """Two of three are closed, and either opened or not when it dies; meanwhile the market goes on."""

    async def first(rig: Rig) -> None:
        await hold(rig, 3)
        rig.quoting = False
        rig.sizes["ESH6"] = 2
        if not opened:
            rig.sizes["ESM6"] = 0
        rig.quote_all()
        rig.sizes["ESM6"] = 50
        begin(rig)
        await rig.sleep(0.5 if opened else 0.2)
        while rig.position("ESH6") == 3:
            await rig.sleep(0.001)
        assert held(rig) == ((1, 2) if opened else (1, 0)), held(rig)
        crash(rig)

    async def second(rig: Rig) -> None:
        before = len(sent(rig, "ESM6"))
        await rig.sleep(20)
        near, far = held(rig)
        ended = next(r for r in await journalled(rig) if isinstance(r, RollEnded))
        assert (3 - near, far) == (ended.closed, ended.opened)
        assert "the engine was restarted while it ran" in ended.text
        assert ("roll" if ended.closed == ended.opened else "roll_half") in rig.alerts()
        assert len(sent(rig, "ESM6")) == before, "nothing more was opened"
        assert not rig.engine.core.books.orders.working() and not rig.engine.core.books.rolls.active
        answer = await rig.command(ROLL)
        assert (answer.ok and held(rig) == (0, far + near)) if near else not answer.ok, "a person may again"

    play(first, directory=tmp_path)
    play(second, directory=tmp_path)


def test_a_graceful_stop_ends_it_too(tmp_path: Path) -> None:
    async def first(rig: Rig) -> None:
        await hold(rig, 3)
        rig.quoting = False
        rig.sizes["ESH6"] = 1
        rig.quote_all()
        answers = begin(rig)
        await rig.sleep(0.5)
        await rig.engine.stop("test")
        ended = next(r for r in await journalled(rig) if isinstance(r, RollEnded))
        assert ended.closed == ended.opened == 1 and "the engine stopped: test" in ended.text
        assert answers[-1].final

    play(first, directory=tmp_path)


def test_a_saved_image_has_the_roll() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 3)
        rig.quoting = False
        rig.sizes["ESH6"] = 1
        rig.quote_all()
        begin(rig)
        await rig.sleep(0.3)
        books = rig.engine.core.books
        assert books.rolls.active
        again = Books(rig.config, [NEAR, FAR, CL])
        put_back(again, gather(take(books).pieces()))
        assert again.digest() == books.digest()
        assert again.rolls.image() == books.rolls.image()
        roll = next(iter(again.rolls.active.values()))
        assert again.rolls.closes(roll.closing[0]) and not again.rolls.closes(roll.opening[0])

    play(script)
