"""Promotion gates: what counts towards them, how they refuse, how an override is kept, how the cap holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.drill.model import CaseResult, DrillReport
from app.drill.processes import ROOT, EngineProcess, short_folder
from app.drill.results import build_fingerprint, config_fingerprint, place_for, save
from app.promotion import GateClosed, checklist, missing, pass_gate, phrase
from app.served import record_of
from app.settings import Settings
from app.uptime import since_boot
from engine.config import InstrumentLimits, JournalConfig, RiskLimits
from engine.control.commands import Reload, Submit
from engine.journal import Journal
from engine.journal.tools import rotate
from engine.model import NS, Side
from engine.recorder import open_tape
from engine.records import EMERGENCY, GateOverridden, RunEnded, RunStarted, decode
from engine.risk.limits import LimitsBook
from engine.sim.loop import VirtualClock, VirtualLoop

DAY = 86_400 * NS
NOON = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()) * NS
HOUR = 3600 * NS


def serve(state: Path, runs: Sequence[tuple[int, int, dict[str, Any]]]) -> None:
    """Adds runs to the journal: (begin, end, fields of its start)."""
    state.mkdir(parents=True, exist_ok=True)
    loop = VirtualLoop(NOON)

    async def write() -> None:
        config = JournalConfig(durability="process", ballast_mb=0, min_free_mb=0)
        journal = await Journal.open(
            state / "journal.db", config, inline=True, clock=VirtualClock(loop), emergency=EMERGENCY
        )
        for number, (begin, end, fields) in enumerate(runs):
            start = RunStarted(
                **{
                    "install": "i",
                    "run": number + 1,
                    "mode": "PAPER",
                    "account": "PAPER",
                    "broker": "paper",
                    "real_time": True,
                    **fields,
                }
            )
            journal.append_nowait("run_started", start, ts=begin)
            journal.append_nowait("run_ended", RunEnded(reason="x", flat=True), ts=end)
        await journal.flush()
        await journal.close()

    try:
        loop.run_until_complete(write())
    finally:
        loop.close()


def days(count: int, first: int = 0, **fields: Any) -> list[tuple[int, int, dict[str, Any]]]:
    return [(NOON + n * DAY, NOON + n * DAY + 2 * HOUR, fields) for n in range(first, first + count)]


def drilled(state: Path, settings: Settings, **changes: Any) -> DrillReport:
    """Stores the result of a drill."""
    started = changes.pop("started", NOON)
    name, folder = place_for(state, started)
    status = changes.pop("status", "passed")
    case = CaseResult(id="2.1", title="t", why="w", status=status, pace="virtual", wall=1, engine=1)
    fields = {
        "id": name,
        "started": started,
        "wall": 1.0,
        "version": "0",
        "build": build_fingerprint(),
        "config": config_fingerprint(settings),
        "config_file": "",
        "against": "the paper exchange",
        "seed": 1,
        "whole": True,
        "cases": (case,),
    }
    report = DrillReport(**{**fields, **changes})
    save(folder, report)
    return report


def env(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder)}


# -- days served


def test_days_are_those_on_which_an_engine_ran_long_enough_in_real_time(tmp_path: Path) -> None:
    serve(
        tmp_path,
        [
            *days(3),
            (NOON + 5 * DAY, NOON + 5 * DAY + HOUR // 2, {}),  # too short
            (NOON + 6 * DAY, NOON + 6 * DAY + 2 * HOUR, {"real_time": False}),  # a replay
            (NOON + 7 * DAY, NOON + 7 * DAY + 40 * 60 * NS, {}),  # twice 40 minutes make a day
            (NOON + 7 * DAY + 2 * HOUR, NOON + 7 * DAY + 2 * HOUR + 40 * 60 * NS, {}),
            (NOON + 8 * DAY + 10 * HOUR, NOON + 9 * DAY - 10 * HOUR, {}),  # over midnight: two hours on each
        ],
    )
    record = record_of([tmp_path])
    assert [d.isoformat() for d in record.days("paper", 1)] == [
        "2026-03-02",
        "2026-03-03",
        "2026-03-04",
        "2026-03-09",
        "2026-03-10",
        "2026-03-11",
    ]
    assert not record.days("pilot", 1)


def test_a_killed_run_counts_up_to_its_last_row_and_moved_journals_count(tmp_path: Path) -> None:
    serve(tmp_path, days(2))
    rotate(tmp_path / "journal.db")
    serve(tmp_path, days(2, first=2))
    assert len(record_of([tmp_path]).days("paper", 1)) == 4
    assert len(record_of([tmp_path, tmp_path]).days("paper", 1)) == 4, "a day is a day"


def test_an_hour_of_two_engines_or_of_a_copied_journal_is_one_hour(tmp_path: Path) -> None:
    """Copies of a journal beside it, as a backup lies there, made a day of half an hour."""
    serve(tmp_path, [(NOON, NOON + 40 * 60 * NS, {}), (NOON + 2 * HOUR, NOON + 2 * HOUR + 10 * 60 * NS, {})])
    shutil.copy(tmp_path / "journal.db", tmp_path / "journal-20260303-120000.db")
    assert not record_of([tmp_path]).days("paper", 1)
    other = tmp_path / "other"
    serve(other, [(NOON + 20 * 60 * NS, NOON + HOUR, {})])  # 20 minutes of it beside the first
    assert len(record_of([tmp_path, other]).days("paper", 1)) == 1, "60 and 10 minutes"
    assert not record_of([tmp_path, other]).days("paper", 1.2)


def test_a_clock_that_is_set_between_two_runs_makes_no_day_and_takes_none_away(tmp_path: Path) -> None:
    """Two hours each, one after the other, with the host's clock set a day ahead between them."""
    up = [{"boot": "first", "uptime": 5 * DAY + n * 2 * HOUR} for n in range(14)]
    hurried = [(begin, end, up[n]) for n, (begin, end, _) in enumerate(days(14))]
    serve(tmp_path / "ahead", hurried)
    assert [str(d) for d in record_of([tmp_path / "ahead"]).days("paper", 1)] == ["2026-03-02", "2026-03-03"]
    # Set back to the same noon each day: that was 14 days, and here the host was started anew after seven.
    served = [
        (NOON + n * HOUR, NOON + n * HOUR + HOUR, {"boot": f"{n // 7}", "uptime": (n % 7) * DAY + HOUR})
        for n in range(14)
    ]
    serve(tmp_path / "back", served)
    assert len(record_of([tmp_path / "back"]).days("paper", 1)) == 7, (
        "nobody knows how far two starts are apart"
    )
    apart = [(b + 20 * DAY * int(f["boot"]), e + 20 * DAY * int(f["boot"]), f) for b, e, f in served]
    serve(tmp_path / "apart", apart)
    assert len(record_of([tmp_path / "apart"]).days("paper", 1)) == 14


