"""Control groups of version 1 in the kernel's own trees: every limit is met, and nothing outlives its group.

Each test makes one group of its own below the mounted trees of cpu, memory and pids, and removes it; nothing
else there is touched. Where that may not be done, it says so.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
from engine.strategy.cgroups.base import CONTROLLERS, Limits, Tree, Unconfined
from engine.strategy.cgroups.directory import groups_of
from engine.strategy.cgroups.mounts import MOUNTINFO, mounts
from engine.strategy.cgroups.version1 import GroupsV1, GroupV1
from engine.strategy.confined import hosts
from engine.strategy.host import StrategyHost

NOBODY = 65_534
FULL = "memory limit: it and what it started used more than its control group may"
_numbers = itertools.count(1)


class Delegated(NamedTuple):
    """A group of ours in each tree."""

    name: str
    at: dict[str, Path]

    def inside(self, controller: str = "memory") -> list[Path]:
        return sorted(path for path in self.at[controller].iterdir() if path.is_dir())

    def one(self, controller: str) -> Path:
        (path,) = self.inside(controller)
        return path

    def empty(self) -> bool:
        return not any(self.inside(controller) for controller in CONTROLLERS)


@pytest.fixture
def delegated() -> Iterator[Delegated]:
    one = mounts().version_1
    if missing := [name for name in CONTROLLERS if name not in one]:
        pytest.skip(f"no control groups of version 1 are mounted here for {', '.join(missing)}")
    name = f"breakwater-test-{os.getpid()}-{next(_numbers)}"
    at = {controller: one[controller] / name for controller in CONTROLLERS}
    made: list[Path] = []
    try:
        for path in dict.fromkeys(at.values()):
            try:
                path.mkdir()
            except OSError as error:
                pytest.skip(f"no control group can be made in {path.parent}: {error.strerror}")
            made.append(path)
        yield Delegated(name, at)
    finally:
        for left in {path.name for place in made for path in place.iterdir() if path.is_dir()}:
            GroupV1({controller: path / left for controller, path in at.items()}, Tree()).remove()
        for path in made:
            path.rmdir()


def made(folder: Path, delegated: Delegated, clock: Any, body: str, **changes: Any) -> StrategyHost:
    """A host of the kind that the clock is for, from the text of its methods; its sink is `host.sink`."""
    factory = hosts(groups_of(delegated.name), lockstep=isinstance(clock, HandClock))
    module = write_strategy(folder, body)
    sink = Remembers()
    host = factory(config(module, **changes), INSTRUMENTS, clock, sink, import_paths=[str(folder)])
    host.sink = sink  # type: ignore[attr-defined]
    return host


def logs(host: StrategyHost) -> list[str]:
    return [text for _, text in host.sink.logs]  # type: ignore[attr-defined]


def test_its_process_and_what_it_starts_are_in_its_groups_before_its_code_is_loaded(
    tmp_path: Path, delegated: Delegated
) -> None:
    body = """
        import subprocess
        cat = ["cat", "/proc/self/cgroup"]
        own = open(cat[1]).read()
        child = subprocess.run(cat, stdout=-1, text=True, start_new_session=True).stdout
        def on_start(self):
            self.log(self.own)
            self.log(self.child)
    """
    host = made(tmp_path, delegated, HandClock(), body, memory_mb=100, cpu_limit=0.5, max_tasks=8)
    host.start()
    assert host.state == "running", host.reason
    memory, cpu, pids = (delegated.one(name) for name in ("memory", "cpu", "pids"))
    assert memory.name == cpu.name == pids.name
    for told in logs(host):
        groups = {
            name: path
            for _, names, path in (line.split(":", 2) for line in told.split())
            for name in names.split(",")
        }
        assert {groups[name].rpartition("/")[2] for name in CONTROLLERS} == {memory.name}
    assert (memory / "memory.limit_in_bytes").read_text() == f"{164 << 20}\n"
    swap = memory / "memory.memsw.limit_in_bytes"
    assert not swap.exists() or swap.read_text() == f"{164 << 20}\n"
    assert (pids / "pids.max").read_text() == "8\n"
    assert (cpu / "cpu.cfs_quota_us").read_text() == "62500\n"
    assert (cpu / "cpu.cfs_period_us").read_text() == "100000\n"
    host.stop(5.0)
    assert host.state == "stopped"
    assert delegated.empty()


# Shared memory is what the limit of the process itself does not count.
EATS = """
        def on_quote(self, quote):
            import mmap
            self.held = mmap.mmap(-1, 512 << 20)
            for at in range(0, 512 << 20, 4096):
                self.held[at] = 1
