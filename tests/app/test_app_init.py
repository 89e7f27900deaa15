"""`breakwater init`: the file it writes is complete, loads, and changes nothing until somebody edits it."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app import initconfig
from app.schema import bare, element_of, fields, model_of
from app.settings import Settings, load


def test_what_it_writes_is_the_defaults_commented_or_not(tmp_path: Path) -> None:
    for commented in (True, False):
        path = tmp_path / f"{commented}.toml"
        path.write_text(initconfig.text(commented))
        assert load(path, {}) == Settings()
    assert tomllib.loads(initconfig.text(commented=False))["risk"]["max_position"] == 50
    plain = tomllib.loads(initconfig.text())

    def leaves(table: dict[str, object]) -> list[str]:
        return [k for k, v in table.items() if not isinstance(v, dict) or leaves(v)]

    assert leaves(plain) == []


def test_every_key_is_there_with_default_range_and_reason() -> None:
    text = initconfig.text()

    def walk(model: type[BaseModel], top: bool = False) -> None:
        for name, field in fields(model, top):
            assert re.search(rf"^# {name} = |^# ?\[+(.*\.)?{name}[\].]|^\[(.*\.)?{name}\]", text, re.M), name
            assert field.description, f"{model.__name__}.{name} has no docstring" if not top else name
            inner = model_of(field.annotation) or model_of(element_of(field.annotation))
            if inner is not None:
                walk(inner)

    for name, field in fields(Settings, top=True):
        section = model_of(field.annotation)
        if section is None and model_of(element_of(field.annotation)) is None:
            assert f"# {name} = " in text or f"# [{name}]" in text
            assert field.description
        elif section is not None:
            assert f"[{name}]" in text
            for key, inner in fields(section):
                assert re.search(rf"^# {key} = |{name}\.{key}[\].]", text, re.M), f"{name}.{key}"
                if model_of(inner.annotation) is None:
                    assert inner.description, f"{name}.{key} has no docstring"
    assert "Allowed: whole number 0 to 1000000000." in text
    assert "Default: 45." in text


UNITS = re.compile(
    r"(?i)\b(seconds?|minutes|milliseconds|ticks|lots|messages|percent|account currency|orders|rejections"
    r"|errors|executions|contracts|coins|hertz|megabytes|rows|reads|levels|files|processes|requests|multiple|share|seed|days|hours|number|factor)\b"
)
REASONS = re.compile(r"(?i)\b(because|so that|against)\b")


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo, bool]]:
    """Every key with its dotted name, and whether it says how the paper exchange misbehaves."""
    for name, field in fields(model, top=not prefix):
        inner = model_of(field.annotation) or model_of(element_of(field.annotation))
        if inner is None:
            yield f"{prefix}{name}", field, "faults" in prefix
        else:
            yield from keys(inner, f"{prefix}{name}.")


@pytest.mark.parametrize(("name", "field", "fault"), list(keys(Settings)), ids=lambda v: str(v)[:40])
def test_each_key_says_its_unit_and_its_reason(name: str, field: FieldInfo, fault: bool) -> None:
    said = " ".join((field.description or "").split())
    kind = element_of(field.annotation) or bare(field.annotation)
    if kind in (int, float, Decimal):
        assert UNITS.search(said), f"{name} has no unit: {said}"
    # Faults are off, and the reason for all of them stands over their section.
    assert fault or "bands" in name or name == "fx" or REASONS.search(said), f"{name} has no reason: {said}"


def test_each_commented_key_can_be_taken_as_it_stands(tmp_path: Path) -> None:
    """Uncommenting any key with a default, one at a time, is accepted."""
    path = tmp_path / "x.toml"
    lines = initconfig.text().splitlines()
    tried = 0
    for number, line in enumerate(lines):
        key = re.match(r"# ([a-z_]+) = (?!.*…)", line)
        before = "\n".join(lines[max(0, number - 8) : number])
        if key is None or re.search(r"^# +(Needed|A table)|^# \[|^#   ", before, re.M):
            continue
        path.write_text("\n".join([*lines[:number], line.removeprefix("# "), *lines[number + 1 :]]))
        load(path, {})
        tried += 1
    assert tried > 80


def test_the_examples_load_when_they_are_uncommented(tmp_path: Path) -> None:
    text = initconfig.text()
    blocks = re.findall(r"^(# \[+[\w.]+\]+\n(?:#.*\n)+)", text, re.M)
    assert len(blocks) >= 4
    for block in blocks:
        example = "\n".join(
            line.removeprefix("# ") for line in block.splitlines() if not line.startswith("#   ")
        )
        (tmp_path / "x.toml").write_text(example)
        load(tmp_path / "x.toml", {})


def test_it_is_private_and_replaces_nothing_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "bw.toml"
    initconfig.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.write_text("seed = 7\n")
    with pytest.raises(initconfig.Exists, match="--force"):
        initconfig.write(path)
    assert path.read_text() == "seed = 7\n"
    path.chmod(0o644)
    initconfig.write(path, force=True)
    assert path.read_text() == initconfig.text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_command(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app.cli", "init", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin"},
        )

    first = run()
    assert first.returncode == 0
    assert (tmp_path / ".config/breakwater/breakwater.toml").read_text() == initconfig.text()
    again = run()
    assert (again.returncode, "--force" in again.stderr) == (2, True)
    assert run("--force").returncode == 0
    assert run(str(tmp_path / "other.toml")).returncode == 0
    assert (tmp_path / "other.toml").exists()
    assert run("/proc/nowhere/x.toml").returncode == 2
    told = run("--json", str(tmp_path / "third.toml"))
    assert json.loads(told.stdout) == {"file": str(tmp_path / "third.toml")}
    assert json.loads(run("--json").stdout)["exit"] == 2
