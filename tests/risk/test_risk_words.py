"""No control, halt or state is without a plain sentence of its own."""

from __future__ import annotations

import ast
import re
from decimal import Decimal
from pathlib import Path

import pytest

from engine.config import RiskLimits
from engine.control.snapshot import Hold
from engine.model import Quote, Side
from engine.reconcile_types import Kind
from engine.risk import words
from engine.risk.control import Control, Reading
from engine.risk.controls import standard_controls
from tests.engine.rig import Rig

CONTROLS = standard_controls().all
SCOPES = {"account": "", "symbol": "ES", "strategy": "trend", "class": "futures"}
JARGON = re.compile(r"[a-z]+_[a-z]+|\bms\b|tripped|None|\{|\}")


def tripped(control: Control, **fields: object) -> Reading:
    given = {"used": Decimal("5625.00"), "limit": Decimal(5000), "unit": "", "detail": "", **fields}
    return Reading(
        control=control.name,
        title=control.title,
        scope=SCOPES[control.kind],
        state="TRIPPED",
        action=control.action(RiskLimits()),
        **given,  # type: ignore[arg-type]
    )


def test_the_table_has_every_control_and_no_other() -> None:
    assert set(words.CONTROLS) == {control.name for control in CONTROLS}


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
@pytest.mark.parametrize("action", ["refuse", "pause", "cancel", "kill"])
@pytest.mark.parametrize("latched", [True, False])
def test_every_control_says_what_is_wrong_and_what_follows(
    control: Control, action: str, latched: bool
) -> None:
    scope = SCOPES[control.kind]
    for reading in (
        tripped(control),
        tripped(control, used=None, limit=None),
        tripped(control, detail="a b"),
    ):
        wrong = words.wrong(reading)
        then = words.then(control.name, control.kind, scope, action, latched=latched)  # type: ignore[arg-type]
        assert wrong[0].isupper() or wrong.startswith(scope), wrong
        assert not JARGON.search(f"{wrong} {then}"), f"{wrong}: {then}"
        assert "until" in then and ("a person" in then) == latched
        assert not scope or (scope in wrong and scope in then)
        assert not wrong.endswith((".", ":", " ")) and "  " not in wrong


def codes_of_halts() -> set[str]:
    """Every code that the engine's source latches a halt with."""
    found: set[str] = {str(kind) for kind in Kind}
    for path in (Path(__file__).parents[2] / "engine").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            literal = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
            if name == "Halted":
                found |= {
                    str(k.value.value)
                    for k in call.keywords
                    if k.arg == "code" and isinstance(k.value, ast.Constant)
                }
            elif name in ("halt", "partial") and literal[:1] and literal[0] in ("account", "instrument"):
                found |= {str(value) for value in literal[2:3]}
    return found


def test_every_halt_of_the_engine_has_its_words() -> None:
    codes = codes_of_halts()
    assert {"kill", "screen_lost", "sentinel", "store", "paused", "link", "unknown_order"} <= codes
    assert codes <= set(words.HALTS) | {"stopped"}
    for code in codes:
        for scope, target in (
            ("account", ""),
            ("account", "pause"),
            ("instrument", "ES"),
            ("strategy", "trend"),
        ):
            said = ": ".join(words.halt(scope, target, code, "why it was"))
            assert not JARGON.search(said), said
            assert words.HALTS[code] in said if words.HALTS.get(code) and scope != "account" else said


def holds(rig: Rig) -> dict[tuple[str, str], str]:
    found: tuple[Hold, ...] = rig.engine.picture.take().paused
    return {(hold.code, hold.scope): hold.whole for hold in found}


def test_what_the_screen_reads_when_quotes_stop_and_when_somebody_else_trades() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 1)
        rig.quoting = False
        await rig.sleep(8)
        said = holds(rig)[("stale_data", "ES")]
        assert said == "No quote for ES for more than 5 s: nothing opens in ES until quotes come back"
        rig.quoting = True
        await rig.sleep(2)
        assert holds(rig) == {}
        rig.exchange.manual_trade(rig.config.account, "ES", Side.SELL, 2)
        await rig.sleep(15)
        assert holds(rig) == {
            ("manual_trade", "ES"): "ES is halted: somebody else traded it: "
            "nothing opens in ES until a person resets it"
        }

    Rig.play(script, config={"risk": {"stale_after": 5.0}})


@pytest.mark.parametrize(
    ("bid", "ask", "word", "said"),
    [
        (24_000, None, "one-sided", "ES has no bid or no offer"),
        (24_001, 24_001, "locked", "The bid of ES is its ask"),
        (24_005, 24_001, "crossed", "The bid of ES stands above its ask"),
        (240_000, 240_001, "a jump in price is not confirmed yet", ""),
    ],
)
def test_a_market_that_cannot_be_believed_is_told_as_it_is(
    bid: int | None, ask: int | None, word: str, said: str
) -> None:
    """One without an offer was said to be crossed, and one whose price had jumped to be stale."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 1)
        rig.quoting = False
        now = rig.clock.now()
        rig.engine.on_quote(Quote("ES", now, bid, 5 if bid else 0, ask, 5 if ask else 0))
        rig.engine.on_batch_end(now)
        refusals = rig.engine.gate.preview(rig.order(Side.BUY, 1), rig.engine.view)
        text = next(r.text for r in refusals if r.control == "stale_data")
        assert text == f"data of ES: {word}; only orders that reduce pass"
        await rig.sleep(0.1)
        if said:  # a quote that is not believed is left out until another one confirms it
            assert holds(rig)[("stale_data", "ES")] == f"{said}: nothing opens in ES until quotes come back"

    Rig.play(script, config={"risk": {"stale_after": 5.0}})


def test_a_days_loss_is_told_in_words_wherever_it_is_told(tmp_path: Path) -> None:
    wrong = "The day has lost 5,7"
    held = "nothing opens until a person resets it"

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 10)
        rig.move("ES", 24_000 - 45)  # 10 lots × 45 ticks × 12.50 = 5,625 of a limit of 5,000
        await rig.sleep(15)
        picture = rig.engine.picture.take()
        assert picture.halt_reason.startswith(wrong) and "the limit is 5,000" in picture.halt_reason
        (alarm,) = [row for row in picture.alerts if row.code == "daily_loss"]
        assert alarm.text.startswith(wrong) and alarm.text.endswith(held)
        assert any(event.startswith(wrong) for _, event, _ in rig.logged)
        assert holds(rig)[("daily_loss", "")].startswith(wrong)

    async def later(rig: Rig) -> None:
        said = holds(rig)[("daily_loss", "")]
        assert said.startswith(wrong) and said.endswith(held), "a restart forgets no figure"

    config = {
        "risk": {"daily_loss_amount": 5_000, "max_drawdown_pct": 90, "max_gross": 10**9, "max_net": 10**9}
    }
    Rig.play(script, directory=tmp_path, config=config)
    Rig.play(later, directory=tmp_path, config=config)
