"""A bracket closed its position, and that execution is taken back: it is open again, without a stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.control.commands import Adopt, Cancel
from engine.model import OrderType, Side
from tests.engine.rig import Rig
from tests.engine.test_brackets import OURS, at_venue, enter, records, same_from_the_journal


async def closed(rig: Rig) -> None:
    """Two lots were bought and the target has sold them; the market comes back between target and stop."""
    await enter(rig)
    rig.move("ES", 24_012)
    await rig.sleep(1)
    assert (rig.position(), at_venue(rig)) == (0, [])
    rig.move("ES", 24_000)
    await rig.sleep(1)


def said(rig: Rig) -> dict[str, str]:
    """The newest alarm of each kind."""
    return {row.code: row.text for row in reversed(rig.engine.core.books.alerts.rows())}


def lacks(rig: Rig) -> bool:
    """The alarm stands that a position is without a stop."""
    return bool(rig.engine.core.books.alerts.standing("unprotected", "ES"))


async def bust(rig: Rig) -> None:
    rig.exchange.bust(rig.exchange.audit(rig.config.account).executions[-1].key)
    await rig.sleep(1)
    assert rig.position() == rig.venue_position() == 2


@pytest.mark.parametrize("later", [False, True], ids=["at once", "after a restart"])
def test_a_bracket_of_the_venues_is_alarmed_with_the_position_and_the_remedy(
    later: bool, tmp_path: Path
) -> None:
    async def script(rig: Rig) -> None:
        if not rig.engine.core.books.fills:
            await closed(rig)
            if later:
                return
        await bust(rig)
        assert at_venue(rig) == []
        texts = said(rig)
        assert "no stop works there: protect it, or 'flatten ES' closes it" in texts["bust"], texts
        assert "ES is +2 now" in texts["bust"] and "2 lots of ES" in texts["unprotected"], texts
        await same_from_the_journal(rig)

    for _ in range(1 + later):
        Rig.play(script, directory=tmp_path)


@pytest.mark.parametrize("later", [False, True], ids=["at once", "after a restart"])
def test_a_bracket_of_ours_gets_a_stop_and_a_target_again(later: bool, tmp_path: Path) -> None:
    async def script(rig: Rig) -> None:
        if not rig.engine.core.books.fills:
            await closed(rig)
            if later:
                return
        await bust(rig)
        assert at_venue(rig) == [("LMT", 2), ("STP", 2)]
        texts = said(rig)
        assert texts["bust"].endswith("ES is +2 now") and "unprotected" not in texts, texts
        rig.move("ES", 23_980)
        await rig.sleep(1)
        assert (rig.position(), rig.venue_position(), at_venue(rig)) == (0, 0, [])

    for _ in range(1 + later):
        Rig.play(script, directory=tmp_path, config=OURS)


@pytest.mark.parametrize("later", [False, True], ids=["at once", "after a restart"])
def test_a_stop_that_a_person_took_away_does_not_come_back_with_the_position(
    later: bool, tmp_path: Path
) -> None:
    async def script(rig: Rig) -> None:
        if not rig.engine.core.books.fills:
            await enter(rig)
            (stop,) = [r for r in records(rig) if r.order.type is OrderType.STOP]
            await rig.command(Cancel(order_id=stop.order.id))
            await rig.sleep(1)
            rig.move("ES", 24_012)
            await rig.sleep(1)
            rig.move("ES", 24_000)
            await rig.sleep(1)
            assert (rig.position(), at_venue(rig)) == (0, [])
            if later:
                return
        await bust(rig)
        assert at_venue(rig) == [("LMT", 2)] and lacks(rig)

    for _ in range(1 + later):
        Rig.play(script, directory=tmp_path, config=OURS)


@pytest.mark.parametrize("how", ["bust", "correction", "adopt"])
def test_of_what_is_flat_no_stop_is_missing_whatever_made_it_flat(how: str) -> None:
    async def script(rig: Rig) -> None:
        await enter(rig, take_profit=None)
        (stop,) = records(rig)
        await rig.command(Cancel(order_id=stop.order.id))
        await rig.sleep(1)
        assert rig.position() == 2 and lacks(rig)
        (entry,) = rig.exchange.audit(rig.config.account).executions
        if how == "bust":
            rig.exchange.bust(entry.key)
        elif how == "correction":
            rig.exchange.correct(entry.key, 24_001, qty=1)
            await rig.sleep(1)
            assert rig.position() == 1 and lacks(rig)
            await rig.fill(Side.SELL, 1, "ES")
        else:
            # An assignment: lots go without an execution.
            account = rig.config.account
            lots = rig.exchange.desk.make_fill(account, "ES", Side.SELL, 2, 24_000, None, None)
            rig.exchange.books.account(account).book(lots)
            await rig.sleep(12)
            answer = await rig.command(Adopt(symbol="ES"))
            assert answer.ok, answer
        await rig.sleep(1)
        assert rig.position() == 0 and not lacks(rig)
        await same_from_the_journal(rig)

    Rig.play(script, config=OURS)


def test_what_left_memory_long_ago_is_told_too() -> None:
    """Of an order that has left memory nothing said that what it had closed was open without a stop."""

    async def script(rig: Rig) -> None:
        await closed(rig)
        key = rig.exchange.audit(rig.config.account).executions[-1].key
        for _ in range(10):
            await rig.fill(Side.BUY, 1, "CL")
            await rig.sleep(1)
        assert rig.engine.core.books.orders.owner(key) is None
        rig.exchange.bust(key)
        await rig.sleep(1)
        assert rig.position() == 2
        assert "ES is +2 now, and no stop works there" in said(rig)["bust"]

    Rig.play(script, config={"orders": {"closed_in_memory": 10}})