"""


CHILD_EATS = "import mmap; m = mmap.mmap(-1, 512 << 20); [m.write(b'x' * 4096) for _ in range(131072)]"


@pytest.mark.parametrize("counts", [True, False], ids=["oom_kill", "before Linux 4.13"])
def test_what_it_eats_beyond_its_groups_memory_has_the_kernel_kill_it(
    tmp_path: Path, delegated: Delegated, monkeypatch: pytest.MonkeyPatch, counts: bool
) -> None:
    if not counts:
        monkeypatch.setattr(GroupV1, "kills_in", "memory.not_in_this_kernel")
    host = made(tmp_path, delegated, HandClock(), EATS, memory_mb=64)
    host.start()
    host.quote(quote())
    host.flush()
    assert (host.state, host.reason) == ("failed", f"{FULL} (in on_quote)")
    assert delegated.empty()


@pytest.mark.parametrize("counts", [True, False], ids=["oom_kill", "before Linux 4.13"])
def test_a_kill_that_its_memory_has_nothing_to_do_with_is_not_laid_to_it(
    tmp_path: Path, delegated: Delegated, monkeypatch: pytest.MonkeyPatch, counts: bool
) -> None:
    if not counts:
        monkeypatch.setattr(GroupV1, "kills_in", "memory.not_in_this_kernel")
    body = """
        def on_quote(self, quote):
            os.kill(os.getpid(), 9)
    """
    host = made(tmp_path, delegated, HandClock(), body)
    host.start()
    host.quote(quote())
    host.flush()
    assert host.reason.startswith("killed by SIGKILL"), host.reason


def play(host: StrategyHost, *then: str) -> None:
    """Runs it on the loop with one quote until it is in one of these states, or, without any, has logged."""

    async def run() -> None:
        sink: Remembers = host.sink  # type: ignore[attr-defined]
        host._clock = LoopClock()
        host.start()
        await sink.state(host, "running", "failed")
        assert host.state == "running", host.reason
        host.quote(quote())
        host.flush()
        await sink.until(lambda: host.state in then if then else bool(sink.logs))
        host.kill()
        async with asyncio.timeout(30):
            await host.ended()

    asyncio.run(run())


def test_where_the_kernel_kills_only_what_it_started_it_is_stopped_and_told(
    tmp_path: Path, delegated: Delegated
) -> None:
    """Version 1 kills one process, and knows no way to have it kill all."""
    body = f"""
        def on_quote(self, quote):
            import subprocess
            self.child = subprocess.Popen([{sys.executable!r}, "-c", {CHILD_EATS!r}])
    """
    host = made(tmp_path, delegated, None, body, memory_mb=64)
    play(host, "failed")
    assert host.reason == FULL
    assert delegated.empty()


# A small share, which it gets on a busy machine as well; it ends when it has been held twice.
@pytest.mark.parametrize(("limit", "spins"), [(0.2, 10.0), (None, 0.5)])
def test_one_that_spins_is_held_to_its_share_by_the_kernel(
    tmp_path: Path, delegated: Delegated, limit: float | None, spins: float
) -> None:
    body = f"""
        def throttled(self):
            from pathlib import Path
            group, = [path for path in Path({str(delegated.at["cpu"])!r}).iterdir() if path.is_dir()]
            return int(dict(line.split() for line in (group / "cpu.stat").open())["nr_throttled"])
        def on_quote(self, quote):
            before, began = self.throttled(), time.process_time()
            while self.throttled() < before + 2 and time.process_time() < began + {spins}: pass
            self.log(str(self.throttled() - before))
    """
    host = made(tmp_path, delegated, HandClock(), body, cpu_limit=limit)
    host.start()
    host.quote(quote())
    host.flush()
    assert host.state == "running", host.reason
    assert (int(logs(host)[-1]) >= 2) is (limit is not None)
    host.stop(5.0)


def test_what_a_group_has_used_is_told_from_what_it_was_held_up_and_never_overstated(
    delegated: Delegated,
) -> None:
    if (delegated.at["cpu"] / "cpuacct.usage").exists():
        pytest.skip("the kernel counts it in the same tree here")
    group = groups_of(delegated.name).make("trend", Limits(64 << 20, 0.1, 4))
    spins = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    try:
        group.add(spins.pid)
        wait_until(lambda: group.processor() > 0.1)
        told = group.processor()
        own = Path(f"/proc/{spins.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        used = sum(map(int, own)) / os.sysconf("SC_CLK_TCK")
        assert told <= used + 0.02, "it is counted in hundredths"
    finally:
        group.remove()
    assert spins.wait(10) == -9


FORKS = """
        def on_quote(self, quote):
            import subprocess
            self.children = []
            {attempt}
