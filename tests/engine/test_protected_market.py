"""Market orders that the venue works as limit orders, as Interactive Brokers does with futures: the rest of
one stays an order like any other, to the exposure, to a restart, and to the kill switch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.control.commands import Kill
from engine.model import NS, Order, OrderType, Side
from tests.engine.kill_kit import live_at_venue
from tests.engine.rig import START, Rig

KEEP: dict[str, Any] = {"orders": {"on_stop": "keep"}}


async def protected(rig: Rig) -> Order:
    """A market order for 5 of which 2 traded at the touch; 3 work there, and the market has gone up."""
    rig.exchange.faults.arm("protect")
    rig.sizes["ES"] = 2
    rig.quote("ES", 24_000, 24_001, 2)
    order, refusal = rig.send(Side.BUY, 5, type=OrderType.MARKET)
    assert refusal is None
    await rig.sleep(0.05)
    rig.move("ES", 24_010)
    await rig.sleep(0.5)
    assert rig.status(order) == "PARTIAL_FILL" and rig.position() == 2
    return order


def test_its_rest_counts_is_shown_with_its_limit_and_alarmed() -> None:
    async def script(rig: Rig) -> None:
        order = await protected(rig)
        record = rig.engine.core.books.orders.get(order.id)
        assert record is not None and (record.life.limit, record.life.leaves) == (24_001, 3)
        assert rig.engine.view.exposure("ES") == (3, 0)
        assert "unsolicited_replace" in rig.alerts()
        assert rig.engine.intake.cancel(order.id) == ""
        await rig.sleep(0.5)
        assert rig.status(order) == "CANCELED" and not live_at_venue(rig)

    Rig.play(script)


def test_the_kill_is_not_done_while_the_rest_works() -> None:
    """Two cancels of it are refused: flat is said when the venue has nothing any more, and not before."""

    async def script(rig: Rig) -> None:
        order = await protected(rig)
        rig.exchange.faults.arm("reject_cancel", 2)
        rig.engine.command(Kill(flatten=True), "test")
        said = ""
        for _ in range(400):
            await rig.sleep(0.1)
            progress = rig.engine.kill.progress
            if not progress.running:
                said = progress.verdict
                break
            assert not progress.verdict.startswith("flat")
        assert said.startswith("flat") and rig.exchange.faults.counts["reject_cancel"] == 2
        assert rig.status(order) == "CANCELED" and not live_at_venue(rig)
        assert rig.position() == rig.venue_position() == 0

    Rig.play(script)


def test_a_restart_finds_the_rest_and_the_kill_takes_it(tmp_path: Path) -> None:
    async def before(rig: Rig) -> Order:
        return await protected(rig)

    order = Rig.play(before, directory=tmp_path, config=KEEP)

    async def after(rig: Rig) -> None:
        await rig.sleep(10)
        record = rig.engine.core.books.orders.get(order.id)
        assert record is not None and (record.life.limit, record.life.leaves) == (24_001, 3)
        rig.engine.command(Kill(flatten=True), "test")
        await rig.sleep(20)
        assert rig.engine.kill.progress.verdict.startswith("flat")
        assert rig.status(order) == "CANCELED" and rig.position() == rig.venue_position() == 0

    Rig.play(
        after,
        directory=tmp_path,
        config=KEEP,
        start=START + 60 * NS,
        touch={"ES": (24_010, 24_011), "CL": (7_000, 7_001)},
    )
