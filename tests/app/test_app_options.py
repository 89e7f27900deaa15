"""Durations, speeds and places as people write them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.options import parse_duration, parse_speed
from app.paths import find_config, state_dir
from engine.model import NS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("1h30m5s", 5405),
        ("2d", 172_800),
        ("1d1h1m1s", 90_061),
        ("45", 45),
        (" 5S ", 5),
        ("007s", 7),
    ],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds * NS


def test_durations_are_exact() -> None:
    assert parse_duration("0.1s") == 100_000_000
    assert parse_duration("0.000000001") == 1
    assert parse_duration("1m0.5s") == 60_500_000_000


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-5s", "5x", "m", "s", "1m1h", "1.5m", "1e3", "∞", "1h 30m", "٣s"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 90s"):
        parse_duration(text)


@given(st.integers(0, 400), st.integers(0, 99), st.integers(0, 99), st.integers(0, 10**6))
def test_durations_add_up(d: int, h: int, m: int, s: int) -> None:
    total = d * 86_400 + h * 3_600 + m * 60 + s
    text = f"{d}d{h}h{m}m{s}s"
    if total:
        assert parse_duration(text) == total * NS
    else:
        with pytest.raises(ValueError, match="above zero"):
            parse_duration(text)


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        assert parse_duration(text) > 0
    except ValueError as error:
        assert "90s" in str(error)


def test_speeds() -> None:
    assert math.isinf(parse_speed("max"))
    assert math.isinf(parse_speed(" MAX "))
    assert parse_speed("10") == 10.0
    assert parse_speed("0.5") == 0.5
    for text in ("0", "-1", "nan", "inf", "fast", "1e9", ""):
        with pytest.raises(ValueError, match="or max"):
            parse_speed(text)


def test_places_follow_the_environment(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    assert state_dir(None, "paper", env) == tmp_path / ".local/state/breakwater/paper"
    assert state_dir(None, "live", {**env, "XDG_STATE_HOME": "/s"}) == Path("/s/breakwater/live")
    assert state_dir(None, "paper", {**env, "XDG_STATE_HOME": "relative"}).is_relative_to(tmp_path)
    assert state_dir(None, "paper", {**env, "BREAKWATER_STATE_DIR": "/t"}) == Path("/t")
    assert state_dir("/u", "paper", {**env, "BREAKWATER_STATE_DIR": "/t"}) == Path("/u")
    assert state_dir("rel", "paper", env) == Path.cwd() / "rel"
    assert find_config(None, env) is None
    assert find_config("/x.toml", env) == Path("/x.toml")
    made = tmp_path / ".config/breakwater/breakwater.toml"
    made.parent.mkdir(parents=True)
    made.write_text("")
    assert find_config(None, env) == made
    assert find_config(None, {**env, "BREAKWATER_CONFIG": "/y.toml"}) == Path("/y.toml")
