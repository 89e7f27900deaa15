"""What is said of the sentinel without an engine, and on the Health screen."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from app.desk.view import health
from app.sentinel.asking import ask, ask_back, lease_of, status
from app.sentinel.checkup import look
from app.settings import Settings
from engine.control.snapshot import HealthRow, SentinelRow
from engine.sentinel.lease import Holder, Lease, Leasehold
from engine.sentinel.leasefile import LeaseFile

ELSEWHERE = "exchange:/nowhere/x.sock"


def row(sentinel: SentinelRow) -> HealthRow:
    return HealthRow(
        broker="ok", broker_text="", data="ok", data_age=None, engine="ok", risk_p50_ms=0, risk_p99_ms=0,
        risk_max_ms=0, journal="ok", journal_text="", journal_seq=0, commit_p50_us=0, commit_p99_us=0,
        latencies=(), counters={}, rates={}, rss_mb=0, uptime=0, sentinel=sentinel,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sentinel", "names", "words"),
    [
        (SentinelRow(), [], []),
        (
            SentinelRow(state="ok", policy="flatten", text="watching"),
            ["sentinel"],
            ["flatten · watching", "OK"],
        ),
        (SentinelRow(state="down", policy="alert", text="gone"), ["sentinel"], ["DOWN"]),
        (
            SentinelRow(venue="UNSAFE", venue_text="x-1 protects"),
            ["venue's switch"],
            ["UNSAFE · x-1", "WARN"],
        ),
        (SentinelRow(venue="NOT AVAILABLE", venue_text="ib has none"), ["venue's switch"], ["NOT AVAILABLE"]),
    ],
)
def test_the_health_screen_has_a_row_where_there_is_something_to_say(
    sentinel: SentinelRow, names: list[str], words: list[str]
) -> None:
    rows = {r.key: " ".join(c.text for c in r.cells) for r in health.rows(row(sentinel))}
    found = [name for name in rows if name in ("sentinel", "venue's switch")]
    assert found == names
    assert all(word in rows[names[0]] for word in words)


def test_doctor_says_what_is_so(tmp_path: Path) -> None:
    plain = Settings()
    assert look(plain, tmp_path, "synthetic").state == "PASS"
    assert "it starts with the engine" in look(plain, tmp_path, ELSEWHERE).text
    off = plain.model_copy(update={"sentinel": plain.sentinel.model_copy(update={"policy": "off"})})
    assert look(off, tmp_path, ELSEWHERE).state == "WARN"
    wanted = plain.model_copy(update={"sentinel": plain.sentinel.model_copy(update={"policy": "flatten"})})
    assert "can only alert" in look(wanted, tmp_path, "synthetic").text
    side = Leasehold(LeaseFile(tmp_path / "sentinel.lease"), Holder.SENTINEL)
    side.claim()
    found = look(plain, tmp_path, ELSEWHERE)
    assert found.state == "WARN" and "acted in the engine's place" in found.text and "start" in found.remedy


def test_where_nobody_answers_that_is_said_and_nobody_is_waited_for(tmp_path: Path) -> None:
    assert ask(tmp_path) is None and lease_of(tmp_path) == Lease()
    assert status(tmp_path) == {"running": False, "lease": "none"}
    assert ask_back(tmp_path), "there is nothing to hand back"
    Leasehold(LeaseFile(tmp_path / "sentinel.lease"), Holder.SENTINEL).claim()
    assert ask_back(tmp_path), "a dead one hands nothing back; the engine takes it"
    assert msgspec.to_builtins(status(tmp_path))["lease"] == "sentinel (epoch 1)"
    (tmp_path / "sentinel.lease").write_bytes(b"half a wor")
    assert lease_of(tmp_path) is None
    assert "cannot be read" in str(status(tmp_path)["lease"])
    found = look(Settings(), tmp_path, ELSEWHERE)
    assert found.state == "WARN" and "cannot be read" in found.text
