"""Control groups of version 2 in a stand-in for the kernel's tree: plain files, kept as it keeps them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from strategy_kit import (
    INSTRUMENTS,
    HandClock,
    LoopClock,
    Remembers,
    alive,
    config,
    quote,
    wait_until,
    write_strategy,
)

from app.confine import host_factory, try_out, unconfined
from app.settings import Settings
from engine.config_strategy import CgroupConfig
from engine.strategy.cgroups.base import Limits, Tree, Unconfined
from engine.strategy.cgroups.version2 import GroupsV2
from engine.strategy.confined import hosts
from engine.strategy.host import StrategyHost

FILES = {
    "cgroup.procs": "",
    "cgroup.kill": "",
    "cgroup.events": "populated 0\nfrozen 0\n",
    "memory.max": "max",
    "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n",
    "memory.swap.max": "max",
    "memory.oom.group": "0",
    "pids.max": "max",
    "cpu.max": "max 100000",
    "cpu.stat": "usage_usec 0\nuser_usec 0\nsystem_usec 0\n",
}


class StandIn(Tree):
    """What the kernel does in a tree of control groups. `lacks`: files that this one does not have."""

    lacks: tuple[str, ...] = ()

    def make(self, path: Path) -> None:
        super().make(path)
        for name, text in FILES.items():
            if name not in self.lacks:
                (path / name).write_text(text)

    def remove(self, path: Path) -> None:
        members = [int(pid) for pid in (path / "cgroup.procs").read_text().split()]
        killed = "cgroup.kill" not in self.lacks and (path / "cgroup.kill").read_text() == "1"
        for pid in filter(alive, members):
            if killed:
                os.kill(pid, signal.SIGKILL)
            raise OSError(errno.EBUSY, "Device or resource busy")
        shutil.rmtree(path)


@pytest.fixture
def delegated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory as a service manager delegates it, in a kernel of our own."""
    monkeypatch.setattr("engine.strategy.cgroups.base.Tree", StandIn)
    path = tmp_path / "delegated"
    path.mkdir()
    (path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (path / "cgroup.subtree_control").write_text("")
    mounted = tmp_path / "mountinfo"
    mounted.write_text(f"30 1 0:26 / {path} rw - cgroup2 cgroup2 rw\n")
    monkeypatch.setattr("engine.strategy.cgroups.mounts.MOUNTINFO", mounted)
    return path


def groups_in(path: Path) -> list[str]:
    return sorted(found.name for found in path.iterdir() if found.is_dir())


def made(
    folder: Path, delegated: Path, clock: Any, sink: Remembers, body: str, **changes: Any
) -> StrategyHost:
    """A host of the kind that the clock is for, from the text of its methods."""
    factory = hosts(GroupsV2(delegated), lockstep=isinstance(clock, HandClock))
    module = write_strategy(folder, body)
    return factory(config(module, **changes), INSTRUMENTS, clock, sink, import_paths=[str(folder)])


def test_its_process_is_in_its_group_and_limited_before_its_code_is_loaded(
    tmp_path: Path, delegated: Path
) -> None:
    sink = Remembers()
    body = f"""
        from pathlib import Path
        group, = [path for path in Path({str(delegated)!r}).iterdir() if path.is_dir()]
        found = {{}}
        for name in {list(FILES)!r}: found[name] = (group / name).read_text()
        found["in"] = found.pop("cgroup.procs") == str(os.getpid())
        def on_start(self):
            told = {{k: v for k, v in self.found.items() if "events" not in k and "stat" not in k}}
            self.log(" ".join(f"{{k}}={{v}}" for k, v in told.items()))
    """
    host = made(tmp_path, delegated, HandClock(), sink, body, memory_mb=100, cpu_limit=0.5, max_tasks=8)
    host.start()
    assert sink.logs[-1][1] == (
        f"cgroup.kill= memory.max={164 << 20} memory.swap.max=0 memory.oom.group=1 pids.max=8 "
        "cpu.max=62500 100000 in=True"
    ), host.reason
    assert len(groups_in(delegated)) == 1
    host.stop(5.0)
    assert host.state == "stopped"
    assert not groups_in(delegated)


def test_what_its_processes_have_used_of_the_processor_is_the_kernels_count(delegated: Path) -> None:
    group = GroupsV2(delegated).make("trend", Limits(1 << 20, 0.5, 4))
    assert group.processor() == 0.0
    (group.paths[0] / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n")
    assert group.processor() == 2.5


def test_what_it_has_started_counts_for_its_share_of_the_processor(
    tmp_path: Path, delegated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does nothing itself; the kernel's count for the group is what goes up."""
    for place in ("figures", "realtime"):
        monkeypatch.setattr(f"engine.strategy.{place}.CPU_WINDOW", 1.0)
    body = f"""
        used = 0
        def on_start(self):
            self.set_timer(0.1, "more")
        def on_timer(self, name):
            from pathlib import Path
            group, = [path for path in Path({str(delegated)!r}).iterdir() if path.is_dir()]
            self.used += 60_000_000
            (group / "cpu.stat").write_text(f"usage_usec {{self.used}}\\n")
            self.set_timer(0.1, name)
    """

    async def run() -> None:
        sink = Remembers()
        host = made(tmp_path, delegated, LoopClock(), sink, body, cpu_limit=0.5)
        host.start()
        await sink.state(host, "failed")
        assert host.reason.startswith("processor limit 0.5: used "), host.reason
        async with asyncio.timeout(30):
            await host.ended()

    asyncio.run(run())


LEAVES = """
        def on_quote(self, quote):
            import subprocess
            from pathlib import Path
            child = subprocess.Popen(["sleep", "600"], start_new_session=True)
            group, = [path for path in Path({delegated!r}).iterdir() if path.is_dir()]
            with open(group / "cgroup.procs", "a") as procs:  # the kernel counts it in by itself
                procs.write(f"\\n{{child.pid}}\\n")
            self.log(str(child.pid))
"""


@pytest.mark.parametrize("lacks", [(), ("cgroup.kill",)], ids=["cgroup.kill", "before Linux 5.14"])
def test_what_it_left_running_ends_with_it(
    tmp_path: Path, delegated: Path, monkeypatch: pytest.MonkeyPatch, lacks: tuple[str, ...]
) -> None:
    monkeypatch.setattr(StandIn, "lacks", lacks)

    async def run() -> None:
        sink = Remembers()
        host = made(tmp_path, delegated, LoopClock(), sink, LEAVES.format(delegated=str(delegated)))
        host.start()
        await sink.state(host, "running")
        host.quote(quote())
        host.flush()
        await sink.until(lambda: bool(sink.logs))
        child = int(sink.logs[0][1])
        assert alive(child)
        host.kill()
        async with asyncio.timeout(30):
            await host.ended()
        assert not alive(child)
        assert not groups_in(delegated)

    asyncio.run(run())


def test_a_process_that_the_kernel_kills_for_its_memory_is_told_so(tmp_path: Path, delegated: Path) -> None:
    body = f"""
        def on_quote(self, quote):
            from pathlib import Path
            group, = [path for path in Path({str(delegated)!r}).iterdir() if path.is_dir()]
            (group / "memory.events").write_text("oom 1\\noom_kill 1\\n")
            os.kill(os.getpid(), 9)
    """
    host = made(tmp_path, delegated, HandClock(), Remembers(), body)
    host.start()
    host.flush()
    host.quote(quote())
    host.flush()
    assert host.state == "failed"
    assert host.reason == (
        "memory limit: it and what it started used more than its control group may (in on_quote)"
    )
    assert not groups_in(delegated)


@pytest.mark.parametrize("real_time", [False, True])
@pytest.mark.parametrize("how", ["no directory", "no limit"])
def test_a_group_that_cannot_be_made_fails_the_strategy_and_nothing_else(
    tmp_path: Path, delegated: Path, monkeypatch: pytest.MonkeyPatch, how: str, real_time: bool
) -> None:
    if how == "no limit":
        monkeypatch.setattr(StandIn, "lacks", ("pids.max",))
    else:
        shutil.rmtree(delegated)
    sink = Remembers()

    async def run() -> StrategyHost:
        host = made(tmp_path, delegated, LoopClock(), sink, "pass")
        host.start()
        await sink.state(host, "failed")
        await host.ended()
        return host

    if real_time:
        host = asyncio.run(run())
    else:
        host = made(tmp_path, delegated, HandClock(), sink, "pass")
        host.start()
    assert host.state == "failed"
    expected = (
        "no control group can be made in" if how == "no directory" else "does not take pids.max: No such"
    )
    assert host.reason.startswith("cannot start its process: ") and expected in host.reason
    if how == "no limit":
        assert not groups_in(delegated), "half a group is no group"


@contextlib.contextmanager
def killed_engine(delegated: Path) -> Iterator[int]:
    """One that has made a group and put a process, whose number is given, into it; killed at the end."""
    script = f"""
import subprocess, sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[2])]!r}
from pathlib import Path
from test_strategy_cgroup import GroupsV2, Limits, StandIn
group = GroupsV2(Path({str(delegated)!r}), StandIn()).make("trend", Limits(1 << 20, None, 4))
child = subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL)
group.add(child.pid)
print(child.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as engine:
        assert engine.stdout is not None
        left = int(engine.stdout.readline())
        yield left
        engine.kill()
        engine.wait()
        assert alive(left)


class Log(list[str]):
    """What is logged."""

    def __call__(self, level: str, event: str, **fields: object) -> None:
        self.append(event)


def start(state: Path, directory: str) -> Log:
    """What an engine of this state directory does before its first group, and what it logs."""
    log = Log()
    made = host_factory(Settings(cgroup=CgroupConfig(directory=directory)), True, log, state)
    assert (made is not None) is bool(directory)
    return log


def test_what_a_killed_engine_left_is_removed_at_the_next_start(tmp_path: Path, delegated: Path) -> None:
    """And nothing of an engine that lives, nor what is not ours."""
    with killed_engine(delegated) as left:
        (delegated / "somebody-else").mkdir()
        GroupsV2(delegated).sweep()
        assert len(groups_in(delegated)) == 2, "that engine lives"
        assert alive(left)
    assert not start(tmp_path, str(delegated))
    wait_until(lambda: not alive(left))
    assert groups_in(delegated) == ["somebody-else"]


@pytest.mark.parametrize("named", ["elsewhere", ""], ids=["elsewhere", "no groups any more"])
def test_what_a_killed_engine_left_is_removed_where_the_next_start_makes_its_groups_elsewhere(
    tmp_path: Path, delegated: Path, named: str
) -> None:
    directory = ""
    if named:
        elsewhere = delegated.with_name(named)
        elsewhere.mkdir()
        directory = str(elsewhere)
    state = tmp_path / "state"
    state.mkdir()
    assert not start(state, str(delegated))
    with killed_engine(delegated) as left:
        pass
    assert not start(state, directory)
    wait_until(lambda: not alive(left))
    assert not groups_in(delegated)
    StandIn().make(delegated / "breakwater-1-7-trend-1")
    assert not start(state, directory)
    assert groups_in(delegated), "nothing of ours was left there: it is looked at no more"


def test_where_something_stays_is_looked_at_again(
    tmp_path: Path, delegated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.strategy.cgroups.base._LOOKS", 2)
    assert not start(tmp_path, str(delegated))
    StandIn().make(delegated / "breakwater-1-7-trend-1")
    told = [
        f"a control group of an earlier run stays in {delegated}: breakwater-1-7-trend-1: Directory not empty"
    ]
    with monkeypatch.context() as busy:
        busy.setattr(StandIn, "remove", lambda self, path: path.rmdir())
        assert start(tmp_path, str(delegated)) == told
        assert start(tmp_path, "") == told
        assert start(tmp_path, "") == told
    assert not start(tmp_path, "")
    assert not groups_in(delegated)


def test_a_note_that_cannot_be_read_or_written_stops_no_start(tmp_path: Path, delegated: Path) -> None:
    note = tmp_path / "cgroups.json"
    note.write_text("[1]")
    (told,) = start(tmp_path, str(delegated))
    assert told.startswith("it is not known where earlier runs made control groups")
    assert not start(tmp_path, str(delegated)), "it was written anew"
    (told,) = start(tmp_path / "absent", str(delegated))
    assert told.startswith("where control groups are made could not be noted") and "No such file" in told


def test_a_directory_that_serves_is_found_out_by_using_it(delegated: Path) -> None:
    try_out(GroupsV2(delegated))
    assert (delegated / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert not groups_in(delegated)


def _undelegated(delegated: Path) -> None:
    (delegated / "cgroup.controllers").write_text("cpu pids\n")


def _busy(delegated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's answer where the directory has processes of its own."""
    real = os.write

    def write(fd: int, data: bytes) -> int:
        if data.startswith(b"+"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return real(fd, data)

    monkeypatch.setattr("engine.strategy.cgroups.members.os.write", write)


def _not_entered(delegated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's answer where a process comes from outside of what is delegated."""
    monkeypatch.setattr(
        "engine.strategy.cgroups.base.Group.add",
        lambda self, pid: (_ for _ in ()).throw(PermissionError(errno.EACCES, "Permission denied")),
    )


REFUSALS = {
    "absent": (lambda d, m: shutil.rmtree(d), "there is no directory", "delegated to your user"),
    "plain files": (
        lambda d, m: (d / "cgroup.controllers").unlink(),
        "is no control group of version 2",
        "",
    ),
    "undelegated": (lambda d, m: _undelegated(d), "may not limit memory", "Delegate=cpu memory pids"),
    "with processes": (
        _busy,
        "does not hand its controllers on: Device or resource busy",
        "DelegateSubgroup",
    ),
    "not writable": (
        lambda d, m: ((d / "cgroup.subtree_control").unlink(), (d / "cgroup.subtree_control").mkdir()),
        "does not hand its controllers on",
        "Delegate=yes",
    ),
    "engine outside": (_not_entered, "no process can be put into a group", "DelegateSubgroup=engine"),
}


@pytest.mark.parametrize(("spoil", "text", "remedy"), REFUSALS.values(), ids=REFUSALS)
def test_a_start_is_refused_where_the_limits_cannot_be_had(
    delegated: Path, monkeypatch: pytest.MonkeyPatch, spoil: Any, text: str, remedy: str
) -> None:
    spoil(delegated, monkeypatch)
    settings = Settings(cgroup=CgroupConfig(directory=str(delegated)), strategies=(config("tried:Tried"),))
    (problem,) = unconfined(settings, "bw.toml")
    assert str(problem).startswith("bw.toml: cgroup.directory: ")
    assert text in problem.text and remedy in problem.text
    with contextlib.suppress(FileNotFoundError):
        assert not [name for name in groups_in(delegated) if name.startswith("breakwater")]
    assert not unconfined(settings.model_copy(update={"strategies": ()}), "bw.toml"), "nobody to confine"


def test_nothing_comes_into_being_in_a_directory_that_is_no_control_group(tmp_path: Path) -> None:
    with pytest.raises(Unconfined, match=r"does not take memory\.max"):
        GroupsV2(tmp_path).make("trend", Limits(1 << 20, None, 4))
    assert not list(tmp_path.iterdir())


__all__ = ["GroupsV2", "Limits", "StandIn"]
