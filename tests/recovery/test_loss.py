"""How a loss is noticed, written down, alarmed and ended: whole engines in virtual time, one connection."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from engine.control.commands import Resume
from engine.facts import Positions
from engine.model import NS, Side
from engine.records import FactTaken, LinkLost, LinkRestored
from tests.engine.rig import START, Rig
from tests.recovery.kit import Away, adapters, note_attempts, records, session, silence, until, up_sessions

EXACT = {"retry_jitter": 0.0}


def test_a_broken_socket_is_a_loss_at_once_and_all_that_it_leaves_is_written_down() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        resting, _ = rig.send(Side.BUY, 1, 23_900)
        await rig.sleep(0.3)
        rig.exchange.faults.arm("lose_request")
        unanswered, _ = rig.send(Side.BUY, 1, 23_901)
        await rig.sleep(0.1)
        rig.exchange.drop_link(rig.config.account, "pulled")
        await until(rig, lambda: not rig.engine.core.link_up, 0.1)
        assert not rig.engine.view.enabled
        (lost,) = await records(rig, LinkLost)
        assert lost.reason == "pulled" and lost.connection == "primary"
        assert set(lost.working) == {resting.id, unanswered.id}
        assert lost.in_flight == (unanswered.id,)
        assert lost.positions == {"ES": 3}
        assert rig.status(unanswered) == "UNKNOWN" and rig.status(resting) == "WORKING"
        log = next(fields for _, event, fields in rig.logged if "lost: pulled" in event)
        assert (log["working"], log["positions"]) == (2, {"ES": 3})
        assert rig.alerts().count("link_down") == 1
        assert 0.9 < await until(rig, lambda: rig.engine.core.link_up) < 1.2
        *_, restored = await records(rig, LinkRestored)
        assert restored.connection == "primary" and 0 < restored.down_for < 2 * NS
        await until(rig, lambda: rig.engine.view.enabled)
        await until(rig, lambda: rig.status(unanswered) == "CANCELED")
        assert rig.status(resting) == "WORKING" and rig.position() == 3

    Rig.play(script, config={"link": EXACT, "orders": {"answer_after": 1}})


def test_a_peer_that_says_nothing_is_a_loss_after_the_patience() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(7)
        silence(rig, 10_000)
        took = await until(rig, lambda: not rig.engine.core.link_up)
        assert 10 <= took <= 16, took
        assert "nothing heard for" in rig.engine.link.last_loss
        await until(rig, lambda: rig.engine.view.enabled, 5)
        assert rig.engine.link.losses == 1 and up_sessions(rig) == 1

    Rig.play(script, config={"link": {"heartbeat": 5, "patience": 12}})


def test_heartbeats_alone_make_no_broker() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.set_ratios({"query_lost": 1.0})
        took = await until(rig, lambda: not rig.engine.core.link_up)
        assert 20 <= took <= 35, took
        assert "only heartbeats" in rig.engine.link.last_loss
        rig.exchange.faults.clear()
        await until(rig, lambda: rig.engine.view.enabled, 10)

    Rig.play(script, config={"link": {"unanswered": 20}})


def test_one_answer_in_a_while_is_enough() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.set_ratios({"query_lost": 0.2})
        await rig.sleep(600)
        assert rig.exchange.faults.counts["query_lost"] > 30
        assert rig.engine.link.losses == 0

    Rig.play(script)


def test_attempts_are_made_at_doubling_waits_until_the_broker_answers() -> None:
    async def script(rig: Rig) -> None:
        noted = note_attempts(rig)
        rig.exchange.shut_gateway("primary")
        await rig.sleep(120)
        assert [round(at) for at, _ in noted] == [1, 3, 7, 15, 31, 61, 91]
        row = rig.engine.link.row()
        assert not row.up and row.attempts == 7 and 0 < (row.next_try or 0) <= 30
        assert row.last_loss == "shut on command" and row.connection == "primary"
        picture = rig.engine.picture.take()
        assert picture.health.broker == "down" and picture.health.link.attempts == 7
        assert not picture.trading
        assert re.fullmatch(
            r"link to paper is down for 2 min 0 s: shut on command; attempt 8 in \d+ s", picture.trading_text
        ), picture.trading_text
        assert picture.health.broker_text == picture.trading_text
        rig.exchange.open_gateway("primary")
        await until(rig, lambda: rig.engine.view.enabled, 35)
        assert rig.engine.link.row().up

    Rig.play(script, config={"link": {**EXACT, "retry_max": 30}})


def test_the_waits_are_left_to_the_chance_that_was_handed_in() -> None:
    async def script(rig: Rig) -> None:
        noted = note_attempts(rig)
        rig.exchange.shut_gateway("primary")
        await rig.sleep(10)
        assert [round(at, 2) for at, _ in noted] == [0.75, 2.25, 5.25]

    Rig.play(script, config={"link": {"retry_jitter": 0.5}})  # the rig draws 0.5 each time


def test_the_alarm_repeats_with_what_is_exposed_and_ends_when_the_link_is_back() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        rig.exchange.shut_gateway("primary", "cable")
        await rig.sleep(200)
        (row,) = [r for r in rig.engine.core.books.alerts.rows() if r.code == "link_down"]
        texts = [*row.others, row.text]
        assert row.count == len(texts) == 4 and texts[0] == "link to paper is down: cable"
        assert texts[3].startswith("alarm 4: ") and "3 min 0 s" in texts[3] and "ES +2" in texts[3]
        rig.exchange.open_gateway("primary")
        await until(rig, lambda: rig.engine.view.enabled, 61)
        assert "link_up" in rig.alerts()
        await rig.sleep(300)
        (row,) = [r for r in rig.engine.core.books.alerts.rows() if r.code == "link_down"]
        assert row.count == 4 and row.cleared

    Rig.play(script)


# 09:30 in New York at the rig's start
WINDOW = {"zone": "America/New_York", "begin": "09:00", "end": "09:40"}


def test_a_loss_in_a_maintenance_window_is_quiet_until_it_ends_and_not_longer() -> None:
    async def script(rig: Rig) -> None:
        assert rig.clock.now() - START < 2 * NS
        rig.exchange.shut_gateway("primary")
        await rig.sleep(590)
        assert not rig.engine.view.enabled and "link_down" not in rig.alerts()
        await rig.sleep(20)
        (alert,) = [r for r in rig.engine.core.books.alerts.rows() if r.code == "link_down"]
        assert alert.severity == "critical" and "maintenance window" in alert.text
        await rig.sleep(120)
        assert [r.count for r in rig.engine.core.books.alerts.rows() if r.code == "link_down"] == [3]

    Rig.play(script, config={"link": {"maintenance": [WINDOW]}})


def test_a_loss_that_ends_within_its_window_wakes_nobody() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.drop_link(rig.config.account, down_for=100 * NS)
        await until(rig, lambda: not rig.engine.core.link_up, 1)
        await until(rig, lambda: rig.engine.view.enabled, 110)
        await rig.sleep(1000)
        assert not {"link_down", "link_up"} & set(rig.alerts())
        assert rig.engine.link.losses == 1

    Rig.play(script, config={"link": {"maintenance": [WINDOW]}})


def test_a_link_that_flaps_through_the_end_of_its_window_is_alarmed() -> None:
    async def script(rig: Rig) -> None:
        for _ in range(140):  # up for some seconds, down for some: never good, never long
            rig.exchange.drop_link(rig.config.account, down_for=3 * NS)
            await rig.sleep(8)
            if "link_down" in rig.alerts():
                break
        when = (rig.clock.now() - START) / NS
        assert 600 <= when <= 620, when

    Rig.play(script, config={"link": {"maintenance": [WINDOW]}})


def test_trading_waits_for_as_many_agreeing_readings_as_configured() -> None:
    async def script(rig: Rig) -> None:
        rounds = rig.engine.reconciler.rounds
        rig.exchange.drop_link(rig.config.account, down_for=NS)
        await until(rig, lambda: not rig.engine.view.enabled, 1)
        await until(rig, lambda: rig.engine.view.enabled, 10)
        assert rig.engine.reconciler.rounds - rounds >= 4

    Rig.play(script, config={"link": {"resume_reads": 4}})


def test_where_a_person_must_resume_nothing_opens_before() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        rig.exchange.drop_link(rig.config.account, down_for=NS)
        await rig.sleep(10)
        assert rig.engine.view.enabled
        _, refusal = rig.send(Side.BUY, 1)
        assert refusal is not None and "ctl resume" in refusal.text
        _, refusal = rig.send(Side.SELL, 1)
        assert refusal is None, "what reduces passes"
        await rig.sleep(0.5)
        assert (await rig.command(Resume())).ok
        await rig.fill(Side.BUY, 1)

    Rig.play(script, config={"link": {"resume": "operator"}})


def test_a_broker_that_is_away_at_the_start_is_found_later() -> None:
    async def script(rig: Rig) -> None:
        assert not rig.engine.core.link_up and not rig.engine.view.enabled
        assert "connect" in rig.alerts() and "not open yet" in rig.engine.core.link_text
        noted = note_attempts(rig)
        await rig.sleep(100)
        assert [round(at) for at, _ in noted] == [0, 2, 6, 14, 30, 62]
        assert rig.alerts().count("link_down") == 1, "after a minute"
        rig.exchange.open_gateway("primary")
        await until(rig, lambda: rig.engine.view.enabled, 61)
        await rig.sleep(2)
        await rig.fill(Side.BUY, 1)
        assert rig.engine.link.losses == 0

    Away.play(script, config={"link": EXACT})


@pytest.mark.parametrize("what", ["open_orders", "positions", "executions", "account_values"])
def test_no_question_hangs_for_ever_whatever_the_adapter_does(what: str) -> None:
    """An adapter without a time-out of its own, and deaf to cancellation."""

    async def script(rig: Rig) -> None:
        async def hang(*_: object) -> Positions:
            while True:
                try:
                    await asyncio.get_running_loop().create_future()
                except asyncio.CancelledError:
                    if rig.engine._stopping:
                        raise

        ask = getattr(rig.adapter, what)
        setattr(rig.adapter, what, hang)
        await rig.sleep(15)
        assert not rig.engine.reconciler.agreed
        setattr(rig.adapter, what, ask)
        await until(rig, lambda: rig.engine.reconciler.agreed, 20)

    Rig.play(script, config={"link": {"answer_within": 4}})


def test_answers_from_both_sides_of_a_break_are_not_put_together() -> None:
    """The positions come before the break, the executions after it: no conclusion, another reading."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        adapter = rig.adapter
        ask = adapter.executions
        breaks: list[int] = []

        async def break_first(since: int) -> object:
            if not breaks:
                breaks.append(1)
                rig.exchange.drop_link(rig.config.account)
                await rig.sleep(0.01)
                await adapter.connect()
                await rig.sleep(0.3)
            return await ask(since)

        adapter.executions = break_first  # type: ignore[method-assign,assignment]
        before = len(await records(rig, FactTaken))
        await until(rig, lambda: bool(breaks), 10)
        await until(rig, lambda: rig.engine.view.enabled and rig.engine.reconciler.agreed, 10)
        assert rig.position() == rig.venue_position() == 2
        assert len(await records(rig, FactTaken)) > before

    Rig.play(script)


def test_two_runs_of_one_outage_are_the_same_to_the_row(tmp_path: Path) -> None:
    async def script(rig: Rig) -> str:
        await rig.fill(Side.BUY, 2)
        rig.send(Side.BUY, 1, 23_950)
        silence(rig, 10_000)
        await rig.sleep(40)
        rig.exchange.shut_gateway("primary")
        await rig.sleep(30)
        rig.exchange.open_gateway("primary")
        await rig.sleep(30)
        assert session(rig).up and adapters(rig)[0].up
        await rig.journal.flush()
        rows = [(r.seq, r.ts, r.kind, str(r.body)) async for r in rig.journal.rows()]
        return repr(rows)

    one, two = (Rig.play(script, directory=tmp_path / name) for name in ("a", "b"))
    assert one == two
