"""The risk loop evaluates only what may have changed: no figure may be behind for it."""

from __future__ import annotations

from typing import Any

from engine.config import RiskLimits
from engine.facts import AccountValues
from engine.model import Side
from tests.engine.rig import Rig

WIDE: dict[str, Any] = {
    "daily_loss_pct": 90,
    "max_drawdown_pct": 90,
    "max_gross": 10**9,
    "max_net": 10**9,
}


def behind(rig: Rig) -> list[str]:
    """Figures of the account and of strategies that a full evaluation at this moment gives differently."""
    engine, out = rig.engine, []
    kept = {(r.control, r.scope): r for r in engine.risk.readings()}
    for control in engine.controls.all:
        for (name, scope), reading in kept.items():
            if name == control.name and control.kind in ("account", "strategy") and not control.quiet:
                now = control.evaluate(engine.view, scope)
                if (now.state, now.used, now.limit) != (reading.state, reading.used, reading.limit):
                    out.append(f"{name} {scope}: {reading.state} {reading.used}, now {now.state} {now.used}")
    return out


def test_rounds_that_leave_figures_out_lose_none_of_them() -> None:
    async def script(rig: Rig) -> None:
        async def look(what: str) -> None:
            for shift in (3, -5, 8):
                for symbol in ("ES", "CL"):
                    rig.quote(symbol, rig.touch[symbol][0] + shift, rig.touch[symbol][1] + shift)
                    await rig.sleep(0.021)
                    assert not behind(rig), (what, symbol)

        await look("nothing held")
        await rig.fill(Side.BUY, 2)
        await look("ES held")
        rig.send(Side.BUY, 1, rig.touch["CL"][0] - 40, symbol="CL")
        await rig.sleep(0.1)
        await look("ES held, an order in CL")
        await rig.fill(Side.SELL, 2)
        await look("nothing held, an order in CL")
        await rig.fill(Side.SELL, 1, "CL")
        await look("CL held")
        rig.engine.disable("a test")
        await look("not enabled")
        values = AccountValues(as_of=rig.clock.now(), account="PAPER", currency="USD")
        rig.engine.view.set_account(values, rig.clock.mono())
        await look("the broker's figures are gone")

    Rig.play(script, config={"risk": RiskLimits(**WIDE)})


def test_an_order_by_hand_does_not_call_for_every_round_from_then_on() -> None:
    async def script(rig: Rig) -> tuple[int, int]:
        await rig.sleep(70)
        before = rig.engine.risk.rounds
        await rig.sleep(120)
        quiet, before = rig.engine.risk.rounds - before, rig.engine.risk.rounds
        await rig.fill(Side.BUY, 1)
        await rig.fill(Side.SELL, 1)
        await rig.sleep(200)
        before = rig.engine.risk.rounds
        await rig.sleep(120)
        return quiet, rig.engine.risk.rounds - before

    quiet, after = Rig.play(script)
    assert after < quiet + 200, "the place of its owner fell due and was never looked at again"
