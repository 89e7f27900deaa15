"""Where a drill's results and reports are kept, from its first case on, and what to say where they cannot."""

from __future__ import annotations

import errno
from pathlib import Path

from app.drill.model import DrillReport
from app.drill.report_html import html
from app.drill.report_markdown import markdown
from app.drill.results import RESULT, place_for, save, write


class NotStored(Exception):
    """Results or reports could not be written; the text says which, why, and what to do."""


class Shelf:
    """The places of one drill: the result in the state directory, for the gates; the reports there too, or in
    a folder that a person named, then with a copy of the result."""

    def __init__(self, state: Path, started: int, output: str | None) -> None:
        """Makes the folders. Raises `NotStored` where there can be none."""
        try:
            self.name, self._kept = place_for(state, started)
        except OSError as error:
            raise NotStored(_refused(error, state)) from error
        self._folder = self._kept
        if output:
            self._folder = Path(output).expanduser().absolute()
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                self._kept.rmdir()
                raise NotStored(_refused(error, self._folder)) from error

    def begin(self, report: DrillReport) -> None:
        """Before the first case. Raises `NotStored`: nobody should wait minutes for what cannot be kept."""
        problems = [p for folder in self._folders() if (p := self._try(folder, report))]
        if problems:
            raise NotStored(problems[0])

    def keep(self, report: DrillReport) -> None:
        """After a case. What cannot be written now is tried again, and told at the end."""
        self._try(self._kept, report)

    def finish(self, report: DrillReport) -> tuple[list[str], str]:
        """Writes all; the paths of what is there for people, and what went wrong, else empty."""
        files, problems = [], []
        for name, text in (("report.md", markdown), ("report.html", html)):
            path = self._folder / name
            try:
                write(path, text(report).encode())
                files.append(str(path))
            except OSError as error:
                problems.append(_refused(error, path))
        problems += [p for folder in self._folders() if (p := self._try(folder, report))]
        if (self._folder / RESULT).exists():
            files.append(str(self._folder / RESULT))
        return files, "\n".join(problems)

    def _folders(self) -> list[Path]:
        return list(dict.fromkeys((self._folder, self._kept)))

    @staticmethod
    def _try(folder: Path, report: DrillReport) -> str:
        try:
            save(folder, report)
        except OSError as error:
            return _refused(error, folder / RESULT)
        return ""


def _refused(error: OSError, path: Path) -> str:
    """Why a drill's file could not be written, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "make room there"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST):
        remedy = "a file is in the way: move it"
    else:
        remedy = "make the folder yours and writable"
    text = f"the drill cannot be kept: {error.filename or path}: {error.strerror}"
    return f"{text}; {remedy}, or name another --state-dir or --output"
