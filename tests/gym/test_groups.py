"""Where a drill's groups go, on machines of several kinds, told by the texts that their /proc would show."""

import pytest

from santabpf.errors import CannotContain
from santabpf.gym.groups import Plan, parse_trees, plan_groups

HYBRID = (
    "8:pids:/\n4:memory:/box/a b\n3:cpuset:/\n2:cpu,cpuacct:/\n1:name=systemd:/\n0::/\n",
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
)
SECOND = (
    "0::/user.slice/user-0.slice/session-3.scope\n",
    "30 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n",
)


def plan(machine: tuple[str, str], files: dict[str, str], percent: int = 0) -> Plan:
    return plan_groups(parse_trees(*machine), "fault", "77", 1000, 9, [1], percent, lambda path: files.get(path, ""))


def test_limits_come_from_version_1_and_the_identity_from_version_2_where_both_are() -> None:
    made = plan(HYBRID, {"/sys/fs/cgroup/cpuset/cpuset.mems": "0"})
    assert made.identity == "/sys/fs/cgroup/unified/santabpf-drill-77/fault"
    assert [group.leaf for group in made.groups[1:]] == [
        "/sys/fs/cgroup/memory/box/a b/santabpf-drill-77/fault",
        "/sys/fs/cgroup/pids/santabpf-drill-77/fault",
        "/sys/fs/cgroup/cpuset/santabpf-drill-77/fault",
    ]
    written = dict(pair for group in made.groups for pair in group.writes)
    assert written["/sys/fs/cgroup/memory/box/a b/santabpf-drill-77/fault/memory.limit_in_bytes"] == "1000"
    assert written["/sys/fs/cgroup/pids/santabpf-drill-77/fault/pids.max"] == "9"
    assert written["/sys/fs/cgroup/cpuset/santabpf-drill-77/cpuset.cpus"] == "1"


def test_memory_with_swap_is_limited_where_version_1_accounts_for_it() -> None:
    without = plan(HYBRID, {})
    having = plan(HYBRID, {"/sys/fs/cgroup/memory/box/a b/memory.memsw.limit_in_bytes": "9223372036854771712"})
    assert not any("memsw" in path for group in without.groups for path, _ in group.writes)
    assert any("memsw" in path for group in having.groups for path, _ in group.writes)


def test_in_version_2_the_group_lies_below_the_nearest_ancestor_that_can_give_limits() -> None:
    made = plan(SECOND, {"/sys/fs/cgroup/user.slice/user-0.slice/cgroup.subtree_control": "cpuset memory pids"})
    top = "/sys/fs/cgroup/user.slice/user-0.slice/santabpf-drill-77"
    assert [(group.top, group.leaf) for group in made.groups] == [(top, f"{top}/fault")]
    assert dict(made.groups[0].writes) == {
        f"{top}/memory.max": "1000",
        f"{top}/memory.swap.max": "0",
        f"{top}/pids.max": "9",
        f"{top}/cpuset.cpus": "1",
    }


def test_a_share_of_a_cpu_is_a_quota_in_either_version() -> None:
    able = {"/sys/fs/cgroup/cgroup.subtree_control": "cpu cpuset memory pids"}
    first = dict(pair for group in plan(HYBRID, {}, 20).groups for pair in group.writes)
    leaf = "/sys/fs/cgroup/cpu,cpuacct/santabpf-drill-77/fault"
    assert (first[f"{leaf}/cpu.cfs_quota_us"], first[f"{leaf}/cpu.cfs_period_us"]) == ("20000", "100000")
    assert dict(plan(SECOND, able, 250).groups[0].writes)["/sys/fs/cgroup/santabpf-drill-77/cpu.max"] == "250000 100000"
    assert first["/sys/fs/cgroup/cpu,cpuacct/santabpf-drill-77/cpu.shares"] == "262144"
    free = [path for machine in (HYBRID, SECOND) for group in plan(machine, able).groups for path, _ in group.writes]
    assert not any("cpu.max" in path or "cfs" in path for path in free)
    with pytest.raises(CannotContain, match=r"limit cpu$"):
        plan(SECOND, {"/sys/fs/cgroup/cgroup.subtree_control": "memory pids"}, 20)


def without(*mounts: str) -> tuple[str, str]:
    """HYBRID, and these of its trees are not mounted."""
    lines = HYBRID[1].splitlines()
    return HYBRID[0], "\n".join(line for line in lines if not any(f"/cgroup/{name} rw" in line for name in mounts))


@pytest.mark.parametrize(
    ("percent", "quota", "is_first"), [(0, 100_000, False), (20, 20_000, True), (1000, 100_000, True)]
)
def test_where_no_cpuset_can_be_had_a_quota_holds_a_drill_to_as_many_cpus(
    percent: int, quota: int, is_first: bool
) -> None:
    slice_ = "/sys/fs/cgroup/user.slice/user-0.slice"
    second = dict(plan(SECOND, {f"{slice_}/cgroup.subtree_control": "cpu memory pids"}, percent).groups[0].writes)
    assert second[f"{slice_}/santabpf-drill-77/cpu.max"] == f"{quota} 100000"
    assert any("cpu.weight" in path for path in second) is is_first
    assert not any("cpuset" in path for path in second)
    first = dict(pair for group in plan(without("cpuset"), {}, percent).groups for pair in group.writes)
    assert first["/sys/fs/cgroup/cpu,cpuacct/santabpf-drill-77/fault/cpu.cfs_quota_us"] == str(quota)
    assert any("cpu.shares" in path for path in first) is is_first


def test_an_ancestor_that_can_give_a_cpuset_is_better_than_a_nearer_one_that_cannot() -> None:
    files = {
        "/sys/fs/cgroup/cgroup.subtree_control": "cpuset cpu memory pids",
        "/sys/fs/cgroup/user.slice/cgroup.subtree_control": "cpu memory pids",
    }
    (group,) = plan(SECOND, files).groups
    assert group.top == "/sys/fs/cgroup/santabpf-drill-77"
    assert ("/sys/fs/cgroup/santabpf-drill-77/cpuset.cpus", "1") in group.writes
    assert not any("cpu.max" in path for path, _ in group.writes)


def test_a_machine_whose_groups_cannot_limit_is_refused_with_the_controllers_that_lack() -> None:
    with pytest.raises(CannotContain, match="memory and pids"):
        plan(SECOND, {})
    with pytest.raises(CannotContain, match="limit memory and pids"):
        plan(("", ""), {})
    with pytest.raises(CannotContain, match=r"limit pids$"):
        plan(SECOND, {"/sys/fs/cgroup/cgroup.subtree_control": "memory cpuset"})
    with pytest.raises(CannotContain, match=r"limit cpuset or cpu$"):
        plan(SECOND, {"/sys/fs/cgroup/cgroup.subtree_control": "memory pids"})
    with pytest.raises(CannotContain, match=r"limit cpuset or cpu$"):
        plan(without("cpuset", "cpu,cpuacct"), {})


def test_a_container_that_sees_only_its_own_part_of_a_tree_finds_its_group_there() -> None:
    trees = parse_trees(
        "4:memory:/docker/abc/inner\n", "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    )
    assert [tree.own for tree in trees] == ["/sys/fs/cgroup/memory/inner"]


def test_without_version_2_the_identity_is_the_memory_group() -> None:
    machine = (HYBRID[0], "\n".join(line for line in HYBRID[1].splitlines() if "cgroup2" not in line))
    assert plan(machine, {}).identity == "/sys/fs/cgroup/memory/box/a b/santabpf-drill-77/fault"
