"""A limit that trips and clears by itself, again and again, is one alarm that counts, until it was seen."""

from __future__ import annotations

from engine.control.snapshot import AlertRow
from tests.engine.rig import Rig


def rows(rig: Rig) -> list[AlertRow]:
    return [
        row for row in rig.engine.core.books.alerts.rows() if row.code == "spread" and row.severity != "info"
    ]


async def trip(rig: Rig) -> None:
    rig.touch["ES"] = (23_994, 24_014)
    rig.quote_all()
    await rig.sleep(2)


async def calm(rig: Rig) -> None:
    rig.touch["ES"] = (23_994, 23_995)
    for _ in range(80):
        rig.quote_all()
        await rig.sleep(1)


def test_what_is_over_says_so_and_what_comes_again_is_counted() -> None:
    async def script(rig: Rig) -> None:
        await calm(rig)
        await trip(rig)
        (row,) = rows(rig)
        assert (row.count, row.cleared, row.symbol) == (1, False, "ES")
        await calm(rig)
        (row,) = rows(rig)
        assert row.cleared, "over, and still to be seen"
        await trip(rig)
        (row,) = rows(rig)
        assert (row.count, row.cleared, row.acknowledged) == (2, False, False)
        await calm(rig)
        rig.engine.core.books.alerts.acknowledge(None)
        await trip(rig)
        assert [row.acknowledged for row in rows(rig)] == [False, True], "after it was seen it is news"

    Rig.play(script)
