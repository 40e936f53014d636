"""A copy for publishing tells nothing of the machine but what was recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash_writer import batch

from santabpf.errors import BadUsage
from santabpf.recording import Writer, anonymise, open, share, verify
from santabpf.replay.stacks import stacks

T0 = 1_750_000_000_000_000_000


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A recording of two segments, with a host's name in its label, its notes and its gaps."""
    facts = {"kernel": "6.1.0-18-cloud-amd64+acme", "boot_id": "c0ffee00-1234", "cpus": 2, "hostname": "acme-db-7"}
    with Writer(tmp_path / "acme", info={"probes": {"fork": {"params": {}, "state": "on", "why": None}}}) as writer:
        writer.add_node("acme-db-7", facts)
        writer.add_node("acme-db-70", facts)
        writer.note("acme-db-7: the connection broke")
        for at in (1, 2):
            writer.append("acme-db-7", "fork", batch("fork", [{"ts_ns": T0 + at, "comm": "cron"}]))
            writer.append("acme-db-7", "coverage", batch("coverage", [{"ts_ns": T0 + at, "span_ns": 1, "rows": 1}]))
            writer.flush()
        gap = {"ts_ns": T0 + 3, "reason": "connection_lost", "detail": "acme-db-7 went away"}
        writer.append("acme-db-7", "gaps", batch("gaps", [gap]))
        writer.close("interrupted")
    return tmp_path / "acme"


def test_the_copy_names_no_host_and_no_boot(private: Path, tmp_path: Path) -> None:
    made = share(private, tmp_path / "public")
    assert made.nodes == ["node-1", "node-2"]
    assert made.info["nodes"]["node-1"] == {
        "kernel": "6.1", "boot_id": "00000000-0000-0000-0000-000000000000", "cpus": 2,
    }
    assert made.info["notes"] == ["node-1: the connection broke"]
    assert made["gaps"].arrow(["detail", "node"]).to_pylist() == [{"detail": "node-1 went away", "node": "node-1"}]
    for path in (tmp_path / "public").rglob("*"):
        assert "acme" not in str(path.relative_to(tmp_path / "public"))
        assert path.is_dir() or b"acme" not in path.read_bytes()


def test_the_copy_holds_the_same_rows_in_one_part(private: Path, tmp_path: Path) -> None:
    made, source = share(private, tmp_path / "public"), open(private)
    assert [len(source.parts("fork")), len(made.parts("fork"))] == [2, 1]
    columns = ["ts_ns", "comm"]
    assert made["fork"].arrow(columns).to_pylist() == source["fork"].arrow(columns).to_pylist()
    assert (made.state, made.window) == ("interrupted", source.window)
    assert made.info["created_ns"] == source.info["created_ns"]
    assert verify(tmp_path / "public") == []


@pytest.mark.parametrize(("scope", "kept"), [({"cgroup": "/x/y"}, 0), (None, 1)])
def test_what_others_had_mapped_is_left_out_where_only_a_part_was_recorded(
    scope: dict[str, str] | None, kept: int, tmp_path: Path
) -> None:
    with Writer(tmp_path / "acme", info={"probes": {}, "scope": scope}, tables=["mappings"]) as writer:
        writer.add_node("acme", {})
        writer.append("acme", "mappings", batch("mappings", [{"ts_ns": T0, "tgid": 1, "path": "/opt/acme/secret"}]))
    made = share(tmp_path / "acme", tmp_path / "public")
    assert ("mappings" in made, made["mappings"].rows) == (True, kept)


def test_where_the_kernel_lay_is_not_told_and_its_frames_keep_their_names(tmp_path: Path) -> None:
    switch, call = -0x7F000000 + 0x2E600000 + 0x1234, -0x7F000000 + 0x2E600000 + 0x405678
    with Writer(tmp_path / "acme", info={"probes": {}}, tables=["profile", "symbols"]) as writer:
        writer.add_node("acme", {})
        for stack in ([switch, call], [], None):
            row = {"ts_ns": T0, "tgid": 1, "comm": "x", "kernel_stack": stack, "user_frames": ["ab+0x10"], "cut": False}
            writer.append("acme", "profile", batch("profile", [row]))
        for address, name in ((switch, "schedule"), (call, None), (None, "main")):
            frame = "ab+0x10" if address is None else f"{address % (1 << 64):#018x}"
            row = {"ts_ns": T0, "frame": frame, "address": address, "name": name, "is_return": address == call}
            writer.append("acme", "symbols", batch("symbols", [row]))
    before, made = open(tmp_path / "acme"), share(tmp_path / "acme", tmp_path / "public")
    assert made["profile"].arrow(["kernel_stack"]).column(0).to_pylist() == [
        [-0x7F000000 + 0x1234, -0x7F000000 + 0x405678], [], None,
    ]
    assert made["symbols"].arrow(["frame", "address"]).to_pylist() == [
        {"frame": "0xffffffff81001234", "address": -0x7F000000 + 0x1234},
        {"frame": "0xffffffff81405678", "address": -0x7F000000 + 0x405678},
        {"frame": "ab+0x10", "address": None},
    ]
    names = [stacks(recording, "profile")["frames"].to_pylist() for recording in (before, made)]
    assert [[frame for frame in stack if frame[:2] != "0x"] for stack in names[0]] == [
        [frame for frame in stack if frame[:2] != "0x"] for stack in names[1]
    ]
    assert any("schedule" in stack for stack in names[1])


