"""What an operator may ask of the engine, as immutable values, and the two answers that each request gets."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from engine.model import OrderType, Side, TimeInForce, Value


class Command(Value, frozen=True, tag_field="command", kw_only=True):
    """Base of all commands."""


class Submit(Command, frozen=True, tag="submit"):
    """A manual order; price and size as the operator typed them, exact decimals."""

    symbol: str
    side: Side
    size: Decimal
    type: OrderType = OrderType.LIMIT
    limit: Decimal | None = None
    stop: Decimal | None = None
    tif: TimeInForce = TimeInForce.DAY
    expire: int | None = None
    """GTD: when it ends, UTC ns."""
    reduce_only: bool = False
    post_only: bool = False
    take_profit: Decimal | None = None
    """With stop_loss: a bracket; the children are released by the fills."""
    stop_loss: Decimal | None = None
    preview: bool = False
    """Ask the gate only; nothing is sent."""


class Modify(Command, frozen=True, tag="modify"):
    order_id: str
    size: Decimal | None = None
    limit: Decimal | None = None
    stop: Decimal | None = None
    preview: bool = False
    """Ask the gate only; nothing changes."""


class Cancel(Command, frozen=True, tag="cancel"):
    order_id: str


class CancelAll(Command, frozen=True, tag="cancel_all"):
    symbol: str | None = None
    strategy: str | None = None


class CancelEverything(Command, frozen=True, tag="cancel_everything"):
    """The broker's own cancel of every order of the account, also those placed by hand or by other programs.
    `account`: its id, typed, because this reaches beyond what is ours."""

    account: str


class Flatten(Command, frozen=True, tag="flatten"):
    """Close one symbol, or with None everything; ends with proof or NOT FLAT."""

    symbol: str | None = None


class Roll(Command, frozen=True, tag="roll"):
    """Close a position in one contract month and open it in another, as much as was closed and no more."""

    source: str
    target: str
    size: Decimal | None = None
    """Contracts; None: the whole position."""
    within: int | None = None
    """Ticks beyond the far touch that either leg may trade at; None: roll.within_ticks."""
    preview: bool = False
    """Say what it would do; nothing is sent."""


class Kill(Command, frozen=True, tag="kill"):
    """Latch the halt, cancel everything; with `flatten` close all positions and prove it."""

    flatten: bool = True
    reason: str = "operator"


class Reset(Command, frozen=True, tag="reset"):
    """Take back a halt. `scope` says what: the halt, the day's loss baseline, one instrument, one control."""

    scope: Literal["halt", "day_loss", "instrument", "control"]
    target: str = ""
    """Symbol or control's name for the last two scopes."""


class Pause(Command, frozen=True, tag="pause"):
    """No opening orders; of one strategy, or of all with None."""

    strategy: str | None = None


class Resume(Command, frozen=True, tag="resume"):
    strategy: str | None = None


class StopStrategy(Command, frozen=True, tag="stop_strategy"):
    """Let a strategy end and stop its process, over restarts as well, until it is resumed. `leave` says what
    becomes of its orders and its share of positions; empty: its own `on_stop`."""

    strategy: str
    leave: Literal["", "cancel", "keep", "flatten"] = ""


class ReloadStrategy(Command, frozen=True, tag="reload_strategy"):
    """Load a running strategy's file again, check it in a fresh process, and let that take over."""

    strategy: str


class Reload(Command, frozen=True, tag="reload"):
    """Read the configuration again and take over its risk limits. What lets more through than now is refused,
    with `effect` "wider", the `changes` line by line and their `digest` in the answer; `shown` with that
    digest takes over just that, and is refused where the file or the limits have changed since."""

    widening: bool = True
    """False: whatever lets more through is refused, shown or not."""
    shown: str = ""


class SetLimit(Command, frozen=True, tag="set_limit"):
    """Set one risk limit until the configuration is read again. `name`: a symbol (its largest position, in
    contracts), a symbol and a limit of it (`ES.max_order_qty`), a control, or a key below [risk]. `value`: a
    number, one with `%`, or `file` to take it back."""

    name: str
    value: str
    preview: bool = False
    """Say what it would mean; nothing changes."""


class Adopt(Command, frozen=True, tag="adopt"):
    """Take the broker's position of a symbol as the truth after a drift; journalled as an adjustment."""

    symbol: str


class Claim(Command, frozen=True, tag="claim"):
    """Take a foreign order over into a strategy's or the operator's book."""

    broker_id: str
    strategy: str = "manual"


class Gone(Command, frozen=True, tag="gone"):
    """An order in doubt has ended at the broker: a person knows it from elsewhere."""

    order_id: str


class Acknowledge(Command, frozen=True, tag="acknowledge"):
    """Acknowledge an alert, or with None all."""

    alert_id: int | None = None


class TakeControl(Command, frozen=True, tag="take_control"):
    """The screen that sends it is in control from now on, whoever was so before. Only for screens."""


class ScreenFailed(Command, frozen=True, tag="screen_failed"):
    """Said by a screen that failed and was started again by itself; alarmed and journalled. `text`: how, and
    where its report is."""

    text: str


class ScreenSaid(Command, frozen=True, tag="screen_said"):
    """What a screen did by itself and what belongs in log and journal: that it is SAFE again, and why."""

    text: str


class Shelve(Command, frozen=True, tag="shelve"):
    """Keep an alarm still for some minutes, with a reason; 0 minutes: no longer. Journalled."""

    alert_id: int
    minutes: int
    reason: str = ""


class TryAlerts(Command, frozen=True, tag="alert_test"):
    """Send one test through every way by which alarms reach a person, and say which answered."""


class Shutdown(Command, frozen=True, tag="shutdown"):
    """Graceful stop of the engine."""


AnyCommand = (
    Submit
    | Modify
    | Cancel
    | CancelAll
    | CancelEverything
    | Flatten
    | Roll
    | Kill
    | Reset
    | Pause
    | Resume
    | StopStrategy
    | ReloadStrategy
    | Reload
    | SetLimit
    | Adopt
    | Claim
    | Gone
    | Acknowledge
    | Shelve
    | TakeControl
    | ScreenFailed
    | ScreenSaid
    | TryAlerts
    | Shutdown
)


class Answer(Value, frozen=True, kw_only=True):
    """An answer to a command. The first says whether it was accepted, the last (`final`) how it ended."""

    ok: bool
    text: str
    final: bool = True
    data: dict[str, str] = msgspec.field(default_factory=dict)
    """Details by name, such as order_id. A link that cannot say what the engine did puts `outcome` there:
    `unknown` (it was sent, and may be done) or `not sent`."""
