"""`breakwater replay` as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.drill.processes import ROOT
from app.replay.moments import parse_time, span_text
from engine.control.commands import Kill
from engine.model import NS, Side
from engine.recorder import open_tape
from tests.engine.rig import START, Rig


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(5)
        await rig.command(Kill(reason="test"))

    Rig.play(script, directory=folder)
    return folder / "journal.db"


def replay(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "replay", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def told(*words: str) -> Any:
    done = replay(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_state_at_the_end_and_at_a_moment(journal: Path) -> None:
    end = told(str(journal))
    assert end["halts"] and end["orders"] == [] and end["positions"][0]["position"] == "0"
    middle = told(str(journal), "--at", "+3s")
    (order,) = middle["orders"]
    assert order["status"] == "WORKING" and order["what"].startswith("buy 1 ES at 5997.50")
    (position,) = middle["positions"]
    assert (position["position"], position["average"]) == ("3", "6000.25")
    assert not middle["halts"] and middle["row"] < end["row"]
    text = replay(str(journal.parent), "--at", "2026-01-07T14:30:03Z").stdout
    assert "ES              3 at 6000.25" in text and "orders open: 1" in text


def test_stepping_shows_what_was_passed(journal: Path) -> None:
    at = told(str(journal), "--row", "12")
    on = told(str(journal), "--row", "12", "--step", "3")
    back = told(str(journal), "--row", "15", "--step", "-3")
    assert on["row"] == 15 and back["row"] == 12
    assert [line["row"] for line in on["passed"]] == [12, 13, 14, 15]
    assert [line["row"] for line in back["passed"]] == [15, 14, 13, 12]
    assert back["digest"] == at["digest"] != on["digest"]


def test_a_moment_outside_of_the_journal_is_told(journal: Path) -> None:
    """Somebody who mistypes a day must not take the last state for that of the day."""
    last = told(str(journal))
    assert last["note"] == ""
    after = told(str(journal), "--at", "2030-01-01T00:00:00Z")
    assert after["digest"] == last["digest"] and "after its last row" in after["note"]
    before = told(str(journal), "--at", "1999-01-01T00:00:00Z")
    assert before["row"] == 0 and "before its first row" in before["note"]
    beyond = told(str(journal), "--row", "3", "--step", "100000")
    assert beyond["row"] == last["row"] and "beyond its last row" in beyond["note"]
    text = replay(str(journal), "--row", "3", "--step", "-9").stdout
    assert "--step -9 goes beyond its first row" in text and "row 0 of" in text


def test_rows_of_a_time_and_the_story_of_an_id(journal: Path) -> None:
    done = replay(str(journal), "--from", "+4s", "--to", "+1m", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows and all(r["ts"] >= START + 4 * NS for r in rows)
    assert any("kill ends: flat, confirmed twice" in r["what"] for r in rows)
    command = next(r for r in rows if r["kind"] == "command")
    story = told(str(journal), "--story", command["correlation"])
    assert any("flatten" in order for order in story["orders"])
    text = replay(str(journal), "--story", story["orders"][-1]).stdout
    assert "The story of" in text and "on disk before it is sent" in text and " ms" in text


@pytest.mark.parametrize(
    ("words", "code", "word"),
    [
        (("--story", "nothing"), 2, "an order id, a correlation id"),
        (("--at", "soon"), 2, "write it like"),
        (("--at", "25:00"), 2, "write it like"),
        (("--from", "+1h"), 2, "no row in that time; it holds 2026-01-07 14:30:0"),
        (("--from", "+2s", "--to", "+1s"), 2, "--from +2s lies after --to +1s"),
        (("--row", "99999"), 2, "there is no row 99999: it holds the rows 1 to "),
        (("--row", "-4"), 2, "there is no row -4"),
        (("--story", "²"), 2, "an order id, a correlation id"),
        (("--at", "+1s", "--row", "3"), 2, "--row and --at do not go together"),
        (("--at", "+1s", "--from", "+2s"), 2, "--at and --from do not go together"),
        (("--story", "#1", "--step", "2"), 2, "a story stands alone"),
    ],
)
def test_what_there_is_not_is_refused(words: tuple[str, ...], code: int, word: str, journal: Path) -> None:
    done = replay(str(journal), *words)
    assert done.returncode == code and word in done.stderr, done


def test_no_journal_and_none_at_all(tmp_path: Path) -> None:
    done = replay(str(tmp_path))
    assert done.returncode == 5 and "there is no" in done.stderr
    other = tmp_path / "text"
    other.write_text("hello" * 100)
    done = replay(str(other))
    assert done.returncode == 5 and "not a Breakwater journal" in done.stderr


@pytest.mark.parametrize(
    "words", [("replay", "JOURNAL", "--from", "14:00"), ("journal", "verify", "--state-dir", "FOLDER")]
)
def test_who_has_read_enough_hears_of_no_fault(words: tuple[str, ...], journal: Path) -> None:
    places = {"JOURNAL": str(journal), "FOLDER": str(journal.parent)}
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *(places.get(w, w) for w in words)],
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_time_that_counts_back_from_the_end_is_no_option(journal: Path) -> None:
    end = json.loads(replay(str(journal), "--json").stdout)
    back = json.loads(replay(str(journal), "--at", "-1s", "--json").stdout)
    assert back["ts"] <= end["ts"] - 1_000_000_000 and back["row"] < end["row"]


def test_the_desk_goes_with_a_moment_and_nothing_else(journal: Path) -> None:
    for words in (("--story", "#1"), ("--from", "+1s"), ("--json",)):
        done = replay(str(journal), "--desk", *words)
        assert done.returncode == 2 and "--desk goes with" in done.stdout + done.stderr, done


def test_times_as_people_write_them(journal: Path) -> None:
    second = START // NS
    with open_tape(journal) as tape:
        for text, expected in (
            ("2026-01-07T14:30:00Z", second * NS),
            ("2026-01-07 14:30:00.25", second * NS + NS // 4),
            ("14:30", second * NS),
            ("+0.5s", tape.begins + NS // 2),
            ("-1s", tape.ends - NS),
            ("+0s", tape.begins),
            ("-0", tape.ends),
            ("2026-01-07", (second - 14 * 3600 - 30 * 60) * NS),
            (str(START), START),
        ):
            assert parse_time(text, tape) == expected, text


def test_durations_as_people_read_them() -> None:
    assert [span_text(n) for n in (850_000, 12_400_000, 3_020_000_000, 245 * NS, 3 * 3600 * NS)] == [
        "850 µs",
        "12.4 ms",
        "3.02 s",
        "4 m 05 s",
        "3 h 00 m",
    ]
