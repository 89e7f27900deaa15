"""Whose lots a flatten closes: afterwards no strategy holds what the account does not."""

from __future__ import annotations

from engine.control.commands import Flatten
from engine.model import FLATTENER, Side
from tests.engine.rig import Rig


def parts(rig: Rig) -> dict[str, int]:
    position = rig.engine.core.books.positions.get("ES")
    return {name: part.qty for name, part in position.parts.items() if part.qty}


async def hold(rig: Rig, side: Side, qty: int, strategy: str) -> None:
    _, refusal = rig.send(side, qty, strategy=strategy)
    assert refusal is None, refusal
    await rig.sleep(0.3)


def test_each_holder_is_closed_with_its_own_lots_and_its_own_loss() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, Side.BUY, 3, "one")
        await hold(rig, Side.BUY, 1, "two")
        assert parts(rig) == {"one": 3, "two": 1}
        answer = await rig.command(Flatten(symbol="ES"))
        assert answer.ok, answer
        assert rig.position() == 0
        assert parts(rig) == {}
        position = rig.engine.core.books.positions.get("ES")
        assert position.parts["one"].realised_micro == 3 * position.parts["two"].realised_micro < 0
        assert sum(p.realised_micro for p in position.parts.values()) == position.held.realised_micro
        assert "foreign_fill" not in rig.alerts()

    Rig.play(script)


def test_what_was_traded_by_hand_is_closed_for_whoever_holds_it() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.manual_trade(rig.config.account, "ES", Side.BUY, 2)
        await rig.sleep(1)
        held = parts(rig)
        assert list(held.values()) == [2]
        alarms = rig.alerts().count("foreign_fill")
        answer = await rig.command(Flatten(symbol="ES"))
        assert answer.ok, answer
        assert parts(rig) == {} and rig.position() == 0
        assert rig.alerts().count("foreign_fill") == alarms, "closing it is no news of somebody else"

    Rig.play(script, config={"reconcile": {"on_manual_trade": "adopt"}})


def test_what_two_hold_against_one_another_stays_theirs_at_an_account_that_is_flat() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, Side.BUY, 2, "one")
        await hold(rig, Side.SELL, 1, "two")
        assert rig.position() == 1
        answer = await rig.command(Flatten(symbol="ES"))
        assert answer.ok, answer
        left = parts(rig)
        assert sum(left.values()) == 0 and FLATTENER not in left
        assert rig.position() == 0

    Rig.play(script)
