"""Paths of cgroups as runtimes write them, to pod and container; and from a frame of the elf to the columns."""

from __future__ import annotations

import doctest
import struct
from typing import Any

import numpy as np
import pytest
from streams import CPUS, Elf, decode, plan, ring, table

from santabpf import wire
from santabpf.decode.cgroups import NAMES_BYTES, Cgroups
from santabpf.probes import containers
from santabpf.probes.containers import belongs
from santabpf.tables import table_schema
from santabpf.wire import BadFrame

ID = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4
UID = "0b0e4c52-9f3e-4b6a-8d0c-3a1f5b2c7d9e"
POD = f"pod{UID.replace('-', '_')}.slice"


@pytest.mark.parametrize(
    ("path", "pod", "container"),
    [
        ("/", None, None),
        ("/system.slice/ssh.service", None, None),
        ("/user.slice/user-1000.slice/session-3.scope", None, None),
        (f"/docker/{ID}", None, ID),
        (f"/system.slice/docker-{ID}.scope", None, ID),
        (f"/docker/{ID}/docker/{OTHER}", None, OTHER),
        (f"/kubepods/pod{UID}/{ID}", UID, ID),
        (f"/kubepods/burstable/pod{UID}/{ID}", UID, ID),
        (f"/kubepods/besteffort/pod{UID}", UID, None),
        (f"/kubepods.slice/kubepods-{POD}/cri-containerd-{ID}.scope", UID, ID),
        (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-{POD}/crio-{ID}.scope", UID, ID),
        (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-{POD}/docker-{ID}.scope", UID, ID),
        (f"/kubepods.slice/kubepods-{POD}/crio-conmon-{ID}.scope", UID, None),
        (f"/kubepods.slice/kubepods-{POD}/crio-{ID}.scope/container/below", UID, ID),
        (f"/system.slice/containerd.service/kubepods-besteffort-{POD}:cri-containerd:{ID}", UID, ID),
        (f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-{POD}/cri-containerd-{ID}.scope", UID, ID),
        ("/kubepods/burstable/pod" + "ab" * 16 + "/" + ID, "ab" * 16, ID),
        (f"/machine.slice/libpod-{ID}.scope", None, ID),
        (f"/machine.slice/libpod-{ID}.scope/container", None, ID),
        (f"/machine.slice/libpod-conmon-{ID}.scope", None, None),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container", None, ID),
        (f"/libpod_parent/libpod-{ID}", None, ID),
        ("/lxc/web", None, "web"),
        ("/lxc.payload.web/system.slice/ssh.service", None, "web"),
        ("/lxc.payload/web", None, "web"),
        ("/lxc.monitor.web", None, None),
        (f".../kubepods-{POD}/cri-containerd-{ID}.scope", UID, ID),
        (f"/system.slice/{ID}", None, None),
        (f"/system.slice/docker-{ID[:12]}.scope", None, None),
        ("/kubepods/podium/" + ID, None, None),
    ],
)  # fmt: skip
def test_a_path_tells_the_pod_and_the_container(path: str, pod: str | None, container: str | None) -> None:
    assert belongs(path) == (pod, container)


def test_the_example_in_the_words_of_the_module_is_true() -> None:
    assert doctest.testmod(containers).failed == 0


def row(number: int, *names: bytes, state: int = 1) -> bytes:
    return struct.pack("<Q", number) + b"".join(n + b"\0" for n in names).ljust(NAMES_BYTES, b"\0") + struct.pack(
        "<II", len(names), state
    )


def columns(cgroups: Cgroups, *ids: int) -> dict[str, list[Any]]:
    schema = table_schema("exit")
    records = np.zeros(len(ids), schema.dtype())
    records["cgroup_id"] = ids
    return {name: array.to_pylist() for name, array in cgroups.columns(schema, records).items()}


def test_ids_become_paths_pods_and_containers_and_unknown_ones_nothing() -> None:
    cgroups = Cgroups()
    scope = f"docker-{ID}.scope".encode()
    cgroups.take(row(7, scope, b"system.slice") + row(1) + row((1 << 64) - 1, b"leaf", b"far up", state=2))
    assert columns(cgroups, 7, 1, 99, 7, (1 << 64) - 1, 0) == {
        "cgroup": [f"/system.slice/docker-{ID}.scope", "/", None, f"/system.slice/docker-{ID}.scope",
                   ".../far up/leaf", None],
        "pod_id": [None] * 6,
        "container_id": [ID, None, None, ID, None, None],
    }  # fmt: skip


def test_ids_of_the_cpu_controllers_hierarchy_are_no_ids_of_the_one_that_names_processes() -> None:
    cgroups = Cgroups()
    cgroups.take(row(7, b"naming") + row(7 | 1 << 63, b"limited"))
    schema = table_schema("throttle")
    records = np.zeros(1, schema.dtype())
    records["cgroup_id"] = records["limited_cgroup_id"] = 7
    told = cgroups.columns(schema, records)
    assert (told["cgroup"].to_pylist(), told["limited_cgroup"].to_pylist()) == (["/limited"], ["/limited"])
    assert columns(cgroups, 7)["cgroup"] == ["/naming"]


def test_rows_of_a_map_get_the_path_that_comes_after_them_and_before_the_tick() -> None:
    def reading(times: int) -> bytes:
        key = struct.pack("<QQi12s16s", 1, 7, 42, b"memcg", b"reader")
        return key + struct.pack("<QQQ", times, 0, 0) + bytes(24 * (CPUS - 1))

    elf = Elf()
    stream = elf.hello() + elf.frame(wire.MAP, b"", 1) + elf.frame(wire.MAP, reading(2), 1, 1.0)
    stream += elf.frame(wire.MAP, row(7, f"docker-{ID}.scope".encode())) + elf.tick(1.0)
    stream += elf.frame(wire.MAP, reading(5), 1, 2.0) + elf.tick(2.0) + elf.bye()
    decoder, batches = decode(plan("reclaim"), stream)
    rows = table(batches, "reclaim")
    assert decoder.ended is None
    assert [(r["times"], r["cgroup"], r["container_id"]) for r in rows] == [
        (2, f"/docker-{ID}.scope", ID),
        (3, f"/docker-{ID}.scope", ID),
    ]


def test_rows_of_a_ring_wait_for_the_path_though_another_table_was_late_and_its_second_could_close() -> None:
    elf = Elf()
    both = plan("exit", "switches")
    stream = elf.hello() + elf.ring(b"", 1.0) + elf.ring(b"", 0.9, 2) + elf.tick(1.0)
    stream += elf.ring(ring("exit", [{"ts_ns": 1.1, "cgroup_id": 7}]), 1.2) + elf.ring(b"", 1.2, 2)
    stream += elf.ring(b"", 2.0) + elf.ring(b"", 2.0, 2) + elf.frame(wire.MAP, row(7, f"docker-{ID}.scope".encode()))
    decoder, batches = decode(both, stream + elf.tick(2.0) + elf.bye())
    assert decoder.ended is None
    assert [(r["cgroup"], r["container_id"]) for r in table(batches, "exit")] == [(f"/docker-{ID}.scope", ID)]


def test_a_name_that_is_no_text_is_spelt_out() -> None:
    cgroups = Cgroups()
    cgroups.take(row(5, b"\xff<b>"))
    assert columns(cgroups, 5)["cgroup"] == ["/\\xff<b>"]


@pytest.mark.parametrize("payload", [b"short", row(1, b"a", state=0), row(1, b"a", state=3), row(1)[:-8] + b"\xff" * 8])
def test_a_row_that_is_none_ends_the_stream(payload: bytes) -> None:
    with pytest.raises(BadFrame):
        Cgroups().take(payload)
