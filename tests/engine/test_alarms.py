"""The life of an alarm: it stands until its cause is over and somebody knows; shelved, it is heard again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from engine.alerts import Alert, AlertBook, Severity
from engine.control.commands import Acknowledge, Adopt, Claim, Flatten, Kill, Pause, Reset, Resume, Shelve
from engine.control.snapshot import AlertRow
from engine.model import NS, Side
from engine.records import ControlReset, ControlTripped
from tests.engine.rig import HALTED, OPEN, Rig


def alarm(rig: Rig, code: str) -> AlertRow:
    """The newest of a code, as screens are shown it now."""
    rows = rig.engine.core.books.alerts.rows(rig.clock.now())
    return next(row for row in rows if row.code == code)


def test_a_lost_link_is_over_when_it_is_back_and_still_waits_to_be_known() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.shut_gateway("primary", "cable")
        await rig.sleep(5)
        assert not alarm(rig, "link_down").cleared
        rig.exchange.open_gateway("primary")
        for _ in range(120):
            await rig.sleep(1)
            if rig.engine.core.link_up:
                break
        row = alarm(rig, "link_down")
        assert row.cleared and not row.acknowledged
        assert (await rig.command(Acknowledge(alert_id=row.id))).ok
        row = alarm(rig, "link_down")
        assert row.cleared and row.acknowledged

    Rig.play(script)


def test_a_control_that_is_reset_clears_its_alarm_alone() -> None:
    async def script(rig: Rig) -> None:
        core = rig.engine.core
        for control, scope in (("spread", "ES"), ("spread", "CL"), ("drawdown", "")):
            core.commit(ControlTripped(control=control, scope=scope, action="pause", detail="x"))
            core.alarm("warning", control, f"{control} {scope}", symbol=scope)
        core.commit(ControlReset(control="spread", scope="ES", who="engine"))
        rows = {(r.code, r.symbol): r.cleared for r in core.books.alerts.rows()}
        assert rows["spread", "ES"] and not rows["spread", "CL"] and not rows["drawdown", ""]

    Rig.play(script)


def test_the_alarm_of_a_halt_is_over_when_the_halt_is_reset() -> None:
    async def script(rig: Rig) -> None:
        rig.engine.halt("instrument", "ES", "drill", "drill says so")
        assert not alarm(rig, "drill").cleared
        assert (await rig.command(Reset(scope="instrument", target="ES"))).ok
        assert alarm(rig, "drill").cleared

    Rig.play(script)


def test_the_alarm_of_a_kill_is_over_when_the_halt_is_reset() -> None:
    async def script(rig: Rig) -> None:
        await rig.command(Kill(flatten=False, reason="operator: kill key"))
        row = alarm(rig, "operator_halt")
        assert not row.cleared and row.text == "account halted: operator: kill key (test)", (
            "it says who did it"
        )
        assert (await rig.command(Reset(scope="halt"))).ok
        assert alarm(rig, "operator_halt").cleared and not alarm(rig, "operator_halt").acknowledged

    Rig.play(script)


def test_a_position_that_agrees_again_clears_the_drift() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 1)
        core = rig.engine.core
        core.alarm("critical", "drift", "ES: executed 1, broker 2", symbol="ES")
        core.alarm("critical", "drift", "CL: executed 0, broker 2", symbol="NQ")
        await rig.sleep(15)
        rows = {r.symbol: r.cleared for r in core.books.alerts.rows() if r.code == "drift"}
        assert rows["ES"], "the next comparison with the broker has found that they agree"
        assert (await rig.command(Adopt(symbol="ES"))).text

    Rig.play(script)


def test_a_manual_trade_is_not_over_before_a_person_has_decided() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        rig.exchange.manual_trade(rig.config.account, "ES", Side.SELL, 2)
        await rig.sleep(30)
        assert rig.engine.reconciler.words["ES"] == "agree", "it is booked"
        row = alarm(rig, "manual_trade")
        assert not row.cleared and (row.count, row.others) == (1, ()), "one trade is one alarm"
        assert rig.alerts() == ["manual_trade"]
        rig.exchange.manual_trade(rig.config.account, "ES", Side.SELL, 1)
        await rig.sleep(1)
        row = alarm(rig, "manual_trade")
        assert rig.alerts() == ["manual_trade"] and row.count == 2, "a further one is counted in it"
        assert row.newest > row.id and "sold 1 by hand" in row.others[0] and "sold 2 by hand" in row.text
        await rig.sleep(10)
        assert (await rig.command(Adopt(symbol="ES"))).ok
        assert alarm(rig, "manual_trade").cleared

    Rig.play(script)


def test_what_comes_after_an_alarm_was_acknowledged_is_heard_anew() -> None:
    async def script(rig: Rig) -> None:
        core = rig.engine.core
        core.alarm("warning", "rejected", "a1 rejected: price", symbol="ES")
        core.alarm("warning", "rejected", "a2 rejected: price", symbol="ES")
        core.alarm("warning", "rejected", "b1 rejected: price", symbol="CL")
        first = alarm(rig, "rejected").id - 1
        rows = {row.id: row for row in core.books.alerts.rows()}
        assert [(rows[i].symbol, rows[i].count) for i in sorted(rows)] == [("ES", 2), ("CL", 1)]
        number = next(row.id for row in rows.values() if row.symbol == "ES")
        assert first >= number
        assert (await rig.command(Acknowledge(alert_id=rows[number].newest))).ok, "by the number of a part"
        known = next(row for row in core.books.alerts.rows() if row.id == number)
        assert known.acknowledged and known.cleared, "what merely happened is over when it is known"
        core.alarm("warning", "rejected", "a3 rejected: price", symbol="ES")
        newest = alarm(rig, "rejected")
        assert newest.id > number and newest.count == 1 and not newest.acknowledged

    Rig.play(script)


def test_a_foreign_order_is_over_when_none_works_any_more() -> None:
    async def script(rig: Rig) -> None:
        broker_id = rig.exchange.foreign_order(rig.config.account, "ES", Side.BUY, 1, limit=100)
        await rig.sleep(1)
        assert not alarm(rig, "foreign_order").cleared
        assert (await rig.command(Claim(broker_id=broker_id, strategy="manual"))).ok
        assert alarm(rig, "foreign_order").cleared

    Rig.play(script)


def test_alarms_of_comparisons_are_over_when_the_next_one_succeeds() -> None:
    async def script(rig: Rig) -> None:
        for code in ("unreadable", "reconcile", "gap", "protection"):
            rig.engine.core.alarm("warning", code, "drill")
        await rig.sleep(15)
        assert [row.cleared for row in rig.engine.core.books.alerts.rows()] == [True] * 4

    Rig.play(script)


def test_not_flat_is_over_once_flat_is_proven() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        rig.exchange.set_state("ES", HALTED)
        rig.engine.command(Flatten(), "test")
        await rig.sleep(20)
        assert not alarm(rig, "not_flat").cleared
        rig.exchange.set_state("ES", OPEN)
        await rig.sleep(10)
        assert alarm(rig, "not_flat").cleared and not alarm(rig, "operator_halt").cleared
        assert (await rig.command(Reset(scope="halt"))).ok
        assert alarm(rig, "operator_halt").cleared

    Rig.play(script)


def test_good_news_of_the_same_kind_clears_bad_news() -> None:
    async def script(rig: Rig) -> None:
        core = rig.engine.core
        core.alarm("critical", "store", "disk full")
        core.alarm("info", "store", "the store works again")
        rows = [r for r in core.books.alerts.rows() if r.code == "store"]
        assert [(r.severity, r.cleared) for r in rows] == [("info", False), ("critical", True)]

    Rig.play(script)


def test_a_shelved_alarm_is_heard_again_after_its_time() -> None:
    async def script(rig: Rig) -> None:
        rig.engine.core.alarm("critical", "drill", "look at me")
        number = alarm(rig, "drill").id
        answer = await rig.command(Shelve(alert_id=number, minutes=2, reason=" the broker knows "))
        assert answer.ok and answer.text == f"alert {number} shelved for 2 min"
        row = alarm(rig, "drill")
        assert row.shelved_until is not None and row.shelved_why == "the broker knows"
        assert abs(row.shelved_until - rig.clock.now() - 120 * NS) < NS
        await rig.sleep(121)
        row = alarm(rig, "drill")
        assert row.shelved_until is None and row.shelved_why == "" and not row.acknowledged

    Rig.play(script)


def test_a_shelf_can_be_ended_and_needs_a_reason_and_an_alarm() -> None:
    async def script(rig: Rig) -> None:
        rig.engine.core.alarm("critical", "drill", "look at me")
        number = alarm(rig, "drill").id
        for wrong, said in (
            (Shelve(alert_id=number, minutes=5), "say why"),
            (Shelve(alert_id=number, minutes=5, reason="  "), "say why"),
            (Shelve(alert_id=number, minutes=-1, reason="x"), "1 to 1440 minutes"),
            (Shelve(alert_id=number, minutes=1441, reason="x"), "1 to 1440 minutes"),
            (Shelve(alert_id=9_999, minutes=5, reason="x"), "there is no alert 9999"),
        ):
            answer = await rig.command(wrong)
            assert not answer.ok and said in answer.text
        assert alarm(rig, "drill").shelved_until is None
        assert (await rig.command(Shelve(alert_id=number, minutes=5, reason="x"))).ok
        assert (await rig.command(Shelve(alert_id=number, minutes=0))).ok
        assert alarm(rig, "drill").shelved_until is None

    Rig.play(script)


def test_what_was_cleared_known_and_shelved_outlives_a_restart() -> None:
    async def before(rig: Rig) -> tuple[AlertRow, ...]:
        core = rig.engine.core
        for code in ("one", "two", "three"):
            core.alarm("critical", code, "drill")
        core.clear_alarms("one")
        await rig.command(Acknowledge(alert_id=alarm(rig, "two").id))
        await rig.command(Shelve(alert_id=alarm(rig, "three").id, minutes=600, reason="drill"))
        assert (await rig.command(Pause())).ok and (await rig.command(Resume())).ok
        await rig.sleep(1)
        return tuple(alarm(rig, code) for code in ("one", "two", "three"))

    async def after(rig: Rig) -> tuple[AlertRow, ...]:
        return tuple(alarm(rig, code) for code in ("one", "two", "three"))

    with tempfile.TemporaryDirectory(prefix="alarms-") as folder:
        first = Rig.play(before, directory=Path(folder))
        assert Rig.play(after, directory=Path(folder)) == first
        assert [(r.cleared, r.acknowledged, r.shelved_until is not None) for r in first] == [
            (True, False, False),
            (False, True, False),
            (False, False, True),
        ]


def test_clearing_writes_nothing_where_nothing_stands() -> None:
    async def script(rig: Rig) -> None:
        seq = rig.engine.core.journal.seq
        rig.engine.core.clear_alarms("nothing", "ES")
        assert rig.engine.core.journal.seq == seq

    Rig.play(script)


def test_what_is_critical_and_comes_back_at_once_stands_again() -> None:
    """A position was closed and its closing taken back: for half a minute nothing stood for its missing stop,
    because the same words had been said a moment ago."""
    book = AlertBook()

    def missing(at: float, severity: Severity = "critical", code: str = "unprotected") -> bool:
        alert = book.make(round(at * NS), severity, code, "2 lots of ES have no stop", symbol="ES")
        if alert is not None:
            book.add(alert)
        return alert is not None

    assert missing(0) and not missing(1), "said once"
    book.clear("unprotected", "ES")
    assert missing(2) and book.standing("unprotected", "ES")
    assert missing(3, "warning", "no_target")
    book.clear("no_target", "ES")
    assert not missing(4, "warning", "no_target"), "what is less is not repeated so soon"
    assert missing(5, "critical", "rejected")
    book.acknowledge(None)
    assert not missing(6, "critical", "rejected"), "what happened is over when it is acknowledged"


def test_an_alert_that_is_forgotten_leaves_nothing_behind() -> None:
    book = AlertBook()
    for number in range(1, 502):
        book.add(Alert(id=number, ts=number, severity="critical", code="x", text=str(number)))
        book.clear("x")
        book.shelve(number, 10**18, "why")
    assert len(book.rows(limit=1000)) == 500
    assert 1 not in book._cleared and 1 not in book._shelved


def test_what_is_refused_again_and_again_for_one_cause_is_one_alarm_acknowledged_or_not() -> None:
    book = AlertBook()

    def refused(number: int, at: float, cause: str = "no rate from USDT") -> None:
        text = f"net-{number} rejected: {cause}"
        alert = book.make(round(at * NS), "warning", "rejected", text, symbol="BTC", cause=cause)
        assert alert is not None
        book.add(alert)

    refused(1, 0)
    refused(2, 20)
    assert [(row.count, row.acknowledged) for row in book.rows()] == [(2, False)]
    assert book.acknowledge(None) == 1
    for number in range(3, 30):
        refused(number, 20 * number)
    (row,) = book.rows()
    assert (row.count, row.acknowledged, row.newest) == (29, True, 29), "counted, and no news"
    refused(30, 600, "the market is closed")
    assert [row.acknowledged for row in book.rows()] == [False, True], "another cause is news"
    book.acknowledge(None)
    refused(31, 610, "the market is closed")
    refused(32, 610 + 900, "the market is closed")
    assert [row.acknowledged for row in book.rows()] == [False, True, True], "so is the same after a while"
