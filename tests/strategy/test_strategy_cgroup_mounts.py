"""Which version of control groups is meant, and what is said where a machine does not have it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from engine.strategy.cgroups.base import CONTROLLERS, Limits, Tree, Unconfined
from engine.strategy.cgroups.directory import groups_of
from engine.strategy.cgroups.mounts import Mounts, mounts
from engine.strategy.cgroups.version1 import GroupsV1, GroupV1
from engine.strategy.cgroups.version2 import GroupsV2

V1_FILES = (
    "memory.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.swappiness",
    "cpu.cfs_period_us",
    "cpu.cfs_quota_us",
    "pids.max",
)


class Machine:
    """What is mounted, as the kernel writes it, in a folder that stands for /sys/fs/cgroup."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = folder / "cgroup"
        self.root.mkdir()
        self._mounted = folder / "mountinfo"
        self._known = folder / "cgroups"
        self._known.write_text("#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t53\t1\n")
        self._lines = [f"31 23 0:28 / {self.root} rw,relatime - tmpfs tmpfs rw,mode=755"]
        monkeypatch.setattr("engine.strategy.cgroups.mounts.MOUNTINFO", self._mounted)
        monkeypatch.setattr("engine.strategy.cgroups.mounts._KNOWN", self._known)
        self._write()

    def one(self, *trees: str) -> Machine:
        for controllers in trees:
            self._mount(controllers, "shared:9 - cgroup cgroup", f"rw,{controllers}")
        return self

    def two(self, at: str, controllers: str) -> Machine:
        path = self._mount(at, "- cgroup2 cgroup2", "rw,nsdelegate")
        (path / "cgroup.controllers").write_text(f"{controllers}\n")
        (path / "cgroup.subtree_control").write_text("")
        return self

    def without(self, controller: str) -> None:
        self._known.write_text(f"#subsys_name\thierarchy\tnum_cgroups\tenabled\n{controller}\t0\t1\t0\n")

    def _mount(self, at: str, kind: str, options: str) -> Path:
        path = self.root / at
        path.mkdir(exist_ok=True)
        written = str(path).replace(" ", r"\040")
        self._lines.append(f"32 31 0:29 / {written} rw,relatime {kind} {options}")
        self._write()
        return path

    def _write(self) -> None:
        self._mounted.write_text("\n".join(self._lines) + "\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def refusal(directory: str) -> str:
    with pytest.raises(Unconfined) as told:
        groups_of(directory).probe(1)  # never entered: it is refused before
    return f"{told.value}; {told.value.remedy}"


def test_what_is_mounted_is_told_by_controller(machine: Machine) -> None:
    machine.one("cpu,cpuacct", "memory", "name=systemd", "pids with blank").two("unified", "hugetlb rdma")
    one, two = mounts()
    assert one["cpu"] == one["cpuacct"] == machine.root / "cpu,cpuacct"
    assert one["memory"] == machine.root / "memory"
    assert machine.root / "pids with blank" in one.values()
    assert two == dict.fromkeys(("hugetlb", "rdma"), machine.root / "unified")


def test_a_system_that_does_not_tell_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("engine.strategy.cgroups.mounts.MOUNTINFO", tmp_path / "absent")
    assert mounts() == Mounts({}, {})


def test_a_full_path_is_version_2_and_a_name_is_version_1() -> None:
    two, one = groups_of("/sys/fs/cgroup/trading.slice"), groups_of("trading.slice")
    assert isinstance(two, GroupsV2) and two.where == "/sys/fs/cgroup/trading.slice"
    assert isinstance(one, GroupsV1)
    assert one.where == "trading.slice of cpu, memory, pids (control groups of version 1)"


def test_controllers_that_share_a_tree_share_a_directory(machine: Machine, tmp_path: Path) -> None:
    machine.one("cpu,memory", "pids")
    group = GroupV1({name: path / "g" for name, path in GroupsV1("trading").delegated().items()}, Tree())
    assert group.paths == (machine.root / "cpu,memory/trading/g", machine.root / "pids/trading/g")


@pytest.mark.parametrize(
    ("ones", "two", "directory", "expected"),
    [
        pytest.param(
            ("cpu,cpuacct", "memory", "pids"),
            "",
            "trading",
            "there is no control group {root}/cpu,cpuacct/trading, {root}/memory/trading, "
            "{root}/pids/trading; make it for your user, as root: mkdir -p {root}/cpu,cpuacct/trading "
            "{root}/memory/trading {root}/pids/trading and chown it",
            id="version 1, no such group",
        ),
        pytest.param(
            ("cpu", "memory", "pids"),
            "",
            "{root}/memory/trading",
            "{root}/memory/trading is no control group of version 2; it is in the tree of version 1 at "
            '{root}/memory: name it without that, "trading"',
            id="version 1, named with its mount",
        ),
        pytest.param(
            ("cpu", "memory", "pids"),
            "",
            "{root}",
            "{root} is no control group of version 2; this machine has version 1: name a group of it without "
            'its mount, such as "trading"',
            id="version 1, named by where the mounts are",
        ),
        pytest.param(
            ("cpu", "memory", "pids"),
            "",
            "{root}/trading.slice",
            "there is no directory {root}/trading.slice; this machine has version 1: name a group of it "
            'without its mount, such as "trading"',
            id="version 1, named as of version 2",
        ),
        pytest.param(
            (),
            "cpu memory pids",
            "{root}/unified/trading",
            "there is no directory {root}/unified/trading; name one that is delegated to your user",
            id="version 2, no such group",
        ),
        pytest.param(
            ("cpu", "memory", "pids"),
            "hugetlb",
            "{root}/unified",
            "{root}/unified may not limit cpu, memory, pids: on this machine version 1 has them; "
            'this machine has version 1: name a group of it without its mount, such as "trading"',
            id="hybrid, named in the tree of version 2",
        ),
        pytest.param(
            (),
            "cpu memory pids",
            "trading",
            "trading names a group of version 1, and this machine has its controllers in version 2; name a "
            "directory of version 2, such as {root}/unified/trading",
            id="version 2, named as of version 1",
        ),
        pytest.param(
            ("cpu", "memory"),
            "pids",
            "trading",
            "pids are in version 2 on this machine and the others in version 1; have all of cpu, memory and "
            "pids in one: boot with systemd.unified_cgroup_hierarchy=1 for version 2, and without "
            "cgroup_no_v1= that names some",
            id="mixed, named as of version 1",
        ),
        pytest.param(
            ("cpu", "memory"),
            "pids",
            "{root}/unified",
            "{root}/unified may not limit cpu, memory: on this machine version 1 has them; have all of cpu, "
            "memory and pids in one: boot with systemd.unified_cgroup_hierarchy=1 for version 2, and without "
            "cgroup_no_v1= that names some",
            id="mixed, named in the tree of version 2",
        ),
        pytest.param(
            ("cpu", "memory"),
            "",
            "trading",
            "no control groups of pids are mounted; mount them (mount -t cgroup -o pids none "
            "/sys/fs/cgroup/pids), or leave it out",
            id="version 1, not mounted",
        ),
        pytest.param(
            (),
            "",
            "{root}",
            "{root} is no control group of version 2; mount them, or leave it out",
            id="none mounted",
        ),
        pytest.param(
            ("cpu", "memory", "pids"),
            "",
            "../trading",
            "../trading leads out of the controllers' trees; name it without ..",
            id="out of the tree",
        ),
    ],
)
def test_what_a_machine_does_not_have_is_refused_with_what_it_has(
    machine: Machine, ones: tuple[str, ...], two: str, directory: str, expected: str
) -> None:
    machine.one(*ones)
    if two:
        machine.two("unified", two)
    if directory == "{root}/memory/trading":
        (machine.root / "memory/trading").mkdir()
    assert refusal(directory.format(root=machine.root)) == expected.format(root=machine.root)


def test_a_controller_that_the_kernel_was_booted_without_is_told(machine: Machine) -> None:
    machine.one("cpu", "pids").without("memory")
    assert refusal("trading") == (
        "no control groups of memory are mounted; boot without cgroup_disable=memory"
    )


def group_of_files(machine: Machine, *lacking: str) -> GroupV1:
    machine.one(*CONTROLLERS)
    at = {name: machine.root / name / "trading" for name in CONTROLLERS}
    for name, path in at.items():
        path.mkdir()
        for file in V1_FILES:
            if file.startswith(f"{name}.") and file not in lacking:
                (path / file).write_text("")
    return GroupV1(at, Tree())


def test_a_kernel_that_counts_no_swap_is_asked_to_use_none_and_doctor_says_so(machine: Machine) -> None:
    group = group_of_files(machine, "memory.memsw.limit_in_bytes")
    group.limit(Limits(36 << 20, 0.001, 4))
    assert (group.at["memory"] / "memory.limit_in_bytes").read_text() == str(100 << 20)
    assert (group.at["memory"] / "memory.swappiness").read_text() == "0"
    assert (group.at["cpu"] / "cpu.cfs_quota_us").read_text() == "1000", "the kernel takes no less"
    assert "swapaccount=1" in groups_of("trading").weaker()


@pytest.mark.parametrize(
    ("quota", "throttled", "usage", "expected"),
    [(0.08, 30, "", 0.3), (None, 30, "", 0.0), (0.08, 30, "1500000000\n", 1.5)],
    ids=["throttled", "no quota", "counted in the same tree"],
)
def test_what_a_group_has_used_of_the_processor_is_never_overstated(
    machine: Machine, quota: float | None, throttled: int, usage: str, expected: float
) -> None:
    group = group_of_files(machine)
    group.limit(Limits(36 << 20, quota, 4))
    assert group.processor() == 0.0, "the kernel tells nothing"
    (group.at["cpu"] / "cpu.stat").write_text(f"nr_periods 50\nnr_throttled {throttled}\nthrottled_time 9\n")
    if usage:
        (group.at["cpu"] / "cpuacct.usage").write_text(usage)
    assert group.processor() == pytest.approx(expected)


def test_a_limit_of_swap_that_is_refused_for_another_reason_is_no_limit(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = group_of_files(machine)
    assert groups_of("trading").weaker() == ""
    swap = group.at["memory"] / "memory.memsw.limit_in_bytes"
    swap.unlink()
    swap.mkdir()
    with pytest.raises(OSError) as told:
        group.limit(Limits(36 << 20, None, 4))
    assert told.value.errno == errno.EISDIR and told.value.filename == str(swap)
