"""Control groups in the kernel's own trees, of whichever version has the controllers: every limit is met, and
nothing outlives its group.

Where neither groups of version 1 nor of version 2 can be made, it says why.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cgroup_kit import Delegated, logs, made, serving
from strategy_kit import HandClock, LoopClock, Remembers, alive, config, quote, wait_until

from app.confine import host_factory, try_out, unconfined
from app.settings import Settings
from engine.config_strategy import CgroupConfig
from engine.strategy.cgroups.base import CONTROLLERS, Group, Limits
from engine.strategy.cgroups.directory import groups_of
from engine.strategy.cgroups.version2 import GroupV2
from engine.strategy.host import StrategyHost

FULL = "memory limit: it and what it started used more than its control group may"
LIMITS = {
    1: {
        "memory": {"memory.limit_in_bytes": f"{164 << 20}"},
        "cpu": {"cpu.cfs_quota_us": "62500", "cpu.cfs_period_us": "100000"},
        "pids": {"pids.max": "8"},
    },
    2: {
        "memory": {"memory.max": f"{164 << 20}", "memory.oom.group": "1"},
        "cpu": {"cpu.max": "62500 100000"},
        "pids": {"pids.max": "8"},
    },
}
"""What each version says of 100 MB (and 64 more), half a processor (and a quarter more) and 8 tasks."""
SWAP = {1: ("memory.memsw.limit_in_bytes", f"{164 << 20}"), 2: ("memory.swap.max", "0")}
"""Where the kernel counts swap: none is left beside the memory."""


@pytest.fixture(params=[1, 2], ids=["version 1", "version 2"])
def delegated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Delegated]:
    with serving(tmp_path, request.param) as found:
        yield found


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
    at = {name: delegated.one(name) for name in CONTROLLERS}
    (group,) = {path.name for path in at.values()}
    for told in logs(host):
        groups = {
            name: path
            for _, names, path in (line.split(":", 2) for line in told.split())
            for name in (names or "of version 2").split(",")
        }
        trees = CONTROLLERS if delegated.version == 1 else ["of version 2"]
        assert {groups[name].rpartition("/")[2] for name in trees} == {group}
    for controller, expected in LIMITS[delegated.version].items():
        assert {name: (at[controller] / name).read_text().strip() for name in expected} == expected
    swap, most = SWAP[delegated.version]
    assert not (at["memory"] / swap).exists() or (at["memory"] / swap).read_text().strip() == most
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


def has_no_count_of_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the kernel was before Linux 4.13."""
    count = Group._count

    def without(self: Group, controller: str, name: str, key: str) -> int | None:
        return None if key == "oom_kill" else count(self, controller, name, key)

    monkeypatch.setattr(Group, "_count", without)


@pytest.mark.parametrize("counts", [True, False], ids=["oom_kill", "before Linux 4.13"])
def test_what_it_eats_beyond_its_groups_memory_has_the_kernel_kill_it(
    tmp_path: Path, delegated: Delegated, monkeypatch: pytest.MonkeyPatch, counts: bool
) -> None:
    if not counts:
        has_no_count_of_kills(monkeypatch)
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
        has_no_count_of_kills(monkeypatch)
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


def test_what_it_started_and_the_kernel_killed_for_its_memory_stops_it_and_is_told(
    tmp_path: Path, delegated: Delegated
) -> None:
    """Version 1 kills one process, and knows no way to have it kill all; version 2 kills them all."""
    body = f"""
        def on_quote(self, quote):
            import subprocess
            self.child = subprocess.Popen([{sys.executable!r}, "-c", {CHILD_EATS!r}])
    """
    host = made(tmp_path, delegated, None, body, memory_mb=64)
    play(host, "failed")
    assert host.reason.removesuffix(" (in on_quote)") == FULL
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


def test_what_a_group_has_used_of_the_processor_is_told_and_never_overstated(delegated: Delegated) -> None:
    """By version 1 without `cpuacct` in the tree of `cpu`, from what it was held up."""
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


@pytest.mark.parametrize("lacks", ["nothing", "cgroup.kill", "cgroup.kill and pidfd"])
def test_after_a_stop_and_a_restart_nothing_of_before_runs(
    tmp_path: Path, delegated: Delegated, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    """Version 2 has cgroup.kill since Linux 5.14, processes have handles since 5.3."""
    if "cgroup.kill" in lacks:
        monkeypatch.setattr(GroupV2, "_kill", Group._kill)
    if "pidfd" in lacks:
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


def test_what_a_killed_engine_left_is_removed_at_the_next_start(tmp_path: Path, delegated: Delegated) -> None:
    """And nothing of an engine that lives, nor what is not ours."""
    script = f"""
import subprocess, sys
from engine.strategy.cgroups.base import Limits
from engine.strategy.cgroups.directory import groups_of
group = groups_of({delegated.name!r}).make("trend", Limits(1 << 20, None, 16))
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
    assert (
        host_factory(settings, True, lambda level, event, **fields: log.append(event), tmp_path) is not None
    )
    wait_until(lambda: not alive(left))
    assert not any(path.exists() for path in mine)
    assert other.exists()
    other.rmdir()
    assert not log


def test_nothing_may_be_born_in_it_from_when_it_is_killed(
    delegated: Delegated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 2: where it has no cgroup.kill, which sees to that itself."""
    monkeypatch.setattr(GroupV2, "_kill", Group._kill)
    group = groups_of(delegated.name).make("trend", Limits(1 << 20, None, 4))
    most: list[str] = []

    def look(paths: Sequence[Path]) -> None:
        most.append((group.at["pids"] / "pids.max").read_text())

    monkeypatch.setattr("engine.strategy.cgroups.base.kill", look)
    group.remove()
    assert most == ["0\n"]


def test_a_group_that_serves_is_found_out_by_using_it(delegated: Delegated) -> None:
    try_out(groups_of(delegated.name))
    assert delegated.empty()
    settings = Settings(cgroup=CgroupConfig(directory=delegated.name), strategies=(config("tried:Tried"),))
    assert not unconfined(settings, "bw.toml")
