"""Paging: which alarm pages when, what reaches the program, and what happens where it fails."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from app.paging.config import AlertsConfig
from app.paging.delivery import deliver, missing
from app.paging.pager import Pager
from app.paging.pages import BACK_OFF, MOST, PAGER, Pages, Told, Who, page_of
from engine.alerts import Alert
from engine.control.news import Event, News
from engine.control.snapshot import AlertRow
from engine.model import NS
from engine.records import AlertAcknowledged, AlertCleared, AlertRaised, AlertShelved, AnyRecord, KillEnded
from engine.records_sentinel import SentinelNote
from tests.control.control_harness import until

WHO = Who(mode="LIVE", account="U7", host="box")
START = 1_790_000_000 * NS
MINUTE = 60.0


class Desk:
    """Pages with a clock of their own."""

    def __init__(self, **rules: object) -> None:
        self.pages = Pages(AlertsConfig(command=("x",), **rules), WHO)  # type: ignore[arg-type]
        self.now = 0.0
        self._seq = 0

    def happens(self, record: AnyRecord) -> None:
        self._seq += 1
        ts = START + int(self.now * NS)
        self.pages.take(Event(self._seq, ts, "alarm", "", "", record), self.now)

    def alarm(self, number: int, code: str = "halt", severity: str = "critical", **more: object) -> None:
        ts = START + int(self.now * NS)
        alert = Alert(id=number, ts=ts, severity=severity, code=code, text=f"{code} {number}", **more)  # type: ignore[arg-type]
        self.happens(AlertRaised(alert=alert))

    def told(self, *, delivered: bool = True) -> list[tuple[str, str]]:
        """What is due now, as kind and text; and its outcome."""
        page = self.pages.due(self.now)
        if page is None:
            return []
        self.pages.done(self.now, delivered=delivered)
        return [(told.kind, told.text) for told in page.alarms]


def test_without_a_screen_an_alarm_pages_at_once_and_again_until_it_is_acknowledged() -> None:
    desk = Desk(repeat=10, gap=15)
    desk.alarm(1)
    assert desk.told() == [("new", "halt 1")]
    desk.now = 9.9 * MINUTE
    assert desk.told() == []
    desk.now = 10 * MINUTE
    assert desk.told() == [("again", "halt 1")]
    desk.happens(AlertAcknowledged(id=1, who="ann"))
    desk.now = 60 * MINUTE
    assert desk.told() == []


def test_with_a_screen_it_waits_and_pages_at_once_when_the_last_screen_goes() -> None:
    desk = Desk(attended=2)
    desk.pages.attended(1, 0.0)
    desk.alarm(1)
    desk.now = 119.0
    assert desk.told() == []
    desk.now = 120.0
    assert desk.told() == [("new", "halt 1")]
    desk.now = 200.0
    desk.alarm(2)
    assert desk.told() == []
    desk.pages.attended(0, desk.now)
    assert desk.told() == [("new", "halt 2")]


def test_a_storm_is_few_pages_and_the_first_does_not_wait() -> None:
    desk = Desk(gap=15)
    told = []
    for number in range(1, 601):
        desk.alarm(number)
        told.append(desk.told())
        desk.now += 0.1
    assert told[0] == [("new", "halt 1")]
    pages = [page for page in told if page]
    assert len(pages) <= 5
    desk.now += 15
    page = desk.pages.due(desk.now)
    assert page is not None
    assert len(page.alarms) == MOST
    assert page.more > 0
    assert f"and {page.more} more" in page.text


def test_what_is_not_severe_enough_does_not_page_nor_does_the_pager_itself() -> None:
    desk = Desk()
    desk.alarm(1, severity="warning")
    desk.alarm(2, code=PAGER)
    assert desk.told() == []
    loud = Desk(level="warning")
    loud.alarm(1, code="spread", severity="warning")
    assert loud.told() == [("new", "spread 1")]


def test_the_end_of_an_alarm_is_told_to_who_was_paged_for_it() -> None:
    desk = Desk(gap=0)
    desk.alarm(1, code="link_down")
    desk.told()
    desk.alarm(2, code="store")
    desk.happens(AlertCleared(code="link_down"))
    desk.happens(AlertCleared(code="store"))
    assert desk.told() == [("over", "link_down 1")]


def test_alarms_of_one_cause_are_one_line_and_its_acknowledgement_is_that_of_all() -> None:
    desk = Desk()
    desk.alarm(1)
    desk.alarm(2, part_of=1)
    page = desk.pages.due(desk.now)
    assert page is not None
    assert [told.times for told in page.alarms] == [2]
    desk.pages.done(desk.now, delivered=True)
    desk.happens(AlertAcknowledged(id=2, who="ann"))
    desk.now = 3600.0
    assert desk.told() == []


def test_a_shelf_keeps_still_and_everything_acknowledged_is_quiet() -> None:
    desk = Desk(repeat=10)
    desk.alarm(1)
    desk.told()
    until_ts = START + int(40 * MINUTE * NS)
    desk.happens(AlertShelved(id=1, until=until_ts, reason="known", who="ann"))
    desk.now = 39 * MINUTE
    assert desk.told() == []
    desk.now = 40 * MINUTE
    assert desk.told() == [("again", "halt 1")]
    desk.happens(AlertAcknowledged(id=None, who="ann"))
    desk.now = 90 * MINUTE
    assert desk.told() == []


def test_what_was_not_delivered_is_tried_again_later_and_later_and_not_lost() -> None:
    desk = Desk(repeat=0)
    desk.alarm(1)
    desk.happens(KillEnded(flat=False, verdict="NOT FLAT: ES 2"))
    for wait in (*BACK_OFF, BACK_OFF[-1]):
        assert desk.told(delivered=False) == [("new", "halt 1"), ("kill", "the kill ended: NOT FLAT: ES 2")]
        desk.now += wait - 0.1
        assert desk.told() == []
        desk.now += 0.1
    assert len(desk.told()) == 2
    desk.now += 3600.0
    assert desk.told() == []


def test_the_end_of_a_kill_pages_in_any_case() -> None:
    desk = Desk()
    desk.pages.attended(1, 0.0)
    desk.happens(KillEnded(flat=True, verdict="FLAT, shown twice"))
    assert desk.told() == [("kill", "the kill ended: FLAT, shown twice")]


def test_a_critical_alarm_within_a_warning_pages_and_ends_with_the_acknowledgement_of_that() -> None:
    desk = Desk(repeat=10)
    desk.alarm(1, code="foreign_order", severity="warning")
    desk.alarm(2, code="manual_trade", part_of=1)
    page = desk.pages.due(desk.now)
    assert page is not None and [told.id for told in page.alarms] == [1], "the number that the desk shows"
    desk.pages.done(desk.now, delivered=True)
    desk.happens(AlertAcknowledged(id=1, who="ann"))
    desk.now = 3600.0
    assert desk.told() == []


def test_what_gets_worse_pages_at_once_although_it_has_paged() -> None:
    desk = Desk(level="warning", repeat=0, gap=0)
    desk.alarm(1, code="foreign_order", severity="warning")
    assert desk.told() == [("new", "foreign_order 1")]
    desk.alarm(2, code="foreign_order", severity="warning", part_of=1)
    assert desk.told() == []
    desk.alarm(3, code="manual_trade", part_of=2)
    assert desk.told() == [("new", "manual_trade 3")]
    desk.alarm(4, code="manual_trade", part_of=3)
    assert desk.told() == []


def test_of_the_sentinel_pages_what_it_does_and_not_that_it_watches() -> None:
    desk = Desk()
    desk.happens(SentinelNote(event="watching", text="watching"))
    assert desk.told() == []
    desk.happens(SentinelNote(event="silent", text="no heartbeat for 3 s"))
    assert desk.told() == [("sentinel", "the sentinel: no heartbeat for 3 s")]


def test_alarms_of_an_earlier_run_are_repeated_and_not_told_as_new() -> None:
    desk = Desk(repeat=10)
    row = AlertRow(
        id=7,
        ts=START,
        severity="critical",
        code="halt",
        text="old",
        symbol="",
        correlation="",
        acknowledged=False,
    )
    known = AlertRow(
        id=8,
        ts=START,
        severity="critical",
        code="halt",
        text="seen",
        symbol="",
        correlation="",
        acknowledged=True,
    )
    desk.pages.standing([row, known], 0.0)
    assert desk.told() == []
    assert desk.pages.last() is None
    desk.now = 10 * MINUTE
    assert desk.told() == [("again", "old")]


def test_a_page_reads_well() -> None:
    line = Told(
        kind="new", text="the account is halted", since="2026-11-21 14:30:07Z", code="halt", do="look", id=3
    )
    page = page_of(WHO, 0, [line])
    assert page.title == "Breakwater LIVE U7: the account is halted"
    assert page.text == (
        "LIVE account U7 on box, no screen attached\n\n"
        "NEW critical, since 2026-11-21 14:30:07Z: the account is halted\n  what to do: look"
    )


# -- the program


def script(folder: Path, body: str) -> tuple[str, ...]:
    file = folder / "page.py"
    file.write_text(f"import json, os, sys, time\n{body}\n")
    return (sys.executable, str(file))


PAGE = page_of(WHO, 0, [Told(kind="test", text="a test", since="now")])


def test_the_program_is_given_the_page_and_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAKWATER__LIVE__PASSWORD", "hunter2")
    out = tmp_path / "out"
    body = f"open({str(out)!r}, 'w').write(json.dumps([json.load(sys.stdin), dict(os.environ)]))"
    assert deliver(script(tmp_path, body), PAGE, 20) == ""
    page, env = json.loads(out.read_text())
    assert page["alarms"][0]["text"] == "a test"
    assert page["account"] == "U7"
    assert "hunter2" not in json.dumps(env)
    assert env["PATH"] == os.environ["PATH"]


def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    problem = deliver(script(tmp_path, "sys.exit('no such mailbox')"), PAGE, 20)
    assert problem == "the program ended with 1: no such mailbox"
    assert "cannot be started" in deliver(("/nowhere/prog",), PAGE, 1)
    assert "alerts.command" in missing(("/nowhere/prog",), {"PATH": "/bin"})


def test_one_that_never_reads_and_never_ends_is_ended_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    body = (
        "import subprocess\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
        "sys.stderr.write('y' * 3_000_000); sys.stderr.flush(); time.sleep(600)"
    )
    began = time.monotonic()
    problem = deliver(script(tmp_path, body), PAGE, 2.0)
    assert problem.startswith("the program took more than 2 s (alerts.within): yyy")
    assert len(problem) < 500
    assert time.monotonic() - began < 60
    until(lambda: gone(int(pid.read_text())), "the child's end")


def gone(pid: int) -> bool:
    """Ended; as a zombie of nobody's it may still be listed for a moment."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


