"""What only version 1 of the kernel's control groups has: a tree for each controller, in its own trees."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from cgroup_kit import NOBODY, Delegated, tried_by_nobody, version_1
from strategy_kit import config

from app.confine import try_out, unconfined
from app.settings import Settings
from engine.config_strategy import CgroupConfig
from engine.strategy.cgroups.base import Limits, Unconfined
from engine.strategy.cgroups.directory import groups_of
from engine.strategy.cgroups.mounts import MOUNTINFO
from engine.strategy.cgroups.version1 import GroupsV1


@pytest.fixture
def delegated() -> Iterator[Delegated]:
    with version_1() as found:
        yield found


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


def test_a_user_without_privileges_needs_the_groups_to_be_his_and_nothing_else(delegated: Delegated) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become nobody")

    first = next(iter(delegated.at.values()))
    expected = f"no control group can be made in {first}: Permission denied; give it to your user (chown)"
    assert tried_by_nobody(groups_of, delegated.name) == expected
    for path in delegated.at.values():
        os.chown(path, NOBODY, NOBODY)
    assert tried_by_nobody(groups_of, delegated.name) == "served"
    assert delegated.empty()
