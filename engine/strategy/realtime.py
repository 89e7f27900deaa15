"""A strategy in real time: the engine's loop never waits for the process, whatever the process does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Literal

from engine.model import NS
from engine.strategy.board import Running
from engine.strategy.candidate import Unfit, examine
from engine.strategy.figures import CPU_WINDOW
from engine.strategy.host import StrategyHost
from engine.strategy.mailbox import batch
from engine.strategy.messages import (
    MAX_FRAME,
    NOTHING,
    Done,
    Earlier,
    Malformed,
    Message,
    Splitter,
    frame,
    read_reply,
)
from engine.strategy.process import Process

_READ: Final = 1 << 18
_REAP: Final = 0.02
"""Seconds between two looks whether a process has ended."""
_ASK_STACK: Final = 0.7
"""Share of a time-out after which a strategy that has not answered is asked for its stack."""
_LOOK: Final = 1.0
"""Seconds between two looks at memory and stderr."""


class RealtimeHost(StrategyHost):
    """Runs on the engine's asyncio loop. One batch is out at a time; what comes meanwhile waits, bounded.

    Time-outs are in seconds of the host: a strategy that hangs, hangs in real time, whatever the speed of a
    replay.
    """

    nice = 5
    _conflates = True
    _enforces = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._frames = Splitter(MAX_FRAME)
        self._unsent = b""
        self._sent_at = 0.0
        self._looked_at = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._starts = 0
        self._stack_asked = -1
        self._fresh: Process | None = None
        """A process that has loaded the strategy's file anew and waits for its start."""
        self._loading: asyncio.Task[None] | None = None
        self._exam: asyncio.Task[Done] | None = None
        self._idle: asyncio.Event = asyncio.Event()
        self._unreaped = 0
        self._idle.set()

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def ended(self) -> None:
        """Returns when no process of this strategy is left, ended or killed and reaped."""
        await self._idle.wait()

    def start(self, earlier: Earlier = NOTHING) -> None:
        self._begin()
        self._frames = Splitter(MAX_FRAME)
        self._unsent = b""
        self._starts += 1
        fresh, self._fresh = self._fresh, None
        if fresh is not None:
            self._run_in(fresh, self._start_message(earlier))
            return
        self._hold()
        # Starting a process takes milliseconds that the engine's loop does not have.
        spawning = self._loop.run_in_executor(None, self._spawn, self._import_paths)
        message = self._start_message(earlier)
        start = self._starts
        spawning.add_done_callback(lambda done: self._spawned(done, start, message))

    def _spawned(self, done: asyncio.Future[Process], start: int, message: Message) -> None:
        if done.cancelled() or done.exception() is not None:
            self._let_go()
            if start == self._starts:
                self._fail(
                    f"cannot start its process: {done.exception() if not done.cancelled() else 'stopped'}"
                )
            return
        process = done.result()
        if start != self._starts or self.state != "starting":
            self._reap(process, kill=True)
            return
        self._run_in(process, message)

    def _run_in(self, process: Process, message: Message) -> None:
        self._process = process
        process.link.setblocking(False)
        self._loop.add_reader(process.link, self._readable, process)
        self._tick()
        self._send(message)

    def reload(self, ready: Callable[[str], None]) -> None:
        if self._loading is not None:
            ready("its file is being loaded already")
            return
        self._loading = self._loop.create_task(self._load(ready), name=f"load {self.name}")

    async def _load(self, ready: Callable[[str], None]) -> None:
        self._hold()
        try:
            process = await self._loop.run_in_executor(None, self._spawn, self._import_paths)
        except OSError as error:
            self._loading = None
            self._let_go()
            ready(f"cannot start its process: {error}")
            return
        problem = ""
        start = self._start_message(NOTHING)
        self._exam = self._loop.create_task(examine(process, start, self._start_timeout))
        try:
            checked = await self._exam
            self._lines(checked.logs, checked.dropped)
        except Unfit as error:
            problem = str(error)
        except asyncio.CancelledError:
            problem = "it has ended meanwhile"
        self._loading = self._exam = None
        if self.state not in ("running", "paused") or self._stopping:
            problem = problem or f"it is {self.state}"
        if problem:
            self._reap(process, kill=True)
        else:
            self._fresh = process
        ready(problem)

    def drop_fresh(self) -> None:
        fresh, self._fresh = self._fresh, None
        if fresh is not None:
            self._reap(fresh, kill=True)

    def _end(self, state: Literal["stopped", "failed"], reason: str, graceful: bool = False) -> None:
        if self._exam is not None:
            self._exam.cancel()
        if state == "failed":
            self.drop_fresh()
        super()._end(state, reason, graceful)

    def replace(self) -> None:
        self._quiet = True
        self.stop(self.config.hang_timeout, "its file is loaded again")

    def flush(self) -> None:
        if self._busy or self._process is None or self.state == "starting":
            return
        instruction = self._next_instruction()
        if instruction is not None:
            self._send(instruction)

    def stop(self, timeout: float, reason: str = "stop") -> None:
        if not self.live or self._stopping:
            return
        self._stopping = reason
        if self.state == "starting":
            self._end("stopped", reason)
            return
        self._deadline = self._loop.call_later(
            timeout, lambda: self.kill(f"{reason}; did not end within {timeout:g} s and was killed")
        )
        self.flush()

    # --- the socket -----------------------------------------------------------------------------------

    def _send(self, message: Message) -> None:
        self._busy = True
        self._sent_at = self._loop.time()
        self._unsent = frame(message)
        self._write()

    def _write(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            sent = process.link.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the reader sees the end of the connection and says what it died of
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._loop.add_writer(process.link, self._write)
        else:
            self._loop.remove_writer(process.link)

    def _readable(self, process: Process) -> None:
        if process is not self._process:
            return
        try:
            data = process.link.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(process.link)
            self._hung_up(process, 50)
            return
        try:
            for body in self._frames.feed(data):
                if process is self._process:
                    self._answered(read_reply(body))
        except Malformed as error:
            self._fail(f"broke the protocol: {error}")
        self.flush()

    def _hung_up(self, process: Process, looks: int) -> None:
        """The connection ended without a last message: waits a moment for the exit code, to name it."""
        if process is not self._process:
            return
        if process.poll() is None and looks > 0:
            self._loop.call_later(_REAP, self._hung_up, process, looks - 1)
            return
        self._fail(process.death(self.config.cpu_seconds))

    # --- the watch ------------------------------------------------------------------------------------

    def _tick(self, due: float = 0.0) -> None:
        process = self._process
        if process is None:
            return
        now = self._loop.time()
        period = self._period
        if due and now - due > period:
            # The engine's loop was held up itself: what the strategy answered may lie unread.
            self._sent_at = max(self._sent_at, now - period)
        if self._busy and process.poll() is not None:
            # It has ended, but something that it started holds the line open: no end of file will come.
            self._readable(process)
            if self._process is process:
                self._hung_up(process, 0)
            return
        if self._overdue(process, now):
            self._readable(process)
            if self._process is process and (reason := self._overdue(process, now)):
                self._fail(reason)
                return
        if now - self._looked_at >= _LOOK:
            self._looked_at = now
            if self._over_limits(process, now):
                return
        if not self._busy and self.state != "starting" and now - self._sent_at >= self.config.heartbeat:
            # Nothing happens in its markets: asks whether it is there.
            self._seq += 1
            self._send(batch(self._seq, self._clock.now(), (), self._mail.marks()))
        self._watch = self._loop.call_later(period, self._tick, now + period)

    @property
    def _period(self) -> float:
        """Seconds between two looks, so that the shortest time-out is overrun by a quarter at the most."""
        config = self.config
        shortest = min((config.hang_timeout, config.heartbeat, *config.hard_deadlines.values()))
        return min(0.25, max(0.005, shortest / 4))

    def _overdue(self, process: Process, now: float) -> str:
        """Why it must be stopped for what it has not done in time; empty where it need not."""
        if not self._busy:
            return ""
        waited = now - self._sent_at
        if self.state == "starting":
            timeout = self._start_timeout
            return f"did not get ready within {timeout:g} s" if waited > timeout else ""
        running = process.board.running()
        hard = None if running is None else self.config.hard_deadlines.get(running.callback)  # type: ignore[call-overload]
        if running is not None and hard is not None:
            taken = now - running.since / NS
            self._ask_stack(process, taken / hard)
            if taken > hard:
                return f"{running.callback} did not return within {hard * 1e3:,g} ms, its hard deadline"
        timeout = self.config.hang_timeout
        self._ask_stack(process, waited / timeout)
        if waited <= timeout:
            return ""
        what = "event" if self._in_flight or self._stop_sent else "heartbeat"
        return f"hung: took no {what} for {timeout:.1f} s ({self._whereabouts(process, running, now)})"

    def _ask_stack(self, process: Process, share: float) -> None:
        """Asks it where it is when `share` of its time is used up, once for each answer that is late: what
        it says is told when it is stopped, and thrown away when it answers."""
        if share > _ASK_STACK and self._stack_asked != self._seq:
            self._stack_asked = self._seq
            process.ask_stack()

    @staticmethod
    def _whereabouts(process: Process, running: Running | None, now: float) -> str:
        use = process.use()
        if use is not None and use.state in "Tt":
            return "its process was stopped by a signal"
        if running is not None:
            return f"in {running.callback} for {now - running.since / NS:.1f} s"
        return "between two callbacks"

    def _over_limits(self, process: Process, now: float) -> bool:
        """Looks at what its process uses, and stops it where that is too much."""
        process.drain_errors()
        use = process.use()
        if use is not None:
            self._cpu.look(now, process.processor(use.cpu))
        limit, share = self.config.cpu_limit, self._cpu.share
        if limit is not None and share is not None and share > limit and self._cpu.whole:
            self._fail(f"processor limit {limit:g}: used {share:.2f} of one over {CPU_WINDOW:g} s")
            return True
        return self._over_memory()

    # --- the end --------------------------------------------------------------------------------------

    def _release(self, process: Process, graceful: bool) -> None:
        for handle in (self._watch, self._deadline):
            if handle is not None:
                handle.cancel()
        self._watch = self._deadline = None
        self._loop.remove_reader(process.link)
        self._loop.remove_writer(process.link)
        self._reap(process, kill=not graceful)

    def _reap(self, process: Process, kill: bool, looks: int = 100) -> None:
        """Waits, without waiting, until the process has ended; kills it at once or after two seconds."""
        if kill or looks == 0:
            process.kill()
        if process.poll() is None:
            self._loop.call_later(_REAP, self._reap, process, False, looks - 1)
            return
        process.close()
        if process.group is None:
            self._let_go()
            return
        removing = self._loop.run_in_executor(None, process.group.remove)
        removing.add_done_callback(self._removed)

    def _removed(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            self._out.on_log(self.name, "error", f"its control group stays: {error}", {})
        self._let_go()

    def _hold(self) -> None:
        self._unreaped += 1
        self._idle.clear()

    def _let_go(self) -> None:
        self._unreaped -= 1
        if self._unreaped == 0:
            self._idle.set()
