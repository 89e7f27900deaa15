"""The lines of the desk that say how things stand: status, reasons and alarms, without a screen library."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest
from fakelink import (
    alert,
    change,
    health,
    snapshot,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from viewkit import ZONE, text

from app.desk.view import alerts, formats, status
from app.desk.view import health as healthview
from app.desk.view import log as logview
from engine.control.replies import LogLine
from engine.control.snapshot import Hold, Snapshot
from engine.risk.words import CONTROLS, HALTS

ACCOUNT_ONLY = {"stopped", "screen_lost", "strategy_failed", "lost_order"}
"""Codes of halts of the account or of a strategy: their words stand elsewhere."""


def test_the_newest_critical_alarm_comes_before_newer_warnings() -> None:
    line = text(alerts.alarm_lines(snapshot(), ZONE)[0])
    assert "ALARM" in line and "executed -1, broker -2" in line and "1 of 2" in line
    newer = alert(21, "critical", "second one", symbol="NQM3")
    shot = snapshot(alerts=(newer, *snapshot().alerts))
    assert "NQM3: second one" in text(alerts.alarm_lines(shot, ZONE)[0])
    calm = snapshot(alerts=tuple(change(row, acknowledged=True) for row in shot.alerts))
    assert "no unacknowledged" in text(alerts.alarm_lines(calm, ZONE)[0])


def test_information_is_no_alarm() -> None:
    shot = snapshot(alerts=(alert(1, "info", "hello"),))
    assert alerts.unacknowledged(shot) == []


@pytest.mark.parametrize("extra", [{}, {"halted": True, "halt_reason": "x"}, {"paused": True}])
def test_at_80_columns_state_alarms_result_orders_and_clock_are_there(extra: dict[str, Any]) -> None:
    many = tuple(alert(number, "warning", f"x {number}") for number in range(1, 14))
    if "paused" in extra:
        extra = {"paused": (Hold(code="spread", scope="ES", text="the spread of ES is wide", then=""),)}
    line = text(status.line(snapshot(alerts=many, day_pnl=D("-11234.5"), **extra), 0.1, ZONE, 80))
    assert cell_len(line) <= 80
    for word in (" PAPER ", " SAFE ", "ALM 13!", "DAY ▼−11,23", "ORD 10", "09:30:07"):
        assert word in line, line
    assert ("HALTED" in line) == ("halted" in extra) and ("LIMITED" in line) == ("paused" in extra)


@pytest.mark.parametrize("width", [80, 120, 170])
def test_the_status_line_fits_and_keeps_what_matters(width: int) -> None:
    line = text(status.line(snapshot(), 0.1, ZONE, width, True))
    assert cell_len(line) <= width
    for word in (
        " PAPER ",
        " ARMED ",
        "ALM 2!",
        "DAY ▲+1,204",
        "−2,000",
        "BRK ✓",
        "MD ✓ 0.2s",
        *(["11.4ms"] if width > 80 else []),
        "ORD 10",
        "09:30:07",
    ):
        assert word in line
    assert line.index("PAPER") < line.index("ARMED") < line.index("ALM") < line.index("DAY")


@given(st.integers(1, 260))
@settings(max_examples=100, deadline=None)
def test_the_status_line_never_overflows(width: int) -> None:
    shot = snapshot(account="U" * 20, day_pnl=D("-123456789.99"), feed="replay:gc_l5", feed_progress=0.41)
    assert cell_len(text(status.line(shot, 0.1, ZONE, width))) <= width


def hold(
    scope: str = "", *, code: str = "spread", text: str = "No quote: nothing opens", then: str = ""
) -> Hold:
    return Hold(code=code, scope=scope, text=text, then=then)


def words(shot: Snapshot, age: float = 0.1) -> str:
    return text(status.conditions(shot, age))


def test_what_keeps_orders_back_and_whether_this_desk_sends_any_are_two_words() -> None:
    down = health(broker="down")
    for shot, said in (
        (snapshot(), ""),
        (snapshot(paused=(hold(),)), " PAUSED "),
        (snapshot(paused=(hold("GCM3"),)), " LIMITED "),
        (snapshot(trading=False), " NOT READY "),
        (snapshot(trading=False, health=down), " DISCONNECTED "),
        (snapshot(halted=True), " HALTED "),
    ):
        assert words(shot) == said
        for sends, stance in ((True, " ARMED "), (False, " SAFE ")):
            for width in (40, 60, 80, 120, 200):
                assert text(status.line(shot, 0.1, ZONE, width, sends)).startswith(f" PAPER {said}{stance}")
    everything = snapshot(trading=False, paused=(hold(),), halted=True, health=down)
    assert words(everything) == " HALTED  DISCONNECTED  PAUSED ", "the gravest first"
    assert text(status.line(everything, 0.1, ZONE, 40, True)).startswith(" PAPER  HALTED  ARMED ")
    recorded = text(status.line(snapshot(recorded=True), 0.0, ZONE, 80))
    assert " RECORDED " in recorded and " SAFE " not in recorded, "there is nothing to arm"


def test_the_reasons_stand_behind_their_words() -> None:
    assert status.why(snapshot()) == ()
    both = (hold(text="a", code="x"), hold(text="b", code="y"))
    said = text(status.why(snapshot(halted=True, halt_reason="operator", paused=both)))
    assert "operator" in said and " PAUSED  2 reasons: a · b" in said


def test_a_pause_of_one_instrument_is_not_called_a_pause_of_all() -> None:
    one = snapshot(paused=(hold("GCM3", code="nameless"),))
    assert words(one) == " LIMITED "
    assert text(status.why(one)) == " LIMITED  No quote: nothing opens"
    for paused in ((hold(),), (hold("GCM3"), hold()), (hold("GCM3"), hold("ESM3"), hold())):
        assert words(snapshot(paused=paused)) == " PAUSED "


def test_a_halted_instrument_is_said_with_its_reason_and_remedy() -> None:
    told = hold("ESM3", code="manual_trade", text="ESM3 is halted: somebody else traded it")
    one = snapshot(paused=(told,))
    assert words(one) == " LIMITED "
    said = text(status.why(one))
    assert said == " LIMITED  ESM3 is halted: somebody else traded it ▸ F4: d keeps it, F8 closes it"
    assert cell_len(said) <= 80, "with what to do on the smallest screen"
    everything = snapshot(paused=(told,), halted=True, halt_reason="operator")
    assert words(everything) == " HALTED "
    said = text(status.why(everything)).strip()
    assert said == "HALTED  operator: protection only until :reset halt"


def test_one_reason_of_many_instruments_is_said_once() -> None:
    def quiet(symbol: str) -> Hold:
        then = f"nothing opens in {symbol} until quotes come back"
        return hold(symbol, code="stale_data", text=f"No quote for {symbol} for more than 5 s", then=then)

    few = snapshot(paused=tuple(map(quiet, ("CL", "ES", "NQ"))))
    wrong, do = "No quote for CL, ES, NQ for more than 5 s", "▸ F6: look at the feed"
    assert text(status.why(few)) == f" LIMITED  {wrong}: nothing opens in them until quotes come back {do}"
    assert text(status.why(few, width=80)) == f" LIMITED  {wrong} {do}", (
        "what to do has room on a small screen"
    )
    many = snapshot(paused=tuple(map(quiet, "ABCDEFG")))
    assert "No quote for A, B, C, D and 3 more for more" in text(status.why(many))
    other = hold("ES", code="manual_trade", text="ES is halted: somebody else traded it")
    both = text(status.why(snapshot(paused=(other, *few.paused))))
    assert (
        both.startswith(" LIMITED  2 reasons: ES is halted: somebody else traded it ▸ F4") and wrong in both
    )
    two = (other, hold("NQ", code="manual_trade", text="NQ is halted: somebody else traded it"))
    assert " ES, NQ are halted: somebody else" in text(status.why(snapshot(paused=two)))


def test_an_old_snapshot_shows_its_age_instead_of_the_loop() -> None:
    line = text(status.line(snapshot(), 3.2, ZONE, 120))
    assert "ENG ✕ 3.2s" in line and "11.4ms" not in line


def test_with_an_old_snapshot_nobody_knows_whether_an_order_would_leave() -> None:
    assert text(status.line(snapshot(), 0.5, ZONE, 120, True)).startswith(" PAPER  ARMED ")
    assert text(status.line(snapshot(), 3.0, ZONE, 120, True)).startswith(" PAPER  STALE  ARMED ")
    halted = text(status.line(snapshot(halted=True, halt_reason="x"), 3.0, ZONE, 120, True))
    assert halted.startswith(" PAPER  STALE  HALTED  ARMED "), "it was halted when last heard"


def test_links_that_are_down_say_so() -> None:
    line = text(
        status.line(snapshot(health=health(broker="down", data="warn", data_age=7.0)), 0.1, ZONE, 120)
    )
    assert "BRK ✕ DOWN" in line and "MD △ 7.0s" in line
    assert "✕ broker DOWN" in text(healthview.line(snapshot(health=health(broker="down"))))


def test_replay_progress_is_shown() -> None:
    shot = snapshot(mode="REPLAY", feed="replay:gc", feed_progress=0.41)
    assert "replay:gc 41%" in text(status.line(shot, 0.1, ZONE, 170))


def test_every_moment_on_the_screen_is_by_the_exchanges_clock() -> None:
    said = "flat at 2026-07-21 03:29:17Z, asked at 2026-01-21 03:29:18Z"
    assert formats.local(said, ZONE) == "flat at 2026-07-20 22:29:17, asked at 2026-01-20 21:29:18"
    assert formats.local(said, ZONE, dated=False) == "flat at 22:29:17, asked at 21:29:18"
    assert formats.local("12:30:07Z, ES 2026-13-01x", ZONE) == "12:30:07Z, ES 2026-13-01x", "no moment of it"
    told = alert(1, "critical", said, symbol="")
    shot = snapshot(alerts=(told,), halted=True, halt_reason=said)
    for shown in (
        text(alerts.alarm_lines(shot, ZONE)[0]),
        " ".join(cell.text for cell in alerts.row(told, ZONE, 0).cells),
        logview.said(LogLine(n=1, ts="", level="info", component="", event=said), ZONE),
    ):
        assert "22:29:17" in shown and "03:29" not in shown


def test_a_screen_that_does_not_command_says_so_before_everything_else() -> None:
    looking = text(status.why(snapshot(halted=True, halt_reason="operator"), "view"))
    assert (
        looking.startswith(" LOOKING ON ") and ":take control" in looking and " HALTED  operator" in looking
    )
    assert "not even a kill" in text(status.why(snapshot(), "read-only"))
    assert status.why(snapshot(), "control") == ()


def test_several_reasons_on_a_small_screen_leave_what_to_do_to_their_screens() -> None:
    halted = hold(
        "ES", code="manual_trade", text="ES is halted: somebody else traded it", then="nothing opens"
    )
    paused = hold("NQ", code="max_position", text="NQ could reach a position of 8 lots", then="nothing opens")
    said = text(status.why(snapshot(paused=(halted, paused)), width=80))
    assert said == (
        " LIMITED  2 reasons: ES is halted: somebody else traded it · NQ could reach a position of 8 lots"
    )


@pytest.mark.parametrize("code", [*CONTROLS, *sorted(set(HALTS) - ACCOUNT_ONLY)])
def test_whatever_holds_orders_back_says_what_to_do(code: str) -> None:
    doing = status.what_to_do(hold("ES", code=code))
    assert doing and cell_len(doing) <= 32
    assert f"▸ {doing}" in text(status.why(snapshot(paused=(hold("ES", code=code),))))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_shadow_is_never_taken_for_live(width: int) -> None:
    head, *_ = status.line(snapshot(mode="SHADOW"), 0.1, ZONE, width, True)
    live, *_ = status.line(snapshot(mode="LIVE"), 0.1, ZONE, width, True)
    assert (head.text.strip(), live.text.strip()) == ("SHADOW", "LIVE")
    assert head.meaning == "mode-replay" != live.meaning, "its colour is that of what trades nothing"
