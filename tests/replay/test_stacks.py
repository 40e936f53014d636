"""Folded stacks: who called whom is only claimed where it is sure; what is left out is said."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from santabpf.charts.flame_graph import info
from santabpf.replay.stacks import fold
from santabpf.tables import table_schema

FILE = "ab" * 20
KERNEL = -0x7EFFFF00


def frame(offset: int) -> str:
    return f"{FILE}+{offset:#x}"


def symbol(offset: int, name: str | None, start: int, **more: Any) -> dict[str, Any]:
    """A row of symbols for a place in /bin/program."""
    return {
        "ts_ns": 0, "frame": frame(offset), "is_return": False, "name": name, "offset_bytes": offset - start,
        "module": "/bin/program", "module_offset_bytes": offset, "keeps_frame": True, "node": "n",
    } | more  # fmt: skip


def caller(offset: int, name: str | None, start: int, **more: Any) -> dict[str, Any]:
    return symbol(offset, name, start, is_return=True, is_call=True) | more


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    schema = table_schema("symbols").arrow.append(pa.field("node", pa.string()))
    return pa.Table.from_pylist(rows, schema=schema)


def rows_of(*stacks: list[str] | None, kernel: list[int] | None = (), cut: bool = False, value: int = 5) -> pa.Table:  # type: ignore[assignment]
    count = len(stacks)
    return pa.table({
        "node": ["n"] * count, "comm": ["worker"] * count, "tgid": pa.array([7] * count, pa.int64()),
        "start_ns": pa.array([70] * count, pa.int64()),
        "kernel_stack": pa.array([kernel] * count, pa.list_(pa.int64())),
        "user_frames": pa.array(list(stacks), pa.list_(pa.string())), "cut": [cut] * count,
        "samples": pa.array([1] * count, pa.int64()), "value": pa.array([value] * count, pa.int64()),
    })  # fmt: skip


def folded(rows: pa.Table, symbols: list[dict[str, Any]] | None, **more: Any) -> list[tuple[str, ...]]:
    table = fold(rows, None if symbols is None else table_of(symbols), **more)
    info(table)  # a flame graph can be drawn of it
    for row in table.to_pylist():
        assert len(row["frames"]) == len(row["kinds"]) == len(row["modules"])
        assert (row["kinds"][0], row["cut"]) == ("thread", "cut" in row["kinds"])
    return [tuple(row["frames"]) for row in table.to_pylist()]


LEAF = symbol(0x110, "leaf", 0x100)
CALLS_LEAF = caller(0x210, "middle", 0x200, calls="leaf", calls_bytes=0x100, calls_keeps_frame=True)
CALLS_MIDDLE = caller(0x310, "main", 0x300, calls="middle", calls_bytes=0x200, calls_keeps_frame=True)
STACK = [frame(0x110), frame(0x210), frame(0x310)]
KNOWN = [LEAF, CALLS_LEAF, CALLS_MIDDLE]


def test_a_stack_that_proves_itself_is_whole_and_stands_outermost_first() -> None:
    assert folded(rows_of(STACK), KNOWN) == [("worker", "main", "middle", "leaf")]


def test_a_return_address_before_which_no_call_stands_cuts_the_stack() -> None:
    known = [LEAF, CALLS_LEAF | {"is_call": False, "calls_bytes": None}, CALLS_MIDDLE]
    assert folded(rows_of(STACK), known) == [("worker", "[cut]", "leaf")]


def test_a_call_of_a_function_that_keeps_no_frame_cannot_have_made_this_frame() -> None:
    known = [LEAF, CALLS_LEAF, CALLS_MIDDLE | {"calls_keeps_frame": False}]
    assert folded(rows_of(STACK), known) == [("worker", "[cut]", "middle", "leaf")]


def test_the_function_that_a_leaf_without_a_frame_has_hidden_is_put_in() -> None:
    leaf = symbol(0x110, "leaf", 0x100, keeps_frame=False)
    assert folded(rows_of([frame(0x110), frame(0x310)]), [leaf, CALLS_MIDDLE]) == [("worker", "main", "middle", "leaf")]


def test_behind_a_leaf_without_a_frame_a_call_by_pointer_proves_nothing() -> None:
    leaf = symbol(0x110, "leaf", 0x100, keeps_frame=False)
    known = [leaf, caller(0x210, "middle", 0x200), CALLS_MIDDLE]
    assert folded(rows_of(STACK), known) == [("worker", "[cut]", "leaf")]


def test_a_stack_that_ends_in_no_known_root_is_cut() -> None:
    assert folded(rows_of(STACK[:2]), KNOWN) == [("worker", "[cut]", "middle", "leaf")]


def test_frames_without_names_are_file_and_start_of_the_function_or_place() -> None:
    known = [symbol(0x110, None, 0x100), caller(0x210, None, 0x210, offset_bytes=None)]
    assert folded(rows_of(STACK[:2]), known) == [("worker", "[cut]", "program+0x210", "program+0x100")]


def test_addresses_that_symbols_leaves_out_are_no_callers() -> None:
    for nothing in ("0x7f001122", f"{FILE}-0x10"):
        assert folded(rows_of([frame(0x110), nothing, frame(0x310)]), KNOWN) == [("worker", "[cut]", "leaf")]


def test_without_symbols_frames_keep_what_is_known() -> None:
    assert folded(rows_of([frame(0x110), "0x7f"]), None) == [("worker", "[cut]", "0x7f", "[abababab]+0x110")]


def test_kernel_frames_are_innermost_and_what_could_not_be_read_is_cut() -> None:
    kernel = {"ts_ns": 0, "node": "n", "frame": "x", "address": KERNEL, "is_return": False, "name": "do_it",
              "module": "[kernel]"}  # fmt: skip
    assert folded(rows_of(STACK, kernel=[KERNEL]), [*KNOWN, kernel]) == [("worker", "main", "middle", "leaf", "do_it")]
    assert folded(rows_of([], kernel=[KERNEL]), [kernel]) == [("worker", "do_it")]
    assert folded(rows_of(None, kernel=[KERNEL]), [kernel]) == [("worker", "[cut]", "do_it")]
    assert folded(rows_of([], kernel=None), [kernel]) == [("worker", "[cut]")]
    assert folded(rows_of(STACK, cut=True), KNOWN) == [("worker", "[cut]", "main", "middle", "leaf")]
    assert folded(rows_of([], kernel=[-9, -8]), [kernel]) == [("worker", "0xfffffffffffffff8", "0xfffffffffffffff7")]


def test_what_is_further_in_than_the_switch_is_left_out() -> None:
    row = {"ts_ns": 0, "node": "n", "frame": "x", "module": "[kernel]"}
    names = ((-3, "probe"), (-2, "__schedule"), (-1, "wait"))
    kernel = [row | {"address": at, "is_return": at > -3, "name": name} for at, name in names]
    assert folded(rows_of([], kernel=[-3, -2, -1]), kernel, unit="ns", innermost="__schedule") == [
        ("worker", "wait", "__schedule")
    ]


def test_stacks_of_the_same_names_are_one_with_their_sum() -> None:
    other = symbol(0x118, "leaf", 0x100)
    rows = pa.concat_tables([rows_of(STACK, value=3), rows_of([frame(0x118), *STACK[1:]], value=4)])
    table = fold(rows, table_of([*KNOWN, other]))
    assert table["value"].to_pylist() == [7]
    assert table["samples"].to_pylist() == [2]
    assert table.schema.metadata == {b"unit": b"samples"}


@pytest.mark.parametrize("unit", ["samples", "ns"])
def test_nothing_folds_to_an_empty_table_of_the_same_columns(unit: str) -> None:
    assert fold(rows_of(), None, unit).schema.equals(fold(rows_of(STACK), table_of(KNOWN), unit).schema)
