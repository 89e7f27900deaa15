"""The doctor loads each strategy as a start would, and names what is wrong before anything trades."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.doctor_host import Place
from app.doctor_strategies import strategies
from app.settings import load

FILE = """
from pydantic import Field
from engine.strategy.api import Strategy

class Mine(Strategy):
    class Params(Strategy.Params):
        bars: int = Field(20, ge=2)
"""
CASES = {
    "sound": ("mine:Mine", "bars = 3", FILE, "PASS", "mine: mine:Mine loads"),
    "no file": ("other:Mine", "", FILE, "FAIL", "no module 'other'"),
    "no class": ("mine:Other", "", FILE, "FAIL", "it has: Mine"),
    "syntax": ("mine:Mine", "", "class Mine(:\n", "FAIL", "SyntaxError"),
    "unknown parameter": (
        "mine:Mine",
        "bar = 3",
        FILE,
        "FAIL",
        "bar: there is no such parameter; it has: bars",
    ),
    "wrong type": ("mine:Mine", "bars = 'x'", FILE, "FAIL", "bars = 'x': Input should be a valid integer"),
}


@pytest.mark.parametrize(("module", "params", "text", "state", "said"), CASES.values(), ids=CASES)
def test_what_is_wrong_is_found_before_the_start(
    tmp_path: Path, module: str, params: str, text: str, state: str, said: str
) -> None:
    (tmp_path / "mine.py").write_text(text)
    config = tmp_path / "c.toml"
    config.write_text(
        f"[[strategies]]\nmodule = '{module}'\nname = 'mine'\nsymbols = ['ES']\nparams = {{ {params} }}\n"
    )
    config.chmod(0o600)
    place = Place(config=config, settings=load(config, {}), state_dir=tmp_path, feed="synthetic", env={})
    (check,) = strategies(place)
    assert check.state == state and said in check.text