"""


def test_one_that_forks_beyond_its_tasks_is_refused_and_told(tmp_path: Path, delegated: Delegated) -> None:
    attempt = 'while True: self.children.append(subprocess.Popen(["sleep", "600"]))'
    host = made(tmp_path, delegated, HandClock(), FORKS.format(attempt=attempt), max_tasks=8)
    host.start()
    host.quote(quote())
    host.flush()
    assert host.state == "failed"
    assert "BlockingIOError" in host.reason
    told = r"; \d+ times a process or thread beyond max_tasks \(8\) was refused it by its control group$"
    assert re.search(told, host.reason), host.reason
    assert delegated.empty()


def test_a_refusal_that_it_goes_on_after_is_told_as_well(tmp_path: Path, delegated: Delegated) -> None:
    attempt = """for _ in range(20):
                try: self.children.append(subprocess.Popen(["sleep", "600"]))
                except BlockingIOError: pass
"""
    host = made(tmp_path, delegated, None, FORKS.format(attempt=attempt), max_tasks=8)
    play(host)
    assert host.state == "stopped"
    (told,) = logs(host)
    assert told.endswith("times a process or thread beyond max_tasks (8) was refused it by its control group")
    assert delegated.empty()


BOMB = """
import os
while True:
    try: os.fork()
    except OSError: pass
"""
"""Wherever one of its processes ends, another is born at once."""


@pytest.mark.parametrize("pidfd", [True, False], ids=["pidfd", "before Linux 5.3"])
def test_after_a_stop_and_a_restart_nothing_of_before_runs(
    tmp_path: Path, delegated: Delegated, monkeypatch: pytest.MonkeyPatch, pidfd: bool
) -> None:
    if not pidfd:
        monkeypatch.setattr("engine.strategy.cgroups.members.handle", lambda pid: None)
    body = f"""
        def on_quote(self, quote):
            import subprocess
            from pathlib import Path
            self.child = subprocess.Popen([{sys.executable!r}, "-c", {BOMB!r}], start_new_session=True)
            group, = [path for path in Path({str(delegated.at["pids"])!r}).iterdir() if path.is_dir()]
            while int((group / "pids.events").read_text().split()[1]) == 0: pass
            self.log((group / "cgroup.procs").read_text())
    """
    seen: set[int] = set()
    host = made(tmp_path, delegated, HandClock(), body, max_tasks=12)
    for _ in range(2):
        host.start()
        assert not any(alive(pid) for pid in seen)
        host.quote(quote())
        host.flush()
        assert host.state == "running", host.reason
        ran = {int(pid) for pid in logs(host)[-1].split()}
        assert len(ran) > 3, "it has started others"
        seen |= ran
        host.stop(5.0)
        assert host.state == "stopped"
        assert delegated.empty()
    assert not any(alive(pid) for pid in seen)


def test_what_a_killed_engine_left_is_removed_at_the_next_start(delegated: Delegated) -> None:
    """And nothing of an engine that lives, nor what is not ours."""
    script = f"""
