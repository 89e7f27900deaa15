"""Who sits at a screen, who of them is in control, and what happens when nobody is any more.

One screen is in control; the others look on, and may kill or ask for control. A screen that goes without a
goodbye was lost: when it was in control and no other screen could take over, `screen.on_last_ui_lost` says
what the engine does. All on the engine's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from engine.config import ScreenConfig
from engine.control.commands import Answer, AnyCommand, Kill, ScreenFailed, ScreenSaid, TakeControl
from engine.control.snapshot import ScreenRole, ScreenRow
from engine.core import Core
from engine.model import NS
from engine.ports import TimerHandle

NO_SEAT: Final = 0
"""The seat of who asks without a screen (`ctl`)."""


class Hooks(Protocol):
    """What is done when the last screen is lost."""

    def command(
        self,
        command: AnyCommand,
        who: str,
        answer: Callable[[Answer], None] | None = None,
        seat: int = NO_SEAT,
    ) -> None: ...

    def halt(self, scope: Literal["account", "instrument"], target: str, code: str, reason: str) -> None: ...

    def publish(self) -> None: ...


@dataclass(slots=True)
class _Seat:
    who: str
    read_only: bool
    since: int


class Seats:
    """See the module. `speed`: engine time over host time."""

    def __init__(self, core: Core, config: ScreenConfig, hooks: Hooks, speed: float = 1.0) -> None:
        self._core = core
        self._config = config
        self._hooks = hooks
        self._speed = speed
        self._seats: dict[int, _Seat] = {}
        self._next = 1
        self._control = NO_SEAT
        self._lost = ""
        """How the last screen in control was lost, until somebody is in control again or says goodbye."""
        self._stopped = False
        self._timer: TimerHandle | None = None

    @property
    def attached(self) -> int:
        """Screens that look on, in control or not; may be read from any thread."""
        return len(self._seats)

    # -- coming and going

    def join(self, who: str, *, read_only: bool = False, take: bool = False) -> int:
        """A screen comes; its number. It is in control where nobody else is, or where it takes it over."""
        seat, self._next = self._next, self._next + 1
        self._seats[seat] = _Seat(who, read_only, self._core.clock.now())
        self._log("info", f"{who} looks on" if read_only else f"{who} has a screen", "ATTACHED", who)
        if not read_only and not self._control:
            self._give(seat)
        elif take:
            self._hooks.command(TakeControl(), who, None, seat)  # by the way that journals it
        self._hooks.publish()
        return seat

    def leave(self, seat: int, *, goodbye: bool, how: str) -> None:
        """A screen goes. Without `goodbye` it was lost, and `how` says what is known of it."""
        left = self._seats.pop(seat, None)
        if left is None:
            return
        what = "left" if goodbye else "was lost"
        self._log(
            "info" if goodbye else "warning", f"the screen of {left.who} {what}: {how}", "GONE", left.who
        )
        in_control = seat == self._control
        if in_control:
            self._control = NO_SEAT
        if goodbye and (in_control or self._lost) and not left.read_only:
            self._settle(f"{left.who} said goodbye")  # a person has seen how things stand
        elif not goodbye and in_control:
            self._lost = f"the screen in control was lost ({how}): {left.who}"
            if self._others():
                self._core.alarm("warning", "screen_lost", f"{self._lost}. Another screen can take control")
        if self._lost and self._timer is None and not self._stopped and not self._others():
            self._unattended()
        self._hooks.publish()

    def take(self, seat: int) -> str:
        """Gives control to a screen. Returns what keeps it from that; empty where nothing does."""
        found = self._seats.get(seat)
        if found is None:
            return "only a screen can be in control; ctl needs no control for its commands"
        if found.read_only:
            return "a read-only screen cannot be in control"
        if seat != self._control:
            self._give(seat)
        return ""

    # -- who may do what

    def problem(self, seat: int, command: AnyCommand) -> str:
        """Why a command from this seat is not carried out; empty where it is."""
        if seat == NO_SEAT:
            return ""
        found = self._seats.get(seat)
        if found is None:  # a kill is never lost to bookkeeping
            return "" if isinstance(command, Kill) else "this screen is not attached any more"
        if found.read_only:
            return "this screen is read-only: it sends nothing, not even a kill; use 'breakwater ctl kill'"
        if (
            seat == self._control
            or isinstance(command, Kill | TakeControl | ScreenFailed | ScreenSaid)
            or getattr(command, "preview", False)
        ):
            return ""
        holder = self._seats.get(self._control)
        who = f"{holder.who} is in control" if holder is not None else "nobody is in control"
        return f"this screen looks on, {who}; 'take control' takes it over"

    def rows(self) -> tuple[ScreenRow, ...]:
        """All screens, oldest first."""
        return tuple(
            ScreenRow(id=number, who=seat.who, role=self._role(number, seat), since=seat.since)
            for number, seat in self._seats.items()
        )

    def _role(self, number: int, seat: _Seat) -> ScreenRole:
        if seat.read_only:
            return "read-only"
        return "control" if number == self._control else "view"

    def _others(self) -> bool:
        """Whether somebody sits at a screen that could take control."""
        return any(not seat.read_only for seat in self._seats.values())

    def _give(self, seat: int) -> None:
        before = self._seats.get(self._control)
        self._control = seat
        who = self._seats[seat].who
        over = f", who takes it over from {before.who}" if before is not None else ""
        self._log("info", f"in control: {who}{over}", "CONTROL", who)
        self._settle(f"{who} is in control")

    # -- when nobody is left

    def _settle(self, why: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._core.alarm("info", "screen_back", f"{why}: nothing is done about the lost screen")
        self._lost = ""
        halt = self._core.books.halts.account()
        if halt is None or halt.code != "screen_lost":
            # Also what an earlier run has alarmed: it knew of the loss, this one only of the alarm.
            self._core.clear_alarms("screen_lost")

    def _unattended(self) -> None:
        policy, after = self._config.on_last_ui_lost, self._config.ui_lost_after
        if policy == "continue":
            self._core.alarm(
                "warning",
                "screen_lost",
                f"{self._lost}. The engine goes on without one (screen.on_last_ui_lost = continue); "
                "'breakwater attach' brings a screen back",
            )
            self._lost = ""
            return
        what = {
            "halt": "opening orders halt",
            "cancel": "opening orders halt and all working orders are cancelled",
            "flatten": "everything is cancelled and flattened",
        }[policy]
        when = f"in {after:g} s, unless a screen is in control by then," if after else "now"
        self._core.alarm("critical", "screen_lost", f"{self._lost}. {when[:1].upper()}{when[1:]} {what}")
        if after:
            delay = int(after * NS * self._speed)
            self._timer = self._core.clock.call_later(delay, self._act)
        else:
            self._act()

    def _act(self) -> None:
        self._timer = None
        policy, reason = self._config.on_last_ui_lost, self._lost
        self._lost = ""
        if policy == "halt":
            self._hooks.halt("account", "", "screen_lost", reason)
        else:
            who = f"screen.on_last_ui_lost = {policy}"
            self._hooks.command(Kill(flatten=policy == "flatten", reason=reason), who)
        self._hooks.publish()

    def stop(self) -> None:
        """The engine ends: nothing is done any more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _log(self, level: str, text: str, status: str, who: str) -> None:
        self._core.log(level, text, component="screens", status=status, who=who)
