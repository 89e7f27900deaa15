"""Secrets: from the environment, a file that only its owner can read, or the system's keyring. Nowhere else.

In the environment `broker_password` is BREAKWATER_BROKER_PASSWORD. In the file each line is `name = value`.
In the keyring the service is `breakwater` and the user name is the secret's name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr

from app.problems import Problem

KEYRING_SERVICE = "breakwater"


class Secrets(BaseModel):
    """What is secret. Shown as stars wherever it is printed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    broker_user: SecretStr | None = None
    broker_password: SecretStr | None = None
    broker_token: SecretStr | None = None

    def values(self) -> tuple[str, ...]:
        """The secrets themselves, for the log's filter."""
        return tuple(v.get_secret_value() for _, v in self if v is not None)


NAMES: tuple[str, ...] = tuple(Secrets.model_fields)


def variable(name: str) -> str:
    """`broker_token` → `BREAKWATER_BROKER_TOKEN`."""
    return f"BREAKWATER_{name.upper()}"


def unsafe(path: Path) -> str:
    """Why a file is no place for a secret; empty where it is safe: ours, 0600 or less."""
    try:
        found = path.stat()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(found.st_mode):
        return "is no plain file"
    if found.st_uid != os.geteuid():
        return f"belongs to uid {found.st_uid}, not to uid {os.geteuid()}; say: chown {os.geteuid()} {path}"
    if stat.S_IMODE(found.st_mode) & 0o177:
        return f"has mode {stat.S_IMODE(found.st_mode):04o} and others could use it; say: chmod 600 {path}"
    return ""


def gather(file: Path | None, keyring: bool, env: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """All secrets that are found, and what is wrong. The environment beats the file, the file the keyring."""
    problems: list[Problem] = []
    found: dict[str, str] = {}
    if keyring:
        found |= _from_keyring(problems)
    if file is not None:
        found |= _from_file(file, problems)
    found |= {n: env[variable(n)] for n in NAMES if env.get(variable(n))}
    return found, problems


def _from_file(path: Path, problems: list[Problem]) -> dict[str, str]:
    why = unsafe(path)
    if why:
        problems.append(Problem(str(path), "", why))
        return {}
    found: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = "is no text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
        problems.append(Problem(str(path), "", f"{why}; write lines of 'name = value'"))
        return found
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, separator, value = (part.strip() for part in line.partition("="))
        if not separator or name not in NAMES:
            problems.append(
                Problem(f"{path}:{number}", "", f"is no 'name = value'; known names: {', '.join(NAMES)}")
            )
            continue
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
        found[name] = value[1:-1] if quoted else value
    return found


def _from_keyring(problems: list[Problem]) -> dict[str, str]:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        problems.append(
            Problem(
                "keyring",
                "credentials.keyring",
                "the package keyring is not installed; say: pip install 'breakwater[keyring]', "
                "or use the environment or credentials.file",
            )
        )
        return {}
    try:
        read = {name: keyring.get_password(KEYRING_SERVICE, name) for name in NAMES}
    except KeyringError as error:
        problems.append(Problem("keyring", "credentials.keyring", f"cannot be read: {error}"))
        return {}
    return {name: value for name, value in read.items() if value}
