"""Samples with stacks to folded stacks: each different stack once, with names, outermost frame first.

In: a recording's profile or offcpu, and its `symbols`. Out: one Arrow table, ready for a flame graph. The grouping is
DuckDB's, the naming goes over different stacks only. Never: draws, or shows a caller that may be wrong.

What the kernel calls a user stack is a chain of frame pointers, and most code keeps none. So each caller must prove
itself (see symbols/code.py): a call stands before the return address, and the function that it calls sets a frame
pointer. Where one fails, the stack is cut there. Where that function is not the one found inside it, it is put in
between: its own caller was found by its frame, and it went on to something that sets none (a leaf, a library).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import BadUsage
from ..units import SECOND
from .query import Limits, Query

if TYPE_CHECKING:
    from ..recording import Recording

#: table -> the column that a stack weighs, with its unit; None counts the samples
WEIGHTS: dict[str, tuple[str | None, str]] = {"profile": (None, "samples"), "offcpu": ("blocked_ns", "ns")}
CUT = "[cut]"
#: Where a blocked thread gave up the CPU; what is further in is the tracepoint's, and the probe's own.
_SWITCH = {"offcpu": "__schedule"}
#: What a frame is, for the drawing: charts/flame_graph.py.
THREAD_KIND, CUT_KIND, USER, KERNEL, JIT, UNRESOLVED = "thread", "cut", "user", "kernel", "jit", "unresolved"
#: Where a stack is whole: nothing outside these is of interest.
_ROOT = re.compile(r"main|_start|__libc_start_.*|_*clone3?|start_thread|thread_start|runtime\.(goexit|mstart|rt0_go).*")

_NEAR = 4096
#: Samples that DuckDB groups at once: a stack of 30 frames takes 2 KB there.
_AT_ONCE = 200_000

#: Each text once: a stack of 30 frames is 30 small numbers in each column.
_TEXTS = pa.list_(pa.dictionary(pa.int32(), pa.string()))
_COLUMNS: list[tuple[str, pa.DataType, str, str]] = [
    ("node", pa.string(), "none", "the node"),
    ("comm", pa.string(), "none", "the thread's name"),
    ("tgid", pa.int64(), "id", "the process"),
    ("start_ns", pa.int64(), "ns", "start of its group leader since boot; with tgid, its identity"),
    ("frames", _TEXTS, "none", "the thread's name, [cut] where callers are unknown; outermost first"),
    ("kinds", _TEXTS, "none", "what each frame is: thread, cut, user, kernel, jit, or unresolved"),
    ("modules", _TEXTS, "none", "the file, or [kernel], of each frame; null where it is not known"),
    ("cut", pa.bool_(), "none", "there were frames further out that are not known"),
    ("samples", pa.int64(), "count", "rows of the table with this stack"),
]  # fmt: skip

_SUMMED = {"node": pa.string(), "comm": pa.string(), "tgid": pa.int64(), "start_ns": pa.int64(),
           "samples": pa.int64(), "value": pa.int64()}


def stacks(
    recording: Recording, table: str = "profile", *, from_ns: int | None = None, to_ns: int | None = None,
    node: str | None = None, tgid: int | None = None, start_ns: int | None = None, limits: Limits | None = None,
    by: Query | None = None, names: Names | None = None,
) -> pa.Table:
    """Folded stacks of profile (value: samples) or offcpu (value: ns blocked), heaviest first.

    from_ns, to_ns   rows that ended in [from_ns, to_ns), UTC
    tgid, start_ns   of one process only
    by               a Query that asks this recording and is used again; by default one is begun and ended
    names            Names.of() this recording and table, used again: what was named once is not named anew

    Returns: the columns of _COLUMNS and `value`. Empty where nothing was sampled.
    Raises BadUsage for a table without stacks, MissingTable, QueryFailed.
    """
    if table not in WEIGHTS:
        raise BadUsage(f"{table} has no stacks; these have: {', '.join(WEIGHTS)}")
    if table not in recording:
        recording[table]  # raises MissingTable
    weight, unit = WEIGHTS[table]
    given = {"ts_ns >= ": from_ns, "ts_ns < ": to_ns, "node = ": node, "tgid = ": tgid, "start_ns = ": start_ns}
    named = {f"p{i}": (text, value) for i, (text, value) in enumerate(given.items()) if value is not None}
    where = " AND ".join(f"{text}${name}" for name, (text, _) in named.items()) or "true"
    values = {name: value for name, (_, value) in named.items()}
    folded = _Folded(names or Names.of(recording, table))
    with nullcontext(by) if by is not None else Query(recording, limits) as asked:
        times = asked.run(f"SELECT ts_ns FROM {table} WHERE {where} ORDER BY ts_ns", values).table["ts_ns"].to_numpy()
        for first, last in _spans(times):
            query = (
                "SELECT node, comm, tgid, start_ns, kernel_stack, user_frames, bool_or(cut) AS cut, "
                f"count(*) AS samples, {f'sum({weight})::bigint' if weight else 'count(*)'} AS value FROM {table} "
                f"WHERE {where} AND ts_ns BETWEEN {first} AND {last} "
                "GROUP BY node, comm, tgid, start_ns, kernel_stack, user_frames"
            )
            folded.add(asked.run(query, values).table)
    return folded.table(unit)


def sample_length(recording: Recording) -> int | None:
    """How long one sample of profile stands for, in ns; None where it is not known with which frequency it was made."""
    hz = recording.probes.get("profile", {}).get("params", {}).get("hz")
    return SECOND // hz if isinstance(hz, int) and hz > 0 else None


def _spans(times: np.ndarray[Any, np.dtype[np.int64]]) -> Iterable[tuple[int, int]]:
    """First and last time of so many rows as fit into memory with all their frames, one after another."""
    at = 0
    while at < len(times):
        last = int(times[min(at + _AT_ONCE, len(times)) - 1])
        yield int(times[at]), last
        at = int(np.searchsorted(times, last, side="right"))


def fold(rows: pa.Table, symbols: pa.Table | None, unit: str = "samples", innermost: str | None = None) -> pa.Table:
    """Rows of different stacks (node, comm, tgid, start_ns, kernel_stack, user_frames, cut, samples, value), named.

    unit: of value, samples or ns; it stands in the metadata. innermost: what is further in than this function of the
    kernel is left out. Stacks that have the same names become one. Without symbols, frames keep their addresses.
    """
    folded = _Folded(Names(symbols, innermost))
    folded.add(rows)
    return folded.table(unit)


class _Folded:
    """Stacks that were named, and what they weigh."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._parts: list[pa.Table] = []

    def add(self, rows: pa.Table) -> None:
        """More rows, of different stacks."""
        columns = {name: rows[name].cast(type) for name, type in _SUMMED.items()}
        self._parts.append(pa.table({**columns, "stack": pa.array(self._names.numbers(rows), pa.int64())}))

    def table(self, unit: str) -> pa.Table:
        """All of them: the heaviest first; of those that weigh the same, in the order of what they are, null last."""
        parts = pa.concat_tables([pa.schema([*_SUMMED.items(), ("stack", pa.int64())]).empty_table(), *self._parts])
        who = [name for name in parts.column_names if name not in ("samples", "value")]
        rows = parts.group_by(who).aggregate([("samples", "sum"), ("value", "sum")])
        known = self._names.known
        distinct = sorted(pc.unique(rows["stack"]).to_pylist(), key=lambda number: _order(known[number]))
        rank = np.zeros(len(known), dtype=np.int64)
        rank[distinct] = np.arange(len(distinct))
        rows = rows.set_column(who.index("stack"), "stack", pa.array(rank[rows["stack"].to_numpy()], pa.int64()))
        order = [("value_sum", "descending"), *((name, "ascending") for name in who)]
        rows = rows.take(pc.sort_indices(rows, order)).combine_chunks()
        stack = rows["stack"].to_numpy()
        shown = [known[number] for number in distinct]
        columns = [
            *(rows[name] for name in ("node", "comm", "tgid", "start_ns")),
            _lists([one.frames for one in shown], stack, rows["comm"].to_pylist()),
            _lists([one.kinds for one in shown], stack, [THREAD_KIND] * len(rows)),
            _lists([one.modules for one in shown], stack, [None] * len(rows)),
            pa.array([one.cut for one in shown], pa.bool_()).take(pa.array(stack)),
            rows["samples_sum"], rows["value_sum"],
        ]  # fmt: skip
        schema = pa.schema(
            [pa.field(n, t, metadata={"unit": u, "description": d}) for n, t, u, d in _COLUMNS]
            + [pa.field("value", pa.int64(), metadata={"unit": "ns" if unit == "ns" else "count"})],
            metadata={"unit": unit},
        )
        return pa.table(columns, schema=schema)


