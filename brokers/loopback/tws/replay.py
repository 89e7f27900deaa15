"""Plays a recorded connection to a client: what the gateway said, each time the client has said its part."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from brokers.loopback.tws.door import listen
from brokers.loopback.tws.framing import GREETING, Unframer, WireError, join, split
from brokers.loopback.tws.messages import read_request
from brokers.loopback.tws.recording import Entry, read


class Replay:
    """One connection of a recording. A client that says something else than was recorded is a difference;
    what it says is still counted as its turn, so that one difference does not hide the next."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        if not entries or entries[0].way != "open":
            raise WireError("the recording does not begin with a connection")
        self.version = entries[0].version
        self.differences: list[str] = []
        self.finished = asyncio.Event()
        self._opened = entries[0]
        self._entries = [e for e in entries[1:] if e.way in ("in", "out")]

    @classmethod
    def of(cls, path: Path, line: int | None = None) -> Replay:
        """A connection of a recording: the first one, or the one with that number. Raises `WireError`."""
        entries = list(read(path))
        wanted = line if line is not None else (entries[0].line if entries else 0)
        return cls([e for e in entries if e.line == wanted])

    async def listen(self, port: int = 0) -> tuple[asyncio.Server, int]:
        """Opens the door on 127.0.0.1; 0: any port."""
        return await listen(self._serve, port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._play(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.differences.append("the client left before the recording was over")
        except WireError as error:
            self.differences.append(str(error))
        finally:
            self.finished.set()
            writer.close()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(4) != GREETING:
            raise WireError("the client does not begin with API")
        size = int.from_bytes(await reader.readexactly(4), "big")
        await reader.readexactly(size)
        writer.write(join([str(self.version), self._opened.note]))
        unframer = Unframer()
        said: list[list[str]] = []
        for number, entry in enumerate(self._entries, 1):
            if entry.way == "out":
                writer.write(join(list(entry.fields)))
                continue
            while not said:
                data = await reader.read(65_536)
                if not data:
                    raise asyncio.IncompleteReadError(b"", None)
                said = [split(body) for body in unframer.feed(data)]
            self._compare(number, entry, said.pop(0))
        await writer.drain()

    def _compare(self, number: int, entry: Entry, said: list[str]) -> None:
        if said == list(entry.fields):
            return
        expected = read_request(list(entry.fields), self.version)
        try:
            got = read_request(said, self.version)
        except WireError as error:
            self.differences.append(f"message {number}: {error}")
            return
        if got[0] is not expected[0]:
            text = f"{got[0].name} where {expected[0].name} was recorded"
        else:
            names = [n for n in expected[1] if expected[1][n] != got[1].get(n)]
            if not names:
                return  # spelt differently, meant the same
            pairs = (f"{n} {got[1].get(n)!r} for {expected[1][n]!r}" for n in names)
            text = f"{expected[0].name}: {', '.join(pairs)}"
        self.differences.append(f"message {number}: {text}")
