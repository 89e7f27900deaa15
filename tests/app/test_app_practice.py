"""The gateway beside a run: whose it is to end, after a kill and with a stranger on the port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from app.practice import LoopbackGateway, listens
from engine.feeds.errors import FeedError

pytestmark = pytest.mark.slow


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def orphan(tmp_path: Path, port: int) -> Iterator[int]:
    """A gateway whose run was killed: its number. It is ended in any case."""
    source = (
        "import os, pathlib, signal; from decimal import Decimal; "
        "from app.practice import LoopbackGateway as G; "
        f"g = G(pathlib.Path({str(tmp_path)!r}), {port}, Decimal(1000000), 1, 'DU1234567', ['ES']); "
        "print(g._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    number = int(done.stdout)
    yield number
    if lives(number):
        os.kill(number, signal.SIGKILL)


def lives(process: int) -> bool:
    """Whether a process that is no child of ours is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def gateway(state: Path, port: int) -> LoopbackGateway:
    return LoopbackGateway(state, port, Decimal(1_000_000), 1, "DU1234567", ["ES"])


def test_the_next_run_ends_what_a_killed_one_left(tmp_path: Path, port: int, orphan: int) -> None:
    assert listens(port), "it outlives its run, as a broker does"
    found = gateway(tmp_path, port)
    assert not found.started
    found.take_over()
    found.close()
    assert not listens(port)
    again = gateway(tmp_path, port)
    assert again.started
    again.close()
    assert not listens(port)


def test_a_run_that_never_held_the_journal_ends_nothing(tmp_path: Path, port: int, orphan: int) -> None:
    gateway(tmp_path, port).close()
    assert listens(port), "another run of this state may live and trade at it"


def test_a_gateway_of_another_state_is_not_ours_to_end(tmp_path: Path, port: int, orphan: int) -> None:
    found = gateway(tmp_path / "other", port)
    found.take_over()
    found.close()
    assert listens(port)


def test_one_that_is_left_at_another_port_is_named(tmp_path: Path, orphan: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        other = free.getsockname()[1]
    with pytest.raises(FeedError, match=f"kill {orphan}"):
        gateway(tmp_path, other)


def test_one_that_will_not_end_is_killed(
    tmp_path: Path, port: int, orphan: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.practice.END_WITHIN", 0.2)
    os.kill(orphan, signal.SIGSTOP)  # a stopped process does not act on SIGTERM
    found = gateway(tmp_path, port)  # the kernel still answers on its port
    found.take_over()
    found.close()
    assert not listens(port)
