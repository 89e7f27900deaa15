"""Fixtures of the desk's tests: text pictures of a screen, and where pictures may be made anew."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

MADE_ON = (3, 11)
"""The Python on which stored pictures are made; they are compared on all."""


class TextPicture(SingleFileSnapshotExtension):
    """One text file a picture, readable in a diff."""

    _file_extension = "txt"
    _write_mode = WriteMode.TEXT


@pytest.fixture(autouse=True)
def _pictures_on_one_python(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("update_snapshots", False) and sys.version_info[:2] != MADE_ON:
        pytest.exit(f"make pictures anew on Python {MADE_ON[0]}.{MADE_ON[1]} only", returncode=4)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "COLORTERM", "COLUMNS", "LINES", "LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(Path(__file__).parent / "no-configuration"))


@pytest.fixture
def text_picture(snapshot: Any) -> Callable[[str], None]:
    """Compares a screen's text with the stored one."""
    stored = snapshot.use_extension(TextPicture)

    def compare(text: str) -> None:
        assert re.sub(r" +$", "", text, flags=re.MULTILINE) + "\n" == stored

    return compare
