"""The layout's rules, checked on the source: who may reach whom, and what the engine may not touch."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(p for room in ("app", "engine", "brokers") for p in (ROOT / room).rglob("*.py"))

SEAMS = {
    "engine/clock.py",
    "engine/control/client.py",
    "engine/control/screens.py",
    "engine/control/server.py",
    "engine/control/peer.py",
    "engine/control/directory.py",
    "engine/feeds/reader.py",
    "engine/strategy/child.py",
    "engine/strategy/process.py",
    "engine/strategy/realtime.py",
    "engine/strategy/lockstep.py",
    "engine/strategy/runtime.py",
    "engine/journal/files.py",
    "engine/journal/store.py",
    "brokers/loopback/server.py",
    "brokers/loopback/tws/__main__.py",
}
"""Implementations of a seam: these meet the outside so that nothing else has to."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            yield node.module


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_file_opens_with_what_lives_there(path: Path) -> None:
    doc = ast.get_docstring(ast.parse(path.read_text()))
    assert (doc and doc[0].isupper()) or (doc and doc[0] == "`"), f"{name(path)} says nothing about itself"


@pytest.mark.parametrize("path", [p for p in SOURCES if name(p).startswith("engine/")], ids=name)
def test_the_engine_reaches_neither_screen_nor_application_nor_broker(path: Path) -> None:
    forbidden = {"textual", "rich", "app", "brokers", "ib_insync", "ib_async", "ccxt", "structlog"}
    assert not forbidden & {module.partition(".")[0] for module in imports(path)}


@pytest.mark.parametrize("path", [p for p in SOURCES if name(p).startswith("brokers/")], ids=name)
def test_brokers_reach_neither_screen_nor_application(path: Path) -> None:
    assert not {"textual", "app"} & {module.partition(".")[0] for module in imports(path)}


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if not name(p).startswith("app/") and name(p) not in SEAMS], ids=name
)
def test_time_chance_and_sockets_are_handed_in(path: Path) -> None:
    tree = ast.parse(path.read_text())
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.add(f"{node.value.id}.{node.attr}")
    outside = {
        use
        for use in used
        if re.fullmatch(
            r"time\.(time|sleep|monotonic|perf_counter)(_ns)?|datetime\.(now|today|utcnow)|uuid\.uuid\d"
            r"|random\.(random|randint|choice|choices|shuffle|uniform|gauss|sample|randrange)"
            r"|socket\.socket|subprocess\.\w+",
            use,
        )
    }
    assert not outside, f"{name(path)} reaches the outside by itself: {sorted(outside)}"


def test_nobody_makes_a_proof_but_gate_and_journal() -> None:
    takers = [name(p) for p in SOURCES if "take_seal(" in p.read_text() and name(p) != "engine/sending.py"]
    assert sorted(takers) == ["engine/journal/entry.py", "engine/risk/gate.py"]


def test_the_readme_names_every_command_and_the_kill_keys() -> None:
    from app import cli
    from app.desk.keys import KILL_KEYS

    readme = (ROOT / "README.md").read_text()
    for command in cli.COMMANDS:
        assert f"breakwater {command}" in readme or f"`{command}`" in readme, command
    assert "F12" in readme and any("f12" in key for key in KILL_KEYS)


def test_nothing_committed_names_a_registry_or_this_machine() -> None:
    pattern = re.compile(r"(pypi\.org|pythonhosted|registry\.npmjs|/root/|/work/)")
    files = [*SOURCES, *(ROOT / "tests").rglob("*.py"), ROOT / "README.md", ROOT / "constraints.txt"]
    found = [name(p) for p in files if pattern.search(p.read_text()) and p != Path(__file__)]
    assert found == []
