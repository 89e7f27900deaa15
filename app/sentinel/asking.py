"""Asks a sentinel how it is, without an engine: over its socket, and by lease and journal on disk."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec

from app.paths import sentinel_journal_path, sentinel_lease_path, sentinel_socket
from app.sentinel.post import rows_of
from engine.control.wire import reachable
from engine.journal import StoreRefused
from engine.records import KINDS
from engine.records_sentinel import SentinelNote
from engine.sentinel.lease import SIZE, Holder, Lease
from engine.sentinel.machine import HOLDS, Phase
from engine.sentinel.messages import Beat, HandBack, Said, line, said
from engine.sentinel.takeover import read

_WITHIN = 2.0
"""Seconds that it has for the answer."""


def ask(state: Path) -> Said | None:
    """What the sentinel of this state directory answers; None: none does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(_WITHIN)
        try:
            with reachable(sentinel_socket(state)) as address:
                wire.connect(address)
            wire.sendall(b"\n")
            with wire.makefile("rb") as answer:
                return said(answer.readline())
        except (OSError, msgspec.MsgspecError):
            return None


def ask_back(state: Path) -> bool:
    """Says to a sentinel that an engine starts: one that has the lease is asked to hand it back, before a
    session is opened that could be in its way; one that only watches gives the start its time. True where
    nobody has it any more, or never had; what was done is taken over by the engine later. Waits for nothing.
    """
    lease, said = lease_of(state) or Lease(), ask(state)
    held = lease.holder is Holder.SENTINEL or (said is not None and said.phase in HOLDS)
    if not held and (said is None or said.phase is Phase.IDLE):
        return True  # one that has heard no engine must not begin to count because of a start that may fail
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(_WITHIN)
        try:
            with reachable(sentinel_socket(state)) as address:
                wire.connect(address)
            wire.sendall(line(HandBack() if held else Beat(n=0, epoch=lease.epoch, seq=0)))
            wire.recv(1)  # it was heard
        except OSError:
            return not held or ask(state) is None  # where none lives the lease is taken from a dead one
    return not held


def lease_of(state: Path) -> Lease | None:
    """The word on disk, nobody's where there never was one; None: it cannot be read."""
    try:
        text = sentinel_lease_path(state).read_bytes()[:SIZE]
        return Lease.decode(text) if text else Lease()
    except FileNotFoundError:
        return Lease()
    except (OSError, ValueError):
        return None


def lease_words(lease: Lease | None) -> str:
    """The same for a person."""
    if lease is None:
        return "cannot be read; who takes it next writes it anew"
    return "none" if lease == Lease() else f"{lease.holder} (epoch {lease.epoch})"


def last_note(state: Path) -> str:
    """The newest note of its journal; empty where there is none."""
    try:
        for row in reversed(rows_of(sentinel_journal_path(state))):
            if row.kind == KINDS[SentinelNote]:
                note = read(row)
                if isinstance(note, SentinelNote):
                    return f"{note.event}: {note.text}"
    except StoreRefused as error:
        return f"its journal cannot be read: {error}"
    return ""


def status(state: Path) -> dict[str, object]:
    """All of it, for a person or a program."""
    answer, lease = ask(state), lease_of(state)
    told: dict[str, object] = {"running": answer is not None}
    if answer is not None:
        told |= {k: v for k, v in msgspec.to_builtins(answer).items() if v not in ("", None)}
    told["lease"] = lease_words(lease)
    note = last_note(state)
    if note:
        told["last"] = note
    return told
