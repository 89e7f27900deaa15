"""`breakwater ctl alert-test` asks a real engine, whose pager runs a real program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from app.drill.processes import ROOT, EngineProcess, short_folder
from app.exitcodes import CtlExit
from app.paths import journal_path
from engine.journal.tools import export


def test_each_configured_way_is_tried_and_named() -> None:
    with short_folder() as folder:
        out, broken = folder / "out", folder / "broken"
        program = folder / "page.py"
        program.write_text(
            f"import os, sys\nif os.path.exists({str(broken)!r}): sys.exit(7)\n"
            f"open({str(out)!r}, 'a').write(sys.stdin.read())\n"
        )
        config = folder / "breakwater.toml"
        command = json.dumps([sys.executable, str(program)])
        config.write_text(f"[alerts]\ncommand = {command}\ngap = 600\n")
        engine = EngineProcess(folder / "state", config, "synthetic:ES")
        try:
            engine.begin()
            engine.until(lambda picture: picture.trading, "trading")
            done = ask(engine.state)
            assert done.returncode == 0, done
            assert f"page by {sys.executable}: delivered" in done.stdout
            (page,) = map(json.loads, out.read_text().splitlines())
            assert page["alarms"][0]["kind"] == "test" and "nothing is wrong" in page["text"]
            broken.touch()
            done = ask(engine.state)
            assert done.returncode == CtlExit.REFUSED, done
            assert "the program ended with 7" in done.stdout + done.stderr
            assert engine.stop()[0] == 0
        finally:
            engine.give_up()
        rows = folder / "rows.jsonl"
        export(journal_path(engine.state), rows)
        asked = [row for row in map(json.loads, rows.read_text().splitlines()) if row["kind"] == "command"]
        assert [row["body"]["command"]["command"] for row in asked[:2]] == ["alert_test"] * 2
        assert all(f"uid={os.getuid()}" in row["body"]["who"] for row in asked)


def ask(state: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "app.cli", "ctl", "alert-test", "--state-dir", str(state)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
