"""What is said of one strategy: its class, what it may trade, and what it may use of the machine."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from engine.model import PartialFillPolicy, ReplacePolicy
from engine.section import Section

Symbol = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._/-]+$")]

Callback = Literal["on_start", "on_quote", "on_trade", "on_bar", "on_fill", "on_order", "on_timer", "on_stop"]
Seconds = Annotated[float, Field(gt=0, le=600)]


class StrategyConfig(Section):
    """One strategy process."""

    module: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        examples=["engine.strategy.samples.meanrev:MeanReversion", "breakout:Breakout"],
    )
    """Where the class is, as package.module:Class, so that your own file beside this one can be named."""
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,11}$")
    """Name of this instance; every order id starts with it. At most 12 of a-z, 0-9, _, because venues limit
    the length of ids."""
    symbols: tuple[Symbol, ...] = Field(min_length=1)
    """Symbols whose quotes and trades it gets, and which it may trade; no others, so that a slip trades
    nothing else."""
    params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Its parameters, checked by its own model, so that a wrong one stops it before it trades."""
    max_position: int = Field(10, ge=0, le=1_000_000_000)
    """Lots per instrument that it may intend or hold, so that one strategy cannot use up the account's
    limit."""
    max_working: int = Field(50, ge=1, le=10_000)
    """Orders that it may have open, so that one strategy cannot use up the account's limit."""
    order_rate: int | None = Field(None, ge=1, le=1_000)
    """Orders and replaces a second that it may send, and as many at once, so that one strategy does not use
    up `risk.order_rate` for all. What reduces, and cancels, do not count."""
    max_loss: Decimal | None = Field(None, gt=0)
    """Account currency. Its own loss for the day at which it is stopped, so that one strategy does not end
    the day of all."""
    hang_timeout: float = Field(2.0, gt=0, le=600)
    """Seconds in which it must take an event, or answer a heartbeat while it has none; else it is stopped as
    hung, because its orders would be nobody's."""
    heartbeat: float = Field(1.0, ge=0.05, le=60)
    """Seconds without events after which it is asked whether it is there, so that one that hangs or was
    stopped by a signal while the market is quiet is noticed before it is needed."""
    deadlines: dict[Callback, Seconds] = Field(
        default_factory=dict, examples=[{"on_quote": 0.05, "on_bar": 1.0}]
    )
    """Seconds by callback. Longer calls are counted as late, shown and logged, because a strategy that has
    become slow decides on old prices."""
    hard_deadlines: dict[Callback, Seconds] = Field(default_factory=dict, examples=[{"on_quote": 0.5}])
    """Seconds by callback after which the strategy is stopped, with its on_stop for what it leaves. Shorter
    than hang_timeout, which holds for all of them. In a replay at full speed they do not count, because
    there the host's time decides nothing."""
    memory_mb: int = Field(512, ge=64, le=1_000_000)
    """Megabytes of memory that its process may use beyond what Python itself needs, so that a leak takes
    nothing from the engine."""
    cpu_limit: float | None = Field(None, gt=0, le=64, examples=[0.9])
    """Share of one processor (1: all of it) over five seconds at which it is stopped, so that one that spins
    does not slow the others; with cgroup.directory what it has started counts as well. Default: none; what
    it uses is measured and shown, and its priority is low."""
    cpu_seconds: int | None = Field(None, ge=1, le=31_536_000, examples=[3_600])
    """Seconds of processor, beyond what Python itself needs to start, that its process may use in all; then
    the system itself ends it, whatever it does, and it has failed. A hard stop of last resort behind
    cpu_limit, which is measured. Default: none, because one that runs for weeks uses up any number."""
    max_files: int = Field(256, ge=16, le=65_536)
    """Files and sockets that its process may have open, so that a leak of them takes none from the engine."""
    max_tasks: int = Field(64, ge=4, le=100_000)
    """Processes and threads that it may have, itself included, where cgroup.directory is set: without a
    control group nobody counts them. 64, because numerical libraries start some, and a fork bomb starts
    thousands."""
    partial_fill: PartialFillPolicy | None = None
    """Its own policy for the rest of a partly filled order, because strategies differ in what a part is
    worth. Default: orders.partial_fill."""
    remainder_after: float | None = Field(None, ge=0, le=86_400)
    """Seconds; its own orders.remainder_after, because strategies differ in patience."""
    on_lost: Literal["hand_over", "resubmit"] | None = None
    """Its own orders.on_lost, because not every strategy wants what it asked for a while ago."""
    replace: ReplacePolicy | None = None
    """Its own policy for changed orders, because some must never have two in the market. Default:
    orders.replace."""
    on_stop: Literal["cancel", "keep", "flatten"] = "cancel"
    """What happens to its orders (and position, with flatten) when it stops or is stopped. cancel, because
    nobody looks after them any more."""
    restart: Literal["never", "on_failure"] = "never"
    """Whether it is started again after a failure; not after its own max_loss, after a person stopped it, or
    while the account is halted. never, because what failed once is mostly wrong still."""
    restart_delay: float = Field(1.0, gt=0, le=3_600)
    """Seconds before the first restart; each further one within restart_window waits twice as long, a minute
    at the most, so that one that fails at once does not spin."""
    restart_max: int = Field(3, ge=1, le=100)
    """Restarts within the seconds of restart_window; then it stays stopped until a person resumes it, because
    what fails again and again needs one."""
    restart_window: float = Field(600.0, gt=0, le=604_800)
    """Seconds over which restarts are counted, because three failures in a week are not three in a row."""
    bar_seconds: float = Field(0.0, ge=0, le=86_400)
    """Seconds. Span of the bars it gets; 0: none, because bars that nobody reads cost time."""


class CgroupConfig(Section):
    """Control groups (Linux): what a strategy starts is limited with it, and ends with it."""

    directory: str = Field(
        "", pattern=r"^[^\x00]*$", max_length=4096, examples=["/sys/fs/cgroup/trading.slice", "trading"]
    )
    """Version 2: the full path of a control group that is delegated to the user of the engine and has no
    process of its own. Version 1 (RHEL 8 and older): the group's name without a leading slash, as cgcreate
    takes it; in the trees of cpu, memory and pids, wherever they are mounted, there must be one of that name
    that belongs to the user of the engine. Each strategy's process gets a group in it: memory from memory_mb,
    processor a quarter above cpu_limit, processes and threads from max_tasks. Empty: none, because not every
    system has them; the limits of the process itself hold in any case."""
