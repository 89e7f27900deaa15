"""A saved state of the books and the rows after it give what all rows give, and any doubt folds them all."""

from __future__ import annotations

import asyncio
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import positions_booked
from engine.books import Books
from engine.books_image import Piece, gather, put_back, take
from engine.clock import RealClock
from engine.config import EngineConfig, JournalConfig, OrderConfig
from engine.facts import Acknowledged, Canceled, Executed, ForeignOrder
from engine.journal import Journal, images
from engine.journal.tools import rotate
from engine.model import ExecutionKey, Fill, OrderStatus, OrderType, Side
from engine.recorder.recent import RecentRows
from engine.records import EMERGENCY, KINDS, AnyRecord, FactTaken, OrderStored, ReplaceStored
from engine.restoring import Restored, Saver, restore
from tests.effort import effort
from tests.recovery.histories import CL, CONFIG, ES, START, empty_books, everything, fold, order, records

_decoder: msgspec.msgpack.Decoder[Piece] = msgspec.msgpack.Decoder(Piece)


def through_bytes(books: Books) -> Books:
    """The books taken, encoded, decoded and put back."""
    frames = [msgspec.msgpack.encode(piece) for piece in take(books).pieces()]
    again = empty_books()
    put_back(again, gather(map(_decoder.decode, frames)))
    return again


@settings(max_examples=effort(60, 2_000), deadline=None)
@given(st.lists(records(), max_size=120), st.lists(records(), max_size=60))
def test_a_saved_state_and_the_rest_are_what_the_whole_history_is(
    before: list[AnyRecord], after: list[AnyRecord]
) -> None:
    with patch.object(positions_booked, "PACKED", 3):  # as if there were very many
        compare(before, after)


def test_ids_of_the_broker_may_come_in_another_order_than_the_orders() -> None:
    foreign = ForeignOrder(
        ts=0,
        broker_id="B1",
        symbol="ES",
        side=Side.SELL,
        qty=3,
        cum=0,
        type=OrderType.LIMIT,
        status=OrderStatus.PENDING_NEW,
        limit=101,
    )
    named = Acknowledged(ts=0, order_id=order(0).id, broker_id="B0")
    compare([OrderStored(order=order(0)), FactTaken(fact=foreign), FactTaken(fact=named)], [])


def compare(before: list[AnyRecord], after: list[AnyRecord]) -> None:
    whole = fold(empty_books(), before)
    saved = through_bytes(whole)
    assert everything(saved) == everything(whole)
    assert saved.digest() == whole.digest()
    fold(whole, after, len(before))
    fold(saved, after, len(before))
    assert saved.digest() == whole.digest()
    assert everything(saved) == everything(whole)
    assert take(saved) == take(whole)


# -- the file beside a real journal

Told = list[tuple[str, str]]
"""Level and text of lines in the log."""


def play(work: Any) -> Any:
    return asyncio.run(work)


async def opened(path: Path) -> Journal:
    clock = RealClock(asyncio.get_running_loop())
    config = JournalConfig(durability="process", ballast_mb=0, min_free_mb=0)
    return await Journal.open(path, config, inline=False, clock=clock, emergency=EMERGENCY)


def append(journal: Journal, books: Books, history: list[AnyRecord]) -> None:
    """Applies and journals, as the engine does."""
    for record in history:
        ts = START + books.version * 1_000_000
        books.apply(record, ts)
        match record:
            case OrderStored(order=made):
                journal.append_nowait("order", made, ts=ts)
            case ReplaceStored(replace=made):
                journal.append_nowait("replace", made, ts=ts)
            case _:
                journal.append_nowait(KINDS[type(record)], record, ts=ts)


def saver(books: Books, journal: Journal, told: Told, **more: Any) -> Saver:
    def log(level: str, event: str, **_: object) -> None:
        told.append((level, event))

    return Saver(empty_books, books, journal, log, saved=0, inline=False, **more)


