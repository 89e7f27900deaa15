"""What the venue cancels because of what we did, or because a bracket is done, is no alarm; the rest is."""

from __future__ import annotations

from engine.control.commands import Cancel, CancelAll
from engine.model import Side
from tests.engine.rig import Rig
from tests.engine.test_brackets import enter, records


def entry_id(rig: Rig) -> str:
    (entry,) = (r for r in records(rig) if r.order.parent is None)
    return entry.order.id


def test_a_target_that_fills_takes_its_stop_away_without_an_alarm() -> None:
    async def script(rig: Rig) -> None:
        assert (await enter(rig)).ok
        rig.move("ES", 24_012)
        await rig.sleep(1)
        assert (rig.position(), records(rig)) == (0, [])
        assert "unsolicited_cancel" not in rig.alerts()

    Rig.play(script)


def test_a_cancelled_entry_takes_its_children_away_without_an_alarm() -> None:
    async def script(rig: Rig) -> None:
        assert (await enter(rig, limit="5999.00")).ok
        assert (await rig.command(Cancel(order_id=entry_id(rig)))).ok
        await rig.sleep(1)
        assert records(rig) == [] and "unsolicited_cancel" not in rig.alerts()

    Rig.play(script)


def test_who_cancels_all_is_not_told_that_it_was_unasked() -> None:
    async def script(rig: Rig) -> None:
        assert (await enter(rig, limit="5999.00")).ok
        assert (await rig.command(CancelAll())).ok
        await rig.sleep(1)
        assert records(rig) == [] and "unsolicited_cancel" not in rig.alerts()

    Rig.play(script)


def test_a_stop_that_the_venue_takes_from_a_position_is_alarmed() -> None:
    async def script(rig: Rig) -> None:
        assert (await enter(rig)).ok
        stop = next(r for r in records(rig) if r.order.stop is not None)
        account = rig.config.account
        assert rig.exchange.cancel_order(account, stop.order.id, "house rule")
        await rig.sleep(1)
        assert rig.position() == 2 and "unsolicited_cancel" in rig.alerts()
        (row,) = (a for a in rig.engine.core.books.alerts.rows() if a.code == "unsolicited_cancel")
        assert "unasked: house rule" in row.text

    Rig.play(script)


def test_an_order_that_stands_alone_is_alarmed() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("unsolicited_cancel")
        rig.send(Side.BUY, 1, 23_000)
        await rig.sleep(3)
        assert "unsolicited_cancel" in rig.alerts()

    Rig.play(script)
