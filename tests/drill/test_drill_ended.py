"""Drills that end early, or whose results find no place: nothing runs on, is lost, or passes in silence."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.drill.guardian import WORD
from app.drill.marks import verdict
from app.drill.model import DrillReport
from app.drill.processes import ROOT, alive, wait_for
from app.drill.results import load
from app.drill.tmpdisk import available, fill, prefix, seen_from_outside


@contextlib.contextmanager
def drill(folder: Path, *words: str, before: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    """One that runs; its temporary files go into the folder."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("BREAKWATER_", "XDG_"))}
    command = [*before, sys.executable, "-m", "app.cli", "drill", "--state-dir", str(folder / "s"), *words]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**clean, "HOME": str(folder), "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        # A shell lets what it starts in the background ignore Ctrl+C, the suite itself perhaps.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder in which sockets have room for their names."""
    from app.drill.processes import short_folder

    with short_folder() as folder:
        yield folder


def started_by(process: subprocess.Popen[str]) -> set[int]:
    """Everything that belongs to this drill, by the word in its environment."""
    found = {}
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            words = dict(e.partition(b"=")[::2] for e in (place / "environ").read_bytes().split(b"\0"))
            if word := words.get(WORD.encode()):
                found[int(place.name)] = (
                    word,
                    int((place / "stat").read_text().rsplit(")", 1)[1].split()[1]),
                )
    ours = {word for word, parent in found.values() if parent == process.pid}
    return {pid for pid, (word, _) in found.items() if word in ours}


def kept(folder: Path) -> DrillReport | None:
    """The stored result of the only drill there, once a case is in it."""
    for path in (folder / "s" / "drills").glob("*/result.json"):
        report = load(path)
        return report if report.cases else None
    return None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGINT])
def test_a_drill_that_is_ended_takes_its_processes_along_and_leaves_what_it_found(
    number: signal.Signals, short: Path
) -> None:
    with drill(short, "--only", "2.3", "3.13") as process:
        # The engine of the second case, which may be stopped at that moment, and its exchange.
        pids = wait_for(lambda: p if len(p := started_by(process)) >= 2 and kept(short) else None, "both run")
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as the terminal does
        else:
            process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == (-9 if number == signal.SIGKILL else 130) and errors == ""
        wait_for(lambda: not any(alive(pid) for pid in pids), "its processes end", patience=20)
        wait_for(lambda: not list(short.glob("bw-*")), "its folders are gone", patience=20)
    report = kept(short)
    assert report is not None and report.interrupted and not report.passed
    assert [c.id for c in report.cases if c.status == "passed"] == ["2.3"]
    assert "1 of 1 cases passed, INTERRUPTED with 1 to go" in verdict(report)
    (folder,) = (short / "s" / "drills").iterdir()
    assert (folder / "report.html").exists() == (number != signal.SIGKILL)


def test_a_drill_that_nobody_reads_any_more_goes_on_and_is_kept(short: Path) -> None:
    with drill(short, "--only", "2.1", "2.3", "2.4") as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        process.wait(60)
    report = kept(short)
    assert report is not None and report.passed and len(report.cases) == 3
    assert len(list((short / "s" / "drills").glob("*/report.html"))) == 1


@pytest.mark.parametrize("where", ["--state-dir", "--output"])
def test_a_file_in_the_way_is_told_before_anything_is_run(where: str, short: Path) -> None:
    (short / "file").touch()
    words = (where, str(short / "file"))
    with drill(short, "--only", "2.1", *words) as process:
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 5 and "a file is in the way" in errors and "2.1" not in out, errors
    assert not list(short.glob("s/drills/*")), "no empty folder stays"


@pytest.mark.skipif(not available(), reason="this user may not mount a disk of its own (unshare)")
def test_a_disk_that_is_full_at_the_end_is_told_and_no_drill_is_passed(short: Path) -> None:
    """The first case is kept; then the disk fills up, and what comes after has no place."""
    place = short / "s"
    place.mkdir()
    with drill(short, "--only", "2.3", "1.5", before=tuple(prefix(place, 1))) as process:
        inside = seen_from_outside(process.pid, place)
        wait_for(lambda: list(inside.glob("drills/*/result.json")), "it has begun")
        fill(inside)
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 5, out + errors
        assert "No space left on device" in errors and "make room" in errors
        assert "2 of 2 cases passed" in out, "what was found is told all the same"


@pytest.mark.skipif(not available(), reason="this user may not mount a disk of its own (unshare)")
def test_a_folder_that_is_mounted_read_only_is_told_before_anything_is_run(short: Path) -> None:
    place = short / "s"
    place.mkdir()
    script = f'mount -t tmpfs -o ro tmpfs {place} && exec "$@"'
    unshare = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh")
    with drill(short, "--only", "2.3", before=unshare) as process:
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 5 and "Read-only file system" in errors and "2.3" not in out, errors
    assert "--output" in errors
