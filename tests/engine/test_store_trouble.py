"""The journal cannot be written: nothing new is opened, cancels and kill still go, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

from engine.books import Books
from engine.control.commands import Answer, Kill
from engine.facts import Executed
from engine.model import ExecutionKey, Fill, Replace, Side
from engine.records import decode
from tests.engine.rig import CL, ES, Rig


async def replayed(rig: Rig) -> Books:
    """The books that the journal alone gives."""
    await rig.journal.flush()
    books = Books(rig.config, [ES, CL])
    async for row in rig.journal.rows():
        books.apply(decode(row.kind, row.body), row.ts)
    return books


def test_no_order_leaves_unstored_and_cancels_do() -> None:
    async def script(rig: Rig) -> None:
        resting, _ = rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(0.3)
        await rig.break_store()
        lost, refusal = rig.send(Side.BUY, 1, 23_980)
        assert refusal is None, "the gate does not know yet"
        await rig.sleep(0.1)
        sent = [o.order_id for o in rig.exchange.audit(rig.config.account).orders]
        assert lost.id not in sent
        assert rig.engine.view.exposure("ES")[0] == 1
        assert "store" in rig.alerts()
        _, refusal = rig.send(Side.BUY, 1, 23_970)
        assert refusal is not None and "store" in refusal.text
        assert rig.engine.intake.cancel(resting.id) == ""
        await rig.sleep(0.3)
        assert rig.status(resting) == "CANCELED"

    Rig.play(script)


def test_kill_ends_flat_without_a_store_and_the_store_learns_of_it_later(tmp_path: Path) -> None:
    async def script(rig: Rig) -> str:
        await rig.fill(Side.BUY, 4)
        await rig.break_store()
        answer = await rig.command(Kill())
        assert answer.ok and answer.text.startswith("flat, confirmed twice"), answer
        assert rig.venue_position() == 0
        await rig.mend_store()
        await rig.sleep(6)
        assert rig.journal.state == "ok"
        books = await replayed(rig)
        assert books.positions.qty("ES") == 0
        assert books.halts.account() is not None
        assert books.fills == rig.engine.core.books.fills
        return books.halts.account().reason  # type: ignore[union-attr]

    reason = Rig.play(script, directory=tmp_path)

    async def again(rig: Rig) -> None:
        halt = rig.engine.core.books.halts.account()
        assert halt is not None and halt.reason == reason

    Rig.play(again, directory=tmp_path)


def test_replaying_the_journal_gives_the_same_state(tmp_path: Path) -> None:
    async def script(rig: Rig) -> tuple[str, object]:
        rig.exchange.faults.set_ratios({"duplicate_report": 0.3, "delay_report": 0.2, "correct": 0.2})
        for step in range(12):
            rig.send(Side.BUY if step % 3 else Side.SELL, 1 + step % 2)
            await rig.sleep(0.7)
        rig.exchange.faults.clear()
        await rig.sleep(20)
        books = await replayed(rig)
        live = rig.engine.core.books
        assert books.positions.state() == live.positions.state()
        assert books.halts.state() == live.halts.state()
        assert books.orders.digest() == live.orders.digest()
        assert books.digest() == live.digest()
        return live.digest(), None

    Rig.play(script, directory=tmp_path)


def test_what_could_not_be_stored_was_no_order_here_as_in_a_replay() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 1)
        await rig.break_store()
        answers: list[Answer] = []
        order = rig.order(Side.BUY, 1, 23_980)
        assert rig.engine.intake.submit(order, on_answer=answers.append) is None
        await rig.sleep(0.1)
        assert not answers[0].ok and "not stored" in answers[0].text
        assert rig.status(order) == "NONE"
        await rig.mend_store()
        await rig.sleep(6)
        await rig.fill(Side.SELL, 1)
        assert (await replayed(rig)).digest() == rig.engine.core.books.digest()

    Rig.play(script)


def test_a_change_that_could_not_be_stored_is_in_a_replay_as_it_was_here() -> None:
    """Seed 840: while it waited for the disk it made something else of reports than a replay without it did.
    Here the venue executes a lot beyond the size in force, which only the change explains."""

    async def script(rig: Rig) -> None:
        order, _ = rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(0.3)
        await rig.break_store()
        answers: list[Answer] = []
        change = Replace(id="manual-change-1", order_id=order.id, qty=2, limit=23_990)
        assert rig.engine.replacer.replace(change, on_answer=answers.append) is None
        key = ExecutionKey(venue="CME", account=rig.config.account, trading_day="2026-01-05", exec_id="e-1")
        fill = Fill(key=key, symbol="ES", side=Side.BUY, qty=2, price=23_990, ts=1, order_id=order.id)
        rig.engine.facts.take(Executed(ts=1, fill=fill))
        assert rig.status(order) == "FILLED"
        await rig.sleep(0.1)
        assert not answers[-1].ok and "not stored" in answers[-1].text
        await rig.mend_store()
        await rig.sleep(6)
        assert (await replayed(rig)).digest() == rig.engine.core.books.digest()
        sent = [row.body async for row in rig.journal.rows() if row.kind == "sent"]
        assert not any(change.id in body for body in sent), "it never left"

    Rig.play(script)
