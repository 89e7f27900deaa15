"""`breakwater drill` as a person runs it: real processes, reports, exit codes, other accounts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from app.drill.processes import ROOT, ExchangeProcess, short_folder
from app.drill.results import load
from engine.model import Side


def drill(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("BREAKWATER_", "XDG_"))}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "drill", "--state-dir", str(folder / "state"), *words],
        cwd=ROOT,
        env={**clean, "HOME": str(folder), **(env or {})},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


class Page(HTMLParser):
    """What a page refers to, and which tags it leaves open."""

    VOID = frozenset({"meta", "rect", "path", "line", "circle", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.refers: list[str] = []
        self.ids: set[str] = set()
        self.open: list[str] = []
        self.svgs = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.svgs += tag == "svg"
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data") and value is not None:
                self.refers.append(value)
            if name == "id" and value is not None:
                self.ids.add(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag, tag


def test_a_part_is_run_and_reported_in_three_ways(tmp_path: Path) -> None:
    done = drill(tmp_path, "--only", "2.3", "3.1", "4.31", "--seed", "9")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ 3.1" in done.stdout and "3 of 3 cases passed" in done.stdout
    assert "this opens none" in done.stdout
    (folder,) = (tmp_path / "state" / "drills").iterdir()
    assert {oct(p.stat().st_mode & 0o777) for p in (folder, *folder.parents[:2])} == {"0o700"}
    report = load(folder / "result.json")
    assert report.passed and not report.whole and report.seed == 9
    assert [c.id for c in report.cases] == ["2.3", "3.1", "4.31"]
    text = (folder / "report.md").read_text()
    assert "### 3.1 Link cut" in text and "had to happen" in text
    html = (folder / "report.html").read_text()
    page = Page()
    page.feed(html)
    assert not page.open and page.svgs == 3
    assert {r for r in page.refers if not r.startswith("#")} == set(), "nothing from elsewhere"
    assert {r[1:] for r in page.refers} <= page.ids
    assert not re.search(r"url\(|@import|<script|https?://", html)


def test_json_is_the_stored_result(tmp_path: Path) -> None:
    done = drill(tmp_path, "--only", "2.4", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    (folder,) = (tmp_path / "state" / "drills").iterdir()
    assert told == json.loads((folder / "result.json").read_text())
    assert told["cases"][0]["checks"] and told["build"] and told["config"]


def test_the_list_names_every_case(tmp_path: Path) -> None:
    listed = json.loads(drill(tmp_path, "--list", "--json").stdout)
    text = drill(tmp_path, "--list").stdout
    assert len(listed) > 80 and all(c["title"] in text for c in listed)
    assert not (tmp_path / "state").exists(), "looking makes nothing"


@pytest.mark.parametrize(
    ("words", "code", "word"),
    [
        (("--only", "9.9"), 2, "--list"),
        (("--seed", "x"), 2, "no whole number"),
        (("--data", "/nowhere/at/all"), 2, "no folder"),
        (("--against", "nobody"), 4, "there is no profile"),
    ],
)
def test_what_is_not_understood_is_refused(
    words: tuple[str, ...], code: int, word: str, tmp_path: Path
) -> None:
    done = drill(tmp_path, *words)
    assert done.returncode == code and word in done.stderr, (done.returncode, done.stderr)


def test_a_drill_with_real_processes(tmp_path: Path) -> None:
    done = drill(tmp_path, "--only", "3.10", "3.15")
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / "state" / "drills").iterdir()
    killed, full = load(folder / "result.json").cases
    assert killed.pace == "real" and "from kill -9 to trading again" in killed.figures
    assert any(b.text == "engine dead" for b in (killed.timeline.bands if killed.timeline else ()))
    assert full.rows, "the journal on the full disk is evidence too"


@pytest.fixture
def venue() -> Iterator[tuple[Path, ExchangeProcess]]:
    with short_folder() as folder:
        exchange = ExchangeProcess(folder, 5)
        try:
            yield folder, exchange
        finally:
            exchange.close()


def profile(folder: Path, venue: ExchangeProcess, **settings: Any) -> Path:
    place = folder / ".config" / "breakwater"
    place.mkdir(parents=True)
    path = place / "desk2.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    lines += ["[feed]", f'source = "exchange:{venue.address}"']
    path.write_text("\n".join(lines) + "\n")
    return path


def test_another_paper_account_runs_what_needs_no_power_over_it(
    venue: tuple[Path, ExchangeProcess],
) -> None:
    folder, exchange = venue
    profile(folder, exchange)
    done = drill(folder, "--against", "desk2", "--only", "2.4", "2.30", "3.1", "4.40", "4.41", "1.2")
    assert done.returncode == 0, done.stdout + done.stderr
    (stored,) = (folder / "state" / "drills").iterdir()
    report = load(stored / "result.json")
    by_id = {c.id: c for c in report.cases}
    assert {i for i, c in by_id.items() if c.status == "passed"} == {"2.30", "4.40", "4.41"}
    for skipped in ("1.2", "2.4", "3.1"):
        assert (
            by_id[skipped].status == "skipped"
            and "not possible against this account" in by_id[skipped].problem
        )
    assert report.against == "profile desk2"
    audit = exchange.audit()
    assert audit.orders, "it really traded there"
    assert not any(audit.positions.get("PAPER", {}).values()), "and left it flat"
    # What it traded is a stranger's to the next drill, which has another journal, as is a trade by hand.
    exchange.drill("trade", account="PAPER", symbol="NQ", side=Side.BUY, qty=2)
    exchange.drill("trade", account="PAPER", symbol="NQ", side=Side.SELL, qty=2)
    done = drill(folder, "--against", "desk2", "--only", "2.30")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_account_that_cannot_be_reached_is_told_and_not_drilled(tmp_path: Path) -> None:
    """A stack of exceptions was what one saw who had not started the exchange."""
    path = tmp_path / "away.toml"
    path.write_text(f'[feed]\nsource = "exchange:{tmp_path}/x.sock"\n')
    done = drill(tmp_path, "--against", str(path), "--only", "2.30")
    assert done.returncode == 8 and "Traceback" not in done.stderr, done
    assert "no exchange answers on" in done.stderr and "start one with 'breakwater exchange" in done.stderr
    assert not list((tmp_path / "state").glob("drills/*"))


def test_an_account_that_is_not_flat_is_not_drilled(venue: tuple[Path, ExchangeProcess]) -> None:
    folder, exchange = venue
    profile(folder, exchange)
    exchange.drill("trade", account="PAPER", symbol="ES", side=Side.BUY, qty=2)
    done = drill(folder, "--against", "desk2", "--only", "2.30")
    assert done.returncode == 8, done.stdout + done.stderr
    assert "holds" in done.stderr and "flat" in done.stderr
    assert not exchange.audit().orders
    assert not list((folder / "state").glob("drills/*")), "no empty folder stays"