def test_a_rehearsal_on_paper_is_no_day_of_a_pilot(tmp_path: Path) -> None:
    serve(tmp_path, [*days(2, stage="pilot"), *days(3, first=2, stage="pilot", broker="ib")])
    assert len(record_of([tmp_path]).days("pilot", 1)) == 3


def test_a_journal_that_cannot_be_read_counts_for_nothing_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("not a database at all, but long enough to look at" * 20)
    settings = Settings()
    record = record_of([tmp_path])
    assert record.unreadable and not record.runs
    assert any("counts for nothing" in i.text for i in checklist(settings, tmp_path, env(tmp_path)))


# -- the gate


def test_paper_has_no_gate_and_an_override_there_is_refused(tmp_path: Path) -> None:
    assert pass_gate(Settings(), tmp_path, env(tmp_path), None).missing == ()
    with pytest.raises(GateClosed, match="leave it out"):
        pass_gate(Settings(), tmp_path, env(tmp_path), "promote PAPER to paper")


def test_a_gate_says_what_is_missing_and_opens_when_all_is_shown(tmp_path: Path) -> None:
    settings = Settings(stage="pilot")
    with pytest.raises(GateClosed) as shut:
        pass_gate(settings, tmp_path, env(tmp_path), None)
    assert "drills passed" in str(shut.value) and "14 days" in str(shut.value)
    serve(tmp_path, days(13))
    drilled(tmp_path, settings)
    (left,) = missing(settings, tmp_path, env(tmp_path))
    assert "13 so far" in left.text and left.remedy.endswith("on 1 more day")
    serve(tmp_path, days(1, first=20))
    assert pass_gate(settings, tmp_path, env(tmp_path), None).missing == ()
    live = missing(Settings(stage="live"), tmp_path, env(tmp_path))
    assert [i.text for i in live] == ["30 days served in stage pilot: 0 so far"]
    assert live[0].remedy == "run it as pilot in real time for 1 h on 30 more days"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"build": "other"}, "another build"),
        ({"config": "other"}, "other settings"),
        ({"whole": False}, "none stored"),
        ({"against": "profile x"}, "none stored"),
        ({"status": "failed"}, "did not (2.1)"),
        ({"interrupted": True}, "did not"),
        ({"status": "skipped"}, "did not"),
    ],
)
def test_a_drill_that_proves_nothing_opens_nothing(
    changes: dict[str, Any], word: str, tmp_path: Path
) -> None:
    settings = Settings(stage="pilot", promotion={"paper_days": 0})  # type: ignore[arg-type]
    drilled(tmp_path, settings, **changes)
    (left,) = missing(settings, tmp_path, env(tmp_path))
    assert word in left.text


