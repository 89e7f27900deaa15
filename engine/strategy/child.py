"""The process in which one strategy runs: `python -m engine.strategy.child SOCKET LIFELINE BOARD`.

It owns nothing that the engine needs. It ends when the engine ends: the kernel kills it as soon as the other
end of its lifeline is closed, however busy it is. Its memory is limited, what it prints goes to the log, and
an exception of the strategy becomes its last message.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import gc
import math
import os
import random
import resource
import select
import signal
import socket
import sys
import time
from typing import Final

from engine.strategy.board import STACK_SIGNAL, Board, Stopwatch
from engine.strategy.messages import (
    Batch,
    Check,
    Instruction,
    Message,
    Splitter,
    Start,
    Stop,
    frame,
    read_instruction,
)
from engine.strategy.runtime import Printed, Runtime

_F_SETSIG: Final = 10
"""fcntl(2), Linux: the signal that is sent for O_ASYNC instead of SIGIO."""
_RESERVE: Final = 32 << 20
"""Bytes above the memory limit in which a failure can still be told."""
_CPU_GRACE: Final = 2
"""Seconds of processor after SIGXCPU at which a process that has caught that signal is killed."""
_MAX_INSTRUCTION: Final = 64 << 20
_READ: Final = 1 << 18


def main(socket_fd: int, lifeline: int, page: int) -> None:
    """Runs one strategy over the socket until it is told to stop or fails."""
    _own_signals()
    _die_with(lifeline)
    board = Board(page)
    os.close(page)
    # Asked by the engine before it gives one up: where it hangs, told from C, whatever holds the interpreter.
    faulthandler.register(STACK_SIGNAL, file=2, all_threads=True)
    link = socket.socket(fileno=socket_fd)
    frames = Splitter(_MAX_INSTRUCTION)
    waiting: list[bytes] = []

    def receive() -> Instruction:
        while not waiting:
            data = link.recv(_READ)
            if not data:
                os._exit(0)
            waiting.extend(frames.feed(data))
        return read_instruction(waiting.pop(0))

    def send(message: Message) -> None:
        link.sendall(frame(message))

    first = receive()
    start = first.start if isinstance(first, Check) else first
    assert isinstance(start, Start), "the first message is Start or Check"
    if start.nice:
        os.nice(start.nice)
    sys.path[0:0] = start.import_paths
    # Compiled files go by the second and the size of their source: a quick edit would be passed over.
    sys.dont_write_bytecode = True
    watch = Stopwatch(board, time.monotonic_ns)
    runtime = Runtime(start, watch)
    sys.stdout = sys.stderr = Printed(lambda line: runtime.session.output(line))
    random.seed(start.seed)  # for authors who use the module's functions: a run must repeat
    resident, data = _usage()
    _limit_memory(data + start.memory)
    _limit_files(start.files)
    _limit_processor(start.cpu)
    try:
        if isinstance(first, Check):
            send(runtime.check())
            then = receive()
            assert isinstance(then, Start), "Start follows Check"
            start = then
            runtime = Runtime(start, watch)
            random.seed(start.seed)
        send(runtime.start(resident))
        gc.collect()
        gc.freeze()
        while True:
            match receive():
                case Batch() as batch:
                    send(runtime.take(batch))
                case Stop() as stop:
                    send(runtime.stop(stop))
                    return
                case other:
                    raise AssertionError(f"{type(other).__name__} out of turn")
    except BaseException as error:  # noqa: BLE001 - whatever the strategy raised, sys.exit included, is reported
        _use_reserve()
        send(runtime.failure(error, start.memory >> 20))
        # Not sys.exit: code registered by the strategy must not run, or hang, any more.
        os._exit(1)


def _own_signals() -> None:
    """Takes nothing over from the parent's signal set-up; the keyboard's interrupt is the parent's matter."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGIO, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _die_with(lifeline: int) -> None:
    """Has the kernel kill this process when the last writer of the pipe `lifeline` is gone.

    Signal-driven I/O works whatever the interpreter is doing, and unlike PR_SET_PDEATHSIG it does not depend
    on the thread of the parent that happened to start us. The default action of SIGIO ends the process; on
    Linux SIGKILL is asked for instead.
    """
    if sys.platform == "linux":
        fcntl.fcntl(lifeline, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
    if select.select([lifeline], [], [], 0)[0]:
        os._exit(0)  # the parent went before the signal was armed


def _usage() -> tuple[int, int]:
    """Bytes of resident memory and of private data (what RLIMIT_DATA counts); 0 where it cannot be read."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - a pseudo file
            fields = statm.read().split()
    except OSError:
        return 0, 0
    page = resource.getpagesize()
    return int(fields[1]) * page, int(fields[5]) * page


def _limit_memory(limit: int) -> None:
    """RLIMIT_DATA counts heap and private mappings, not the address space of libraries that are mapped.

    A system that knows no such limit leaves it to the watch that the engine keeps on resident memory.
    """
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit + _RESERVE))


def _limit_files(limit: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY or hard > limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def _limit_processor(seconds: int) -> None:
    """RLIMIT_CPU: SIGXCPU once this process has used `seconds` more than so far, SIGKILL soon after.

    The signal's own action ends the process, so that no code in C and no `except` of the strategy holds it
    up; before that the stacks of its threads are written from C, as when it hangs.
    """
    if not seconds:
        return
    faulthandler.register(signal.SIGXCPU, file=2, all_threads=True, chain=True)
    # What such a process held is of no use to anybody: no core file of it.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    soft = math.ceil(time.process_time()) + seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or hard > soft + _CPU_GRACE:
        hard = soft + _CPU_GRACE
    resource.setrlimit(resource.RLIMIT_CPU, (min(soft, hard), hard))


def _use_reserve() -> None:
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
