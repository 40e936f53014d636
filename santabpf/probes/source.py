"""A Probe and its parameters -> the plan that an elf can carry out, with the BPF program as C text.

In: Probe values, a scope. Out: one dict, ready for JSON. Pure: no node, no files but those of santabpf/probes.

The text of a program is prelude.bpf.c, then what is made here from probe.yaml, then probe.bpf.c. For a ring table `x`
that is `struct x_record`, `x_reserve()` (zeroed, ts_ns set, 0 where there is no room) and `x_submit(r)`; for a map
table `struct x_key`, `struct x_value`, `x_at(key)` (0 where there is no room), for an array `x_slot(n)`, and for a
snapshot `x_remove(key)`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import BadScenario
from ..schema import Column
from . import HERE, Probe, Table

PLAN_VERSION = 1
#: What prelude.bpf.c reads of a task, whatever the probe. Absent ones cost a column, not the probe.
COMMON_BTF = {
    "OFF_TASK_TGID": "task_struct.tgid",
    "OFF_TASK_PID": "task_struct.pid",
    "OFF_TASK_LEADER": "task_struct.group_leader",
    "OFF_TASK_START": "task_struct.start_boottime|task_struct.real_start_time",
    "OFF_TASK_PARENT": "task_struct.real_parent",
    "OFF_TASK_COMM": "task_struct.comm",
    "OFF_TASK_CGROUPS": "task_struct.cgroups",
    "OFF_CSS_CGROUP": "cgroup_subsys_state.cgroup",
    "OFF_CGROUP_KN": "cgroup.kn",
    "OFF_KN_ID": "kernfs_node.id",
    "OFF_KN_NAME": "kernfs_node.name",
    "OFF_KN_PARENT": "kernfs_node.__parent|kernfs_node.parent",
}
#: Per table, in the per-CPU array santa_counts: reserve_failed, map_full, and the truth of a self-check.
COUNTERS = 3
_UNROLLED = 512
TREE_ENTRIES = 32768
#: Cgroups whose paths wait to be sent; the elf makes room when half of them have been.
CGROUPS = 2048


def plan(
    probes: Sequence[tuple[Probe, Mapping[str, int]]],
    *,
    scope: Mapping[str, Any] | None = None,
    selfcheck: bool = False,
    ring_bytes: int | None = None,
    min_available_bytes: int = 300 << 20,
    mask: bool = True,
    silence_s: float = 10,
    buffer_bytes: int = 64 << 20,
) -> dict[str, Any]:
    """The plan for one recording.

    scope: None for the whole node, {"tree": tgid} or {"cgroup": "/path"}. ring_bytes overrides every ring's size.
    selfcheck: each ring record carries the same counter first and last (16 bytes more), each value of a map that
    counts has a counter of its own (8 bytes, last), and the programs count their events; for tests.
    Where there is nothing to compile, the plan has no `core`: only /proc is read.
    """
    entries: list[dict[str, Any]] = []
    tables = 0
    head = _head(TREE_ENTRIES if scope and "tree" in scope else 1)
    for probe, params in probes:
        entry = _probe(probe, params, tables, selfcheck, ring_bytes)
        if entry["source"]:
            entry["source"] = head + entry["source"]
        tables += len(entry["tables"])
        entries.append(entry)
    compiled = scope is not None or any(entry["source"] for entry in entries)
    return {
        "version": PLAN_VERSION,
        "probes": entries,
        **({"core": _core(head)} if compiled else {}),
        "mappings": any(probe.has_frames for probe, _ in probes),
        "scope": dict(scope) if scope else None,
        "min_available_bytes": min_available_bytes,
        "mask": mask,
        "silence_s": silence_s,
        "buffer_bytes": buffer_bytes,
    }


#: Ends of system calls that run the program of another call's end; see prelude.bpf.c.
_ENDS_AS = re.compile(r"^ENDS_AS\((\w+), (\w+)\)$", re.MULTILINE)


def _head(tree_entries: int) -> str:
    return f"#define SANTA_TREE_ENTRIES {tree_entries}\n#define SANTA_CGROUPS {CGROUPS}\n"


def _core(head: str) -> dict[str, Any]:
    source = head + (HERE / "core.bpf.c").read_text(encoding="utf-8")
    return {"source": source, "btf": COMMON_BTF, "cgroups": CGROUPS}


def _probe(
    probe: Probe, params: Mapping[str, int], tables: int, selfcheck: bool, ring_bytes: int | None
) -> dict[str, Any]:
    rows = [_table(table, tables + i + 1, selfcheck, ring_bytes) for i, table in enumerate(probe.tables)]
    return {
        "name": probe.name,
        "source": program_text(probe, selfcheck=selfcheck, ring_bytes=ring_bytes) if probe.program else None,
        "btf": COMMON_BTF | probe.btf if probe.program else {},
        "needs": list(probe.needs),
        "params": {p.name.upper(): params.get(p.name, p.default) for p in probe.params},
        "attach": list(probe.attach),
        "ends_as": {f"sys_exit_{call}": f"sys_exit_{other}" for call, other in _ENDS_AS.findall(probe.program or "")},
        "selfcheck": selfcheck,
        "tables": rows,
    }


def _table(table: Table, table_id: int, selfcheck: bool, ring_bytes: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {"id": table_id, "name": table.name, "source": table.source}
    if table.source == "ring":
        row["record_bytes"] = _struct_bytes(table.name, table.schema.fields) + (16 if selfcheck else 0)
        row["ring_bytes"] = ring_bytes or table.ring_bytes
        row["has_argv"] = any(c.kind == "argv" for c in table.schema.columns)
        row["argv"] = [
            [_struct_offset(table.schema.fields, c) + (8 if selfcheck else 0), c.c_bytes]
            for c in table.schema.columns
            if c.kind == "argv"
        ]
    elif table.source == "map":
        row["key_bytes"] = _struct_bytes(table.name, table.keys)
        row["value_bytes"] = _struct_bytes(table.name, table.values) + (8 if _is_checked(table, selfcheck) else 0)
        row["entries"] = table.entries
        row["array"] = _is_array(table)
        row["snapshot"] = table.snapshot
        row["process"] = _process(table)
    else:
        row["files"] = list(table.files)
        row["each_process"] = list(table.each_process)
        row["each_cgroup"] = list(table.each_cgroup)
        row["sock_diag"] = list(table.sock_diag)
        row["when"] = table.when
        row["only_changed"] = table.only_changed
        row["has_argv"] = "cmdline" in table.each_process
    return row


def program_text(probe: Probe, *, selfcheck: bool = False, ring_bytes: int | None = None) -> str:
    """The C text of a probe as it is compiled on the node, but for the size of a tree scope."""
    own = [f"BPF_PERCPU_ARRAY(santa_counts, u64, {COUNTERS * len(probe.tables)});", _COUNT]
    for i, table in enumerate(probe.tables):
        own.append(f"#define {table.name.upper()}_MAP_FULL {i * COUNTERS + 1} /* for santa_count() */")
        if table.source == "ring":
            own.append(_ring_text(table, i * COUNTERS, selfcheck, ring_bytes or table.ring_bytes))
        elif table.source == "map":
            own.append(_map_text(table, i * COUNTERS, _is_checked(table, selfcheck)))
    prelude = (HERE / "prelude.bpf.c").read_text(encoding="utf-8")
    return "\n".join([prelude, *own, probe.program or ""])


_COUNT = """\
static __always_inline u64 santa_count(u32 slot)
{
	u64 *n = santa_counts.lookup(&slot);
	if (!n)
		return 0;
	__sync_fetch_and_add(n, 1); /* another program may interrupt this one on the same CPU */
	return *n;
}
"""


#: What began before the gate was shut and ends after the last reading is in no sum.
_WATCHED = "\tif (!is_armed())\n\t\treturn 0;\n"


def _ring_text(table: Table, slot: int, selfcheck: bool, ring_bytes: int) -> str:
    name = table.name
    _struct_bytes(name, table.schema.fields)
    fields = "".join(f"\t{c.c_declaration};\n" for c in table.schema.fields)
    if selfcheck:
        fields = f"\tu64 check_first;\n{fields}\tu64 check_last;\n"
    truth = _WATCHED + f"\tu64 check = santa_count({slot + 2}) << 8 | (bpf_get_smp_processor_id() & 0xff);\n"
    truth = truth if selfcheck else ""
    marks = "\tr->check_first = check;\n\tr->check_last = check;\n" if selfcheck else ""
    return f"""\
