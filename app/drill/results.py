"""Results of drills on disk, and the fingerprints that say of which build and which settings they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import msgspec

from app.drill.model import DrillReport
from app.settings import Settings
from engine.journal.files import sync_directory
from engine.model import NS

ROOT = Path(__file__).parents[2]
FOLDER = "drills"
"""In the state directory: one folder for each drill."""
RESULT = "result.json"
"""In that folder: what the gates read."""


@cache
def build_fingerprint() -> str:
    """Hash over the program's own source: one changed line is another build."""
    digest = hashlib.sha256()
    for room in ("app", "brokers", "engine"):
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix in (".py", ".toml") and "__pycache__" not in path.parts:
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
                digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def config_fingerprint(settings: Settings) -> str:
    """Hash over the settings that decide how it trades: limits, orders, reconciliation, kill, link and the
    strategies. What only concerns screen, log, data source, stage, account and its connections is left out:
    those change when one moves up, and a drill runs on paper."""
    values = settings.engine_config().model_dump(mode="json", exclude={"screen", "account", "connections"})
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def new_id(started: int) -> str:
    """A drill's name by its start: `20261125-143007`."""
    return datetime.fromtimestamp(started // NS, UTC).strftime("%Y%m%d-%H%M%S")


def place_for(state: Path, started: int) -> tuple[str, Path]:
    """A new folder for a drill's report: its id and path."""
    base = new_id(started)
    for parent in (state, state / FOLDER):  # `parents` would make these readable for everybody
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(1, 1000):
        name = base if number == 1 else f"{base}-{number}"
        folder = state / FOLDER / name
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return name, folder
    raise FileExistsError(f"there are too many drills called {base} in {state / FOLDER}; remove some")


def write(path: Path, data: bytes) -> None:
    """Writes a file, which appears whole or not at all. Raises `OSError`; what was there stays then."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(data)
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def save(folder: Path, report: DrillReport) -> Path:
    """Writes the result; it appears whole or not at all. Raises `OSError`."""
    path = folder / RESULT
    write(path, msgspec.json.format(msgspec.json.encode(sealed(report)), indent=1))
    return path


def sealed(report: DrillReport) -> DrillReport:
    """The same as it is stored."""
    return msgspec.structs.replace(report, seal=_seal(report))


def _seal(report: DrillReport) -> str:
    text = msgspec.json.encode(msgspec.structs.replace(report, seal=""))
    # As it is read again: a figure that was whole comes back as 1.0.
    text = msgspec.json.encode(msgspec.json.decode(text, type=DrillReport))
    return hashlib.sha256(text).hexdigest()[:16]


def load(path: Path) -> DrillReport:
    """A stored result. Raises `ValueError` where it is none, of another layout, or not what was stored."""
    try:
        report = msgspec.json.decode(path.read_bytes(), type=DrillReport)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path} is no result of a drill of this build: {error}") from error
    if report.seal != _seal(report):
        raise ValueError(f"{path} was changed after it was written, or is of an earlier build")
    return report


def stored(state: Path, problems: list[str] | None = None) -> Iterator[DrillReport]:
    """All results below a state directory that can be read, newest first; why others cannot goes into
    `problems`."""
    for path in sorted((state / FOLDER).glob(f"*/{RESULT}"), reverse=True):
        try:
            yield load(path)
        except (ValueError, OSError) as error:
            if problems is not None:
                problems.append(str(error))
