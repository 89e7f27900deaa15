"""Limits that an operator sets while the engine runs: previewed, bounded, journalled, kept over restarts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.config import RiskLimits
from engine.control.commands import Answer, Reload, SetLimit
from engine.model import Side
from engine.records import LimitsChanged, decode
from tests.engine.rig import Rig
from tests.engine.said import journal, reload


async def limit(rig: Rig, name: str, value: str, **more: Any) -> Answer:
    return await rig.command(SetLimit(name=name, value=value, **more))


def current(rig: Rig) -> RiskLimits:
    return rig.engine.limits.current


def test_a_position_limit_is_set_and_holds() -> None:
    async def script(rig: Rig) -> None:
        answer = await limit(rig, "ES", "3")
        assert answer.ok and "ES Max position 50 contracts → 3 contracts" in answer.text, answer
        _, refusal = rig.send(Side.BUY, 4)
        assert refusal is not None and refusal.control == "max_position"
        (row,) = [
            r for row in await journal(rig) if isinstance(r := decode(row.kind, row.body), LimitsChanged)
        ]
        assert (row.version, row.who, row.overrides["instruments.ES.max_position"].value) == (2, "test", "3")
        await rig.sleep(0.1)
        assert rig.reading("max_position", "ES").limit == 3

    Rig.play(script)


@pytest.mark.parametrize(
    ("name", "value", "key", "now"),
    [
        ("daily_loss", "1.5%", "daily_loss_pct", Decimal("1.5")),
        ("daily_loss", "5000", "daily_loss_amount", Decimal(5000)),
        ("drawdown", "3%", "max_drawdown_pct", Decimal(3)),
        ("order_rate", "20", "order_rate", 20),
        ("max_order_qty", "7", "max_order_qty", 7),
        ("spread", "3", "max_spread_ticks", 3),
        ("spread_action", "kill", "spread_action", "kill"),
        ("stale_data", "2.5", "stale_after", 2.5),
    ],
)
def test_limits_by_the_names_of_their_controls(name: str, value: str, key: str, now: object) -> None:
    async def script(rig: Rig) -> None:
        assert (await limit(rig, name, value)).ok
        assert getattr(current(rig), key) == now
        back = await limit(rig, name, "file")
        assert back.ok, back
        assert getattr(current(rig), key) == getattr(RiskLimits(), key)
        assert rig.engine.core.books.overrides == {}

    Rig.play(script)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("NOPE", "3", "there is no limit NOPE; known are CL, ES, contract_end, daily_loss"),
        ("ES", "three", "three is no figure"),
        ("ES", "1.5", "lot"),
        ("ES", "-1", "greater than or equal to 0"),
        ("ES", "101", "run_time_factor"),
        ("ES.nope", "1", "ES has no limit nope"),
        ("daily_loss", "5%", "wider than the file's 2 by more than run_time_factor"),
        ("duplicate", "0.1", "run_time_factor"),
        ("daily_loss_action", "refuse", "milder than the file's kill"),
        ("daily_loss_action", "dance", "daily_loss_action"),
        ("allowed", "ES", "in the file only"),
        ("run_time_factor", "100", "in the file only"),
        ("order_rate", "10%", "no percentage"),
        ("ES", "file", "is the file's already"),
    ],
)
def test_what_is_no_limit_or_too_wide_is_refused(name: str, value: str, says: str) -> None:
    async def script(rig: Rig) -> None:
        answer = await limit(rig, name, value)
        assert not answer.ok and says in answer.text, answer.text
        assert (current(rig), rig.engine.limits.version) == (RiskLimits(), 1)

    Rig.play(script)


def test_a_preview_says_what_it_would_mean_and_leaves_no_trace() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        order, _ = rig.send(Side.BUY, 3, 23_990)
        await rig.sleep(0.5)
        rows = len(await journal(rig))
        answer = await limit(rig, "ES", "4", preview=True)
        assert answer.ok
        assert answer.data == {
            "key": "instruments.ES.max_position",
            "title": "ES Max position",
            "asked": "4 contracts",
            "before": "50 contracts",
            "before_from": "the account's max_position, default",
            "after": "4 contracts",
            "after_from": "set at run time by test",
            "file": "no limit of its own",
            "effect": "tighter",
            "used": "5 contracts",
            "state": "ACTIVE",
            "exceeding": order.id,
        }
        assert len(await journal(rig)) == rows and rig.engine.core.books.overrides == {}

    Rig.play(script)


def test_it_survives_a_restart_until_the_file_changes_or_is_read_again(tmp_path: Path) -> None:
    async def sets(rig: Rig) -> None:
        assert (await limit(rig, "max_position", "10")).ok
        assert (await limit(rig, "daily_loss", "1%")).ok

    async def kept(rig: Rig) -> None:
        assert (current(rig).max_position, current(rig).daily_loss_pct) == (10, 1)
        assert rig.engine.limits.version == 3

    async def changed(rig: Rig) -> None:
        assert (current(rig).max_position, current(rig).daily_loss_pct) == (40, 1), "the file's new figure"
        assert "limits" in rig.alerts()
        assert list(rig.engine.core.books.overrides) == ["daily_loss_pct"]
        answer = await reload(rig)
        assert answer.ok and "Daily loss 10,000.00 USD → 20,000.00 USD" in answer.text, answer
        assert rig.engine.core.books.overrides == {}

    async def gone(rig: Rig) -> None:
        assert current(rig).daily_loss_pct == 2

    other = {"risk": {"max_position": 40}}
    Rig.play(sets, directory=tmp_path)
    Rig.play(kept, directory=tmp_path)
    Rig.play(changed, directory=tmp_path, config=other)
    Rig.play(gone, directory=tmp_path, config=other)


def test_the_pilots_cap_holds_whatever_is_set() -> None:
    async def script(rig: Rig) -> None:
        rig.engine.limits._cap = 1
        answer = await limit(rig, "ES", "9")
        assert answer.ok and "no effect beyond 1 contract: the cap of the stage is tighter" in answer.text
        assert current(rig).instruments["ES"].max_position == 1

    Rig.play(script)


def test_a_tight_run_time_limit_does_not_stand_in_the_way_of_the_files() -> None:
    async def script(rig: Rig) -> None:
        assert (await limit(rig, "order_notional", "50000")).ok
        answer = await reload(rig)
        assert answer.ok, answer
        assert current(rig).max_order_notional == Decimal(10_000_000)

    Rig.play(script)


def test_a_reload_says_what_it_would_let_through_and_takes_over_only_what_was_shown() -> None:
    async def script(rig: Rig) -> None:
        assert (await limit(rig, "ES", "1")).ok
        version = rig.engine.limits.version
        for command in (Reload(), Reload(widening=False), Reload(shown="0123456789abcdef")):
            answer = await rig.command(command)
            assert not answer.ok and answer.data["effect"] == "wider"
            assert answer.data["changes"] == "ES Max position 1 contract → 50 contracts"
            assert current(rig).instruments["ES"].max_position == 1 and rig.engine.limits.version == version
        assert (await rig.command(Reload(shown=answer.data["digest"]))).ok
        assert current(rig).instruments == {}
        assert (await rig.command(Reload())).ok, "nothing is widened now"

    Rig.play(script)


def test_a_file_that_changed_after_it_was_shown_is_shown_again() -> None:
    async def script(rig: Rig) -> None:
        rig.next_limits = RiskLimits(max_order_qty=30)
        seen = await rig.command(Reload())
        assert seen.data["changes"] == "Order quantity 20 lots → 30 lots"
        rig.next_limits = RiskLimits(max_order_qty=90)
        answer = await rig.command(Reload(shown=seen.data["digest"]))
        assert not answer.ok and answer.data["again"] == "yes" and "have changed since" in answer.text
        assert answer.data["changes"] == "Order quantity 20 lots → 90 lots"
        assert current(rig).max_order_qty == 20
        # Neither does the word for one limit widen another that was tightened in between.
        assert (await limit(rig, "max_position", "3")).ok
        assert "again" in (await rig.command(Reload(shown=answer.data["digest"]))).data
        assert (current(rig).max_order_qty, current(rig).max_position) == (20, 3)

    Rig.play(script)


def test_a_preview_says_where_the_figure_in_force_comes_from_and_what_stays_tighter() -> None:
    async def script(rig: Rig) -> None:
        answer = await limit(rig, "daily_loss", "90000", preview=True)
        data = answer.data
        assert (data["asked"], data["before"], data["after"]) == (
            "90,000 USD",
            "20,000.00 USD",
            "20,000.00 USD",
        )
        assert data["before_from"] == data["after_from"] == "2 % of the opening equity, default"
        assert "no effect now: 20,000.00 USD (2 % of the opening equity, default) is tighter" in data["note"]
        assert answer.text == "Daily loss: 20,000.00 USD stays"
        done = await limit(rig, "daily_loss", "90000")
        assert "20,000.00 USD" in done.text and "no effect now" in done.text
        await rig.sleep(0.1)
        assert rig.reading("daily_loss", "").limit == 20_000, "as it was said"
        lower = await limit(rig, "daily_loss", "5000", preview=True)
        assert (lower.data["after"], "note" in lower.data) == ("5,000.00 USD", False)
        assert lower.data["after_from"] == "daily_loss_amount, set at run time by test"
        assert (await limit(rig, "daily_loss", "5000")).ok
        share = await limit(rig, "daily_loss", "1%", preview=True)
        assert share.data["note"].endswith("counts once that is above 1 % = 10,000.00 USD")
        # A figure of the instrument's own stands in the way of the account's.
        assert (await limit(rig, "ES", "4")).ok
        wide = await limit(rig, "max_position", "30", preview=True)
        assert wide.data["note"] == "ES keep figures of their own"
        back = await limit(rig, "ES", "file", preview=True)
        assert (back.data["before"], back.data["after"]) == ("4 contracts", "50 contracts")
        assert back.data["before_from"] == "set at run time by test"

    Rig.play(script)


def test_what_the_file_gives_is_told_from_what_nobody_gave() -> None:
    async def script(rig: Rig) -> None:
        data = (await limit(rig, "max_working", "30", preview=True)).data
        assert (data["before"], data["before_from"]) == ("40 orders", "from the file")
        data = (await limit(rig, "spread", "3", preview=True)).data
        assert (data["before"], data["before_from"]) == ("4 ticks", "default")

    Rig.play(script, config={"risk": {"max_working": 40}})
