"""A decision of a person is answered once it is on disk; a store that does not keep it is in the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.control.commands import (
    Acknowledge,
    Adopt,
    Answer,
    AnyCommand,
    Claim,
    Gone,
    Pause,
    Resume,
    SetLimit,
    Shelve,
    StopStrategy,
)
from engine.model import NS, Side
from tests.engine.rig import Rig
from tests.engine.test_in_doubt import doubtful

OWN: dict[str, Any] = {
    "strategies": ({"module": "tests.engine.quiet:Quiet", "name": "own", "symbols": ("CL",)},)
}
"""A strategy, where there is to be one to stop: it is a process of its own."""

Maker = Callable[[Rig], Awaitable[AnyCommand]]


async def pause(rig: Rig) -> AnyCommand:
    return Pause()


async def resume(rig: Rig) -> AnyCommand:
    assert (await rig.command(Pause())).ok
    return Resume()


async def limit(rig: Rig) -> AnyCommand:
    return SetLimit(name="max_position", value="2")


async def stop(rig: Rig) -> AnyCommand:
    return StopStrategy(strategy="own")


async def adopt(rig: Rig) -> AnyCommand:
    """A trade of which the broker tells the position only."""
    rig.exchange.faults.arm("drop_report", 3)
    rig.exchange.manual_trade(rig.config.account, "ES", Side.BUY, 1)
    await rig.sleep(15)
    assert rig.engine.core.books.halts.instrument("ES") is not None, rig.alerts()
    return Adopt(symbol="ES")


async def claim(rig: Rig) -> AnyCommand:
    rig.exchange.foreign_order(rig.config.account, "ES", Side.BUY, 1, limit=23_950)
    await rig.sleep(7)
    row = next(r for r in rig.engine.picture.take().orders if r.foreign)
    return Claim(broker_id=row.broker_id, strategy="manual")


async def gone(rig: Rig) -> AnyCommand:
    return Gone(order_id=(await doubtful(rig)).id)


async def acknowledge(rig: Rig) -> AnyCommand:
    rig.engine.core.alarm("critical", "drill", "look at me")
    return Acknowledge()


async def shelve(rig: Rig) -> AnyCommand:
    rig.engine.core.alarm("critical", "drill", "look at me")
    alert = next(r for r in rig.engine.core.books.alerts.rows() if r.code == "drill")
    return Shelve(alert_id=alert.id, minutes=5, reason="known")


DECISIONS: tuple[tuple[Maker, str], ...] = (
    (pause, "halted"),
    (resume, "halt_reset"),
    (limit, "limits"),
    (stop, "halted"),
    (adopt, "halt_reset"),
    (claim, "claimed"),
    (gone, "lost"),
    (acknowledge, "alert_ack"),
    (shelve, "alert_shelved"),
)
"""Each with the kind of the journal row that keeps it."""


@pytest.mark.parametrize(("make", "kind"), DECISIONS, ids=lambda v: getattr(v, "__name__", ""))
def test_what_a_person_decides_is_answered_once_it_is_on_disk(make: Maker, kind: str) -> None:
    """Told that trading was paused, or a position adopted, and a crash a moment later had forgotten it."""

    async def script(rig: Rig) -> None:
        command = await make(rig)
        seen: list[int] = []

        def answered(answer: Answer) -> None:
            assert answer.ok and "NOT on disk" not in answer.text, answer
            seen.append(rig.journal.seq)

        rig.engine.command(command, "test", answered)
        await rig.sleep(1)
        row = [r async for r in rig.journal.rows() if r.kind == kind][-1]
        assert len(seen) == 1 and seen[0] >= row.seq, "answered before it was committed"

    Rig.play(script, config=OWN if make is stop else None)


@pytest.mark.parametrize("trouble", ["full", "slow"])
@pytest.mark.parametrize("make", [make for make, _ in DECISIONS], ids=lambda make: make.__name__)
def test_an_answer_names_a_store_that_does_not_keep_what_was_decided(make: Maker, trouble: str) -> None:
    async def script(rig: Rig) -> None:
        command = await make(rig)
        if trouble == "full":
            await rig.break_store()
        else:
            store: Any = rig.journal._store
            write = store.write
            store.write = lambda batch, done: rig.clock.call_later(5 * NS, write, batch, done)
        asked = rig.clock.mono()
        answer = await rig.command(command)
        assert answer.ok and "NOT on disk" in answer.text, answer
        assert rig.clock.mono() - asked < 3 * NS, "an answer waits for no disk for ever"
        if make is pause:
            assert [h.target for h in rig.engine.core.books.halts.all()] == ["pause"], "it holds all the same"

    Rig.play(script, config=OWN if make is stop else None)
