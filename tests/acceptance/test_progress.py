"""A recording tells how far it is, at whatever speed it is played."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.model import NS
from tests.acceptance.kit import Home

HEADER = "ts_ns,symbol,kind,bid_px,bid_sz,ask_px,ask_sz,px,sz,aggressor\n"
START = 1_682_946_000 * NS
"""2023-05-01 13:00 UTC, when gold trades."""


@pytest.mark.parametrize("speed", ["max", "200"])
def test_every_tenth_is_told(tmp_path: Path, speed: str) -> None:
    day = tmp_path / "day.csv"
    rows = (f"{START + n * NS},GCM3,quote,1990.{n % 3},5,1990.{n % 3 + 1},5,,,\n" for n in range(600))
    day.write_text(HEADER + "".join(rows))
    home = Home(tmp_path)
    home.run(f"replay:{day}", "--speed", speed)
    lines = (home.state("state") / "log" / "breakwater.jsonl").read_text().splitlines()
    told = [line["event"] for line in map(json.loads, lines) if line["status"] == "PROGRESS"]
    shares = [int(text.split()[0]) for text in told]
    assert shares and shares == sorted(set(shares))
    assert all(text.endswith("0 % of the recording") for text in told)
    if speed != "max":
        assert len(told) >= 5, told
