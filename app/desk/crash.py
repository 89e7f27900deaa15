"""Reports of a failed screen: a traceback without the values of any variable, readable by the owner alone."""

from __future__ import annotations

import os
import platform
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import textual


def write_report(
    error: BaseException, directory: Path | None, redact: Callable[[str], str] = str
) -> Path | None:
    """Writes the report (mode 0600) and answers with its path; None when it cannot be written.

    No local variables: they may hold credentials. The error may quote one; `redact` blanks it out.
    """
    target = directory if directory is not None else Path(tempfile.gettempdir())
    text = "".join(
        [
            f"breakwater desk, Python {platform.python_version()}, Textual {textual.__version__}\n",
            *traceback.format_exception(type(error), error, error.__traceback__, limit=60),
        ]
    )
    try:
        # mkstemp creates with mode 0600 and a name that nobody else has.
        number, name = tempfile.mkstemp(prefix="desk-crash-", suffix=".txt", dir=target)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(redact(text))
    except OSError:
        return None
    return Path(name)
