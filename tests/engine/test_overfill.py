"""More executed than an order asked for: it is booked, and its instrument opens nothing more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.books import Applied
from engine.control.commands import Flatten, Reset
from engine.facts import Executed, ReplaceRejected
from engine.model import NS, Replace, Side
from engine.risk import words
from tests.engine.rig import START, Rig
from tests.engine.said import journal
from tests.engine.test_brackets import same_from_the_journal

KEEP: dict[str, Any] = {"orders": {"on_stop": "keep"}}


async def overfilled(rig: Rig) -> None:
    """Three lots executed of an order for two."""
    rig.exchange.faults.arm("overfill")
    await rig.fill(Side.BUY, 2)
    await rig.sleep(1)
    assert rig.position() == rig.venue_position() == 3


def test_an_overfill_stops_what_opens_and_nothing_else() -> None:
    async def script(rig: Rig) -> None:
        far, refusal = rig.send(Side.BUY, 1, 23_990)
        assert refusal is None
        await overfilled(rig)
        halt = rig.engine.core.books.halts.instrument("ES")
        assert halt is not None and halt.code == "overfill" and "3 filled, only 2 asked for" in halt.reason
        why, then = words.halt(halt.scope, halt.target, halt.code, halt.reason)
        assert why == "ES is halted: more was executed than an order asked for"
        assert then == "nothing opens in ES until a person resets it"
        alert = next(a for a in rig.engine.core.books.alerts.rows() if a.code == "overfill")
        assert alert.severity == "critical" and alert.symbol == "ES" and "halted" in alert.text

        assert rig.send(Side.BUY, 1, 23_990)[1] is not None, "nothing opens"
        assert rig.send(Side.BUY, 1, 6_990, symbol="CL")[1] is None, "another instrument goes on"
        assert rig.engine.intake.cancel(far.id) == "", "cancels go"
        assert rig.send(Side.SELL, 1)[1] is None, "what reduces goes"
        await rig.sleep(1)
        assert rig.status(far) == "CANCELED" and rig.position() == 2
        assert (await rig.command(Flatten(symbol="ES"))).ok
        await rig.sleep(20)
        assert rig.position() == rig.venue_position() == 0

    Rig.play(script)


def test_the_halt_of_an_overfill_holds_over_restarts_until_a_person_resets_it(tmp_path: Path) -> None:
    async def before(rig: Rig) -> None:
        await overfilled(rig)

    Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        await rig.sleep(10)
        assert rig.position() == rig.venue_position() == 3 and rig.engine.reconciler.agreed
        assert rig.send(Side.BUY, 1, 23_990)[1] is not None
        assert rig.engine.core.books.alerts.standing("overfill", "ES")
        answer = await rig.command(Reset(scope="instrument", target="ES"))
        assert answer.ok, answer
        assert not rig.engine.core.books.alerts.standing("overfill", "ES")
        assert rig.send(Side.BUY, 1, 23_990)[1] is None

    Rig.play(after, directory=tmp_path, config=KEEP, start=START + 60 * NS)


def test_the_halt_is_in_the_row_of_the_execution(tmp_path: Path) -> None:
    """A process that dies just behind that row starts halted: nothing has to be written after it."""

    async def before(rig: Rig) -> None:
        core = rig.engine.core

        def dies(_record: Any, applied: Applied, *_: Any) -> None:
            if applied.halted:
                core.journal.append_nowait = lambda *_, **__: None  # type: ignore[method-assign, assign]

        core.tell = dies
        await overfilled(rig)

    Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        assert rig.engine.core.books.halts.instrument("ES") is not None

    Rig.play(after, directory=tmp_path, config=KEEP, start=START + 60 * NS)


@pytest.mark.parametrize("times", [1, 2])
def test_a_correction_upwards_halts_as_well_and_a_repeat_does_not(times: int) -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        (execution,) = rig.exchange.books.executions
        rig.exchange.correct(execution.fill.key, execution.fill.price, 3)
        await rig.sleep(1)
        assert rig.engine.core.books.halts.instrument("ES") is not None
        assert (await rig.command(Reset(scope="instrument", target="ES"))).ok
        rig.exchange.faults.arm("duplicate_report", times)
        await rig.fill(Side.BUY, 1)
        await rig.sleep(1)
        assert rig.engine.core.books.halts.instrument("ES") is None

    Rig.play(script)


def test_an_overfill_that_only_an_answer_tells_halts_too() -> None:
    """Its executions were lost on the way: the answer counts three of two, before they are read."""

    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("overfill")
        rig.exchange.faults.arm("drop_report", 3)
        _, refusal = rig.send(Side.BUY, 2, 24_100)
        assert refusal is None
        await rig.sleep(60)
        assert rig.position() == rig.venue_position() == 3
        halt = rig.engine.core.books.halts.instrument("ES")
        assert halt is not None and halt.code == "overfill", rig.alerts()

    Rig.play(script)


def test_a_change_that_is_refused_excuses_no_lot_any_more() -> None:
    """Three executed of two while a change to three was under way; the venue then refuses the change."""

    async def script(rig: Rig) -> None:
        order, refusal = rig.send(Side.BUY, 2, 23_990)
        assert refusal is None
        await rig.sleep(1)
        (resting,) = rig.exchange.books.open_orders(rig.config.account)
        change = Replace(id="r-1", order_id=order.id, qty=3, limit=23_990)
        rig.exchange.faults.arm("drop_report")  # of the change's answer
        assert rig.engine.replacer.replace(change) is None
        await rig.sleep(0.01)
        rig.exchange.desk.fill(resting, 3, 23_990, True)
        await rig.sleep(0.1)
        books = rig.engine.core.books
        assert rig.position() == 3 and books.halts.instrument("ES") is None
        answer = ReplaceRejected(ts=rig.clock.now(), order_id=order.id, replace_id="r-1", reason="no")
        rig.engine.facts.take(answer)
        halt = books.halts.instrument("ES")
        assert halt is not None and halt.code == "overfill" and "3 filled, only 2 asked for" in halt.reason
        assert rig.engine.core.books.alerts.standing("overfill", "ES")
        assert rig.send(Side.BUY, 1, 23_990)[1] is not None, "nothing opens"

    Rig.play(script)


def test_a_change_that_never_left_excuses_no_lot_any_more() -> None:
    """Three executed of two while a change to three waited for the disk: the order has ended, so the change
    stays here, and the venue never was to execute more than two."""

    async def script(rig: Rig) -> None:
        order, refusal = rig.send(Side.BUY, 2, 23_990)
        assert refusal is None
        await rig.sleep(1)
        (resting,) = rig.exchange.books.open_orders(rig.config.account)
        assert rig.engine.replacer.replace(Replace(id="r-1", order_id=order.id, qty=3, limit=23_990)) is None
        rig.exchange.desk.fill(resting, 3, 23_990, True)
        (fill,) = rig.exchange.audit(rig.config.account).executions
        rig.engine.facts.take(Executed(ts=fill.ts, fill=fill))  # before the disk has answered
        await rig.sleep(1)
        (note,) = [row for row in await journal(rig) if row.kind == "not_sent"]
        assert "the order has ended" in str(note.body) and rig.position() == 3
        books = rig.engine.core.books
        halt = books.halts.instrument("ES")
        assert halt is not None and halt.code == "overfill" and "3 filled, only 2 asked for" in halt.reason
        assert books.alerts.standing("overfill", "ES") and rig.send(Side.BUY, 1, 23_990)[1] is not None
        await same_from_the_journal(rig)

    Rig.play(script)
