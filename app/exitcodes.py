"""How `breakwater` ends, as numbers that scripts and service managers can act on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of `desk`, `headless` and everything but `ctl`."""

    CLEAN = 0
    INTERNAL = 1
    USAGE = 2
    HALTED = 3
    BAD_CONFIG = 4
    STORE_REFUSED = 5
    ALREADY_RUNNING = 6
    FEED_ERROR = 7
    NOT_FLAT = 8
    LIVE_REFUSED = 9
    GATE_CLOSED = 10


class CtlExit(IntEnum):
    """Exit codes of `breakwater ctl`."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    BAD_CONFIG = 4
    UNSURE = 5
    NOT_FLAT = 8


class AttachExit(IntEnum):
    """Exit codes of `breakwater attach`; the engine goes on in every case but a stop that was asked for."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    UNREACHABLE = 3
    BAD_CONFIG = 4
    REFUSED = 5


MEANING: dict[ExitCode, str] = {
    ExitCode.CLEAN: "clean",
    ExitCode.INTERNAL: "internal error; doctor: a check failed; journal verify: damaged",
    ExitCode.USAGE: "the command line was not understood",
    ExitCode.HALTED: "halted at the end: a limit or a person stopped trading, or the engine a strategy",
    ExitCode.BAD_CONFIG: "bad configuration; nothing was started",
    ExitCode.STORE_REFUSED: "the journal, or a drill's result, cannot be opened or written",
    ExitCode.ALREADY_RUNNING: "an engine already runs with this state directory",
    ExitCode.FEED_ERROR: "the market data cannot be read",
    ExitCode.NOT_FLAT: "not flat, or not reconciled, at the end of the feed or of --for; drill: at its begin",
    ExitCode.LIVE_REFUSED: "live trading was not confirmed",
    ExitCode.GATE_CLOSED: "the stage may not be started yet",
}

CTL_MEANING: dict[CtlExit, str] = {
    CtlExit.OK: "done",
    CtlExit.REFUSED: "the engine refused",
    CtlExit.USAGE: "the command line was not understood",
    CtlExit.UNREACHABLE: "no engine answers; the message says what to do",
    CtlExit.BAD_CONFIG: "bad configuration: the state directory cannot be told; name --state-dir",
    CtlExit.UNSURE: "sent, and how it ended is not known: look before asking again",
    CtlExit.NOT_FLAT: "kill or flatten ended, or still runs, with positions or orders left",
}


ATTACH_MEANING: dict[AttachExit, str] = {
    AttachExit.OK: "the screen ended",
    AttachExit.INTERNAL: "the screen failed twice; its reports are in the state directory",
    AttachExit.USAGE: "the command line was not understood, or there is no terminal",
    AttachExit.UNREACHABLE: "no engine answers; the message says what to do",
    AttachExit.BAD_CONFIG: "bad configuration: the state directory cannot be told; name --state-dir",
    AttachExit.REFUSED: "the engine was to be stopped, and refused",
}


def table(meaning: Mapping[ExitCode, str] | Mapping[CtlExit, str] | Mapping[AttachExit, str]) -> str:
    """All codes, one a line, for help texts."""
    return "exit codes:\n" + "\n".join(f"  {code.value}  {text}" for code, text in meaning.items())