def day(orders: int) -> list[AnyRecord]:
    """A plain history: orders sent, acknowledged, some filled, all of them ended."""
    found: list[AnyRecord] = []
    for n in range(orders):
        made = order(n)
        made = msgspec.structs.replace(made, id=f"{made.id}-{n}", parent=None, oco=None)
        found += [
            OrderStored(order=made),
            FactTaken(fact=Acknowledged(ts=0, order_id=made.id, broker_id=f"B{n}")),
        ]
        if n % 2:
            one = Fill(
                key=ExecutionKey("SIM", CONFIG.account, "2026-11-20", f"x{n}"),
                symbol=made.symbol,
                side=made.side,
                qty=1,
                price=100 + n % 5,
                ts=START + n,
                order_id=made.id,
                fee=Decimal("0.25"),
            )
            found.append(FactTaken(fact=Executed(ts=0, fill=one)))
        found.append(FactTaken(fact=Canceled(ts=0, order_id=made.id)))
    return found


def same(found: Restored, books: Books) -> None:
    assert found.books.digest() == books.digest()
    assert everything(found.books) == everything(books)


def test_a_start_goes_on_from_the_saved_state_and_keeps_the_newest_rows_at_hand(tmp_path: Path) -> None:
    async def script() -> None:
        books, told = empty_books(), []
        journal = await opened(tmp_path / "journal.db")
        append(journal, books, day(60))
        keeper = saver(books, journal, told, rows=100)
        assert await keeper.save() == 0, "rows wait for their commit: the books are ahead of the journal"
        await journal.flush()
        seq = journal.seq
        assert keeper.is_due and await keeper.save() == seq and not keeper.is_due
        assert told == [("info", f"state of the books saved up to row {seq}")]
        append(journal, books, day(90)[210:])
        await journal.close()
        journal = await opened(tmp_path / "journal.db")
        recent = RecentRows()
        found = await restore(empty_books, journal, recent)
        assert (found.saved, found.folded, found.doubt) == (seq, journal.seq - seq, "")
        assert recent.about("") == [] and recent.forgotten == 0
        same(found, books)
        await journal.close()

    play(script())


def files(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.iterdir() if "lock" not in file.name}


