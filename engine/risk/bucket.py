"""Budgets over time in exact integers: the token bucket and the sliding window of events."""

from __future__ import annotations

from collections import deque

from engine.model import NS


class TokenBucket:
    """At most `burst` + `rate` × t messages in any window of t seconds, exactly.

    One message costs NS units and every ns gives `rate` units back, so nothing is ever rounded. Times are
    monotonic ns; one that steps back gives nothing.
    """

    __slots__ = ("_at", "_level", "burst", "rate")

    def __init__(self, rate: int, burst: int) -> None:
        self.rate = rate
        self.burst = burst
        self._level = burst * NS
        self._at: int | None = None

    def configure(self, rate: int, burst: int) -> None:
        """New limits; what has been used stays used."""
        if rate != self.rate or burst != self.burst:
            spent = self.burst * NS - self._level
            self.rate, self.burst = rate, burst
            self._level = max(0, burst * NS - spent)

    def _refill(self, mono: int) -> int:
        if self._at is None:
            self._at = mono
        elif mono > self._at:
            self._level = min(self.burst * NS, self._level + (mono - self._at) * self.rate)
            self._at = mono
        return self._level

    def ready(self, mono: int, keep: int = 0) -> bool:
        """True where a message may go and leave `keep` tokens for others."""
        return self._refill(mono) >= (1 + keep) * NS

    def take(self, mono: int, keep: int = 0) -> bool:
        """Takes a token if there is one beyond those kept."""
        if self._refill(mono) < (1 + keep) * NS:
            return False
        self._level -= NS
        return True

    def when(self, mono: int, tokens: int = 1) -> int:
        """Earliest mono at which the bucket holds so many tokens (never more than its size), rounded up."""
        missing = min(tokens, self.burst) * NS - self._refill(mono)
        return mono if missing <= 0 else mono - (-missing // self.rate)

    def used(self, mono: int) -> int:
        """Tokens not there, rounded up."""
        return -((self._refill(mono) - self.burst * NS) // NS)


class EventWindow:
    """Counts events of the last so many ns; what is exactly as old as the window has left it."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[int] = deque()

    def add(self, mono: int) -> None:
        self._times.append(mono)

    def count(self, mono: int, window: int) -> int:
        times = self._times
        edge = mono - window
        while times and times[0] <= edge:
            times.popleft()
        return len(times)

    def oldest_leaves(self, window: int) -> int | None:
        """Mono at which the count falls next."""
        return self._times[0] + window if self._times else None

    def clear(self) -> None:
        self._times.clear()