def _order(stack: _Stack) -> tuple[Any, ...]:
    return stack.frames, stack.kinds, stack.cut, tuple(module or "" for module in stack.modules)


def _lists(
    distinct: Sequence[Sequence[str | None]], which: np.ndarray[Any, Any], first: Sequence[str | None]
) -> pa.ListArray:
    """For each row the list that it has, with another value before it; no row's list becomes Python's."""
    known: dict[str | None, int] = {None: -1}
    numbers = np.array([known.setdefault(text, len(known) - 1) for d in distinct for text in d], dtype=np.int32)
    lengths = np.array([len(d) for d in distinct], dtype=np.int32)
    begin = np.cumsum(lengths) - lengths
    of_row = lengths[which] + 1
    offsets = np.concatenate([[0], np.cumsum(of_row)]).astype(np.int32)
    at = np.arange(offsets[-1], dtype=np.int32) + np.repeat(begin[which] - offsets[:-1] - 1, of_row)
    at[offsets[:-1]] = 0
    values = numbers[at] if len(numbers) else np.empty(len(at), dtype=np.int32)
    values[offsets[:-1]] = [known.setdefault(text, len(known) - 1) for text in first]
    texts = pa.array(list(known)[1:], pa.string())
    encoded = pa.DictionaryArray.from_arrays(pa.array(values, mask=values < 0), texts)
    return pa.ListArray.from_arrays(pa.array(offsets), encoded)