# -- the thread


def raised(number: int, text: str) -> Event:
    alert = Alert(id=number, ts=START, severity="critical", code="halt", text=text)
    return Event(number, START, "alarm", "", "", AlertRaised(alert=alert))


def test_the_pager_follows_the_news_tells_of_its_trouble_and_pages_to_the_last(tmp_path: Path) -> None:
    out = tmp_path / "pages"
    flag = tmp_path / "works"
    body = (
        f"if not os.path.exists({str(flag)!r}): sys.exit('the line is down')\n"
        f"open({str(out)!r}, 'a').write(sys.stdin.read())"
    )
    news, troubles = News(), []
    rules = AlertsConfig(command=script(tmp_path, body), gap=600)
    pager = Pager(rules, WHO, news, lambda: 0, lambda *_, **__: None, troubles.append)
    pager.start()
    news.put(raised(1, "first"))
    until(lambda: troubles == ["the program ended with 1: the line is down"], "the trouble")
    flag.touch()
    news.put(raised(2, "second"))
    pager.close(Told(kind="new", text="the engine has ended", since="now"))
    pages = [json.loads(line) for line in out.read_text().splitlines()]
    assert [a["text"] for page in pages for a in page["alarms"]] == [
        "first",
        "second",
        "the engine has ended",
    ]
    assert troubles[-1] == ""


def test_a_test_goes_to_the_program_and_its_outcome_to_who_asked(tmp_path: Path) -> None:
    out, broken = tmp_path / "out", tmp_path / "broken"
    body = (
        f"import os, sys\nif os.path.exists({str(broken)!r}): sys.exit('the line is down')\n"
        f"open({str(out)!r}, 'a').write(sys.stdin.read())"
    )
    outcomes: list[str] = []
    pager = Pager(AlertsConfig(command=script(tmp_path, body)), WHO, News(), lambda: 2, lambda *_, **__: None)
    pager.start()
    pager.test("a test by ann", outcomes.append)
    until(lambda: outcomes == [""], "its delivery")
    (page,) = map(json.loads, out.read_text().splitlines())
    assert page["title"] == "Breakwater LIVE U7: test: a test by ann"
    assert (page["screens"], page["alarms"][0]["kind"]) == (2, "test")
    broken.touch()
    pager.test("another", outcomes.append)
    until(lambda: len(outcomes) == 2, "its failure")
    assert "the line is down" in outcomes[1]
    pager.close()
    pager.test("too late", outcomes.append)
    assert len(outcomes) == 2
