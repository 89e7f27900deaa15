"""Where a value must have a form, an example of it says more than the form."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.problems import BadConfig
from app.settings import load


@pytest.mark.parametrize("module", ["breakout.py", "./breakout:Breakout", "breakout"])
def test_a_module_that_is_a_path_is_told_how_one_is_written(tmp_path: Path, module: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f"[[strategies]]\nmodule = '{module}'\nname = 'mine'\nsymbols = ['ES']\n")
    config.chmod(0o600)
    with pytest.raises(BadConfig, match=r'strategies.0..module: .* such as "breakout:Breakout"'):
        load(config, {})