struct {name}_record {{
{fields}}};
BPF_RINGBUF_OUTPUT({name}_ring, {ring_bytes // 4096});

static __always_inline struct {name}_record *{name}_reserve(void)
{{
{truth}	struct {name}_record *r = {name}_ring.ringbuf_reserve(sizeof(struct {name}_record));
	if (!r) {{
		santa_count({slot});
		return 0;
	}}
{_zeroed(table, selfcheck)}{marks}	r->ts_ns = bpf_ktime_get_ns(); /* after the reserve: a watermark depends on it */
	return r;
}}

static __always_inline void {name}_submit(struct {name}_record *r)
{{
	{name}_ring.ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}}
"""


def _zeroed(table: Table, selfcheck: bool) -> str:
    """C that zeroes a record: in pieces, kept apart, since clang has no memset for BPF and only unrolls small ones."""
    size = _struct_bytes(table.name, table.schema.fields) + (16 if selfcheck else 0)
    spans = [(at, min(_UNROLLED, size - at)) for at in range(0, size, _UNROLLED)]
    pieces = [f"\t__builtin_memset((u64 *)r + {at // 8}, 0, {length});\n" for at, length in spans]
    return '\tasm volatile("" ::: "memory");\n'.join(pieces)


def _map_text(table: Table, slot: int, checked: bool) -> str:
    name = table.name
    _struct_bytes(name, table.values)
    values = "".join(f"\t{c.c_declaration};\n" for c in table.values) + ("\tu64 check;\n" if checked else "")
    truth = f"{_WATCHED}\tsanta_count({slot + 2});\n" if checked else ""
    count = "\tif (value)\n\t\tvalue->check++;\n" if checked else ""
    if _is_array(table):
        return f"""\
struct {name}_value {{
{values}}};
BPF_PERCPU_ARRAY({name}_map, struct {name}_value, {table.entries});

/* The slot of a number: n for 2**n up to 2**(n+1) - 1; 0 holds 0 too, the last one all that is greater. */
static __always_inline u32 {name}_slot(u64 number)
{{
	u32 n = number < 2 ? 0 : bpf_log2l(number) - 1;
	return n < {table.entries} ? n : {table.entries - 1};
}}

static __always_inline struct {name}_value *{name}_at(u32 slot)
{{
{truth}	struct {name}_value *value = {name}_map.lookup(&slot);
{count}	return value;
}}
"""
    kind = "hash" if table.snapshot else "percpu_hash"
    remove = _REMOVE.format(name=name) if table.snapshot else ""
    _struct_bytes(name, table.keys)
    keys = "".join(f"\t{c.c_declaration};\n" for c in table.keys)
    return f"""\
struct {name}_key {{
{keys}}};
struct {name}_value {{
{values}}};
BPF_TABLE("{kind}", struct {name}_key, struct {name}_value, {name}_map, {table.entries});

static __always_inline struct {name}_value *{name}_at(struct {name}_key *key)
{{
{truth}	struct {name}_value *value = {name}_map.lookup(key);
	if (!value) {{
		struct {name}_value zero = {{}};
		{name}_map.insert(key, &zero);
		value = {name}_map.lookup(key);
	}}
	if (!value)
		santa_count({slot + 1});
{count}	return value;
}}
{remove}"""


_REMOVE = """
static __always_inline void {name}_remove(struct {name}_key *key)
{{
	{name}_map.delete(key);
}}
"""


def _is_checked(table: Table, selfcheck: bool) -> bool:
    """A snapshot counts nothing."""
    return selfcheck and table.source == "map" and not table.snapshot


def _process(table: Table) -> list[int] | None:
    """Where in the key tgid and start_ns stand: with both, keys of processes that are gone can be evicted."""
    where = {c.name: _struct_offset(table.keys, c) for c in table.keys}
    if table.snapshot or not {"tgid", "start_ns"} <= where.keys():
        return None
    return [where["tgid"], where["start_ns"]]


def _is_array(table: Table) -> bool:
    """A single small log2 key is the index of an array."""
    if table.snapshot or len(table.keys) != 1 or table.entries > 64:
        return False
    return table.keys[0].kind == "log2" and table.keys[0].c == "u32"


def _struct_offset(columns: Sequence[Column], wanted: Column) -> int:
    return sum(c.c_bytes for c in columns[: columns.index(wanted)])


def _struct_bytes(name: str, columns: Sequence[Column]) -> int:
    """The size of the C struct of these columns. Raises BadScenario where C would pad it."""
    at = widest = 0
    for column in columns:
        width = column.c_align
        if at % width:
            raise BadScenario(f"{name}.{column.name} would start at byte {at}, not aligned to {width}: add a pad")
        at += column.c_bytes
        widest = max(widest, width)
    if at % widest:
        raise BadScenario(f"{name}: its struct is {at} bytes long, no multiple of {widest}: add a pad at its end")
    return at
