"""The engine's side of one strategy: its state, what it is told, and what is done with its answers.

Two hosts share this base: `realtime.RealtimeHost` never waits for the process, `lockstep.LockstepHost` waits
for each answer so that a run in virtual time repeats exactly. Both run on the engine's thread, trust nothing
that the process says, and end in the state `failed` with a reason when it breaks, hangs, floods or dies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from engine.config import StrategyConfig
from engine.model import NS, Bar, Instrument, Quote, Trade
from engine.ports import Clock, TimerHandle
from engine.strategy.board import CALLBACKS
from engine.strategy.figures import CallbackTimes, CpuShare
from engine.strategy.mailbox import MAX_OWN, Mailbox, Waiting, batch
from engine.strategy.messages import (
    LETTERS,
    NOTHING,
    AnyAction,
    Batch,
    Done,
    Earlier,
    Failed,
    Intend,
    Log,
    Pause,
    Place,
    PositionSet,
    Ready,
    Reply,
    SetTimer,
    Start,
    Stop,
    StrategyFill,
    StrategyOrder,
    Timer,
    objection,
    saved_objection,
)
from engine.strategy.process import OUT_OF_MEMORY, Process, Spawn, spawn
from engine.strategy.reports import KIND_NAMES, Acted, HostSink, HostStatus, Origin, Rate, State

MAX_RATE: Final = 1_000
"""Actions of one strategy within a second of engine time; more are a flood and the strategy is stopped."""
MAX_SAVES: Final = 10
"""How often in a second of engine time a strategy may save its variables."""
MAX_LOG_RATE: Final = 100
"""Lines of log of one strategy that are kept within a second of engine time."""


class StrategyHost(ABC):
    """One strategy. Market data and reports go in by `quote` … `order`; actions come out by the sink."""

    nice: int = 0
    """Added to the process's niceness."""
    _conflates = False
    """Whether a quote that waits while the strategy is busy may be replaced by a newer one."""
    _enforces = False
    """Whether hard deadlines count: not where the host's time must decide nothing."""

    def __init__(
        self,
        config: StrategyConfig,
        instruments: Mapping[str, Instrument],
        clock: Clock,
        sink: HostSink,
        *,
        seed: int = 0,
        import_paths: Sequence[str] = (),
        start_timeout: float = 30.0,
        spawn: Spawn = spawn,
    ) -> None:
        """`start_timeout`: seconds of host time for import and `on_start`. Raises `ValueError` for a symbol
        without an instrument."""
        missing = [symbol for symbol in config.symbols if symbol not in instruments]
        if missing:
            known = ", ".join(sorted(instruments))
            raise ValueError(
                f"strategies.{config.name}.symbols: {', '.join(missing)} not listed by the feed or the "
                f"broker; listed: {known}"
            )
        self.config = config
        self.name = config.name
        self.state: State = "stopped"
        self.live = False
        """True from `start` until it is stopped or has failed."""
        self.reason = "not started"
        self._symbols = frozenset(config.symbols)
        self._instruments = {symbol: instruments[symbol] for symbol in config.symbols}
        self._clock = clock
        self._out = sink
        self._seed = f"{seed}:{config.name}"
        self._import_paths = tuple(str(Path(path).resolve()) for path in import_paths)
        self._start_timeout = start_timeout
        self._spawn = spawn
        self._process: Process | None = None
        self._mail = Mailbox(self._symbols)
        self._in_flight: tuple[Waiting, ...] = ()
        self._seq = 0
        self._busy = False
        """An answer is outstanding."""
        self._stopping = ""
        """Reason of a stop under way."""
        self._stop_sent = False
        self._quiet = False
        """The stop under way runs no `on_stop`."""
        self._paused = ""
        self._urged = False
        self._timers: dict[str, TimerHandle] = {}
        self._baseline = 0
        self._rss: int | None = None
        self._refused = 0
        """Processes and threads that its control group has refused it, as far as known."""
        self._cpu = CpuShare()
        self._times = CallbackTimes(config.deadlines)
        self._counts = {"batches": 0, "events": 0, "actions": 0, "lines_lost": 0}
        self._rate = Rate(MAX_RATE)
        self._log_rate = Rate(MAX_LOG_RATE)
        self._save_rate = Rate(MAX_SAVES)
        self._lines_over = 0

    # --- life -----------------------------------------------------------------------------------------

    @abstractmethod
    def start(self, earlier: Earlier = NOTHING) -> None:
        """Starts the process."""

    @abstractmethod
    def stop(self, timeout: float, reason: str = "stop") -> None:
        """Lets it take what waits, runs `on_stop`, hands on its last actions and ends the process.

        State `stopped` follows, at the latest after `timeout` seconds of host time, when it is killed.
        """

    def reload(self, ready: Callable[[str], None]) -> None:
        """Loads the strategy's file in a fresh process and tells `ready` what is wrong with it; with nothing
        wrong (an empty text) the next `replace` and `start` go on in that process."""
        ready("in a replay at full speed nothing is reloaded; start the replay again")

    def replace(self) -> None:
        """Ends the process without its `on_stop`, once it has taken what it was sent: state `stopped`."""
        raise NotImplementedError

    def drop_fresh(self) -> None:
        """The process that `reload` has made ready is not wanted after all."""
        return

    @abstractmethod
    async def ended(self) -> None:
        """Returns when nothing of this strategy runs any more."""

    def kill(self, reason: str = "killed") -> None:
        """Ends the process at once; state `stopped`."""
        if self.live:
            self._end("stopped", reason)

    def fail(self, reason: str) -> None:
        """Ends the process at once because it broke a limit of its own; state `failed`."""
        if self.live:
            self._fail(reason)

    def pause(self, reason: str) -> None:
        """Tells the strategy that opening orders are refused. It goes on seeing events and may reduce; the
        refusing is the gate's matter."""
        if not self.live:
            return
        self._paused = reason or "paused"
        self._own(Pause(True, self._paused))
        if self.state != "starting":
            self._enter("paused", self._paused)

    def resume(self) -> None:
        if not self.live or not self._paused:
            return
        self._paused = ""
        self._own(Pause(False))
        if self.state != "starting":
            self._enter("running", "")

    # --- events ---------------------------------------------------------------------------------------

    def quote(self, quote: Quote, arrived: int = 0) -> None:
        """`arrived`: host's performance counter when it reached the engine, ns. Taken at the next `flush`."""
        if self.live and not self._stopping:
            conflate = self._conflates and (self._busy or self.state == "starting")
            self._mail.quote(quote, arrived or self._clock.perf(), conflate)

    def trade(self, trade: Trade, arrived: int = 0) -> None:
        if self.live and not self._stopping:
            self._mail.print(trade, arrived or self._clock.perf())

    def bar(self, bar: Bar, arrived: int = 0) -> None:
        if self.live and not self._stopping:
            self._mail.print(bar, arrived or self._clock.perf())

    def fill(self, fill: StrategyFill) -> None:
        """An execution of its own; delivered soon by itself, as are the following."""
        self._own(fill)

    def order(self, order: StrategyOrder) -> None:
        self._own(order)

    def position(self, symbol: str, lots: int, intended: int | None = None) -> None:
        """Corrects its own position without a fill (bust, correction, adjustment, crossing); `intended`: and
        what it declared that it wants."""
        self._own(PositionSet(symbol, lots, intended))

    @abstractmethod
    def flush(self) -> None:
        """Hands over what waits; to be called when all records of one stamp are in."""

    def status(self) -> HostStatus:
        lag = None
        if self.live:
            oldest = self._in_flight[0].arrived if self._in_flight else self._mail.oldest()
            lag = 0.0 if oldest is None else max(0.0, (self._clock.perf() - oldest) / 1e6)
        return HostStatus(
            name=self.name,
            state=self.state,
            reason=self.reason,
            pid=self._process.pid if self._process else None,
            lag_ms=lag,
            rss_mb=None if self._rss is None else self._rss / (1 << 20),
            cpu=self._cpu.share if self.live else None,
            queue=len(self._in_flight) + len(self._mail) if self.live else 0,
            callbacks=self._times.rows(),
            batches=self._counts["batches"],
            events=self._counts["events"],
            actions=self._counts["actions"],
            conflated=self._mail.conflated,
            dropped=self._mail.dropped,
            lines_lost=self._counts["lines_lost"],
        )

    # --- for the two kinds of host --------------------------------------------------------------------

    @abstractmethod
    def _release(self, process: Process, graceful: bool) -> None:
        """Reaps a process that is not needed any more; `graceful`: leaves it a moment to end by itself."""

    def _begin(self) -> None:
        if self.live:
            raise RuntimeError(f"strategy {self.name} is {self.state} already")
        self._mail = Mailbox(self._symbols)
        self._in_flight = ()
        self._busy = self._stop_sent = False
        self._stopping = self._paused = ""
        self._quiet = False
        self._rss = None
        self._refused = 0
        self._cpu = CpuShare()
        self._times = CallbackTimes(self.config.deadlines)
        self._enter("starting", "")

    def _start_message(self, earlier: Earlier) -> Start:
        config = self.config
        return Start(
            config.module,
            config.name,
            config.params,
            config.symbols,
            self._instruments,
            dict(earlier.positions),
            earlier.orders,
            earlier.next_ref,
            earlier.quotes,
            self._clock.now(),
            self._seed,
            config.memory_mb << 20,
            config.max_files,
            self.nice,
            self._import_paths,
            dict(earlier.intended),
            earlier.saved,
            config.cpu_seconds or 0,
        )

    def _own(self, event: StrategyFill | StrategyOrder | Timer | PositionSet | Pause) -> None:
        if not self.live:
            return
        self._mail.own(event, self._clock.perf())
        if self._mail.full:
            self._fail(f"fell behind: more than {MAX_OWN:,} reports of its own wait, and none may be dropped")
            return
        if not self._urged:
            self._urged = True
            self._clock.call_soon(self._urge)

    def _urge(self) -> None:
        self._urged = False
        self.flush()

    def _next_instruction(self) -> Batch | Stop | None:
        """What to send next, now that no answer is outstanding; None when nothing waits."""
        self._seq += 1
        if self._mail.waiting and not self._quiet:
            self._in_flight = self._mail.take()
            self._counts["batches"] += 1
            self._counts["events"] += len(self._in_flight)
            return batch(self._seq, self._clock.now(), self._in_flight, self._mail.marks())
        self._in_flight = ()
        if self._stopping and not self._stop_sent:
            self._stop_sent = True
            return Stop(self._seq, self._clock.now(), self._stopping, self._quiet)
        return None

    def _answered(self, reply: Reply) -> None:
        """Deals with one message of the process: checks it, then hands its actions on."""
        match reply:
            case Done() if self._busy and reply.seq == self._seq and self.state != "starting":
                self._busy = False
                taken, self._in_flight = self._in_flight, ()
                if not reply.spent or self._timely(self._letters(taken), reply.spent):
                    self._act(reply, taken)
                if self._stop_sent and self.live:
                    self._end("stopped", self._stopping, graceful=True)
            case Failed():
                self._lines(reply.logs, reply.dropped)
                self._fail(reply.reason, reply.trace)
            case Ready() if self.state == "starting":
                self._busy = False
                self._baseline = min(reply.baseline, 256 << 20)
                self._mail.want(reply.wants)
                self._enter("paused" if self._paused else "running", self._paused)
                if self._timely("s", reply.spent):
                    self._act(reply, ())
            case _:
                self._fail(f"broke the protocol: {type(reply).__name__} out of turn")

    def _letters(self, taken: tuple[Waiting, ...]) -> str:
        """What was called back for these events, or for the stop, by letters."""
        if self._stop_sent and not self._quiet:
            return "e"
        return "".join([LETTERS[type(item.event)] for item in taken])

    def _timely(self, kinds: str, spent: Sequence[int]) -> bool:
        """Takes down how long each callback took; False where one has broken its hard deadline."""
        for letter, took in zip(kinds, spent, strict=False):
            callback = CALLBACKS.get(letter)
            if callback is None:
                continue
            said = self._times.take(callback, took)
            if said:
                self._out.on_log(self.name, "info", said, {})
            hard = self.config.hard_deadlines.get(callback) if self._enforces else None  # type: ignore[call-overload]
            if hard is not None and took > hard * NS:
                self._fail(f"{callback} took {took / 1e6:,.0f} ms; its hard deadline is {hard * 1e3:,g} ms")
                return False
        return True

    def _act(self, reply: Ready | Done, taken: tuple[Waiting, ...]) -> None:
        if reply.logs or reply.dropped:
            self._lines(reply.logs, reply.dropped)
        if reply.saved is not None:
            wrong = saved_objection(reply.saved)
            if wrong or not self._save_rate.take(self._clock.mono(), 1):
                self._fail(f"broke the protocol: {wrong or 'it saves too often'}")
                return
            self._out.on_saved(self.name, reply.saved)
        if not reply.actions or not self.live:
            return
        for action in reply.actions:
            wrong = objection(action, len(taken), self._symbols, self._instruments)
            if wrong:
                self._fail(f"broke the protocol: {wrong}")
                return
        if not self._rate.take(self._clock.mono(), len(reply.actions)):
            self._fail(f"flood: more than {MAX_RATE:,} actions within one second")
            return
        self._counts["actions"] += len(reply.actions)
        acted: list[Acted] = []
        for action in reply.actions:
            if isinstance(action, SetTimer):
                self._set_timer(action)
            else:
                acted.append(Acted(action, self._origin(action, taken)))
        if acted:
            self._out.on_actions(self.name, acted)

    def _origin(self, action: AnyAction, taken: tuple[Waiting, ...]) -> Origin:
        symbol = action.symbol if isinstance(action, Intend | Place) else ""
        if not 0 <= action.cause < len(taken):
            return Origin("stop" if self._stop_sent else "start", symbol, 0, 0, action.bid, action.ask)
        event, arrived = taken[action.cause].event, taken[action.cause].arrived
        stamp = getattr(event, "ts", 0) or (event.start + event.span if isinstance(event, Bar) else 0)
        symbol = getattr(event, "symbol", symbol)
        return Origin(KIND_NAMES[type(event)], symbol, stamp, arrived, action.bid, action.ask)

    def _set_timer(self, action: SetTimer) -> None:
        old = self._timers.pop(action.name, None)
        if old is not None:
            old.cancel()
        if action.delay is not None:
            self._timers[action.name] = self._clock.call_later(action.delay, self._timer, action.name)

    def _timer(self, name: str) -> None:
        del self._timers[name]
        self._own(Timer(name))

    def _lines(self, logs: Sequence[Log], lost: int) -> None:
        """Hands lines of log on, at most `MAX_LOG_RATE` a second; what is lost is told with the next."""
        for line in logs:
            if not self._log_rate.take(self._clock.mono(), 1):
                lost += 1
                continue
            if self._lines_over:
                self._out.on_log(self.name, "info", f"{self._lines_over:,} lines of log were lost", {})
                self._lines_over = 0
            self._out.on_log(self.name, line.level, line.text, line.fields)
        self._lines_over += lost
        self._counts["lines_lost"] += lost

    def _over_memory(self) -> bool:
        """Second guard behind the process's own limit: fails the strategy when it holds too much memory."""
        if self._process is None:
            return False
        if self._process.out_of_memory():
            self._fail(OUT_OF_MEMORY)  # the kernel may have killed only something that it started
            return True
        refused = self._process.tasks_refused()
        if refused and not self._refused:
            self._out.on_log(self.name, "error", self._refusals(refused), {})
        self._refused = refused
        self._rss = self._process.rss()
        limit = self.config.memory_mb << 20
        if self._rss is None or not self._baseline or self._rss <= self._baseline + limit:
            return False
        used = (self._rss - self._baseline) >> 20
        self._fail(f"memory limit {self.config.memory_mb} MB: {used} MB in use")
        return True

    def _refusals(self, count: int) -> str:
        limit = f"max_tasks ({self.config.max_tasks:,})"
        return f"{count:,} times a process or thread beyond {limit} was refused it by its control group"

    def _fail(self, reason: str, trace: str = "") -> None:
        if not self.live:
            return
        words = trace or (self._process.last_words() if self._process else "")
        if self._process and (refused := self._process.tasks_refused()):
            reason += f"; {self._refusals(refused)}"
        self._end("failed", reason)
        if words:
            self._out.on_log(self.name, "error", words, {"reason": reason})

    def _end(self, state: Literal["stopped", "failed"], reason: str, graceful: bool = False) -> None:
        process, self._process = self._process, None
        self._busy = False
        self._in_flight = ()
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()
        if process is not None:
            self._release(process, graceful)
        self._enter(state, reason)

    def _enter(self, state: State, reason: str) -> None:
        self.state = state
        self.live = state in ("starting", "running", "paused")
        self.reason = reason
        self._out.on_state(self.name, state, reason)