def test_a_result_that_was_changed_after_it_was_written_opens_nothing(tmp_path: Path) -> None:
    settings = Settings(stage="pilot", promotion={"paper_days": 0})  # type: ignore[arg-type]
    drilled(tmp_path, settings, status="failed")
    (result,) = tmp_path.glob("drills/*/result.json")
    result.write_text(result.read_text().replace('"failed"', '"passed"'))
    (left,) = missing(settings, tmp_path, env(tmp_path))
    assert f"{result} was changed after it was written" in left.text
    assert left.remedy == "run 'breakwater drill'"


def test_the_newest_drill_counts(tmp_path: Path) -> None:
    settings = Settings(stage="pilot", promotion={"paper_days": 0})  # type: ignore[arg-type]
    drilled(tmp_path, settings)
    assert not missing(settings, tmp_path, env(tmp_path))
    drilled(tmp_path, settings, status="failed", started=NOON + DAY)
    assert missing(settings, tmp_path, env(tmp_path))


def test_a_changed_limit_makes_the_drills_worthless_and_a_changed_theme_does_not(tmp_path: Path) -> None:
    tame = Settings(stage="pilot", promotion={"paper_days": 0})  # type: ignore[arg-type]
    drilled(tmp_path, tame)
    bold = Settings(stage="pilot", promotion={"paper_days": 0}, risk={"max_position": 99})  # type: ignore[arg-type]
    bright = Settings(stage="pilot", promotion={"paper_days": 0}, desk={"theme": "light"})  # type: ignore[arg-type]
    assert missing(bold, tmp_path, env(tmp_path)) and not missing(bright, tmp_path, env(tmp_path))


def test_an_override_takes_the_exact_words(tmp_path: Path) -> None:
    settings = Settings(stage="pilot")
    for typed in ("", "yes", "promote PAPER to live", "pilot"):
        with pytest.raises(GateClosed, match="is not what overrides it"):
            pass_gate(settings, tmp_path, env(tmp_path), typed)
    passage = pass_gate(settings, tmp_path, env(tmp_path), phrase(settings))
    assert len(passage.missing) == 2 and passage.typed == "promote PAPER to pilot"


# -- the cap of a pilot


