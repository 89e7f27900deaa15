"""Hands a page to the user's program: no shell, no secrets in its environment, a time-out, bounded output."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from app.paging.pages import Page

_KEPT: Final = 300
"""Bytes of what the program complains about that are kept; the rest is read and forgotten."""


def missing(command: Sequence[str], env: Mapping[str, str]) -> str:
    """Why the program cannot be started; empty where it can."""
    if shutil.which(command[0], path=env.get("PATH", os.defpath)) is None:
        return f"{command[0]} is no program that can be started (alerts.command)"
    return ""


def deliver(command: Sequence[str], page: Page, within: float) -> str:
    """Runs the program with the page on its standard input. Returns what was wrong; empty: delivered.

    Blocks for `within` seconds at most; the program and what it started in its process group are ended then.
    Its environment has none of the program's own variables, because those may hold secrets.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("BREAKWATER_")}
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=env,
        )
    except (OSError, ValueError) as error:
        return f"{command[0]} cannot be started: {getattr(error, 'strerror', None) or error}"
    try:
        return _hand_over(child, msgspec.json.encode(page) + b"\n", time.monotonic() + within, within)
    finally:
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        for pipe in (child.stdin, child.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):  # it never read what was left in the buffer
                    pipe.close()
        child.wait()


def _hand_over(child: subprocess.Popen[bytes], data: bytes, end: float, within: float) -> str:
    """Writes and reads as the program lets us, until it has ended."""
    assert child.stdin is not None
    assert child.stderr is not None
    said = b""
    with selectors.DefaultSelector() as waiting:
        for pipe in (child.stdin, child.stderr):
            os.set_blocking(pipe.fileno(), False)
        waiting.register(child.stdin, selectors.EVENT_WRITE)
        waiting.register(child.stderr, selectors.EVENT_READ)
        while waiting.get_map():
            left = end - time.monotonic()
            if left <= 0:
                return _late(within, said)
            for key, _ in waiting.select(left):
                if key.fileobj is child.stdin:
                    try:
                        data = data[os.write(child.stdin.fileno(), data) :]
                    except BlockingIOError:
                        continue
                    except BrokenPipeError:
                        data = b""  # it does not want to know; its exit code says whether that was meant
                    if not data:
                        waiting.unregister(child.stdin)
                        with contextlib.suppress(BrokenPipeError):
                            child.stdin.close()
                else:
                    try:
                        piece = os.read(child.stderr.fileno(), 65536)
                    except BlockingIOError:
                        continue
                    said = (said + piece)[:_KEPT]
                    if not piece:
                        waiting.unregister(child.stderr)
    try:
        code = child.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        return _late(within, said)
    if code == 0:
        return ""
    how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
    return f"the program {how}{_complaint(said)}"


def _late(within: float, said: bytes) -> str:
    return f"the program took more than {within:g} s (alerts.within){_complaint(said)}"


def _complaint(said: bytes) -> str:
    text = " ".join(said.decode("utf-8", "replace").split())
    return f": {text}" if text else ""
