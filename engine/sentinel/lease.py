"""The lease: one word on disk that says who may send, engine or sentinel, and the door that each goes by.

Whoever sends holds the lease's lock from the look at the word to the last byte that is handed over, and the
word is changed only under the same lock. So there is no moment between looking and sending in which the other
side could take it; who is stopped in there keeps the lock, and the other side knows. The word outlives both
processes, and each change counts its epoch up, so that nobody takes an old right for a new one.

A word that is gone or cannot be read is nobody's: neither side sends by it, and either may take it. It is the
lock that keeps the two apart, not the word.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

SIZE: Final = 64
"""Bytes of the word on disk."""


class Holder(StrEnum):
    NOBODY = "nobody"
    ENGINE = "engine"
    SENTINEL = "sentinel"


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may send. `epoch` counts the changes."""

    holder: Holder = Holder.NOBODY
    epoch: int = 0

    def encode(self) -> bytes:
        """Always `SIZE` bytes, so that one write of one sector changes all of it."""
        return f"{self.holder} {self.epoch}".ljust(SIZE - 1).encode() + b"\n"

    @classmethod
    def decode(cls, text: bytes) -> Lease:
        """Raises `ValueError` for anything that `encode` does not write."""
        words = text.decode("ascii").split()
        if len(words) != 2 or len(text) != SIZE or not words[1].isdecimal():
            raise ValueError(f"{text!r} is no lease")
        return cls(Holder(words[0]), int(words[1]))


class LeaseStore(Protocol):
    """Where the word stands. Never waits: who finds the other side inside is told so."""

    trouble: str
    """Why the word could not be read when it was last entered, which then was nobody's; empty: it could."""

    def enter(self) -> Lease | None:
        """The word, with the lock held until `leave`; None: the other side is inside. Raises `OSError`
        (without the lock) where there is no lock to be had."""

    def leave(self) -> None: ...

    def write(self, lease: Lease) -> None:
        """Changes the word, on disk when it returns; only between `enter` and `leave`. Raises `OSError`."""


class Fence(Protocol):
    """What the connections to a broker ask before anything leaves."""

    def enter(self) -> str:
        """Empty: this side may send, until `leave`. Else why it may not, and there is nothing to leave."""

    def leave(self) -> None: ...

    def why_not(self) -> str:
        """Why this side may send nothing now; empty where it may."""


class Open:
    """The fence of an engine that no sentinel watches."""

    def enter(self) -> str:
        return ""

    def leave(self) -> None:
        pass

    def why_not(self) -> str:
        return ""


OPEN: Final = Open()


class Leasehold:
    """One side's right to send: what it took, and whether it still stands. Implements `Fence`."""

    def __init__(self, store: LeaseStore, holder: Holder) -> None:
        self._store = store
        self._holder = holder
        self.epoch = -1
        """Of the lease that this side took; -1: none yet."""
        self.lost = ""
        """Why this side may not send: who has taken the lease, or that it cannot be read. It stays so until
        `claim` succeeds."""
        self.by_lock = False
        """This side has the lease by the lock alone, which it holds until it gives it back."""

    @property
    def trouble(self) -> str:
        """Why the word could not be read at the last look; empty: it could."""
        return self._store.trouble

    def look(self) -> Lease | None:
        """The word as it stands; None where the other side is inside. Raises `OSError`."""
        lease = self._store.enter()
        if lease is not None:
            self._store.leave()
        return lease

    def claim(self, but: Holder | None = None, *, by_lock: bool = False) -> bool:
        """Takes the lease, whoever has it: only for who knows that the other side may lose it. False: the
        other side is inside, or `but` has it. Raises `OSError`.

        `by_lock`: a word that cannot be written hinders nothing; this side then stays inside until it gives
        the lease back. Only for who knows that the other side is dead, because the word, should this side die
        too, is what it was."""
        lease = self._store.enter()
        if lease is None:
            return False
        try:
            if lease.holder is but:
                return False
            mine = Lease(self._holder, max(lease.epoch, self.epoch) + 1)
            try:
                self._store.write(mine)
            except OSError:
                if not by_lock:
                    raise
                self.by_lock = True
        finally:
            if not self.by_lock:
                self._store.leave()
        self.epoch, self.lost = mine.epoch, ""
        return True

    def give_back(self) -> None:
        """Leaves the lease to nobody, if this side still has it. Raises `OSError`."""
        if self.by_lock:
            self.by_lock, self.epoch = False, -1
            self._store.leave()
            return
        lease = self._store.enter()
        if lease is None:
            return
        try:
            if lease == Lease(self._holder, self.epoch):
                self._store.write(Lease(Holder.NOBODY, lease.epoch + 1))
        finally:
            self._store.leave()
        self.epoch = -1

    # -- the fence

    def enter(self) -> str:
        if self.by_lock:
            return ""
        if self.lost:
            return self.lost
        try:
            lease = self._store.enter()
        except OSError as error:
            self.lost = f"the lease cannot be read: {error}"
            return self.lost
        if lease is None:
            return "the other side is taking the lease"
        if lease != Lease(self._holder, self.epoch) and not self._renewed(lease):
            self._store.leave()
            whose = f"is {lease.holder}'s" if lease.holder is Holder.NOBODY else f"is the {lease.holder}'s"
            how = f"cannot be read: {self.trouble}" if self.trouble else f"{whose} (epoch {lease.epoch})"
            self.lost = f"the lease {how}; ours was of epoch {self.epoch}"
            return self.lost
        return ""

    def _renewed(self, lease: Lease) -> bool:
        """The word was lost in the midst of the sentinel's work, and nobody has taken the lease since: it is
        written anew, under the lock. Only for the sentinel: an engine asks for what it has lost."""
        if self._holder is not Holder.SENTINEL or self.epoch < 0 or lease != Lease():
            return False
        try:
            self._store.write(Lease(self._holder, self.epoch))
        except OSError:
            return False
        return True

    def leave(self) -> None:
        if not self.by_lock:
            self._store.leave()

    def why_not(self) -> str:
        why = self.enter()
        if not why:
            self.leave()
        return why
