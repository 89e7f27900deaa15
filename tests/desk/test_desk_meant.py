"""What a question says that a command would do, beside what the engine does then; the desk asks so."""

from __future__ import annotations

from typing import Any

import pytest
from deskpilot import Desk, drive, press, text_of
from fakelink import FakeLink, order, snapshot, strategies
from msgspec.structs import replace

from app.desk.app import DeskApp
from app.desk.view.meant import meant
from engine.control.commands import Adopt, Pause, ReloadStrategy, Resume, StopStrategy
from engine.control.snapshot import Snapshot
from engine.model import Side
from engine.records import Intended
from engine.targets import Cause
from tests.engine.rig import Rig

OWN: dict[str, Any] = {
    "strategies": (
        {"module": "tests.engine.quiet:Quiet", "name": "own", "symbols": ("CL",)},
        {"module": "tests.engine.quiet:Quiet", "name": "stays", "symbols": ("CL",), "on_stop": "keep"},
    )
}


def picture(rig: Rig) -> Snapshot:
    return rig.engine.picture.take()


def said(command: Any, rig: Rig) -> str:
    return " ".join(meant(command, picture(rig)))


@pytest.mark.parametrize(
    ("name", "leave", "says", "held", "working"),
    [
        ("own", "", "After that: cancel (its on_stop", 2, 0),
        ("stays", "", "After that: keep (its on_stop", 2, 1),
        ("own", "keep", "Orders that stay working: BUY 1 CL @ 69.8", 2, 1),
        ("stays", "cancel", "Orders that are cancelled: BUY 1 CL @ 69.8", 2, 0),
        ("own", "flatten", "Its positions are closed: CL +2", 0, 0),
    ],
)
def test_a_stop_does_what_its_question_said(
    name: str, leave: Any, says: str, held: int, working: int
) -> None:
    async def script(rig: Rig) -> None:
        for lots, price in ((2, None), (1, 6_980)):
            _, refusal = rig.send(Side.BUY, lots, price, symbol="CL", strategy=name)
            assert refusal is None
            await rig.sleep(0.5)
        asked = said(StopStrategy(strategy=name, leave=leave), rig)
        assert says in asked and "BUY 1 CL @ 69.8" in asked and "CL +2" in asked
        assert ("Its positions stay: CL +2" in asked) == bool(held)
        assert (await rig.command(StopStrategy(strategy=name, leave=leave))).ok
        await rig.sleep(5)
        assert rig.position("CL") == rig.venue_position("CL") == held
        assert len(rig.engine.core.books.orders.working("CL", name)) == working
        asked = said(Resume(strategy=name), rig)
        assert "is stopped" in asked and "started in a fresh process" in asked
        assert f"its positions: {'CL +2' if held else 'none'}" in asked
        assert f"its working orders: {'BUY 1 CL @ 69.8' if working else 'none'}" in asked

    Rig.play(script, config=OWN)


def test_a_pause_keeps_orders_and_positions_and_its_end_says_what_may_follow() -> None:
    async def script(rig: Rig) -> None:
        rig.send(Side.BUY, 2, symbol="CL", strategy="own")
        rig.send(Side.BUY, 1, 6_980, symbol="CL", strategy="own")
        await rig.sleep(0.5)
        answer = await rig.command(Pause(strategy="own"))
        assert answer.ok and "its working orders and its positions stay" in answer.text
        await rig.sleep(5)
        assert rig.position("CL") == 2 and len(rig.engine.core.books.orders.working("CL", "own")) == 1
        assert said(Resume(strategy="own"), rig).startswith("own may open positions again. It holds CL +2;")

    Rig.play(script, config=OWN)


def test_an_adoption_does_what_its_question_said() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        rig.exchange.faults.arm("drop_report", 3)
        rig.exchange.manual_trade(rig.config.account, "ES", Side.BUY, 1)
        await rig.sleep(15)
        asked = said(Adopt(symbol="ES"), rig)
        assert "The broker's view wins: our position +2 → +3. The difference of +1" in asked
        assert "No order is sent" in asked and "it may trade again after this" in asked
        sent = len(rig.exchange.audit(rig.config.account).orders)
        assert (await rig.command(Adopt(symbol="ES"))).ok
        assert rig.position() == 3 and len(rig.exchange.audit(rig.config.account).orders) == sent
        assert rig.engine.core.books.halts.instrument("ES") is None
        assert "our position +3 is the broker's already" in said(Adopt(symbol="ES"), rig).replace(
            "Our", "our"
        )

    Rig.play(script)


def test_a_netted_order_names_the_strategies_behind_it() -> None:
    async def script(rig: Rig) -> None:
        rig.engine.core.commit(Intended(strategy="bo", symbol="ES", lots=2))
        rig.engine.core.commit(Intended(strategy="ada", symbol="ES", lots=3))
        rig.engine.strategies.targets.intend("ES", Cause(rig.engine.core.ids.correlation()))
        await rig.sleep(2)
        (row,) = [row for row in picture(rig).orders if row.strategy == "net"]
        assert row.behind == ("ada", "bo")

    Rig.play(script)


def test_what_is_not_known_is_not_promised() -> None:
    picture = snapshot()
    assert "not known" in " ".join(meant(Adopt(symbol="ZNM3"), picture))
    assert meant(Adopt(symbol="ZNM3"), None) == []
    assert "the quantity stays" in " ".join(meant(Adopt(symbol="ESM3"), picture))
    again = " ".join(meant(Resume(strategy="runaway"), picture))
    assert "is failed (no answer for 2.0 s (while True), process ended)" in again
    assert "the old one's on_stop does not run" in " ".join(meant(ReloadStrategy(strategy="trend"), picture))
    many = tuple(order(number, strategy="trend") for number in range(1, 10))
    stop = " ".join(meant(StopStrategy(strategy="trend"), snapshot(orders=many)))
    assert "5 more" in stop and "now ESM3 +2, NQM3 −2" in stop


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (("f4", "down", "d"), ("GCM3", "our position −1 → −2")),
        ((*"9", "S"), ("y does it", "Orders that are cancelled", "flatten' closes its share")),
        ((*"9", "t"), ("It holds ESM3 +1, BTCUSDT +0.05", "It intends ESM3 +1")),
        ((*"9", "S"), ("runaway is failed", "It is handed its positions: none")),
    ],
)
def test_the_desks_questions_say_it(keys: tuple[str, ...], says: tuple[str, ...]) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, *keys)
        await pilot.pause()
        text = " ".join(text_of(app).replace("┃", " ").replace("│", " ").split())
        for part in says:
            assert part in text, text
        assert link.sent == []

    failed = replace(strategies()[2], state="failed")
    first = (failed,) if says[0].startswith("runaway") else strategies()[:2]
    drive(test, link=FakeLink(snapshot(strategies=first)))
