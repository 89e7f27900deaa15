"""A saved state beside the journal, `journal.db.books`: a shortcut for the next start, never the truth.

The rows are the truth, and all of them stay; a file that is missing, torn, damaged, of other code or of other
rows costs the next start the time to fold them all, and nothing else. It is a file of its own because a page
of the database that goes bad must not cost a start, and writing megabytes must not hold up a commit.

    8 bytes of magic, then frames: length and CRC-32 (each 4 bytes, little-endian), bytes.
    First the header, then what the caller gives, at the end one frame of no bytes.

Each CRC goes on from that of the frame before, so a frame that is missing or out of its place is found too.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec

from engine.journal.files import MB, beside, free_bytes, publish
from engine.model import Value

SUFFIX: Final = ".books"
_MAGIC: Final = b"BWBOOKS1"
_FRAME: Final = struct.Struct("<II")


class Header(Value, frozen=True, kw_only=True):
    """Which rows a saved state stands for."""

    basis: str
    """What the fold depends on beside the rows: code and settings."""
    seq: int
    """The last row in it."""
    crc: int
    """That row's checksum, which is one over all rows before it as well."""
    digest: str
    """`Books.digest` of the state."""


class Doubt(Exception):
    """A saved state is not to be used; the text says why."""


_decoder: Final = msgspec.msgpack.Decoder(Header)
_encoder: Final = msgspec.msgpack.Encoder()


def write(path: Path, header: Header, frames: Iterable[bytes], min_free: int) -> int:
    """Puts a state in the place of the last one, whole or not at all; returns its bytes. For any thread.

    `min_free`: bytes that must stay free on the disk for the rows. Raises `OSError`, or `Doubt` where the
    space is short.
    """
    part = beside(path, SUFFIX + ".part")
    crc = 0
    try:
        with part.open("wb") as file:
            part.chmod(0o600)
            file.write(_MAGIC)
            for frame in chain((_encoder.encode(header),), frames, (b"",)):
                if free_bytes(path) < min_free:
                    raise Doubt(f"less than {min_free // MB} MB are free, which the rows may need")
                crc = zlib.crc32(frame, crc)
                file.write(_FRAME.pack(len(frame), crc))
                file.write(frame)
            size = file.tell()
        publish(part, beside(path, SUFFIX))
    finally:
        part.unlink(missing_ok=True)
    return size


def read(path: Path) -> tuple[Header, Iterator[bytes]] | None:
    """The header of the saved state and its frames, each checked when it is asked for; None where there is
    no such file. Raises `Doubt`, also later, from the frames, where the file is not what was written."""
    try:
        data = beside(path, SUFFIX).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Doubt(f"it cannot be read ({error.strerror})") from error
    if data[: len(_MAGIC)] != _MAGIC:
        raise Doubt("it is of another form")
    frames = _frames(data)
    try:
        return _decoder.decode(next(frames, b"")), frames
    except msgspec.MsgspecError as error:
        raise Doubt(f"its header does not read ({error})") from error


def discard(path: Path) -> None:
    """Takes the saved state away."""
    beside(path, SUFFIX).unlink(missing_ok=True)


def _frames(data: bytes) -> Iterator[bytes]:
    at, crc = len(_MAGIC), 0
    while True:
        if at + _FRAME.size > len(data):
            raise Doubt("it is cut off")
        length, stored = _FRAME.unpack_from(data, at)
        at += _FRAME.size
        frame = data[at : at + length]
        at += length
        crc = zlib.crc32(frame, crc)
        if len(frame) != length or crc != stored:
            raise Doubt("it is damaged")
        if not frame:
            break
        yield frame
    if at != len(data):
        raise Doubt("something stands behind its end")
