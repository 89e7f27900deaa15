"""What can be wrong with market data, said with file, line, column and remedy."""

from __future__ import annotations

from engine.model import Value


class FeedError(Exception):
    """A feed cannot start or cannot go on. The text names the thing and the remedy."""


class UnknownSymbol(FeedError):
    """No instrument in the catalogue answers to this symbol."""


class BadLine(Value, frozen=True, kw_only=True):
    """A line of a recording that could not be used. Lines and columns (characters) count from 1."""

    file: str
    line: int
    column: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.reason}"
