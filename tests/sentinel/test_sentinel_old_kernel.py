"""A kernel without handles on processes (before Linux 5.3): nothing is ended, and that is said as it is."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.paths import journal_path
from app.sentinel.engineprocess import WatchedEngine
from engine.pidfd import hold
from tests.sentinel.posts import told_of_a_squatter

ROOT = Path(__file__).parents[2]
HOLDS = """
import sys
from pathlib import Path
from engine.journal.files import InstanceLock
lock = InstanceLock.exclusive(Path(sys.argv[1]))
print("has it", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["a system call that is not there", "a Python that was built without it"])
def old(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "Python" in request.param:
        monkeypatch.delattr(os, "pidfd_open")
        return

    def absent(pid: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", absent)


def unheld(pid: int) -> str:
    return (
        f"process {pid} cannot be ended from here, because the kernel is older than Linux 5.3; end it by "
        f"hand: kill {pid}"
    )


def engine_of(state: Path) -> subprocess.Popen[bytes]:
    """A process that has the engine's journal."""
    state.mkdir()
    command = [sys.executable, "-c", HOLDS, str(journal_path(state))]
    engine = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert engine.stdout is not None and engine.stdout.readline() == b"has it\n"
    return engine


def test_the_engine_lives_and_is_not_said_to_be_dead(tmp_path: Path, old: None) -> None:
    with engine_of(tmp_path / "state") as engine:
        ended = WatchedEngine(tmp_path / "state", lambda *_, **__: None).end()
        assert (ended.gone, ended.text) == (False, unheld(engine.pid))
        assert engine.poll() is None
        engine.kill()


def test_with_a_handle_it_is_ended(tmp_path: Path) -> None:
    with engine_of(tmp_path / "state") as engine:
        WatchedEngine(tmp_path / "state", lambda *_, **__: None).end()
        assert engine.wait(10) == -9


def test_a_sentinel_that_answers_is_not_said_to_have_ended(tmp_path: Path, old: None) -> None:
    state = tmp_path / "state"
    state.mkdir()
    assert asyncio.run(told_of_a_squatter(state)) == unheld(os.getpid())


def test_a_process_that_is_gone_is_told_from_a_kernel_that_is_old() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with pytest.raises(ProcessLookupError):
        hold(gone.pid)