def flipped(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1 << at % 8
    file.write_bytes(data)


def other_settings() -> Books:
    return Books(EngineConfig(orders=OrderConfig(closed_in_memory=11)), [ES, CL])


def test_whatever_is_wrong_with_a_saved_state_all_rows_are_folded(tmp_path: Path) -> None:
    async def script() -> None:
        path, books = tmp_path / "journal.db", empty_books()
        file = tmp_path / "journal.db.books"
        journal = await opened(path)
        append(journal, books, day(30))
        await journal.flush()
        assert await saver(books, journal, []).save() == journal.seq
        good = file.read_bytes()

        async def doubted(why: str, fresh: Any = empty_books) -> None:
            found = await restore(fresh, journal)
            assert why in found.doubt and (found.saved, found.folded) == (0, journal.seq), found.doubt
            if fresh is empty_books:
                same(found, books)
            file.write_bytes(good)

        for at in (*range(40), *range(40, len(good), 397)):
            flipped(file, at)
            await doubted("")
            assert (await restore(empty_books, journal)).doubt == ""
        for length in (0, 5, 8, 12, 60, len(good) // 2, len(good) - 8, len(good) - 1):
            file.write_bytes(good[:length])
            await doubted("")
        file.write_bytes(good + b"x")
        await doubted("behind its end")
        await doubted("other settings", other_settings)
        opened_image = images.read(path)
        assert opened_image is not None
        header, frames = opened_image[0], list(opened_image[1])
        for change, why in (
            ({"basis": "older code"}, "other code"),
            ({"seq": journal.seq + 1}, "the journal with row"),
            ({"crc": header.crc ^ 1}, "is not the one"),
            ({"digest": "0"}, "not the state that was saved"),
        ):
            images.write(path, msgspec.structs.replace(header, **change), frames, 0)
            await doubted(why)
        images.write(path, header, frames[1:], 0)
        await doubted("main part is missing")
        main = msgspec.msgpack.decode(frames[0])
        images.write(path, header, [msgspec.msgpack.encode({**main, "surprise": 1}), *frames[1:]], 0)
        await doubted("surprise")
        images.write(path, header, frames, 0)
        assert (await restore(empty_books, journal)).saved == journal.seq
        await journal.close()

    play(script())


def test_a_state_of_rows_that_a_power_cut_took_is_not_used(tmp_path: Path) -> None:
    async def script() -> None:
        path = tmp_path / "journal.db"
        journal, books = await opened(path), empty_books()
        append(journal, books, day(10))
        await journal.flush()
        before = files(tmp_path)
        append(journal, books, day(20)[35:])
        await journal.flush()
        assert await saver(books, journal, []).save() == journal.seq
        state = (tmp_path / "journal.db.books").read_bytes()
        await journal.close()
        for file, data in before.items():  # the rows are gone, and others come in their place
            file.write_bytes(data)
        journal, books = await opened(path), empty_books()
        found = await restore(empty_books, journal)
        assert "the journal with row" in found.doubt
        append(journal, found.books, day(24)[36:])
        await journal.flush()
        assert (tmp_path / "journal.db.books").read_bytes() == state
        again = await restore(empty_books, journal)
        assert "is not the one" in again.doubt
        same(again, found.books)
        await journal.close()

    play(script())


def test_nothing_is_saved_of_a_run_whose_store_refused_rows_or_whose_disk_is_full(tmp_path: Path) -> None:
    async def script() -> None:
        path, books, told = tmp_path / "journal.db", empty_books(), []
        journal = await opened(path)
        append(journal, books, day(5))
        await journal.flush()
        keeper = saver(books, journal, told, rows=1)
        file = tmp_path / "journal.db.books"
        journal._config = journal._config.model_copy(update={"min_free_mb": 1_000_000_000})
        assert await keeper.save() == 0 and not keeper.is_due
        assert [level for level, _ in told] == ["warning"] and "which the rows may need" in told[0][1]
        assert not any(".books" in name.name for name in files(tmp_path))
        journal._config = journal._config.model_copy(update={"min_free_mb": 0})
        assert await keeper.save() == journal.seq and file.exists()
        file.unlink()
        await journal._store.run(lambda connection: connection.execute("PRAGMA query_only=ON"))
        append(journal, books, day(6)[15:])
        await journal._settled()
        await journal._store.run(lambda connection: connection.execute("PRAGMA query_only=OFF"))
        assert await journal.recover()
        append(journal, books, day(7)[19:])
        await journal.flush()
        assert journal.last is None and await keeper.save() == 0 and not file.exists()
        await journal.close()

    play(script())


def test_a_journal_that_is_moved_aside_leaves_no_state_behind(tmp_path: Path) -> None:
    async def script() -> None:
        journal, books = await opened(tmp_path / "journal.db"), empty_books()
        append(journal, books, day(5))
        await journal.flush()
        await saver(books, journal, []).save()
        await journal.close()

    play(script())
    assert (tmp_path / "journal.db.books").exists()
    rotate(tmp_path / "journal.db")
    assert not list(tmp_path.glob("*.books"))


def test_a_disk_that_hangs_while_a_state_is_written_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(images, "write", lambda *_: hangs.wait(60))

    async def script() -> None:
        journal, books = await opened(tmp_path / "journal.db"), empty_books()
        append(journal, books, day(3))
        await journal.flush()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(saver(books, journal, []).save(), 0.1)
        await journal.close()

    began = time.monotonic()
    play(script())
    assert time.monotonic() - began < 30
    hangs.set()
