"""`breakwater attach` on real terminals: whatever becomes of the screen, the engine's ticks go on."""

from __future__ import annotations

import signal
import termios
import time

import pytest

from app.exitcodes import AttachExit
from tests.live.attaching import STALL, Engines, Ticks, attach, screens
from tests.live.workstation import CTRL_O, CTRL_Q, F12, Start, Workstation

pytestmark = pytest.mark.slow


def test_it_shows_trades_and_kills_like_the_desk(attached: Workstation) -> None:
    attached.armed()
    attached.hold("ES", 2)
    resting = attached.rest("GC")
    attached.shows("ES", "WORKING")
    attached.type(F12)
    attached.shows(
        " HALTED ", "✓ halted, no orders working, confirmed", "1 position, 0 working orders: ES +2"
    )
    assert attached.order(resting).status == "CANCELED"
    attached.answer(b"FLATTEN\r", "Type FLATTEN")
    attached.shows("✓ flat, confirmed twice by the broker")
    attached.until(attached.flat, "flat")


def test_kill_dash_nine_then_another_terminal(attached: Workstation, start: Start) -> None:
    attached.armed()
    ticks = Ticks(attached)
    attached.process.kill()
    attached.until(lambda: not screens(attached), "the engine to notice")
    again = attach(start)
    again.shows(" SAFE ", "the screen in control was lost")
    again.type(F12)
    again.shows(" HALTED ", "✓ halted")
    ticks.went_on()
    assert "unacknowledged" in again.text()


def test_a_closed_terminal_is_a_lost_screen(attached: Workstation) -> None:
    attached.armed()
    ticks = Ticks(attached)
    attached.hang_up()
    assert attached.ended() == AttachExit.OK
    attached.until(lambda: not screens(attached), "the engine to notice")
    ticks.went_on()
    assert [row.code for row in attached.ask("alerts")] == ["screen_lost"]


def test_a_stalled_terminal_and_stop_signals_hold_up_nothing(attached: Workstation) -> None:
    attached.armed()
    ticks = Ticks(attached)
    attached.reading.clear()
    for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        attached.signal(number)
    time.sleep(STALL)
    attached.type(F12)
    attached.until(lambda: attached.status().halted, "the kill, unseen")
    attached.reading.set()
    attached.shows(" HALTED ", "✓ halted, no orders working, confirmed")
    ticks.went_on()


def test_a_stopped_screen_is_dropped_and_comes_back(attached: Workstation) -> None:
    """SIGSTOP cannot be ignored: the engine lets go of it, and it finds the engine again."""
    attached.armed()
    ticks = Ticks(attached)
    attached.signal(signal.SIGSTOP)
    resting = [attached.rest("ES") for _ in range(1)]
    attached.until(lambda: not screens(attached), "the engine to drop it")
    ticks.went_on()
    attached.signal(signal.SIGCONT)
    attached.until(lambda: screens(attached) == {"control": 1}, "the screen again")
    attached.shows(" SAFE ", "was lost (it did not read for 5 s")
    assert attached.order(resting[0]).status == "WORKING"
    assert attached.counted("screens.dropped_slow") == 1


def test_job_control_stops_no_engine(headless: Engines, start: Start) -> None:
    engine = headless()
    desk = attach(start)
    ticks = Ticks(desk)
    for number in (signal.SIGHUP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        engine.signal(number)
    ticks.went_on()
    desk.armed()


def test_sigterm_gives_the_terminal_back_and_leaves_the_engine(attached: Workstation) -> None:
    attached.armed()
    assert termios.tcgetattr(attached.slave)[3] & termios.ECHO == 0
    ticks = Ticks(attached)
    attached.signal(signal.SIGTERM)
    assert attached.ended() == AttachExit.OK
    attached.restored(b"the screen has ended (SIGTERM); the engine goes on.\r\n")
    attached.until(lambda: not screens(attached), "the engine to notice")
    ticks.went_on()
    assert [row.code for row in attached.ask("alerts")] == ["screen_lost"], "nobody said goodbye"


def test_quitting_is_a_goodbye_and_stopping_stops(attached: Workstation, start: Start) -> None:
    attached.armed()
    attached.type(CTRL_Q)
    attached.answer(b"c", "c closes the screen")
    assert attached.ended() == AttachExit.OK
    attached.restored(b"stops the engine.\r\n")
    attached.until(lambda: not screens(attached), "the engine to notice")
    assert attached.ask("alerts") == ()
    again = attach(start)
    again.armed()
    again.type(CTRL_Q)
    again.answer(b"STOP\r", "Type STOP")
    assert again.ended() == AttachExit.OK
    again.until(lambda: not again.listens(), "the engine to stop")


def test_old_numbers_never_look_alive(headless: Engines, start: Start) -> None:
    engine = headless()
    desk = attach(start)
    desk.armed()
    engine.signal(signal.SIGSTOP)
    desk.shows("STALE ", "nothing here is live")
    # The kill key meanwhile: it says that nobody answers, and counts as soon as somebody does.
    desk.type(F12)
    desk.shows("has not answered for 2 s")
    engine.signal(signal.SIGCONT)
    desk.until(lambda: "STALE" not in desk.text(), "news again")
    desk.shows(" HALTED ", "✓ halted")
    engine.signal(signal.SIGKILL)
    desk.shows("ENGINE GONE")
    engine.ended()
    headless()
    desk.until(lambda: "ENGINE GONE" not in desk.text() and "STALE" not in desk.text(), "the engine again")
    desk.shows(" HALTED ")


def test_two_viewers_and_control_is_handed_over(attached: Workstation, start: Start) -> None:
    attached.armed()
    second = attach(start)
    second.shows(" LOOKING ON ")
    assert screens(attached) == {"control": 1, "view": 1}
    second.type(b":pause\r")
    second.shows("REFUSED", "is in control")
    attached.type(CTRL_O)
    attached.shows(" ARMED ")
    second.type(b":take control\r")
    attached.shows(" LOOKING ON ", " SAFE ", "another screen is in control")
    second.until(lambda: "LOOKING ON" not in second.text(), "control")
    second.type(CTRL_O)
    second.shows(" ARMED ")
    second.type(b":pause\r")
    second.shows(" PAUSED  ARMED ")
    attached.type(F12)  # whoever looks on may still kill
    second.shows(" HALTED ", " SAFE ", "✓ halted")
    second.until(lambda: "ARMED" not in second.text().split("\n", 1)[0], "SAFE again")
    reader = attach(start, "--read-only")
    reader.shows(" READ ONLY ", " HALTED ")
    reader.type(F12)
    reader.shows("NOTHING was sent")
    third = attach(start, "--take-control")
    third.until(lambda: screens(third) == {"control": 1, "view": 2, "read-only": 1}, "the roles")
    second.shows(" LOOKING ON ")


def test_resizes_and_narrow_terminals(attached: Workstation) -> None:
    attached.armed()
    ticks = Ticks(attached)
    for step in range(40):
        attached.resize(20 + 7 * step % 160, 5 + 3 * step % 50)
        time.sleep(0.02)
    attached.resize(40, 10)
    attached.shows("KILL")
    attached.resize(120, 40)
    attached.armed()
    ticks.went_on()
    assert attached.process.poll() is None