def test_the_cap_holds_over_every_limit_and_every_reload() -> None:
    own = {
        "ES": InstrumentLimits(max_position=20),
        "CL": InstrumentLimits(max_order_qty=9),
        "GC": InstrumentLimits(),
    }
    book = LimitsBook(RiskLimits(max_position=50, instruments=own), cap=1)
    for _ in range(2):
        limits = book.current
        assert limits.max_position == 1 and limits.max_order_qty == 2
        assert limits.instruments["ES"].max_position == 1 and limits.instruments["CL"].max_order_qty == 2
        assert limits.instruments["GC"].max_position is None, "falls back to the account's, which is capped"
        book.replace(RiskLimits(max_position=80, max_order_qty=70, instruments=own), "ops")
    tighter = LimitsBook(RiskLimits(max_position=0), cap=5)
    assert tighter.current.max_position == 0, "a cap widens nothing"


def headless(folder: Path, *words: str, config: Path) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("BREAKWATER_", "XDG_"))}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "app.cli",
            *words,
            "--state-dir",
            str(folder / "state"),
            "--config",
            str(config),
        ],
        cwd=ROOT,
        env={**clean, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


QUIET = """
[[strategies]]
module = "app.drill.quiet:Quiet"
name = "quiet"
symbols = ["ES"]
"""


def test_a_pilot_runs_only_when_overridden_is_capped_and_the_journal_keeps_it() -> None:
    with short_folder() as folder:
        config = folder / "b.toml"
        config.write_text('stage = "pilot"\n[risk]\nduplicate_window = 0\nmax_position = 40\n' + QUIET)
        refused = headless(folder, "headless", "--for", "2s", config=config)
        assert refused.returncode == 10 and "14 days served" in refused.stderr
        assert not (folder / "state").exists()
        report = json.loads(headless(folder, "doctor", "--json", config=config).stdout)
        stage = next(c for c in report["checks"] if c["name"] == "stage")
        assert (
            stage["state"] == "FAIL" and "14 days" in stage["text"] and "breakwater drill" in stage["remedy"]
        )
        engine = EngineProcess(folder / "state", config, "synthetic:ES")
        try:
            engine.begin("--override-gate", "promote PAPER to pilot")
            picture = engine.until(
                lambda p: p if p.trading and p.positions and p.positions[0].ask is not None else None,
                "it trades",
            )
            ask = picture.positions[0].ask
            assert ask is not None

            def buy(size: int) -> str:
                order = Submit(symbol="ES", side=Side.BUY, size=Decimal(size), limit=ask + 2)
                return engine.command(order).text

            assert "max_position" in buy(2)
            # A file that says something else does not lift the cap of the stage that runs.
            config.write_text(
                'stage = "live"\n[risk]\nduplicate_window = 0\nmax_position = 45\nmax_order_qty = 44\n'
                + QUIET
            )
            engine.command(Reload())
            assert "max_position" in buy(2)
            assert "sent" in buy(1)
            engine.until(lambda p: p.positions[0].executed == 1, "one lot")
            assert "max_position" in buy(1)
            assert any(a.code == "gate" for a in engine.until(lambda p: p, "a picture").alerts)
            engine.stop()
        finally:
            engine.give_up()
        with open_tape(folder / "state" / "journal.db") as tape:
            (row,) = tape.of_kind("gate_overridden")
            record = decode(row.kind, row.body)
            assert isinstance(record, GateOverridden)
            assert record.stage == "pilot" and record.typed == "promote PAPER to pilot" and record.who
            assert any("14 days" in text for text in record.missing)
            (start,) = (decode(r.kind, r.body) for r in tape.of_kind("run_started"))
            assert isinstance(start, RunStarted) and start.stage == "pilot" and start.real_time
            boot, now = since_boot()
            assert start.boot == boot and start.uptime <= now and bool(boot) == (start.uptime > 0)


@pytest.mark.parametrize(
    ("stage", "code", "word"), [("shadow", 4, "nothing to shadow"), ("live", 4, "takes profile = live")]
)
def test_what_cannot_be_is_refused_before_its_gate(stage: str, code: int, word: str, tmp_path: Path) -> None:
    config = tmp_path / "b.toml"
    config.write_text(f'stage = "{stage}"\n' + QUIET)
    override = ("--override-gate", f"promote PAPER to {stage}")
    done = headless(tmp_path, "headless", "--for", "1s", *override, config=config)
    assert done.returncode == code and word in done.stderr
