"""Reading a recording in blocks of lines, plain or gzip, with its position in the file and flat memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine.feeds.errors import FeedError

_CHUNK: Final = 32 * 1024
"""Compressed bytes that are read at a time; a block of a recording is then some thousand lines."""
_PLAIN_CHUNK: Final = 256 * 1024
_INFLATE: Final = 1024 * 1024
"""Most bytes that one step of decompression may give, so that no file can fill the memory."""
_LINE_MAX: Final = 4096
"""Characters that a line may have before the file counts as no recording at all."""


class LineReader:
    """Lines of a `.csv` or `.csv.gz` file without their ends. Raises `FeedError` where it cannot be read.

    Text is taken as Latin-1, so that any byte can be shown in a complaint.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.consumed = 0
        """Bytes of the file that the blocks handed out so far came from."""
        if not path.exists():
            raise FeedError(f"recording {path} does not exist; check the path after replay:")
        if path.is_dir():
            raise FeedError(f"recording {path} is a directory; name a .csv or .csv.gz file in it")
        if path.suffix not in (".csv", ".gz"):
            raise FeedError(f"recording {path} must end in .csv or .csv.gz")
        self.size: Final = path.stat().st_size
        self._gzip: Final = path.suffix == ".gz"

    def blocks(self) -> Iterator[list[str]]:
        """Blocks of whole lines from the start. Raises `FeedError` for a damaged or cut off file."""
        rest = ""
        self.consumed = 0
        try:
            for data in self._inflated() if self._gzip else self._plain():
                text = rest + data.decode("latin-1")
                lines = text.split("\n")
                rest = lines.pop()
                if len(rest) > _LINE_MAX:
                    raise FeedError(f"{self.path} has a line of over {_LINE_MAX} characters: no recording")
                if lines:
                    yield _without_returns(lines, text)
        except OSError as error:
            raise FeedError(f"{self.path} cannot be read: {error.strerror or error}") from error
        if rest:
            yield _without_returns([rest], rest)

    def _plain(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while data := file.read(_PLAIN_CHUNK):
                self.consumed += len(data)
                yield data

    def _inflated(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            inflate = zlib.decompressobj(wbits=31)
            begun = False
            while data := file.read(_CHUNK):
                self.consumed += len(data)
                while data:
                    if inflate.eof:
                        inflate = zlib.decompressobj(wbits=31)
                    try:
                        piece = inflate.decompress(data, _INFLATE)
                    except zlib.error as error:
                        raise FeedError(f"{self.path} is damaged or no gzip file ({error})") from error
                    begun = True
                    if piece:
                        yield piece
                    data = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            if begun and not inflate.eof:
                raise FeedError(f"{self.path} is cut off: its compressed data ends early; fetch it again")


def _without_returns(lines: list[str], text: str) -> list[str]:
    if "\r" in text:
        return [line.removesuffix("\r") for line in lines]
    return lines
