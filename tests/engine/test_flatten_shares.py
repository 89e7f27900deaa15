"""Whose lots a flatten closes: afterwards no strategy holds what the account does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.books import Books
from engine.control.commands import AnyCommand, Flatten, Kill, Reset
from engine.model import Side
from engine.records import decode
from tests.engine.rig import Rig
from tests.engine.test_targets import want


def parts(rig: Rig) -> dict[str, int]:
    position = rig.engine.core.books.positions.get("ES")
    return {name: part.qty for name, part in position.parts.items() if part.qty}


async def hold(rig: Rig, side: Side, qty: int, strategy: str, symbol: str = "ES") -> None:
    _, refusal = rig.send(side, qty, strategy=strategy, symbol=symbol)
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


@pytest.mark.parametrize("command", [Flatten(symbol="ES"), Flatten(), Kill()], ids=["one", "all", "kill"])
def test_what_two_hold_against_one_another_is_closed_among_them(command: AnyCommand, tmp_path: Path) -> None:
    """One went on counting a lot as its own with the account flat: "closing" it opened a position."""
    left: list[bytes] = []

    async def script(rig: Rig) -> None:
        await hold(rig, Side.BUY, 2, "one")
        await hold(rig, Side.SELL, 1, "two")
        assert rig.position() == 1
        answer = await rig.command(command)
        assert answer.ok, answer
        assert parts(rig) == {} and rig.position() == rig.venue_position() == 0
        position = rig.engine.core.books.positions.get("ES")
        assert sum(p.realised_micro for p in position.parts.values()) == position.held.realised_micro
        assert "one +1, two -1" in answer.data["steps"]
        await rig.sleep(6)
        assert rig.engine.reconciler.agreed
        await rig.journal.flush()
        left.append(rig.engine.core.books.digest())
        replayed = Books(rig.config, rig.plan.instruments)
        async for row in rig.journal.rows():
            replayed.apply(decode(row.kind, row.body), row.ts)
        assert replayed.digest() == left[0]

    Rig.play(script, directory=tmp_path)


def test_shares_of_what_was_not_flattened_stay() -> None:
    async def script(rig: Rig) -> None:
        for symbol in ("ES", "CL"):
            for side, name in ((Side.BUY, "one"), (Side.SELL, "two")):
                await hold(rig, side, 1, name, symbol)
        assert (await rig.command(Kill(flatten=False))).ok
        assert parts(rig) == {"one": 1, "two": -1}, "positions were to be kept"
        assert (await rig.command(Reset(scope="halt"))).ok
        assert (await rig.command(Flatten(symbol="ES"))).ok
        other = rig.engine.core.books.positions.get("CL").parts
        assert parts(rig) == {} and {name: part.qty for name, part in other.items()} == {"one": 1, "two": -1}

    Rig.play(script)


def test_what_was_closed_is_not_bought_again_after_the_reset() -> None:
    """A strategy's intention outlived the proof of flat, and was served when another one declared its own."""

    async def script(rig: Rig) -> None:
        want(rig, "ada", 3)
        await rig.sleep(2)
        assert (await rig.command(Flatten())).ok
        assert rig.engine.core.books.positions.get("ES").intended == {"ada": 0}
        assert (await rig.command(Reset(scope="halt"))).ok
        want(rig, "bo", 1)
        await rig.sleep(5)
        assert parts(rig) == {"bo": 1} and rig.venue_position() == 1

    Rig.play(script)


def test_a_strategy_is_told_that_its_position_and_its_intention_are_gone() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(2)
        assert rig.position("CL") == 2
        await hold(rig, Side.SELL, 3, "manual", "CL")
        assert rig.position("CL") == -1
        assert (await rig.command(Flatten())).ok
        await rig.sleep(2)
        assert json.loads(rig.engine.core.books.saved["own"])["seen"] == [0, 0]

    own = {"module": "tests.engine.quiet:Looks", "name": "own", "symbols": ("CL",)}
    Rig.play(script, config={"strategies": (own,)})
