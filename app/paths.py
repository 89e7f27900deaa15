"""Where things lie on disk: the configuration and the state directory, following the XDG base directories."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


def default_config(env: Mapping[str, str]) -> Path:
    """`$XDG_CONFIG_HOME/breakwater/breakwater.toml`, with `~/.config` where that is not set."""
    return _base(env, "XDG_CONFIG_HOME", ".config") / "breakwater" / "breakwater.toml"


def themes_dir(env: Mapping[str, str]) -> Path:
    """The operator's own themes, beside the default configuration."""
    return default_config(env).parent / "themes"


def keymaps_dir(env: Mapping[str, str]) -> Path:
    """The operator's own keymaps, beside the default configuration."""
    return default_config(env).parent / "keymaps"


def find_config(given: str | None, env: Mapping[str, str]) -> Path | None:
    """The configuration to read: the one that is named (also by BREAKWATER_CONFIG), which must then exist, or
    the default one where it exists. None: there is none, and the defaults hold."""
    named = given or env.get("BREAKWATER_CONFIG")
    if named:
        return Path(named).expanduser().absolute()
    path = default_config(env)
    return path if path.exists() else None


def state_dir(given: str | None, profile: str, env: Mapping[str, str]) -> Path:
    """The state directory: the one that is named (also by BREAKWATER_STATE_DIR), or
    `$XDG_STATE_HOME/breakwater/<profile>`. Paper and live never share one. `profile` may also be what
    `place_of` says."""
    named = given or env.get("BREAKWATER_STATE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    return _base(env, "XDG_STATE_HOME", ".local/state") / "breakwater" / profile


def place_of(profile: str, feed: str, stage: str = "paper") -> str:
    """Which state directory a run uses by default: that of its profile; a replay on paper has one of its own
    by the recording's name (`replay-gc_l5_20230501`), because its time and its account are its own; so does a
    paper account at IB (`ib`, `ib-loopback`), because its orders are there; and the shadow of each broker
    (`shadow-ib`), because its orders are nowhere else."""
    kind, _, where = feed.partition(":")
    if stage == "shadow":
        return f"shadow-{kind}"
    if profile == "paper" and kind in ("ib", "ib-loopback"):
        return kind
    if profile != "paper" or kind != "replay":
        return profile
    stems = [_stem(part.partition("=")[2] or part) for part in where.split(",")]
    return "-".join(["replay", *dict.fromkeys(filter(None, stems))])[:120]


def _stem(path: str) -> str:
    """A recording's name without folder and endings, with nothing that a directory's name should not have."""
    name = Path(path).name.removesuffix(".gz").removesuffix(".csv")
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).strip(".")


def _base(env: Mapping[str, str], variable: str, fallback: str) -> Path:
    """The variable's directory; relative paths are ignored, as the specification says."""
    named = env.get(variable, "")
    if named.startswith("/"):
        return Path(named)
    return Path(env.get("HOME") or Path.home()) / fallback


def journal_path(state: Path) -> Path:
    """The journal's database."""
    return state / "journal.db"


def log_path(state: Path) -> Path:
    """The current log file; older ones are numbered."""
    return state / "log" / "breakwater.jsonl"


def exchange_socket(state: Path) -> Path:
    """Where a loopback exchange of this state directory listens."""
    return state / "exchange.sock"


def exchange_ledger_path(state: Path) -> Path:
    """What the simulated exchange remembers: orders, executions, positions, across restarts of the engine."""
    return state / "exchange.db"


def sentinel_journal_path(state: Path) -> Path:
    """What the sentinel saw and did, in a journal of its own."""
    return state / "sentinel.db"


def sentinel_lease_path(state: Path) -> Path:
    """Who may send: engine or sentinel."""
    return state / "sentinel.lease"


def sentinel_socket(state: Path) -> Path:
    """Where the sentinel hears the engine's heartbeats."""
    return state / "sentinel.sock"


def sentinel_log_path(state: Path) -> Path:
    """The sentinel's own log."""
    return state / "log" / "sentinel.jsonl"


def confined_path(state: Path) -> Path:
    """Where control groups of this state directory's strategies were made."""
    return state / "cgroups.json"