def test_a_table_of_a_later_version_is_copied_too(golden: Path, tmp_path: Path) -> None:
    made, source = share(golden, tmp_path / "public"), open(golden)
    assert made.tables == source.tables
    for table in made:
        assert made[table].arrow().to_pylist() == source[table].arrow().to_pylist(), table
    assert made.info["tables"] == source.info["tables"]


def test_labels_of_ones_own(private: Path, tmp_path: Path) -> None:
    labels = {"acme-db-7": "victim", "acme-db-70": "neighbour"}
    assert share(private, tmp_path / "public", labels).nodes == ["neighbour", "victim"]
    with pytest.raises(BadUsage, match="each node needs a label of its own; missing: acme-db-70"):
        share(private, tmp_path / "other", {"acme-db-7": "victim"})
    with pytest.raises(BadUsage, match="each node needs a label of its own"):
        share(private, tmp_path / "other", dict.fromkeys(labels, "same"))
    assert not (tmp_path / "other").exists()


def test_a_kernel_that_has_no_number_is_left_out() -> None:
    info = {"nodes": {"a": {"kernel": "acme-special", "cpus": 1}, "b": {"kernel": None}}, "notes": ["a: b-a, ab (b)"]}
    assert anonymise(info, {"a": "x", "b": "y"}) == {
        "nodes": {"x": {"kernel": None, "cpus": 1}, "y": {"kernel": None}}, "notes": ["x: b-a, ab (y)"],
    }


def test_a_recording_that_is_being_written_is_not_copied(tmp_path: Path) -> None:
    with Writer(tmp_path / "live", info={"nodes": {"n": {}}}), pytest.raises(BadUsage, match="is being written"):
        share(tmp_path / "live", tmp_path / "public")


@pytest.mark.parametrize(("scope", "expected"), [({"cgroup": "/a/b"}, ["job", None]), (None, ["job", "stranger"])])
def test_a_copy_of_a_scoped_recording_names_no_thread_from_outside(
    tmp_path: Path, scope: dict[str, str] | None, expected: list[str | None]
) -> None:
    rows = [{"ts_ns": T0 + at, "comm": "job", "prev_comm": name} for at, name in enumerate(("job", "stranger"))]
    probes = {"runq": {"params": {}, "state": "on", "why": None}}
    with Writer(tmp_path / "scoped", info={"scope": scope, "probes": probes}) as writer:
        writer.add_node("db", {"kernel": "6.1", "cpus": 2})
        writer.append("db", "runq", batch("runq", rows))
    made = share(tmp_path / "scoped", tmp_path / "public")
    assert made["runq"].arrow(["prev_comm"])["prev_comm"].to_pylist() == expected
    assert verify(made.path) == []


def test_where_a_machine_keeps_its_cgroups_is_not_told(tmp_path: Path) -> None:
    probes = {name: {"params": {}, "state": "on", "why": None} for name in ("exec", "throttle", "cgroup_metrics")}
    scope = {"cgroup": "/sys/fs/cgroup/memory/acme/tenant-7/santabpf-drill-5/jobs"}
    paths = ["/acme/tenant-7/santabpf-drill-5/jobs/one", "/acme/tenant-7", None]
    with Writer(tmp_path / "acme", info={"probes": probes, "scope": scope}) as writer:
        writer.add_node("local", {"cpus": 2})
        for table in ("exec", "throttle", "throttle_sum", "cgroup_metrics"):
            rows = [{"ts_ns": T0 + at, "cgroup": path} for at, path in enumerate(paths)]
            rows = [row | {"limited_cgroup": row["cgroup"]} for row in rows] if table == "throttle" else rows
            writer.append("local", table, batch(table, rows))
    made = share(tmp_path / "acme", tmp_path / "public")
    assert made["exec"].arrow(["cgroup"])["cgroup"].to_pylist() == ["/santabpf-drill-5/jobs/one", None, None]
    assert made["throttle"].arrow(["limited_cgroup"])["limited_cgroup"].to_pylist()[1:] == [None, None]
    for table in ("cgroup_metrics", "throttle_sum"):
        assert made[table].arrow(["cgroup"])["cgroup"].to_pylist() == ["/santabpf-drill-5/jobs/one"]
    assert not any("acme" in str(made[table].arrow().to_pylist()) for table in probes)


def test_a_table_of_cgroups_without_rows_stays_one(tmp_path: Path) -> None:
    probes = {"cgroup_metrics": {"params": {}, "state": "on", "why": None}}
    with Writer(tmp_path / "acme", info={"probes": probes, "scope": {"cgroup": "/sys/fs/cgroup/a/b"}}) as writer:
        writer.add_node("local", {"cpus": 2})
        writer.append("local", "cgroup_metrics", batch("cgroup_metrics", []))
    assert share(tmp_path / "acme", tmp_path / "public")["cgroup_metrics"].rows == 0
