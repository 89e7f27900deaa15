"""The agenda: nothing missing from it, every case passes in virtual time, and a broken engine fails it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from app.drill.agenda import agenda
from app.drill.case import Agenda, Case
from app.drill.chart import chart
from app.drill.context import DrillContext
from app.drill.running import run_case
from app.drill.virtual import VirtualDrill
from app.settings import Settings
from engine.books import Books
from engine.core import Core
from engine.kill_scope import Scope
from engine.model import Side
from engine.risk.controls import standard_controls

PROGRAM = re.compile(r"[\[\]{}]|\w\(\w+=|\(-?\d+, |\bNone\b|\bTrue\b|\bFalse\b|^\(")
"""What a program writes down where a person should read something."""

VIRTUAL = [c for c in agenda().cases if c.virtual is not None and not c.settings["recorded"]]


def context(folder: Path, settings: Settings | None = None, seed: int = 1) -> DrillContext:
    return DrillContext(settings or Settings(), seed, folder)


def case(number: str) -> Case:
    return next(c for c in agenda().cases if c.id == number)


@pytest.mark.parametrize("one", VIRTUAL, ids=[c.id for c in VIRTUAL])
def test_every_case_in_virtual_time_passes(one: Case, tmp_path: Path) -> None:
    result = run_case(one, context(tmp_path))
    assert result.status == "passed", (result.problem, [c for c in result.checks if not c.ok])
    assert result.checks and result.steps and result.timeline is not None
    assert result.rows and result.digest and chart(result).count('class="did"') == len(result.steps)
    for check in result.checks:
        assert check.saw and not PROGRAM.search(check.saw), f"no person's words: {check.saw}"


def test_every_control_of_the_risk_engine_is_hit() -> None:
    hit = {name for c in agenda().cases for name in c.controls}
    assert hit == set(standard_controls().by_name)


def test_every_part_is_there_and_every_case_says_why() -> None:
    cases = agenda().cases
    assert {c.order[0] for c in cases} == {1, 2, 3, 4}
    assert all(c.title and c.why and (c.virtual is None) is not (c.live is None) for c in cases)


@pytest.mark.parametrize(
    ("patterns", "ids"),
    [
        (["2.3"], ["2.3"]),
        (["1"], ["1.1", "1.2", "1.3", "1.4", "1.5", "1.6"]),
        (["4.3?"], None),
        (["*bracket*"], ["2.23"]),
    ],
)
def test_cases_are_chosen_by_number_and_glob(patterns: list[str], ids: list[str] | None) -> None:
    chosen = [c.id for c in agenda().chosen(patterns)]
    assert chosen == ids if ids is not None else len(chosen) == 10


def test_a_pattern_without_a_case_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'9\.9'.*--list"):
        agenda().chosen(["9.9"])


def test_a_number_may_not_stand_twice() -> None:
    with pytest.raises(ValueError, match=r"2\.1"):
        Agenda([case("2.1"), case("2.1")])


def test_the_same_seed_gives_the_same_journal(tmp_path: Path) -> None:
    first, again, other = (
        run_case(case("2.16"), context(tmp_path / str(n), seed=seed)) for n, seed in enumerate((5, 5, 6))
    )
    assert first.digest == again.digest != other.digest
    assert first.journal == again.journal


@pytest.mark.parametrize(
    ("number", "mutant"),
    [
        ("2.15", "executions are not told apart"),
        ("4.1", "the loss limit reads nothing"),
        ("4.30", "flat is said without looking"),
        ("2.18", "a bust is ignored"),
    ],
)
def test_an_engine_with_a_classic_bug_fails_its_case(
    number: str, mutant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mutant == "executions are not told apart":
        original = Core.commit
        count = iter(range(1_000_000))

        def told_apart(self: Core, record: object, *args: str) -> object:
            from msgspec.structs import replace

            from engine.facts import Executed
            from engine.records import FactTaken

            if isinstance(record, FactTaken) and isinstance(record.fact, Executed):
                fill = record.fact.fill
                key = type(fill.key)(
                    fill.key.venue, fill.key.account, fill.key.trading_day, f"x{next(count)}"
                )
                record = replace(record, fact=replace(record.fact, fill=replace(fill, key=key)))
            return original(self, record, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(Core, "commit", told_apart)
    elif mutant == "the loss limit reads nothing":
        from engine.risk.controls.daily_loss import DailyLoss

        monkeypatch.setattr(DailyLoss, "check", lambda *_: None)
        monkeypatch.setattr(
            DailyLoss, "evaluate", lambda self, view, scope: self.reading(view.limits(), scope, "ACTIVE")
        )
    elif mutant == "flat is said without looking":
        monkeypatch.setattr(Scope, "left", lambda *_: {})
    else:
        original_bust = Books._busted
        monkeypatch.setattr(
            Books, "_busted", lambda self, key, ts: original_bust(self, type(key)("", "", "", "none"), ts)
        )
    result = run_case(case(number), context(tmp_path))
    assert result.status == "failed", mutant
    assert result.problem or [c for c in result.checks if not c.ok]


def test_an_exception_of_the_engine_is_the_finding_of_its_case(tmp_path: Path) -> None:
    async def script(d: VirtualDrill) -> None:
        await d.fill(Side.BUY, 1)
        raise RuntimeError("the engine broke")

    broken = Case("9.1", "broken", "why", virtual=script, settings=case("2.1").settings)
    result = run_case(broken, context(tmp_path))
    assert result.status == "failed" and "RuntimeError: the engine broke" in result.problem
    assert result.rows, "its journal is kept as evidence"


def test_a_case_that_checked_nothing_has_not_passed(tmp_path: Path) -> None:
    async def script(d: VirtualDrill) -> None:
        d.did("nothing")

    idle = Case("9.2", "idle", "why", virtual=script, settings=case("2.1").settings)
    assert run_case(idle, context(tmp_path)).status == "failed"


def test_the_traders_own_limits_are_drilled(tmp_path: Path) -> None:
    tight = Settings(risk={"max_position": 3, "daily_loss_amount": 700, "max_order_qty": 2, "order_burst": 7})  # type: ignore[arg-type]
    results = {i: run_case(case(i), context(tmp_path, tight)) for i in ("4.1", "4.3", "4.4", "4.6")}
    assert {i: (r.status, r.problem) for i, r in results.items()} == dict.fromkeys(results, ("passed", ""))
    assert any("700" in s.text for s in results["4.1"].steps)
    assert any("3 lots" in c.what for c in results["4.4"].checks)
    assert any("7 orders at once" in s.text for s in results["4.6"].steps)


def test_a_control_that_is_switched_off_is_skipped_not_passed(tmp_path: Path) -> None:
    off = Settings(risk={"duplicate_window": 0})  # type: ignore[arg-type]
    result = run_case(case("4.15"), context(tmp_path, off))
    assert result.status == "skipped" and "switched off" in result.problem


CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "other actions": {
        "risk": {
            "daily_loss_action": "pause",
            "drawdown_action": "cancel",
            "margin_action": "pause",
            "reject_action": "kill",
            "error_action": "kill",
        }
    },
    "tight": {
        "risk": {
            "max_position": 1,
            "max_order_qty": 1,
            "order_burst": 1,
            "order_rate": 1,
            "max_working": 3,
            "daily_loss_pct": "0.1",
            "max_drawdown_pct": "0.2",
            "collar_pct": "0.5",
            "max_spread_ticks": 1,
            "reject_storm": 1,
            "error_storm": 1,
            "margin_flatten_pct": 50,
            "margin_target_pct": 30,
        }
    },
    "cautious and slow": {
        "orders": {"answer_after": 30, "replace": "cancel_then_new", "partial_fill": "cancel_remainder"},
        "reconcile": {"every": 60, "settle": 10, "on_manual_trade": "warn"},
        "kill": {"confirm_every": 5, "cancel_wait": 10, "reprice_after": 10, "confirm_reads": 4},
        "link": {"heartbeat": 60, "patience": 200, "retry_first": 5, "resume": "operator"},
    },
    "a small account in euro": {"paper": {"cash": 5000}, "currency": "EUR", "fx": {"USD": "0.9"}},
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_other_good_configurations_hold_too(name: str, tmp_path: Path) -> None:
    settings = Settings(**CONFIGURATIONS[name])
    failed = {}
    for one in VIRTUAL:
        result = run_case(one, context(tmp_path, settings))
        if result.status == "failed":
            failed[one.id] = (result.problem, [c for c in result.checks if not c.ok])
    assert not failed


def test_a_dangerous_configuration_fails_and_is_named(tmp_path: Path) -> None:
    """Who takes over the broker's word by policy takes over an empty answer as well."""
    result = run_case(case("3.4"), context(tmp_path, Settings(reconcile={"on_drift": "adopt"})))  # type: ignore[arg-type]
    assert result.status == "failed"
    assert any("on_drift = adopt" in c.saw for c in result.checks if not c.ok)