class _Row(NamedTuple):
    node: str
    tgid: int
    start_ns: int | None
    kernel_stack: Sequence[int] | None
    user_frames: Sequence[str] | None
    cut: bool


def _tuples(rows: pa.Table) -> Iterable[_Row]:
    for values in zip(*(rows[name].to_pylist() for name in _Row._fields), strict=True):
        yield _Row(*values)


class _Flat(NamedTuple):
    """A column of lists: all that is in them, and where each begins and ends; null ones are as null says."""

    values: pa.Array
    ends: np.ndarray[Any, np.dtype[np.int64]]  # one more than there are lists: the first is 0
    null: list[bool]

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> _Flat:
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
        flat = pc.list_flatten(column)
        values = pa.concat_arrays(flat.chunks) if flat.num_chunks else pa.array([], flat.type)
        return cls(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), pc.is_null(column).to_pylist())

    def keys(self, numbers: np.ndarray[Any, np.dtype[np.int64]]) -> list[bytes | None]:
        """Each list as bytes, one number for each value: what can be looked up without becoming Python's."""
        whole, ends = numbers.astype(np.int64).tobytes(), (self.ends * 8).tolist()
        return [None if null else whole[a:b] for null, a, b in zip(self.null, ends, ends[1:], strict=False)]


@dataclass(frozen=True)
class _Symbol:
    """One row of symbols, as far as a stack needs it."""

    label: str
    kind: str
    module: str | None
    offset: int | None  # where in the module it is
    function: int | None  # where in the module its function starts
    is_call: bool | None
    calls: str | None
    calls_bytes: int | None
    keeps_frame: bool | None
    calls_keeps_frame: bool | None


class _Frame(NamedTuple):
    """One frame as it is shown."""

    label: str
    kind: str
    module: str | None


class _Stack(NamedTuple):
    """What a folded stack says, but for the thread's name, which comes before all else."""

    frames: tuple[str, ...]
    kinds: tuple[str, ...]
    modules: tuple[str | None, ...]
    cut: bool


