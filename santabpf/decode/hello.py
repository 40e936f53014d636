"""What an elf says first, checked key by key. In: the JSON of HELLO or TROUBLE. Out: the same, of sound types."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..units import HOUR
from ..wire import BadFrame
from .said import known, mapping, number, text

#: A node's monotonic clock does not jump; a time from further ahead than this is none of this recording.
JUMP_NS = 24 * HOUR
TEXTS = ("elf", "boot_id", "kernel", "machine", "hostname", "python", "bcc")
COUNTS = ("cpus", "memory_bytes")
CAPABILITIES = ("bpf_stats", "kallsyms")


def clean_hello(said: dict[str, Any], tables: Mapping[str, int], probes: Collection[str]) -> dict[str, Any]:
    """The facts of a node, each of its type; what is not essential is None where the node did not tell.

    tables and probes are those of the plan. Raises BadFrame where nothing could be decoded with such facts.
    """
    known(said.get("version"), "the hello's version", 1, 1)
    clock = mapping(said.get("clock"), "clock")
    mono_ns = known(clock.get("mono_ns"), "clock.mono_ns")
    for name, row in mapping(said.get("tables"), "tables").items():
        if name not in tables or mapping(row, f"tables.{name}").get("id") != tables[name]:
            raise BadFrame(f"the hello's table {name[:40]!r} is not that of the plan")
    found = mapping(said.get("probes"), "probes")
    can = mapping(said.get("capabilities"), "capabilities")
    return {
        "version": 1,
        **{name: text(said.get(name)) for name in TEXTS},
        **{name: number(said.get(name), name) for name in COUNTS},
        "possible_cpus": known(said.get("possible_cpus"), "possible_cpus", 1, 1 << 14),
        "clock_tick_hz": known(said.get("clock_tick_hz"), "clock_tick_hz", 1, 10_000),
        "page_bytes": known(said.get("page_bytes"), "page_bytes", 1024, 1 << 20),
        "cgroup_controller": text(said.get("cgroup_controller")) or "",
        "cgroup_version": known(said.get("cgroup_version", 2), "cgroup_version", 1, 2),
        "clock": {
            "mono_ns": mono_ns,
            "real_ns": known(clock.get("real_ns"), "clock.real_ns"),
            "error_ns": known(clock.get("error_ns"), "clock.error_ns"),
        },
        "armed_ns": known(said.get("armed_ns"), "armed_ns", mono_ns - JUMP_NS, mono_ns + JUMP_NS),
        "tables": {name: {"id": tables[name]} for name in mapping(said.get("tables"), "tables")},
        "probes": {name: _probe(mapping(found[name], f"probes.{name}")) for name in found if name in probes},
        "capabilities": {name: can.get(name) is True for name in CAPABILITIES},
    }


def clean_trouble(said: dict[str, Any]) -> dict[str, Any]:
    """A TROUBLE with all its keys, in their types."""
    return {
        "code": text(said.get("code")) or "internal",
        "message": text(said.get("message")) or "",
        "what_to_do": text(said.get("what_to_do")) or "",
        "probe": text(said.get("probe")),
        "fatal": said.get("fatal") is True,
    }


def _probe(said: dict[str, Any]) -> dict[str, Any]:
    state, missing = said.get("state"), said.get("missing")
    return {
        "state": state if state in ("on", "partial", "failed") else "failed",
        "why": text(said.get("why")),
        "missing": [text(name) for name in missing] if isinstance(missing, list) else [],
    }