import subprocess, sys
from engine.strategy.cgroups.base import Limits
from engine.strategy.cgroups.version1 import GroupsV1
group = GroupsV1({delegated.name!r}).make("trend", Limits(1 << 20, None, 16))
bomb = "input()" + {BOMB!r}
child = subprocess.Popen([sys.executable, "-c", bomb], stdin=-1, stdout=-3, start_new_session=True)
group.add(child.pid)
child.stdin.write(b"\\n")
child.stdin.flush()
while group.tasks_refused() == 0: pass
print(child.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as engine:
        assert engine.stdout is not None
        left = int(engine.stdout.readline())
        mine = [delegated.one(name) for name in CONTROLLERS]
        other = delegated.at["cpu"] / "somebody-else"
        other.mkdir()
        assert groups_of(delegated.name).sweep() == []
        assert all(path.exists() for path in mine), "that engine lives"
        assert alive(left)
        engine.kill()
        engine.wait()
        assert alive(left)
    log: list[str] = []
    settings = Settings(cgroup=CgroupConfig(directory=delegated.name))
    assert host_factory(settings, True, lambda level, event, **fields: log.append(event)) is not None
    wait_until(lambda: not alive(left))
    assert not any(path.exists() for path in mine)
    assert other.exists()
    other.rmdir()
    assert not log


def test_a_group_that_serves_is_found_out_by_using_it(delegated: Delegated) -> None:
    try_out(groups_of(delegated.name))
    assert delegated.empty()
    settings = Settings(cgroup=CgroupConfig(directory=delegated.name), strategies=(config("tried:Tried"),))
    assert not unconfined(settings, "bw.toml")


def test_a_group_that_is_missing_in_one_tree_is_refused_with_the_command_that_makes_it(
    delegated: Delegated,
) -> None:
    absent = delegated.at["pids"]
    absent.rmdir()
    settings = Settings(cgroup=CgroupConfig(directory=delegated.name), strategies=(config("tried:Tried"),))
    try:
        (problem,) = unconfined(settings, "bw.toml")
    finally:
        absent.mkdir()
    assert problem.text == (
        f"there is no control group {absent}; make it for your user, as root: mkdir -p {absent} and chown it"
    )
    assert delegated.empty()


def test_the_trees_of_this_machine_do_not_serve_by_their_full_paths(delegated: Delegated) -> None:
    """Also not one of version 2 that is mounted beside them, where its controllers are version 1's."""
    with pytest.raises(Unconfined, match="is no control group of version 2") as told:
        try_out(groups_of(str(delegated.at["memory"])))
    assert told.value.remedy.endswith(f'name it without that, "{delegated.name}"')
    for line in MOUNTINFO.read_text().splitlines():
        if " - cgroup2 " in line:
            with pytest.raises(
                Unconfined, match="may not limit cpu, memory, pids: on this machine version 1"
            ):
                try_out(groups_of(line.split()[4]))
    assert delegated.empty()


def test_nothing_may_be_born_in_it_from_when_it_is_killed(
    delegated: Delegated, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = groups_of(delegated.name).make("trend", Limits(1 << 20, None, 4))
    most: list[str] = []

    def look(paths: Sequence[Path]) -> None:
        most.append((group.at["pids"] / "pids.max").read_text())

    monkeypatch.setattr("engine.strategy.cgroups.base.kill", look)
    group.remove()
    assert most == ["0\n"]


def test_what_is_left_in_one_tree_only_is_removed(delegated: Delegated) -> None:
    """As after an engine that was killed while it made a group, or removed one."""
    left = delegated.at["memory"] / "breakwater-1-7-trend-1"
    left.mkdir()
    assert groups_of(delegated.name).sweep() == []
    assert delegated.empty()


def test_half_a_group_is_no_group(delegated: Delegated) -> None:
    """One tree takes it and the next does not: none is left with it."""
    groups = GroupsV1(delegated.name)
    number = groups.make("trend", Limits(1 << 20, None, 4))
    taken = number.paths[-1].name.removesuffix("1") + "2"
    last = number.paths[-1].with_name(taken)
    last.mkdir()
    with pytest.raises(Unconfined, match=r"no control group can be made in .*: File exists"):
        groups.make("trend", Limits(1 << 20, None, 4))
    assert [path.with_name(taken).exists() for path in number.paths] == [False, False, True]
    last.rmdir()
    number.remove()


def test_a_share_above_that_of_the_group_around_it_is_refused(delegated: Delegated) -> None:
    (delegated.at["cpu"] / "cpu.cfs_quota_us").write_text("50000")
    with pytest.raises(Unconfined, match=r"does not take cpu\.cfs_quota_us: Invalid argument") as told:
        groups_of(delegated.name).make("trend", Limits(1 << 20, 0.9, 4))
    assert told.value.remedy == f"what {delegated.at['cpu']} is allowed itself must be as much"
    assert delegated.empty()


AS_NOBODY = """
import os, subprocess, sys
from engine.strategy.cgroups.base import Unconfined
from engine.strategy.cgroups.directory import groups_of
os.setgid({nobody}); os.setuid({nobody})
idle = subprocess.Popen(["sleep", "600"])
try:
    groups_of({name!r}).probe(idle.pid)
except Unconfined as error:
    print(error, error.remedy, sep="; ")
else:
    print("served")
finally:
    idle.kill()
"""


def test_a_user_without_privileges_needs_the_groups_to_be_his_and_nothing_else(delegated: Delegated) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become nobody")

    def probe() -> str:
        script = AS_NOBODY.format(nobody=NOBODY, name=delegated.name)
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, cwd=root, check=True
        )
        return done.stdout.strip()

    first = next(iter(delegated.at.values()))
    expected = f"no control group can be made in {first}: Permission denied; give it to your user (chown)"
    assert probe() == expected
    for path in delegated.at.values():
        os.chown(path, NOBODY, NOBODY)
    assert probe() == "served"
    assert delegated.empty()
