"""Recordings: written both ways, read back, checked to the last field, and played to a real client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from brokers.loopback.tws.framing import WireError
from brokers.loopback.tws.recording import Entry, Recorder, check, read
from brokers.loopback.tws.replay import Replay
from tests.tws.tws_kit import LIBRARY, Tap, Venue, es, limit, needs_library, until, venue_test

if LIBRARY:
    from tests.tws.tws_kit import ibi

pytestmark = needs_library


async def trade_a_little(port: int, price: float = 5000.25) -> list[str]:
    """A client session that is the same every time; returns what the client was told."""
    ib = ibi.IB()
    tap = Tap(ib)
    await ib.connectAsync("127.0.0.1", port, clientId=1)
    trade = ib.placeOrder(es(), limit("BUY", 2, price, orderRef="again"))
    await until(lambda: trade.orderStatus.status == "Filled")
    await until(lambda: tap.of("commissionReport"))
    ib.disconnect()
    return [f"{name} {arguments!r}" for name, arguments in tap.calls]


def recorded(tmp_path: Path) -> tuple[Path, list[str]]:
    """A session with the gateway, and its recording."""
    told: list[str] = []
    kept = tmp_path / "kept.jsonl"

    @venue_test(record=True)
    async def run(venue: Venue) -> None:
        told.extend(await trade_a_little(venue.port))
        await until(lambda: not venue.gateway.clients)
        recorder = venue.gateway.recorder
        assert recorder is not None
        recorder.flush()
        kept.write_bytes(recorder.path.read_bytes())

    run(tmp_path)
    return kept, told


def test_a_recording_has_both_ways_and_is_explained_to_the_last_field(tmp_path: Path) -> None:
    path, _ = recorded(tmp_path)
    entries = list(read(path))
    assert entries[0].way == "open" and entries[-1].way == "close"
    assert {e.way for e in entries} == {"open", "in", "out", "close"}
    assert next(e.fields[0] for e in entries if e.way == "in") == "71"
    assert check(path) == []


def test_a_field_too_many_in_a_recording_is_found(tmp_path: Path) -> None:
    path, _ = recorded(tmp_path)
    lines = path.read_text().splitlines()
    where = next(n for n, text in enumerate(lines) if '"fields":["3"' in text and '"way":"out"' in text)
    entry = msgspec.json.decode(lines[where], type=Entry)
    odd = msgspec.structs.replace(entry, fields=(*entry.fields, "new"))
    lines[where] = msgspec.json.encode(odd).decode()
    path.write_text("\n".join(lines) + "\n")
    assert check(path) == [f"kept.jsonl, line {where + 1}: order_status (3): 1 fields are left over: ['new']"]


def test_a_damaged_recording_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "damaged.jsonl"
    recorder = Recorder(path)
    recorder.note(Entry(ts=1, line=1, way="open", version=178))
    recorder.close()
    path.write_text(path.read_text() + "{half a li")
    with pytest.raises(WireError, match=r"damaged\.jsonl, line 2"):
        list(read(path))
    with pytest.raises(WireError, match="does not begin with a connection"):
        Replay([])


def play(path: Path, price: float = 5000.25) -> tuple[list[str], list[str]]:
    """The recording played to the same client: what it was told, and where it differed."""

    async def run() -> tuple[list[str], list[str]]:
        replay = Replay.of(path)
        listener, port = await replay.listen()
        told = await trade_a_little(port, price)
        await replay.finished.wait()
        listener.close()
        return told, replay.differences

    return asyncio.run(run())


def test_a_recording_played_to_the_client_tells_it_the_same(tmp_path: Path) -> None:
    path, told = recorded(tmp_path)
    again, differences = play(path)
    assert differences == []
    assert again == told


def test_a_client_that_says_something_else_is_a_difference_with_its_field(tmp_path: Path) -> None:
    path, _ = recorded(tmp_path)
    _, differences = play(path, price=5000.5)
    (difference,) = differences
    assert difference.endswith("place_order: lmtPrice Decimal('5000.5') for Decimal('5000.25')")
