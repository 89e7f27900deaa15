"""The guard says where its figures were taken on a machine with too much to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import guard


def result(path: Path, load: float) -> Path:
    summary = [{"name": "orders/s", "worth": 1.0}]
    path.write_text(json.dumps({"machine": {"load": load, "cores": 2}, "summary": summary}))
    return path


def test_a_busy_machine_is_named_with_its_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guard.run(result(tmp_path / "base.json", 1.9), result(tmp_path / "new.json", 5.33)) == 0
    said = capsys.readouterr().out
    assert "new.json began at a load of 5.33 on 2 processors" in said and "base.json began" not in said
