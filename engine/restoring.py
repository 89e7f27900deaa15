"""How the books come back at a start: all rows of the journal folded, or a saved state and the rows after it.

A saved state is taken only where everything about it is in order: its frames, the code and settings that it
was made with, the very row that it ends with, and its digest once it is put back. Any doubt, and all rows are
folded; so it can make a start faster, and can do nothing else. Both ways give the same books.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from engine.books import Books
from engine.books_image import Image, Piece, basis, gather, put_back, take
from engine.core import Log
from engine.journal import Journal, Row, images
from engine.journal.images import Doubt, Header
from engine.recorder.recent import KEPT, RecentRows
from engine.records import decode

ROWS: Final = 50_000
"""Rows after which a new state is worth its writing: folding so many takes half a second."""
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[Piece]] = msgspec.msgpack.Decoder(Piece)


@dataclass(frozen=True, slots=True)
class Restored:
    """The books as they were, and how they came back."""

    books: Books
    folded: int
    """Rows that were folded one by one."""
    saved: int
    """The last row of the saved state that they go on from; 0: none was used."""
    doubt: str
    """Why a saved state that is there was not used."""


async def restore(fresh: Callable[[], Books], journal: Journal, recent: RecentRows | None = None) -> Restored:
    """The books that all committed rows bring about. `fresh` makes empty ones; `recent` is given the newest
    rows. Raises a `StoreRefused`, and `msgspec.ValidationError` for a row of no kind that is known."""
    try:
        found, doubt = await _saved(fresh, journal), ""
    except Doubt as error:
        found, doubt = None, str(error)
    books, seq = (fresh(), 0) if found is None else found
    after = seq
    if recent is not None:
        recent.forgotten = max(0, journal.seq - KEPT)
        after = min(seq, recent.forgotten)
    folded = 0
    async for lines in journal.chunks(after):
        for line in lines:
            if line[0] > seq:
                books.apply(decode(line[2], line[5]), line[1])
                folded += 1
        if recent is not None and lines[-1][0] > recent.forgotten:
            recent.extend(Row._make(line) for line in lines if line[0] > recent.forgotten)
    return Restored(books, folded, seq, doubt)


async def _saved(fresh: Callable[[], Books], journal: Journal) -> tuple[Books, int] | None:
    """Books out of the saved state, and the last row in it; None where there is none. Raises `Doubt`."""
    opened = images.read(journal.path)
    if opened is None:
        return None
    header, frames = opened
    books = fresh()
    if header.basis != basis(books):
        raise Doubt("it was made by other code, or with other settings")
    if not 0 < header.seq <= journal.seq:
        raise Doubt(f"it ends with row {header.seq}, the journal with row {journal.seq}")
    if await journal.checksum_of(header.seq) != header.crc:
        raise Doubt(f"row {header.seq} is not the one that it ends with")
    try:
        put_back(books, gather(_decoder.decode(frame) for frame in frames))
    except (msgspec.MsgspecError, KeyError, ValueError) as error:
        raise Doubt(f"it cannot be put back ({error})") from error
    if books.digest() != header.digest:
        raise Doubt("put back, it is not the state that was saved")
    return books, header.seq


class Saver:
    """Saves the state of running books. For the engine's thread; the writing is done elsewhere."""

    def __init__(
        self,
        fresh: Callable[[], Books],
        books: Books,
        journal: Journal,
        log: Log,
        *,
        saved: int,
        inline: bool,
        rows: int = ROWS,
    ) -> None:
        """`fresh`: empty books of the same settings, in which what is written is tried. `saved`: the last row
        of the state that is there. `inline`: write on the calling thread (virtual time)."""
        self._fresh = fresh
        self._books = books
        self._journal = journal
        self._log = log
        self._saved = saved
        self._inline = inline
        self._rows = rows
        self._running = False

    @property
    def is_due(self) -> bool:
        """Whether enough rows have come since the last state."""
        return self._journal.seq - self._saved >= self._rows and not self._running

    async def save(self) -> int:
        """Saves the state of this moment; returns the last row in it, 0 where it could not be saved, which
        costs nothing but time at the next start and is told in the log."""
        last = self._journal.last
        if last is None or self._running:
            return 0
        self._running = True
        image = take(self._books)
        try:
            if self._inline:
                size = self._write(image, last)
            else:
                size = await _beside(partial(self._write, image, last))
        except (OSError, Doubt) as error:
            self._saved = last[0]  # the next attempt comes after as many rows again
            self._log("warning", f"the state of the books was not saved: {error}", component="journal")
            return 0
        finally:
            self._running = False
        self._saved = last[0]
        self._log("info", f"state of the books saved up to row {last[0]}", component="journal", size=size)
        return last[0]

    def _write(self, image: Image, last: tuple[int, int]) -> int:
        # What is written is what the digest is made of: an image that cannot be put back is not kept.
        frames = [_encoder.encode(piece) for piece in image.pieces()]
        trial = self._fresh()
        put_back(trial, gather(_decoder.decode(frame) for frame in frames))
        header = Header(basis=basis(trial), seq=last[0], crc=last[1], digest=trial.digest())
        return images.write(self._journal.path, header, frames, self._journal.min_free)


async def _beside(work: Callable[[], int]) -> int:
    """The work's result, from a thread that nobody has to wait for: an engine that ends must not be held up
    by a disk that hangs."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[int] = loop.create_future()

    def tell(result: int, error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def run() -> None:
        result, failed = 0, None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - raised again at the one who waits
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(tell, result, failed)

    threading.Thread(target=run, name="books", daemon=True).start()
    return await done
