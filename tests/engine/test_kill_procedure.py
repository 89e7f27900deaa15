"""Kill and flatten under everything that goes wrong in it: only proof ends it, and nothing refills it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.control.commands import Flatten, Kill, Reset
from engine.model import Side
from tests.engine.rig import HALTED, OPEN, Rig


def flattening(rig: Rig) -> list[object]:
    return [o for o in rig.exchange.audit(rig.config.account).orders if o.order_id.startswith("flatten-")]


@pytest.mark.parametrize(
    "fault",
    [
        {"reject_cancel": 0.5},
        {"drop_report": 0.3},
        {"duplicate_report": 0.5},
        {"delay_report": 0.4},
        {"no_ack": 0.5},
        {"lose_request": 0.3},
        {"query_lost": 0.4},
        {"answer_lost": 0.4},
        {"reject_new": 0.5},
        {"fill_after_cancel": 0.5},
        {"stale_snapshot": 0.4},
        {"unknown_order": 0.5},
    ],
    ids=lambda f: next(iter(f)),
)
def test_it_ends_flat_under_a_fault(fault: dict[str, float]) -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 7)
        await rig.fill(Side.SELL, 4, symbol="CL")
        for step in range(4):
            rig.send(Side.BUY, 1, 23_990 - step)
        await rig.sleep(0.3)
        rig.exchange.faults.set_ratios(fault)
        answer = await rig.command(Kill(), wait=180)
        assert answer.ok, answer
        assert rig.venue_position() == rig.venue_position("CL") == 0
        live = [o for o in rig.exchange.audit(rig.config.account).orders if not o.status.is_closed]
        assert live == []

    Rig.play(script)


def test_an_empty_snapshot_is_not_flat() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        rig.exchange.faults.set_ratios({"empty_snapshot": 1.0})
        rig.engine.command(Kill(), "test")
        await rig.sleep(10)
        progress = rig.engine.kill.progress
        assert progress.running or rig.venue_position() == 0, progress
        rig.exchange.faults.clear()
        await rig.sleep(20)
        assert rig.venue_position() == 0
        assert rig.engine.kill.progress.verdict.startswith("flat")

    Rig.play(script)


def test_a_halted_market_is_reported_and_waited_for() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        rig.exchange.set_state("ES", HALTED)
        await rig.sleep(0.2)
        rig.engine.command(Flatten(symbol="ES"), "test")
        await rig.sleep(20)
        progress = rig.engine.kill.progress
        assert progress.running
        assert any("HALTED" in step for step in progress.steps)
        assert "not_flat" in rig.alerts()
        assert flattening(rig) == []
        rig.exchange.set_state("ES", OPEN)
        await rig.sleep(10)
        assert progress.verdict.startswith("flat") and rig.venue_position() == 0

    Rig.play(script)


def test_a_running_market_is_chased_with_new_prices() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 20)
        rig.sizes["ES"] = 1
        rig.engine.command(Flatten(symbol="ES"), "test")
        for step in range(60):
            rig.quote("ES", 24_000 - 2 * step, 24_001 - 2 * step, 1)
            await rig.sleep(0.25)
        rig.sizes["ES"] = 50
        await rig.sleep(15)
        assert rig.venue_position() == 0
        assert rig.engine.kill.progress.verdict.startswith("flat")

    Rig.play(script)


def test_nothing_refills_after_flatten_of_one_symbol() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        await rig.fill(Side.BUY, 2, symbol="CL")
        entry, _ = rig.send(Side.BUY, 2, 23_980)
        other, _ = rig.send(Side.BUY, 1, 6_980, symbol="CL")
        await rig.sleep(0.2)
        answer = await rig.command(Flatten(symbol="ES"))
        assert answer.ok, answer
        assert rig.status(entry) == "CANCELED" and rig.status(other) == "WORKING"
        assert rig.position() == 0 and rig.position("CL") == 2
        _, refusal = rig.send(Side.BUY, 1)
        assert refusal is not None
        assert (await rig.command(Reset(scope="instrument", target="ES"))).ok
        await rig.sleep(1)
        await rig.fill(Side.BUY, 1)

    Rig.play(script)


def test_an_unfinished_kill_goes_on_after_a_restart(tmp_path: Path) -> None:
    async def begin(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        rig.exchange.set_state("ES", HALTED)
        await rig.sleep(0.2)
        rig.engine.command(Kill(), "test")
        await rig.sleep(3)

    async def go_on(rig: Rig) -> None:
        assert rig.engine.core.books.halts.account() is not None
        rig.exchange.set_state("ES", OPEN)
        await rig.sleep(20)
        assert rig.engine.kill.progress.verdict.startswith("flat"), rig.engine.kill.progress
        assert rig.venue_position() == 0
        _, refusal = rig.send(Side.BUY, 1)
        assert refusal is not None

    Rig.play(begin, directory=tmp_path)
    Rig.play(go_on, directory=tmp_path)


def test_orders_waiting_for_the_disk_do_not_slip_out_behind_a_kill() -> None:
    async def script(rig: Rig) -> None:
        order, refusal = rig.send(Side.BUY, 2)
        assert refusal is None
        rig.engine.command(Kill(), "test")  # before the commit of the order returns
        await rig.sleep(5)
        record = rig.engine.core.books.orders.get(order.id)
        assert record is not None and record.life.is_closed
        assert "kill" in record.life.reason
        assert [o for o in rig.exchange.audit(rig.config.account).orders if o.order_id == order.id] == []

    Rig.play(script)


def test_reset_is_refused_while_it_runs() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 5)
        rig.exchange.set_state("ES", HALTED)
        await rig.sleep(0.2)
        rig.engine.command(Kill(), "test")
        await rig.sleep(1)
        assert not (await rig.command(Reset(scope="halt"))).ok
        rig.exchange.set_state("ES", OPEN)
        await rig.sleep(15)
        assert (await rig.command(Reset(scope="halt"))).ok

    Rig.play(script)
