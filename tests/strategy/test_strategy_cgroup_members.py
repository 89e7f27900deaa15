"""Who is killed when a group ends: its processes, and nobody who has got the number of one since."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from strategy_kit import alive

from engine.pidfd import handle
from engine.strategy.cgroups import members


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


@pytest.fixture
def group(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.procs").write_text("")
    return tmp_path


@pytest.mark.parametrize("pidfd", [True, False])
def test_a_member_is_killed(
    group: Path, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, pidfd: bool
) -> None:
    if not pidfd:
        monkeypatch.setattr(members, "handle", lambda pid: None)
    (group / "cgroup.procs").write_text(f"0\n1\n{os.getpid()}\n{sleeper.pid}\n")
    members.kill([group, group / "gone"])
    assert sleeper.wait(10) == -9, "and neither ourselves nor who stands for others"


@pytest.mark.parametrize("pidfd", [True, False])
def test_a_number_that_has_gone_over_to_another_is_not(
    group: Path, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, pidfd: bool
) -> None:
    """The member has ended after it was listed; by now the number is a stranger's."""

    def meanwhile(pid: int) -> int | None:
        (group / "cgroup.procs").write_text("")
        return handle(pid) if pidfd else None

    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(members, "handle", meanwhile)
    monkeypatch.setattr("engine.strategy.cgroups.members.os.kill", lambda *to: sent.append(to))
    monkeypatch.setattr(
        "engine.strategy.cgroups.members.signal.pidfd_send_signal", lambda *to: sent.append(to)
    )
    (group / "cgroup.procs").write_text(f"{sleeper.pid}\n")
    members.kill([group])
    assert not sent


def test_the_end_of_a_member_is_waited_for_and_no_longer(
    group: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    (group / "cgroup.procs").write_text(f"{sleeper.pid}\n")
    members.kill([group])
    members.wait([group], 60_000)
    assert not alive(sleeper.pid)


def test_a_process_that_is_gone_has_no_handle(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait()
    assert handle(sleeper.pid) is None