class Names:
    """Frames to names, with what is known of each. A return address without a file that symbols leaves out is none."""

    def __init__(self, symbols: pa.Table | None, innermost: str | None) -> None:
        self.known: list[_Stack] = []  # by number
        self._innermost = innermost
        self._user: dict[tuple[Any, ...], _Symbol] = {}
        self._kernel: dict[tuple[Any, ...], _Symbol] = {}
        self._numbers: dict[_Stack, int] = {}
        self._met: dict[tuple[Any, ...], int] = {}
        self._texts: dict[str, int] = {}
        for row in symbols.to_pylist() if symbols is not None else []:
            if row["address"] is not None:
                self._kernel[row["node"], row["address"], row["is_return"]] = _symbol(row, KERNEL)
            else:
                who = row["tgid"], row["start_ns"]
                self._user[row["node"], row["frame"], row["is_return"], *who] = _symbol(row, USER)

    @classmethod
    def of(cls, recording: Recording, table: str) -> Names:
        """Those of a recording's profile or offcpu, as far as it has been written."""
        symbols = recording["symbols"].arrow() if "symbols" in recording else None
        return cls(symbols, _SWITCH.get(table))

    def numbers(self, rows: pa.Table) -> list[int]:
        """Which stack each row has, without the thread's name, which is what differs most; equal ones have one."""
        kernel, user = _Flat.of(rows["kernel_stack"]), _Flat.of(rows["user_frames"])
        encoded = pc.dictionary_encode(user.values)
        texts = encoded.dictionary.to_pylist()
        places = encoded.indices.to_numpy()
        own = np.array([self._texts.setdefault(text, len(self._texts)) for text in texts], dtype=np.int64)
        # an address means something in its own process only
        plain = np.array([text[:2] == "0x" for text in texts], dtype=bool)[places]
        met = np.concatenate([[0], np.cumsum(plain)])[user.ends]
        who = zip(rows["tgid"].to_pylist(), rows["start_ns"].to_pylist(), strict=True)
        keys = list(zip(
            rows["node"].to_pylist(), kernel.keys(kernel.values.to_numpy()), user.keys(own[places]),
            rows["cut"].to_pylist(), [one if has else None for one, has in zip(who, np.diff(met) > 0, strict=True)],
            strict=True,
        ))  # fmt: skip
        fresh = {key: at for at, key in enumerate(keys) if key not in self._met}
        for key, row in zip(fresh, _tuples(rows.take(pa.array(fresh.values(), pa.int64()))), strict=True):
            stack = self._stack(row)
            self._met[key] = self._numbers.setdefault(stack, len(self.known))
            if self._met[key] == len(self.known):
                self.known.append(stack)
        return [self._met[key] for key in keys]

    def _stack(self, row: _Row) -> _Stack:
        user, is_cut = self._walk(row) if row.user_frames is not None else ([], True)
        is_cut = is_cut or row.cut or row.kernel_stack is None
        frames = [_shown(self._of_kernel(row.node, address, i > 0)) for i, address in enumerate(row.kernel_stack or ())]
        inner = next((i for i, frame in enumerate(frames) if frame.label == self._innermost), 0)
        frames = frames[inner:] + user
        if is_cut:
            frames.append(_Frame(CUT, CUT_KIND, None))
        labels, kinds, modules = zip(*reversed(frames), strict=True) if frames else ((), (), ())
        return _Stack(labels, kinds, modules, is_cut)

    def _of_kernel(self, node: str, address: int, is_return: bool) -> _Symbol:
        return self._kernel.get((node, address, is_return)) or _raw(f"{address % (1 << 64):#x}", "[kernel]", KERNEL)

    def _walk(self, row: _Row) -> tuple[list[_Frame], bool]:
        """Each frame of the program that is sure, innermost first; and whether it is cut."""
        out: list[_Frame] = []
        inner: _Symbol | None = None
        for i, frame in enumerate(row.user_frames or ()):
            who = (row.tgid, row.start_ns) if frame.startswith("0x") else (None, None)
            known = self._user.get((row.node, frame, i > 0, *who))
            symbol = known or _raw(frame, None, UNRESOLVED)
            if inner is not None:
                if (known is None and self._user and "+" not in frame) or not _is_sure(symbol, inner):
                    return out, not _has_root(out)
                called = symbol.calls_bytes
                if called is not None and not _is_within(inner, symbol.module, called):
                    kind = USER if symbol.calls else UNRESOLVED
                    out.append(_Frame(symbol.calls or _place(symbol.module, called), kind, symbol.module))
            out.append(_shown(symbol))
            inner = symbol
        return out, bool(out) and not _has_root(out)


def _is_sure(caller: _Symbol, inner: _Symbol) -> bool:
    """May this caller stand outside that frame? See the top of this file; what can't be read is believed."""
    if caller.is_call is False:
        return False
    if caller.calls_bytes is not None:
        return caller.calls_keeps_frame is not False
    return inner.keeps_frame is not False


def _is_within(inner: _Symbol, module: str | None, function: int) -> bool:
    """Is this frame in the function that starts there? Where functions have no known ends, if it is near."""
    if inner.module != module:
        return False
    if inner.function is not None:
        return inner.function == function
    return inner.offset is not None and 0 <= inner.offset - function < _NEAR


def _has_root(frames: Sequence[_Frame]) -> bool:
    return any(_ROOT.fullmatch(frame.label) for frame in frames[-3:])


def _shown(symbol: _Symbol) -> _Frame:
    return _Frame(symbol.label, symbol.kind, symbol.module)


def _symbol(row: dict[str, Any], kind: str) -> _Symbol:
    offset, within = row["module_offset_bytes"], row["offset_bytes"]
    function = offset - within if offset is not None and within is not None else None
    place = function if function is not None else offset
    label = row["name"] or (_place(row["module"], place) if place is not None else _unknown(row["frame"]))
    if kind == USER:
        kind = UNRESOLVED if row["name"] is None else JIT if row["module"] == "[jit]" else USER
    return _Symbol(
        label, kind, row["module"], offset, function, row["is_call"], row["calls"], row["calls_bytes"],
        row["keeps_frame"], row["calls_keeps_frame"],
    )  # fmt: skip


def _place(module: str | None, offset: int | None) -> str:
    """module+0x1234"""
    name = os.path.basename(module).removesuffix(" (deleted)") if module else "[unknown]"
    return f"{name}+{offset or 0:#x}"


def _unknown(frame: str) -> str:
    """A frame of which nothing is known: its file by the start of its build id, or its address."""
    build_id, plus, offset = frame.partition("+")
    return f"[{build_id[:8]}]+{offset}" if plus else frame


def _raw(frame: str, module: str | None, kind: str) -> _Symbol:
    return _Symbol(_unknown(frame), kind, module, None, None, None, None, None, None, None)
