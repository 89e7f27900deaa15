"""A test of the alarms: one through every way by which alarms reach a person, and which of them answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from engine.control.commands import Answer
from engine.core import Core, utc_text
from engine.model import NS
from engine.ports import TimerHandle

_WITHIN: Final = 320 * NS
"""ns that a way may take to answer, longer than the longest that a program may be given."""


class Channel(Protocol):
    """A way to a person beyond log and screens. `name` says which, in few words."""

    @property
    def name(self) -> str: ...

    def test(self, text: str, done: Callable[[str], None]) -> None:
        """Sends one test; must not block. `done` is called once on the engine's thread, with what was wrong
        or, where it was delivered, an empty text."""


class AlertTest:
    """Runs on the engine's thread. The application adds the `channels` that it has."""

    def __init__(self, core: Core, screens: Callable[[], int]) -> None:
        """`screens`: how many are attached."""
        self._core = core
        self._screens = screens
        self.channels: list[Channel] = []

    def begin(self, who: str, correlation: str, reply: Callable[[Answer], None]) -> None:
        """Answers twice: what is being tried, and which of it answered."""
        core, channels = self._core, tuple(self.channels)
        text = f"a test of the alarms by {who} at {utc_text(core.clock.now())}; nothing is wrong"
        core.alarm("info", "alert_test", text, correlation=correlation)
        screens = self._screens()
        seen = "log: written; " + (
            f"screens: shown on {screens}"
            if screens
            else "screens: none is attached, so nobody sees it there"
        )
        if not channels:
            remedy = "nobody is paged by this run: set alerts.command to a program that reaches you"
            reply(Answer(ok=False, text=f"{seen}; paging: {remedy}"))
            return
        names = ", ".join(channel.name for channel in channels)
        reply(Answer(ok=True, text=f"{seen}; waiting for {names}", final=False))
        _Run(core, channels, text, lambda ok, told: reply(Answer(ok=ok, text=f"{seen}; {told}")))


class _Run:
    """One test under way."""

    def __init__(
        self, core: Core, channels: tuple[Channel, ...], text: str, ended: Callable[[bool, str], None]
    ) -> None:
        self._names = [channel.name for channel in channels]
        self._outcomes: dict[int, str] = {}
        self._ended = ended
        self._late: TimerHandle = core.clock.call_later(_WITHIN, self._give_up)
        for number, channel in enumerate(channels):
            channel.test(text, lambda problem, number=number: self._done(number, problem))  # type: ignore[misc]

    def _done(self, number: int, problem: str) -> None:
        if number in self._outcomes or len(self._outcomes) == len(self._names):
            return
        self._outcomes[number] = problem
        if len(self._outcomes) == len(self._names):
            self._late.cancel()
            told = "; ".join(
                f"{name}: {self._outcomes[number] or 'delivered'}" for number, name in enumerate(self._names)
            )
            self._ended(not any(self._outcomes.values()), told)

    def _give_up(self) -> None:
        for number in range(len(self._names)):
            self._done(number, "no answer came")
